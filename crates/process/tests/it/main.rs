//! Real programs in real limits, under every mechanism that this machine has.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ends;
mod lifetime;
mod limits;
mod network;
mod ordinary;
mod output;

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clock::Clock;
use process::{Command, Finished, Isolation, Limits, Mechanism, Network, Runner, probe};

/// The launcher; beside this binary when both were copied to where another user may read them.
fn launcher() -> PathBuf {
    let beside = std::env::current_exe().unwrap().with_file_name("limited");
    if beside.exists() { beside } else { PathBuf::from(env!("CARGO_BIN_EXE_limited")) }
}

/// What works here; the tests run under each.
async fn mechanisms() -> Vec<Isolation> {
    let found = probe(&launcher(), &Clock::real()).await;
    let working: Vec<Isolation> = found.tried.iter().filter_map(|probed| probed.outcome.ok()).collect();
    assert!(!working.is_empty(), "nothing keeps a program apart here:\n{found}");
    working
}

async fn runners() -> Vec<(Isolation, Runner)> {
    let pinned = |isolation: Isolation| Runner::pinned(launcher(), Clock::real(), isolation.mechanism);
    mechanisms().await.into_iter().map(|isolation| (isolation, pinned(isolation))).collect()
}

fn command(program: impl Into<OsString>, args: &[&str]) -> Command {
    Command {
        program: program.into(),
        args: args.iter().map(OsString::from).collect(),
        cwd: PathBuf::from("/"),
        env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
        network: Network::Off,
        limits: Limits::default(),
    }
}

fn sh(script: &str) -> Command {
    command("sh", &["-c", script])
}

/// A program's act, done by the launcher's binary.
fn act(args: &[&str]) -> Command {
    command(launcher(), args)
}

async fn run(runner: &Runner, command: &Command) -> Finished {
    runner.run(command).await.unwrap_or_else(|error| panic!("{error}"))
}

fn is_namespaced(isolation: Isolation) -> bool {
    isolation.mechanism != Mechanism::SocketFilter
}

/// A FIFO that programs open to say that they are there; it ends when all that hold it are gone.
struct Fifo {
    path: PathBuf,
}

impl Fifo {
    fn new(folder: &Path, name: &str) -> Self {
        let path = folder.join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        Self { path }
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Lets go who waits to read.
    async fn open(&self) {
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || drop(File::options().write(true).open(path).unwrap()))
            .await
            .unwrap();
    }

    /// Waits for the first line.
    async fn said(&self) -> Said {
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || {
            let mut reader = BufReader::new(File::open(path).unwrap());
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            Said { line, reader }
        })
        .await
        .unwrap()
    }
}

struct Said {
    line: String,
    reader: BufReader<File>,
}

impl Said {
    /// Waits until nobody holds the FIFO any more; a living holder would keep it waiting for ever.
    async fn all_gone(mut self) {
        tokio::task::spawn_blocking(move || self.reader.read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    }
}
