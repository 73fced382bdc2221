//! The command line: what can be asked for, and with which exit code it ends.
//!
//! Exit codes: 0 done, and of a server: stopped in order; 1 failed, aborted or in need of attention; 2 refused before
//! anything was started (usage, configuration, no provider, no server); 3 detached while the work goes on; 4 the address is
//! taken; 5 the database cannot be reached or used; 6 the server gave up by itself; 7 stopped in a hurry; 130 interrupted.

mod audit;
mod backup;
mod breaker;
mod captures;
mod costs;
mod demo;
mod doctor;
mod example;
mod interrupts;
mod kept;
mod keys;
mod listing;
mod logging;
mod papers;
mod places;
mod printable;
mod reach;
mod recover;
mod report;
mod requests;
mod run;
mod screen;
mod serve;
mod settings;
mod standing;
mod story;
mod tree;
mod watching;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use actors::tree as house;
use clap::{Args, Parser, Subcommand};
use units::{DeploymentId, ProviderId, WorkflowId};

use crate::config::{Elsewhere, Flags, Way};
use crate::server;
use screen::Screen;

/// Runs many AI models on coding work: plans, edits in working copies, tests, reviews, commits or undoes.
#[derive(Debug, Parser)]
#[command(name = "impresario", version, about, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done; 1 failed, aborted or in need of attention; 2 refused before anything \
                        was started; 3 detached, the work goes on; 4 the address to listen on is taken; \
                        5 the database cannot be reached or used; 6 the server gave up by itself; 7 stopped in a \
                        hurry; 130 interrupted."
)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Default, Args)]
struct Global {
    /// The configuration file, in place of the usual one.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder for the server's state, in place of the usual one.
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Where a server that is started listens for TCP; beyond this machine only with a key and with TLS.
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// A folder beneath which a server that is started may work; may be given several times.
    #[arg(long = "root", global = true, value_name = "DIR")]
    roots: Vec<PathBuf>,
    /// The provider that a server that is started uses for everything.
    #[arg(long, global = true, value_name = "NAME")]
    provider: Option<ProviderId>,
    /// The server to ask over the network, https://NAME:PORT, in place of the one on the state folder; setting
    /// IMPRESARIO_SERVER does the same. Its key is read from the variable IMPRESARIO_KEY alone.
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// CA certificates (PEM) that are trusted there beside the machine's own; setting IMPRESARIO_CA_FILE does the same.
    #[arg(long, global = true, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Send the key to that server though http:// encrypts nothing.
    #[arg(long, global = true)]
    plaintext: bool,
    /// Show no colours; setting NO_COLOR does the same.
    #[arg(long, global = true)]
    no_color: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server in the foreground until it is told to stop.
    Serve,
    /// Work towards a goal in a folder, and show how it goes.
    Run(run::Order),
    /// Show a workflow from its beginning, or from any event on, until it ends.
    Attach {
        /// The workflow.
        id: WorkflowId,
        /// Only what comes after this event.
        #[arg(long, default_value_t = 0, value_name = "N")]
        after: u64,
    },
    /// Stop a workflow and undo what it has committed.
    Abort {
        /// The workflow.
        id: WorkflowId,
    },
    /// List the newest workflows of the running server, or the tasks and agents of one.
    Workflows {
        /// The workflow whose tasks and agents are shown.
        id: Option<WorkflowId>,
    },
    /// Tell how each model did: calls, failures, tokens, cost, and how long half, 95 and 99 of 100 calls took.
    Models {
        /// Of so many hours.
        #[arg(long, default_value_t = 24, value_name = "N")]
        hours: u32,
    },
    /// Look at the prompts that the server has and had.
    #[command(subcommand)]
    Prompts(kept::Prompts),
    /// Remove finished workflows and old rows that have had their time.
    Purge(kept::Purge),
    /// Copy the database into a new file, while the server runs or not.
    Backup {
        /// The file; there may be none of that name.
        file: PathBuf,
    },
    /// Put a copy back into a database that holds nothing, while no server runs.
    Restore {
        /// The file that `backup` made.
        file: PathBuf,
    },
    /// Draw the supervision tree of the running server, or act on one place in it.
    #[command(after_help = "Without a command it draws the tree.")]
    Tree {
        #[command(subcommand)]
        order: Option<places::Order>,
    },
    /// Hold a model's circuit breaker open or closed, or let it decide by itself again.
    ///
    /// What is said here holds until it is taken back with `auto` or the server stops;
    /// a restart of the model's actor changes nothing.
    #[command(verbatim_doc_comment)]
    Breaker {
        /// The model, by its provider's name in the configuration and its own.
        #[arg(value_name = "PROVIDER/MODEL")]
        deployment: DeploymentId,
        /// What its breaker is to do.
        #[arg(value_name = "WORD")]
        word: breaker::Word,
    },
    /// Make, list, revoke and rotate keys: who may ask the server over TCP, and for what.
    #[command(subcommand)]
    Keys(keys::Order),
    /// Show who did, or was denied, what; or check that nobody has changed that since.
    #[command(subcommand)]
    Audit(audit::Order),
    /// Look at bodies that were captured, of the routes that the configuration names.
    #[command(subcommand)]
    Captures(captures::Order),
    /// Show who asked what of the server over which door, how it was answered, and how long that took.
    Requests(requests::Order),
    /// Undo what a killed server left half done in a folder, without starting one.
    Recover {
        /// The folder that was worked in.
        folder: PathBuf,
    },
    /// Show a whole workflow on a small embedded project, with scripted models: needs no key, sends nothing.
    Demo {
        /// Leave the demo's server running until Ctrl-C, and its files after that.
        #[arg(long)]
        keep: bool,
    },
    /// Look at the configuration.
    #[command(subcommand)]
    Config(settings::Order),
    /// Look for what keeps a server from running well here, and say what to do about it; exit code 1 when something does.
    Doctor {
        /// How it is told.
        #[arg(long, value_enum, default_value_t = doctor::Format::Text)]
        format: doctor::Format,
    },
    /// Print what a shell needs to complete this program's commands.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each command to a folder.
    Man {
        /// The folder; made where there is none.
        folder: Option<PathBuf>,
    },
}

