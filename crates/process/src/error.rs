//! Why a program could not be run; how it ended once it ran is no error.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::{Failure, Mechanism};

/// Why a program could not be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command itself holds what no program can be given: correct it.
    #[error(
        "the {what} {found:?} is empty or holds a zero byte or `=` where none may be: correct the command"
    )]
    BadText {
        /// Which part of the command.
        what: &'static str,
        /// What it was.
        found: OsString,
    },
    /// The variable would change the launcher itself, before any limit is in force: give it to the program otherwise.
    #[error(
        "the environment variable {name:?} is for the dynamic loader and would reach the launcher: run the program through `env`"
    )]
    LoaderVariable {
        /// The variable.
        name: OsString,
    },
    /// The command is beyond a bound: make it smaller.
    #[error("the command's {what} is {found}, at most {limit} is allowed: make it smaller")]
    TooLarge {
        /// Which measure, with its unit.
        what: &'static str,
        /// What it was.
        found: u64,
        /// What it may be.
        limit: u64,
    },
    /// The folder to start in is not there.
    #[error("the folder {} to run {program:?} in does not exist or may not be entered: {source}", path.display())]
    FolderMissing {
        /// The folder.
        path: PathBuf,
        /// What was to run there.
        program: OsString,
        /// What the system said.
        source: io::Error,
    },
    /// The program is not there: install it or correct the command.
    #[error("{program:?} was not found {}: install it or correct the command", place(searched.as_ref()))]
    ProgramMissing {
        /// The program, as the command names it.
        program: OsString,
        /// The `PATH` that was searched; none when the command names a file or gives no `PATH`.
        searched: Option<OsString>,
    },
    /// The program is there, but the system does not run it.
    #[error("{program:?} is not a program that can be run here: {source}; check its permissions and format")]
    NotRunnable {
        /// The program, as the command names it.
        program: OsString,
        /// What the system said.
        source: io::Error,
    },
    /// The system cannot give what was asked for; nothing was run.
    #[error("{mechanism} cannot be had here ({failure}), so nothing was run: {}", mechanism.remedy())]
    Missing {
        /// What is missing; for the network, the last resort that failed too.
        mechanism: Mechanism,
        /// What the system refused.
        failure: Failure,
    },
    /// A limit could not be put in force; nothing was run.
    #[error("the limits for {program:?} could not be put in force ({failure}), so it was not run")]
    Limits {
        /// The program, as the command names it.
        program: OsString,
        /// What the system refused.
        failure: Failure,
    },
    /// The launcher could not be started, or the system had no pipe or process left for it.
    #[error("the launcher {} could not be started: {source}; it must be this server's own binary, as an absolute path", path.display())]
    Launcher {
        /// The launcher.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The launcher ended, or its time was over, before the program ran.
    #[error(
        "the launcher ended ({status}) before it ran {program:?}; its wall time may be too short, or it was killed"
    )]
    Lost {
        /// The program, as the command names it.
        program: OsString,
        /// How the launcher ended.
        status: std::process::ExitStatus,
    },
    /// The running program could not be watched; it was killed.
    #[error("{program:?} could not be watched and was killed: {source}")]
    Watch {
        /// The program, as the command names it.
        program: OsString,
        /// What the system said.
        source: io::Error,
    },
}

fn place(searched: Option<&OsString>) -> String {
    match searched {
        Some(path) => format!("in PATH={}", path.to_string_lossy()),
        None => "(nor, if it is a script, what its first line names)".to_owned(),
    }
}
