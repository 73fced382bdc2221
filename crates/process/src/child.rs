//! One running launcher and the program in it, from the server's side: watched, ended as a whole, reaped.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use clock::Clock;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::unix::pipe::Receiver;
use tokio::process::Child;

use crate::output::Kept;
use crate::report::{MARK, MOST_REPORT_BYTES, Report, Resources, Settings, Stage};
use crate::{Command, End, Error, Mechanism, Output};

/// How much is read at once, in bytes.
const READ_BYTES: usize = 8 << 10;
/// How long output may come after the end, from what inherited it and got away.
const DRAIN: Duration = Duration::from_secs(1);

/// A started launcher. Dropped before its end, it takes all that it started with it.
pub(crate) struct Running {
    child: Child,
    group: Pid,
    exited: AsyncFd<OwnedFd>,
    output: Receiver,
    output_open: bool,
    kept: Kept,
    control: UnixStream,
    reaped: bool,
}

/// What is known of a run after its end.
pub(crate) struct Outcome {
    pub(crate) report: Report,
    pub(crate) status: ExitStatus,
    pub(crate) output: Output,
}

/// The launcher's first settings for `command`.
pub(crate) fn settings(command: &Command, mechanism: Mechanism, only_probe: bool) -> Settings {
    let limits = &command.limits;
    Settings {
        stage: Stage::Outer,
        mechanism,
        network: command.network,
        user: nix::unistd::geteuid().as_raw(),
        group: nix::unistd::getegid().as_raw(),
        own_proc: false,
        only_probe,
        resources: Resources {
            cpu_seconds: limits.cpu.as_secs() + u64::from(limits.cpu.subsec_nanos() > 0),
            file_size_bytes: limits.file_size_bytes,
            open_files: limits.open_files,
            processes: limits.processes,
            memory_bytes: limits.memory_bytes,
        },
    }
}

impl Running {
    /// Starts `launcher` with `settings`; must run within a tokio runtime, on a thread that lives as long as the run
    /// (the kernel ends a child with the thread that started it).
    pub(crate) fn start(launcher: &Path, settings: &Settings, command: &Command) -> Result<Self, Error> {
        let failed = |source| Error::Launcher { path: launcher.to_owned(), source };
        if !launcher.is_absolute() {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        }
        // Asked first, because a failed start does not say which of the two is missing.
        if let Err(source) = folder(&command.cwd) {
            return Err(Error::FolderMissing {
                path: command.cwd.clone(),
                program: command.program.clone(),
                source,
            });
        }
        Self::try_start(launcher, settings, command).map_err(failed)
    }

    fn try_start(launcher: &Path, settings: &Settings, command: &Command) -> io::Result<Self> {
        let (output, writer) = io::pipe()?;
        let (control, theirs) = UnixStream::pair()?;
        control.set_nonblocking(true)?;
        let output = Receiver::from_owned_fd(output.into())?;
        let child = tokio::process::Command::new(launcher)
            .arg(MARK)
            .arg(serde_json::to_string(settings)?)
            .arg(&command.program)
            .args(&command.args)
            .env_clear()
            .envs(command.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&command.cwd)
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(writer.try_clone()?))
            .stderr(Stdio::from(writer))
            .kill_on_drop(true)
            .spawn()?;
        let raw = child.id().and_then(|id| i32::try_from(id).ok());
        let pid =
            raw.and_then(rustix::process::Pid::from_raw).expect("a child that was not reaped has an id");
        let exited = pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from);
        let exited = exited.and_then(registered)?;
        let group = Pid::from_raw(pid.as_raw_nonzero().get());
        let kept = Kept::new(command.limits.output_bytes);
        Ok(Self { child, group, exited, output, output_open: true, kept, control, reaped: false })
    }

    /// Collects output until the launcher has ended; it is not reaped yet, so that its group keeps its number.
    pub(crate) async fn ended(&mut self) -> io::Result<()> {
        let mut buffer = [0; READ_BYTES];
        loop {
            tokio::select! {
                biased;
                exited = self.exited.readable() => return exited.map(|mut ready| ready.retain_ready()),
                read = self.output.read(&mut buffer), if self.output_open => {
                    let length = read?;
                    self.output_open = length > 0;
                    self.kept.push(&buffer[..length]);
                }
            }
        }
    }

    /// Asks all in the group to end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Ends what is left of the group, reaps the launcher and collects what was said.
    pub(crate) async fn finish(mut self, clock: &Clock) -> io::Result<Outcome> {
        self.signal(Signal::SIGKILL);
        let status = self.child.wait().await?;
        self.reaped = true;
        // All that could not get away is dead or dying, and its end closes the output; who got away is not waited for.
        let drained = clock.timeout(DRAIN, self.drain()).await;
        drained.unwrap_or(Ok(()))?;
        let mut lines = Vec::new();
        match (&self.control).take(MOST_REPORT_BYTES).read_to_end(&mut lines) {
            // What was read before the error is kept: the last stages may be dying with the socket still open.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Ok(_) | Err(_) => {}
        }
        let output = std::mem::take(&mut self.kept).finish();
        Ok(Outcome { report: Report::parse(&lines), status, output })
    }

    async fn drain(&mut self) -> io::Result<()> {
        let mut buffer = [0; READ_BYTES];
        while self.output_open {
            let length = self.output.read(&mut buffer).await?;
            self.output_open = length > 0;
            self.kept.push(&buffer[..length]);
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        // A group whose last process has ended needs no signal.
        let _ = killpg(self.group, signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Once reaped, the group's number may be another's. The runtime reaps what is not yet.
        if !self.reaped {
            self.signal(Signal::SIGKILL);
        }
    }
}

/// How a launcher that became the program itself ended.
pub(crate) fn end(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or_default()),
    }
}

/// The program is not there, rather than not runnable.
pub(crate) fn is_missing(errno: i32) -> bool {
    errno == nix::libc::ENOENT || errno == nix::libc::ENOTDIR
}

#[expect(unsafe_code, reason = "tokio has no safe way to wait for a descriptor of this kind")]
fn registered(exited: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` gives the same open descriptor for as long as it lives, and the `AsyncFd` owns it: nothing
    // else can close or replace it while it is registered.
    unsafe { AsyncFd::register_with_interest(exited, Interest::READABLE) }.map_err(io::Error::from)
}

fn folder(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}