/// As shells say of what a Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    Failed,
    Refused,
    Detached,
    Taken,
    Database,
    GaveUp,
    Hurried,
    Interrupted,
}

/// An error that kept everything from being started.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(anyhow::Error);

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    let Arguments { global, command } = Arguments::parse();
    if global.no_color {
        console::set_colors_enabled(false);
        console::set_colors_enabled_stderr(false);
    }
    let mut screen = Screen::new();
    let outcome = actix_rt::System::new().block_on(perform(&mut screen, &global, command));
    screen.clear();
    let end = outcome.unwrap_or_else(|error| {
        complain(&error);
        error.downcast_ref().map_or(End::Failed, |Refused(error)| End::of_refusal(error))
    });
    end.into()
}

async fn perform(screen: &mut Screen, global: &Global, command: Command) -> anyhow::Result<End> {
    let flags = global.flags();
    if global.server.is_some() && command.is_local() {
        return Err(refuse(anyhow::anyhow!("this command looks at this machine alone: leave out --server")));
    }
    match command {
        Command::Serve => serve::serve(screen, &flags).await,
        Command::Run(order) => run::run(screen, global, order).await,
        Command::Attach { id, after } => run::attach(screen, global, &id, after).await,
        Command::Abort { id } => run::abort(screen, global, &id).await,
        Command::Workflows { id: None } => listing::workflows(screen, &flags).await,
        Command::Workflows { id: Some(id) } => kept::workflow(screen, &flags, &id).await,
        Command::Models { hours } => kept::models(screen, &flags, hours).await,
        Command::Prompts(order) => kept::prompts(screen, &flags, order).await,
        Command::Purge(order) => kept::purge(screen, &flags, order).await,
        Command::Backup { file } => backup::backup(screen, &flags, &file).await,
        Command::Restore { file } => backup::restore(screen, &flags, &file).await,
        Command::Tree { order: None } => listing::tree(screen, &flags).await,
        Command::Tree { order: Some(order) } => places::act(screen, global, order).await,
        Command::Breaker { deployment, word } => breaker::set(screen, global, &deployment, word).await,
        Command::Keys(order) => keys::keys(screen, global, order).await,
        Command::Audit(order) => audit::look(screen, global, order).await,
        Command::Captures(order) => captures::look(screen, &flags, order).await,
        Command::Requests(order) => requests::show(screen, global, order).await,
        Command::Recover { folder } => recover::recover(screen, &flags, &folder),
        Command::Demo { keep } => demo::demo(screen, keep).await,
        Command::Doctor { format } => doctor::look(screen, &flags, format).await,
        Command::Completions { shell } => papers::completions(shell),
        Command::Man { folder } => papers::man(folder.as_deref()),
        Command::Config(order) => settings::look(screen, flags, order).await,
    }
}

impl Command {
    /// Whether it never asks a server that is named.
    fn is_local(&self) -> bool {
        match self {
            Self::Serve
            | Self::Backup { .. }
            | Self::Restore { .. }
            | Self::Recover { .. }
            | Self::Demo { .. }
            | Self::Doctor { .. }
            | Self::Completions { .. }
            | Self::Man { .. }
            | Self::Config(settings::Order::Print { .. } | settings::Order::Check { .. }) => true,
            Self::Run(_)
            | Self::Attach { .. }
            | Self::Abort { .. }
            | Self::Workflows { .. }
            | Self::Models { .. }
            | Self::Prompts(_)
            | Self::Purge(_)
            | Self::Tree { .. }
            | Self::Breaker { .. }
            | Self::Keys(_)
            | Self::Audit(_)
            | Self::Captures(_)
            | Self::Requests(_)
            | Self::Config(settings::Order::Status) => false,
        }
    }
}

