//! `completions` and `man`: what a packager installs beside the binary, made from the command line's own description.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use super::{Arguments, End};

const NAME: &str = "impresario";

/// Prints a shell's completions.
///
/// # Errors
/// When nobody reads any more.
pub(crate) fn completions(shell: Shell) -> anyhow::Result<End> {
    io::stdout().write_all(&completions_of(Arguments::command(), shell))?;
    Ok(End::Done)
}

/// Prints the manual page; with a folder, writes one page for each command there.
///
/// # Errors
/// When the folder cannot be made or written to, or nobody reads any more.
pub(crate) fn man(folder: Option<&Path>) -> anyhow::Result<End> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Arguments::command()).render(&mut page)?;
        io::stdout().write_all(&page)?;
        return Ok(End::Done);
    };
    let failed = || format!("cannot write manual pages to {}; choose another folder", folder.display());
    std::fs::create_dir_all(folder).with_context(failed)?;
    clap_mangen::generate_to(Arguments::command(), folder).with_context(failed)?;
    Ok(End::Done)
}

fn completions_of(mut command: Command, shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, NAME, &mut script);
    script
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Every command and subcommand, by the words that call it.
    fn commands(command: &Command, before: &[String]) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let words = [before, &[sub.get_name().to_owned()]].concat();
            found.extend(commands(sub, &words));
            found.push(words);
        }
        found
    }

    #[test]
    fn the_completions_of_each_shell_know_every_command() {
        let all = commands(&Arguments::command(), &[]);
        assert!(all.contains(&vec!["config".to_owned(), "status".to_owned()]), "{all:?}");
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(completions_of(Arguments::command(), shell)).unwrap();
            for words in &all {
                let last = words.last().unwrap();
                assert!(script.contains(last.as_str()), "{shell}: `{}` is missing", words.join(" "));
            }
        }
    }

    #[test]
    fn there_is_a_manual_page_for_every_command_with_what_it_takes() {
        let folder = tempfile::tempdir().unwrap();
        man(Some(&folder.path().join("new"))).unwrap();
        let page = |words: &[String]| {
            let name = [&[NAME.to_owned()], words].concat().join("-");
            fs::read_to_string(folder.path().join("new").join(format!("{name}.1"))).unwrap()
        };
        for words in commands(&Arguments::command(), &[]) {
            assert!(page(&words).contains(".TH"), "{words:?}");
        }
        let whole = page(&[]);
        for expected in ["state\\-dir", "Exit codes", "impresario\\-doctor"] {
            assert!(whole.contains(expected), "no `{expected}` in\n{whole}");
        }
    }

    #[test]
    fn bash_loads_its_completions_and_completes_a_command() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("impresario.bash");
        fs::write(&script, completions_of(Arguments::command(), Shell::Bash)).unwrap();
        let asks = "source \"$1\"; COMP_WORDS=(impresario workf); COMP_CWORD=1; \
                    _impresario impresario workf impresario; echo \"${COMPREPLY[@]}\"";
        let bash = std::process::Command::new("bash")
            .args(["--norc", "-c", asks, "bash"])
            .arg(&script)
            .output()
            .unwrap();
        let (said, complained) =
            (String::from_utf8_lossy(&bash.stdout), String::from_utf8_lossy(&bash.stderr));
        assert_eq!((said.trim(), complained.as_ref()), ("workflows", ""));
    }
}
