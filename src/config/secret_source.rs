//! Secrets from where the configuration says they are: a command's output, a file, a variable, in that order.
//!
//! Files and variables are read when the configuration is. A command is run only when somebody is about to use what it
//! says, at a server's start and at each reload: it may be slow, or ask a person. No shell is between; what it writes to
//! standard error goes nowhere, because it may be the secret.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use clock::Clock;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use secrets::Secret;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::environment::Environment;
use super::settings::KeyPlace;
use super::{Error, state_folder};

/// The longest secret, in bytes.
pub(super) const MAX_SECRET_BYTES: u64 = 16 * 1024;
/// How long a command may take: the secret may come over a network, and a person may have to agree.
const COMMAND_WITHIN: Duration = Duration::from_secs(30);
const FILE_MODE: u32 = 0o600;

/// What is known of a secret without asking anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Its variables are not set.
    Nowhere,
    /// It was there.
    Here(Secret),
    /// This command says it: program and arguments.
    Asked(Vec<String>),
}

/// Why what is there cannot be the secret.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is nothing.
    #[error(transparent)]
    Empty(#[from] secrets::Error),
    /// The file is too large to hold one alone.
    #[error("{} has more than {MAX_SECRET_BYTES} bytes: it must hold the secret alone", path.display())]
    FileTooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// The program does not start.
    #[error("the program `{program}` does not start: {source}; write its whole path, or install it")]
    NoProgram {
        /// Which.
        program: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// It takes too long.
    #[error("`{program}` did not end within {} s: run it by hand to see what it waits for", COMMAND_WITHIN.as_secs())]
    TooSlow {
        /// Which.
        program: String,
    },
    /// It failed.
    #[error("`{program}` failed ({status}): run it by hand to see why")]
    Failed {
        /// Which.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// It says more than a secret, or no text.
    #[error("`{program}` wrote no text of at most {MAX_SECRET_BYTES} bytes: it must write the secret alone")]
    NotASecret {
        /// Which.
        program: String,
    },
}

/// Looks where `setting` says. A file that is named has to be there, and closed to others.
pub(super) fn look(place: &KeyPlace, setting: &str, environment: &Environment) -> Result<Found, Error> {
    if let Some(command) = &place.command {
        return Ok(Found::Asked(command.clone()));
    }
    if let Some(path) = &place.file {
        return in_file(path, setting).map(Found::Here);
    }
    for name in place.env.iter().flat_map(|variables| &variables.0) {
        if let Some(text) = environment.text(name)? {
            return Secret::try_new(text).map(Found::Here).map_err(|error| of(setting)(error.into()));
        }
    }
    Ok(Found::Nowhere)
}

fn in_file(path: &Path, setting: &str) -> Result<Secret, Error> {
    let unreadable =
        |source| Error::Unreadable { what: format!("`{setting}.file`"), path: path.to_owned(), source };
    state_folder::closed_to_others(path, FILE_MODE, unreadable)?;
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_SECRET_BYTES {
        return Err(of(setting)(Fault::FileTooLarge { path: path.to_owned() }));
    }
    Secret::try_new(text).map_err(|error| of(setting)(error.into()))
}

/// Runs the command and takes what it writes.
pub(super) async fn ask(
    command: &[String],
    setting: &str,
    environment: &Environment,
    clock: &Clock,
) -> Result<Secret, Error> {
    run(command, environment, clock).await.map_err(of(setting))
}

async fn run(command: &[String], environment: &Environment, clock: &Clock) -> Result<Secret, Fault> {
    let program = command.first().cloned().unwrap_or_default();
    let started = Command::new(&program)
        .args(command.iter().skip(1))
        .env_clear()
        .envs(environment.all())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = started.map_err(|source| Fault::NoProgram { program: program.clone(), source })?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let output = child.stdout.take();
    let answer = async {
        let mut bytes = Vec::new();
        if let Some(output) = output {
            // What cannot be read is too short, and the status tells why.
            let _ = output.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes).await;
        }
        if bytes.len() as u64 > MAX_SECRET_BYTES {
            return Err(Fault::NotASecret { program: program.clone() });
        }
        let ended = child.wait().await;
        let status = ended.map_err(|source| Fault::NoProgram { program: program.clone(), source })?;
        if !status.success() {
            return Err(Fault::Failed { program: program.clone(), status });
        }
        let text = String::from_utf8(bytes).map_err(|_| Fault::NotASecret { program: program.clone() })?;
        Ok(Secret::try_new(text)?)
    };
    let answered = clock.timeout(COMMAND_WITHIN, answer).await;
    let answered = answered.unwrap_or_else(|_| Err(Fault::TooSlow { program: program.clone() }));
    if let (Err(_), Some(group)) = (&answered, group) {
        // What it has started goes with it; one that has ended has left nobody.
        let _ = killpg(group, Signal::SIGKILL);
    }
    answered
}

fn of(setting: &str) -> impl Fn(Fault) -> Error {
    move |fault| Error::Secret { setting: setting.to_owned(), fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        [("PATH", "/usr/bin:/bin"), ("TOKEN", "from-variable")].into_iter().collect()
    }

    #[test]
    fn a_command_comes_before_a_file_and_that_before_a_variable_and_none_is_run_by_looking() {
        let place = |text: &str| yaml::from_str::<KeyPlace>("test.yaml", text).unwrap();
        let found = |text: &str| look(&place(text), "x", &environment()).unwrap();
        let both = found("{command: [/nowhere, arg], env: TOKEN, file: /nowhere}");
        assert_eq!(both, Found::Asked(vec!["/nowhere".to_owned(), "arg".to_owned()]));
        assert_eq!(found("{env: TOKEN}"), Found::Here(Secret::try_new("from-variable").unwrap()));
        assert_eq!(found("{env: NOT_SET}"), Found::Nowhere);
    }
}