impl Global {
    fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            state_dir: self.state_dir.clone(),
            listen: self.listen,
            roots: self.roots.clone(),
            provider: self.provider.clone(),
            elsewhere: Elsewhere {
                server: self.server.clone(),
                ca_file: self.ca_file.clone(),
                way: if self.plaintext { Way::Plaintext } else { Way::Encrypted },
            },
        }
    }

    /// How to call this program again with the same state, for people to copy.
    fn again(&self, rest: &str) -> String {
        let mut words = vec!["impresario".to_owned()];
        let mut path = |flag: &str, path: &PathBuf| {
            words.push(flag.to_owned());
            words.push(quoted(&path.to_string_lossy()));
        };
        if let Some(file) = &self.config {
            path("--config", file);
        }
        if let Some(folder) = &self.state_dir {
            path("--state-dir", folder);
        }
        if let Some(file) = &self.ca_file {
            path("--ca-file", file);
        }
        for root in &self.roots {
            path("--root", root);
        }
        if let Some(address) = self.listen {
            words.extend(["--listen".to_owned(), address.to_string()]);
        }
        if let Some(provider) = &self.provider {
            words.extend(["--provider".to_owned(), provider.to_string()]);
        }
        if let Some(server) = &self.server {
            words.extend(["--server".to_owned(), quoted(server)]);
        }
        if self.plaintext {
            words.push("--plaintext".to_owned());
        }
        words.push(rest.to_owned());
        words.join(" ")
    }
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn refuse(error: impl Into<anyhow::Error>) -> anyhow::Error {
    anyhow::Error::new(Refused(error.into()))
}

/// Says what went wrong, unless nobody reads any more.
fn complain(error: &anyhow::Error) {
    let is_closed_pipe = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    if error.downcast_ref().is_some_and(is_closed_pipe) {
        return;
    }
    let mut text = String::from("impresario: ");
    for line in chain(error).lines() {
        text.push_str(&printable::line(line));
        text.push('\n');
    }
    // Where standard error is closed, the exit code is all that can be said.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// The error and what caused it, each cause once: some messages tell their cause already.
fn chain(error: &anyhow::Error) -> String {
    let error = error.downcast_ref().map_or(error, |Refused(error)| error);
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

impl End {
    /// The end that what kept everything from being started stands for.
    fn of_refusal(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<server::Error>() {
            Some(server::Error::Listen { .. }) => Self::Taken,
            Some(server::Error::Tree(house::Error::Store(_)) | server::Error::Resume(_)) => Self::Database,
            Some(_) | None => Self::Refused,
        }
    }

    /// The end that a workflow's status stands for.
    fn of(status: &str) -> Self {
        if matches!(status, "done" | "planned") { Self::Done } else { Self::Failed }
    }
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        Self::from(match end {
            End::Done => 0,
            End::Failed => 1,
            End::Refused => 2,
            End::Detached => 3,
            End::Taken => 4,
            End::Database => 5,
            End::GaveUp => 6,
            End::Hurried => 7,
            End::Interrupted => INTERRUPTED,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_do_not_contradict_themselves() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_command_can_be_called_again_with_the_same_state() {
        let line = ["impresario", "--state-dir", "/tmp/a b", "run", "--root", "/w", "do it"];
        let Arguments { global, .. } = Arguments::parse_from(line);
        assert_eq!(global.again("attach x"), "impresario --state-dir '/tmp/a b' --root /w attach x");
        assert_eq!(Global::default().again("tree"), "impresario tree");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn refuses_what_is_no_id() {
        for line in [["impresario", "attach", "../../etc"], ["impresario", "abort", "UPPER"]] {
            assert_eq!(Arguments::try_parse_from(line).unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn an_error_before_anything_was_started_is_told_apart() {
        let error = refuse(anyhow::anyhow!("no").context("at all"));
        assert!(error.is::<Refused>());
        assert_eq!(chain(&error), "at all: no");
        let told_twice = anyhow::anyhow!("gone").context("cannot read: gone");
        assert_eq!(chain(&told_twice), "cannot read: gone");
    }

    #[test]
    fn only_what_was_wanted_ends_well() {
        for (status, end) in [("done", End::Done), ("planned", End::Done), ("failed", End::Failed)] {
            assert_eq!(End::of(status), end);
        }
        assert_eq!(End::of("needs_attention"), End::Failed);
    }
}
