//! Runs commands, one call each: chooses the strongest mechanism, keeps the time, and says how it ended.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clock::Clock;
use tokio::sync::OnceCell;

use crate::child::{self, Outcome, Running};
use crate::report::Report;
use crate::{
    Command, End, Error, Failure, Isolation, Limits, Mechanism, Mechanisms, Network, Output, Probed, Step,
};

/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(2);
/// How long trying one mechanism may take.
const PROBE_WALL: Duration = Duration::from_secs(10);

/// Runs commands with limits; shared by reference.
#[derive(Debug)]
pub struct Runner {
    launcher: PathBuf,
    clock: Clock,
    pinned: Option<Mechanism>,
    strongest: OnceCell<Mechanism>,
}

/// A program that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// What it wrote.
    pub output: Output,
    /// What kept it apart, for people to see.
    pub isolation: Isolation,
}

/// Tries every mechanism for real, with the network off, and starts no program.
pub async fn probe(launcher: &Path, clock: &Clock) -> Mechanisms {
    let mut tried = Vec::with_capacity(Mechanism::ALL.len());
    for mechanism in Mechanism::ALL {
        tried.push(Probed { mechanism, outcome: probe_one(launcher, clock, mechanism).await });
    }
    Mechanisms { tried }
}

impl Runner {
    /// A runner whose launcher is the binary at the absolute path `launcher`, which must call
    /// [`crate::launcher::enter`] first.
    pub fn new(launcher: PathBuf, clock: Clock) -> Self {
        Self { launcher, clock, pinned: None, strongest: OnceCell::new() }
    }

    /// The same, held to one mechanism instead of the strongest that works.
    pub fn pinned(launcher: PathBuf, clock: Clock, mechanism: Mechanism) -> Self {
        Self { pinned: Some(mechanism), ..Self::new(launcher, clock) }
    }

    /// Runs `command` to its end; dropping the future kills all that it started.
    ///
    /// # Errors
    /// When nothing was run: the command, its folder or program is wrong ([`Error::BadText`], [`Error::TooLarge`],
    /// [`Error::FolderMissing`], [`Error::ProgramMissing`], [`Error::NotRunnable`]), the network cannot be kept off
    /// ([`Error::Missing`]) or the system refused ([`Error::Limits`], [`Error::Launcher`], [`Error::Lost`]); and
    /// [`Error::Watch`] when what ran had to be killed.
    pub async fn run(&self, command: &Command) -> Result<Finished, Error> {
        command.check()?;
        let mechanism = self.mechanism().await;
        let deadline = self.clock.now() + command.limits.wall;
        let watch = |source| Error::Watch { program: command.program.clone(), source };
        let settings = child::settings(command, mechanism, false);
        let mut running = Running::start(&self.launcher, &settings, command)?;
        let timed_out = match self.clock.deadline(deadline, running.ended()).await {
            Ok(ended) => ended.map(|()| false).map_err(watch)?,
            Err(clock::Elapsed) => {
                running.terminate();
                // Who does not end by itself now is killed next.
                let ended = self.clock.timeout(GRACE, running.ended()).await;
                ended.unwrap_or(Ok(())).map(|()| true).map_err(watch)?
            }
        };
        let Outcome { report, status, output } = running.finish(&self.clock).await.map_err(watch)?;
        let isolation = started(&report, command, mechanism, status)?;
        let end = if timed_out { End::TimedOut } else { report.ended.unwrap_or(child::end(status)) };
        Ok(Finished { end, output, isolation })
    }

    /// The strongest that works. Where none does, the last one makes the run itself fail with the reason; where no
    /// network is to be kept off, it is a process group and nothing more.
    async fn mechanism(&self) -> Mechanism {
        if let Some(pinned) = self.pinned {
            return pinned;
        }
        // A refusal is not remembered: the operator may mend it, or a full system may have room again.
        let strongest = self.strongest.get_or_try_init(|| async {
            let available = probe(&self.launcher, &self.clock).await;
            available.strongest().ok_or(())
        });
        strongest.await.copied().unwrap_or(Mechanism::SocketFilter)
    }
}

/// What was in force when the program started, or why it did not.
fn started(
    report: &Report,
    command: &Command,
    mechanism: Mechanism,
    status: std::process::ExitStatus,
) -> Result<Isolation, Error> {
    let program = command.program.clone();
    match (report.failed, report.ready) {
        (Some(failure), _) if failure.step.is_isolation() => Err(Error::Missing { mechanism, failure }),
        (Some(failure), _) if failure.step != Step::Execute => Err(Error::Limits { program, failure }),
        (Some(failure), _) if child::is_missing(failure.errno) => {
            Err(Error::ProgramMissing { program, searched: command.search_path().map(OsString::from) })
        }
        (Some(failure), _) => Err(Error::NotRunnable { program, source: failure.source() }),
        (None, Some(isolation)) => Ok(isolation),
        (None, None) => Err(Error::Lost { program, status }),
    }
}

async fn probe_one(launcher: &Path, clock: &Clock, mechanism: Mechanism) -> Result<Isolation, Failure> {
    let nothing = Command {
        program: "true".into(),
        args: Vec::new(),
        cwd: "/".into(),
        env: Vec::new(),
        network: Network::Off,
        limits: Limits::default(),
    };
    let settings = child::settings(&nothing, mechanism, true);
    let mut running = Running::start(launcher, &settings, &nothing).map_err(not_started)?;
    // One that does not know its role may never end.
    let ended = clock.timeout(PROBE_WALL, running.ended()).await;
    ended.unwrap_or(Ok(())).map_err(Failure::at(Step::Start))?;
    let outcome = running.finish(clock).await.map_err(Failure::at(Step::Start))?;
    match (outcome.report.failed, outcome.report.ready) {
        (Some(failure), _) => Err(failure),
        (None, Some(isolation)) => Ok(isolation),
        (None, None) => Err(Failure { step: Step::Start, errno: 0 }),
    }
}

fn not_started(error: Error) -> Failure {
    if let Error::Missing { failure, .. } = error {
        return failure;
    }
    if let Error::Launcher { source, .. } = error {
        return Failure::at(Step::Start)(source);
    }
    Failure { step: Step::Start, errno: 0 }
}
