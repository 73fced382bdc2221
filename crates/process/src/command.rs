//! What to run and how much it may use; checked before anything is started.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The longest single argument or variable, in bytes: what Linux takes (32 pages, less the closing zero).
const LONGEST_ARGUMENT_BYTES: usize = 32 * 4096 - 1;
/// All arguments and variables together, in bytes.
const ALL_ARGUMENTS_BYTES: usize = 1 << 20;
/// How many arguments and variables there may be.
const MOST_ARGUMENTS: usize = 4096;
/// No run is longer than a day.
const LONGEST_WALL: Duration = Duration::from_hours(24);
/// No run keeps more output than this, in bytes.
const MOST_OUTPUT_BYTES: usize = 64 << 20;

/// Variables of this kind load code into every program, the launcher too.
const LOADER_PREFIX: &[u8] = b"LD_";

/// A program to run, with all that it gets.
#[derive(Clone, Debug)]
pub struct Command {
    /// A path (relative ones count from `cwd`), or a name that is looked for in the `PATH` of `env`.
    pub program: OsString,
    /// Its arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// The folder it starts in.
    pub cwd: PathBuf,
    /// The whole environment: nothing else is inherited. Not for the dynamic loader (`LD_…`).
    pub env: Vec<(OsString, OsString)>,
    /// Whether it may reach the network.
    pub network: Network,
    /// How much it may use.
    pub limits: Limits,
}

/// Whether a program may reach the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// No network; a loopback of its own where the system can give one.
    Off,
    /// The machine's network, as the server itself sees it.
    Host,
}

/// How much a program may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From start to end; then it is asked to end and, after a grace time, killed. At most a day.
    pub wall: Duration,
    /// CPU time of each single process, rounded up to seconds.
    pub cpu: Duration,
    /// Size of each file that it writes, in bytes.
    pub file_size_bytes: u64,
    /// Open files of each single process.
    pub open_files: u64,
    /// Processes and threads at one time. The kernel never holds root to it; [`crate::Isolation`] says so.
    pub processes: u64,
    /// Output that is kept, in bytes: the first and the last half of it. The program may write on. At most 64 MiB.
    pub output_bytes: usize,
    /// Address space of each single process, in bytes. Off by default: runtimes that reserve far more than they use
    /// (Go, Java, sanitizers) fail under it.
    pub memory_bytes: Option<u64>,
}

impl Default for Limits {
    /// Enough for a project's tests: 10 minutes, 20 minutes of CPU, 1 GiB files, 1024 open files, 512 processes,
    /// 256 KiB of output.
    fn default() -> Self {
        Self {
            wall: Duration::from_mins(10),
            cpu: Duration::from_mins(20),
            file_size_bytes: 1 << 30,
            open_files: 1024,
            processes: 512,
            output_bytes: 256 << 10,
            memory_bytes: None,
        }
    }
}

/// The variables that a program needs of the server's own environment; who builds a [`Command`] fills in the values.
pub fn inherited_names() -> &'static [&'static str] {
    &["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "LANG", "LC_ALL", "TERM", "TMPDIR"]
}

impl Command {
    /// Refuses what the system could not take, while it can still be named.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.program.is_empty() {
            return Err(Error::BadText { what: "program", found: self.program.clone() });
        }
        bounded("wall time in seconds", self.limits.wall.as_secs(), LONGEST_WALL.as_secs())?;
        bounded("kept output in bytes", self.limits.output_bytes as u64, MOST_OUTPUT_BYTES as u64)?;
        bounded("number of arguments", self.args.len() as u64, MOST_ARGUMENTS as u64)?;
        bounded("number of environment variables", self.env.len() as u64, MOST_ARGUMENTS as u64)?;
        let mut all_bytes = 0;
        for text in std::iter::once(&self.program).chain(&self.args) {
            all_bytes += checked("argument", text)?;
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.as_encoded_bytes().contains(&b'=') {
                return Err(Error::BadText { what: "environment variable's name", found: name.clone() });
            }
            if name.as_encoded_bytes().starts_with(LOADER_PREFIX) {
                return Err(Error::LoaderVariable { name: name.clone() });
            }
            all_bytes += checked("environment variable's name", name)?;
            all_bytes += checked("environment variable", value)?;
        }
        bounded("size of all arguments and variables in bytes", all_bytes as u64, ALL_ARGUMENTS_BYTES as u64)
    }

    /// Where a bare program name is looked for.
    pub(crate) fn search_path(&self) -> Option<&OsStr> {
        let bare = !self.program.as_encoded_bytes().contains(&b'/');
        let path = self.env.iter().rev().find(|(name, _)| name == "PATH");
        path.filter(|_| bare).map(|(_, value)| value.as_os_str())
    }
}

