//! What the server and its launcher tell each other: settings as one argument, reports as lines on a socket.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use crate::{Isolation, Mechanism, Network};

/// The first argument that makes the server's binary a launcher.
pub(crate) const MARK: &str = "__limited";
/// The launcher's exit code when it failed itself.
#[cfg(target_os = "linux")]
pub(crate) const LAUNCHER_FAILED: u8 = 125;
/// What a launcher may report in all, in bytes.
#[cfg(target_os = "linux")]
pub(crate) const MOST_REPORT_BYTES: u64 = 16 << 10;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// Its wall time was over; it was ended with all that it had started.
    TimedOut,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Signalled(signal) => write!(f, "killed by signal {signal}"),
            Self::TimedOut => f.write_str("timed out"),
        }
    }
}

/// What the launcher was at when the system refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Starting the launcher.
    Start,
    /// Reading its settings.
    Settings,
    /// Tying its life to the server's.
    Lifetime,
    /// Making namespaces.
    Namespaces,
    /// Mapping the user into a namespace.
    Identity,
    /// Bringing up the own loopback.
    Loopback,
    /// Starting or waiting for the next stage.
    Stage,
    /// Giving up capabilities.
    Capabilities,
    /// Setting resource limits.
    ResourceLimits,
    /// Installing the system call filter.
    SocketFilter,
    /// Closing the input.
    Input,
    /// Running the program.
    Execute,
}

impl Step {
    /// The step needs a mechanism that a machine may not have.
    pub(crate) fn is_isolation(self) -> bool {
        match self {
            Self::Namespaces | Self::Identity | Self::Loopback | Self::SocketFilter => true,
            Self::Start | Self::Settings | Self::Lifetime | Self::Capabilities => false,
            Self::Stage | Self::ResourceLimits | Self::Input | Self::Execute => false,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "starting the launcher",
            Self::Settings => "reading the launcher's settings",
            Self::Lifetime => "tying its life to the server's",
            Self::Namespaces => "making namespaces",
            Self::Identity => "mapping its user",
            Self::Loopback => "bringing up its loopback",
            Self::Stage => "starting the next stage",
            Self::Capabilities => "giving up capabilities",
            Self::ResourceLimits => "setting resource limits",
            Self::SocketFilter => "filtering system calls",
            Self::Input => "closing its input",
            Self::Execute => "running the program",
        })
    }
}

/// What the system refused while a program was being set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// At which step.
    pub step: Step,
    /// The system's error number; 0 when it gave none.
    pub errno: i32,
}

impl Failure {
    /// The failure that `error` is at `step`.
    pub(crate) fn at<E: Into<io::Error>>(step: Step) -> impl Fn(E) -> Self {
        move |error| Self { step, errno: error.into().raw_os_error().unwrap_or(0) }
    }

    /// The system's error.
    pub(crate) fn source(self) -> io::Error {
        match self.errno {
            0 => io::Error::other("the system gave no reason"),
            errno => io::Error::from_raw_os_error(errno),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.source())
    }
}

/// Which part of the launcher this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// The server's child: makes the namespaces and waits.
    Outer,
    /// The first process of the new namespaces: reaps orphans; its end ends all.
    Init,
    /// Sets the limits and becomes the program.
    Last,
}

/// What the launcher must do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) stage: Stage,
    pub(crate) mechanism: Mechanism,
    pub(crate) network: Network,
    /// The server's own user and group.
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) own_proc: bool,
    /// Stop where the program would run.
    pub(crate) only_probe: bool,
    pub(crate) resources: Resources,
}

/// Resource limits in the kernel's units.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Resources {
    pub(crate) cpu_seconds: u64,
    pub(crate) file_size_bytes: u64,
    pub(crate) open_files: u64,
    pub(crate) processes: u64,
    pub(crate) memory_bytes: Option<u64>,
}

/// One line of a launcher's report.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Message {
    /// All is in force; the program runs next.
    Ready(Isolation),
    /// The system refused; nothing ran.
    Failed(Failure),
    /// The program ended.
    Ended(End),
}

/// What a launcher reported until its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    pub(crate) ready: Option<Isolation>,
    pub(crate) failed: Option<Failure>,
    pub(crate) ended: Option<End>,
}

impl Report {
    /// Reads the lines; what is cut off or unknown counts as not said.
    pub(crate) fn parse(lines: &[u8]) -> Self {
        let mut report = Self::default();
        for line in lines.split(|byte| *byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(Message::Ready(isolation)) => report.ready = Some(isolation),
                // The first failure is the cause of those that follow.
                Ok(Message::Failed(failure)) => report.failed = report.failed.or(Some(failure)),
                Ok(Message::Ended(end)) => report.ended = report.ended.or(Some(end)),
                Err(_) => {}
            }
        }
        report
    }
}
