//! Child processes on systems whose mechanisms are not built yet: each one is refused.

use std::io;
use std::path::Path;
use std::process::ExitStatus;

use clock::Clock;

use crate::report::{Report, Resources, Settings, Stage};
use crate::{Command, End, Error, Failure, Mechanism, Output, Step};

/// Never made.
pub(crate) enum Running {}

/// What is known of a run after its end.
pub(crate) struct Outcome {
    pub(crate) report: Report,
    pub(crate) status: ExitStatus,
    pub(crate) output: Output,
}

pub(crate) fn settings(command: &Command, mechanism: Mechanism, only_probe: bool) -> Settings {
    let resources =
        Resources { cpu_seconds: 0, file_size_bytes: 0, open_files: 0, processes: 0, memory_bytes: None };
    let network = command.network;
    Settings {
        stage: Stage::Outer,
        mechanism,
        network,
        user: 0,
        group: 0,
        own_proc: false,
        only_probe,
        resources,
    }
}

impl Running {
    pub(crate) fn start(_launcher: &Path, settings: &Settings, _command: &Command) -> Result<Self, Error> {
        let failure = Failure { step: Step::Namespaces, errno: 0 };
        Err(Error::Missing { mechanism: settings.mechanism, failure })
    }

    pub(crate) async fn ended(&mut self) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn terminate(&self) {
        match *self {}
    }

    pub(crate) async fn finish(self, _clock: &Clock) -> io::Result<Outcome> {
        match self {}
    }
}

pub(crate) fn end(status: ExitStatus) -> End {
    End::Exited(status.code().unwrap_or_default())
}

pub(crate) fn is_missing(_errno: i32) -> bool {
    false
}