fn checked(what: &'static str, text: &OsStr) -> Result<usize, Error> {
    let bytes = text.as_encoded_bytes();
    if bytes.contains(&0) {
        return Err(Error::BadText { what, found: text.to_owned() });
    }
    bounded("size of one argument or variable in bytes", bytes.len() as u64, LONGEST_ARGUMENT_BYTES as u64)?;
    Ok(bytes.len() + 1)
}

fn bounded(what: &'static str, found: u64, limit: u64) -> Result<(), Error> {
    if found > limit { Err(Error::TooLarge { what, found, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Command {
            program: "true".into(),
            args: Vec::new(),
            cwd: "/".into(),
            env: Vec::new(),
            network: Network::Off,
            limits: Limits::default(),
        }
    }

    #[test]
    fn refuses_texts_that_no_program_can_be_given() {
        let bad = |command: Command| assert!(matches!(command.check(), Err(Error::BadText { .. })));
        bad(Command { program: "".into(), ..command() });
        bad(Command { program: "a\0b".into(), ..command() });
        bad(Command { args: vec!["a\0b".into()], ..command() });
        bad(Command { env: vec![("A=B".into(), "c".into())], ..command() });
        bad(Command { env: vec![("".into(), "c".into())], ..command() });
        bad(Command { env: vec![("A".into(), "\0".into())], ..command() });
    }

    #[test]
    fn refuses_variables_that_load_code_into_the_launcher() {
        let env = vec![("LD_PRELOAD".into(), "/workspace/any.so".into())];
        assert!(matches!(Command { env, ..command() }.check(), Err(Error::LoaderVariable { .. })));
    }

    #[test]
    fn refuses_what_is_beyond_its_bounds_and_takes_what_is_just_within() {
        let large = |command: Command| assert!(matches!(command.check(), Err(Error::TooLarge { .. })));
        let argument = |bytes: usize| OsString::from("x".repeat(bytes));
        large(Command { args: vec![argument(LONGEST_ARGUMENT_BYTES + 1)], ..command() });
        large(Command { args: vec![argument(LONGEST_ARGUMENT_BYTES); 9], ..command() });
        large(Command { args: vec![argument(0); MOST_ARGUMENTS + 1], ..command() });
        let wall = LONGEST_WALL + Duration::from_secs(1);
        large(Command { limits: Limits { wall, ..Limits::default() }, ..command() });

        assert!(Command { args: vec![argument(LONGEST_ARGUMENT_BYTES); 7], ..command() }.check().is_ok());
        assert!(Command { args: vec![argument(0); MOST_ARGUMENTS], ..command() }.check().is_ok());
    }

    #[test]
    fn only_a_bare_name_is_looked_for() {
        let env = vec![("PATH".into(), "/a:/b".into())];
        let bare = Command { env: env.clone(), ..command() };
        assert_eq!(bare.search_path(), Some(OsStr::new("/a:/b")));
        assert_eq!(Command { program: "./true".into(), env, ..command() }.search_path(), None);
    }
}
