//! A child as its supervisor sees it: where it is in its life, and what follows from its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::{ChildError, Limit};
use crate::child::{ChildSpec, Restart, Role, Shutdown};
use crate::control::{Control, Request};
use crate::end::End;
use crate::intensity::{Intensity, Window};
use crate::view::State;

/// How long a killed child has to be gone; then its thread is held to be stuck and it is left behind.
pub(super) const KILL_GRACE: Duration = Duration::from_secs(2);

pub(super) type Reply = oneshot::Sender<Result<(), ChildError>>;

/// A child and where it is in its life.
pub(super) struct Child {
    pub(super) serial: u64,
    pub(super) spec: ChildSpec,
    pub(super) control: Arc<Control>,
    pub(super) phase: Phase,
    pub(super) role: Role,
    pub(super) window: Window,
    pub(super) failures: u32,
    pub(super) running_since: Option<Instant>,
    pub(super) on_start: Option<Reply>,
    pub(super) on_stop: Vec<Reply>,
    pub(super) dynamic: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Phase {
    Waiting,
    Starting,
    Running,
    /// Stopped as a bystander; it starts again with the child that began it.
    Held,
    BackingOff {
        until: Instant,
    },
    Stopping {
        deadline: Option<Instant>,
        killed: bool,
    },
    Parked,
    Ended,
}

/// What follows from a child's end.
pub(super) enum Next {
    Restart { after: Duration },
    Done,
    GiveUp,
}

// === Child ===

impl Child {
    pub(super) fn new(serial: u64, spec: ChildSpec, on_start: Option<Reply>) -> Self {
        Self {
            serial,
            control: Arc::default(),
            phase: Phase::Waiting,
            role: Role::Regular,
            window: Window::default(),
            failures: 0,
            running_since: None,
            dynamic: on_start.is_some(),
            on_start,
            on_stop: Vec::new(),
            spec,
        }
    }

    pub(super) fn is_yet_to_start(&self) -> bool {
        !self.dynamic && matches!(self.phase, Phase::Waiting | Phase::Starting)
    }

    pub(super) fn begin_stop(&mut self, now: Instant) {
        let (request, deadline) = match self.spec.shutdown {
            Shutdown::Kill => (Request::Kill, Some(now + KILL_GRACE)),
            Shutdown::Timeout(timeout) => (Request::Stop, Some(now + timeout)),
            Shutdown::Infinity => (Request::Stop, None),
        };
        self.control.ask_for(request);
        self.phase = Phase::Stopping { deadline, killed: request == Request::Kill };
        self.spec.body.vitals().set_state(State::Stopping);
    }

    pub(super) fn after(&mut self, end: &End, limit: Limit, shared: &mut Window, now: Instant) -> Next {
        match self.spec.restart {
            Restart::Temporary => return Next::Done,
            Restart::Transient if !end.is_abnormal() => return Next::Done,
            Restart::Transient | Restart::Permanent => {}
        }
        let ran = self.running_since.take().map(|since| now.duration_since(since)).unwrap_or_default();
        if ran >= self.spec.backoff.reset_after && ran > Duration::ZERO {
            self.failures = 0;
        }
        self.failures += 1;
        if end.counts() && self.exceeds(limit, shared, now) {
            return Next::GiveUp;
        }
        let hint = if let End::Failed(failure) = end { failure.retry_after } else { None };
        Next::Restart { after: self.spec.backoff.delay(self.failures, random_unit(), hint) }
    }

    fn exceeds(&mut self, limit: Limit, shared: &mut Window, now: Instant) -> bool {
        let (window, intensity): (_, Intensity) = match limit {
            Limit::Shared(intensity) => (shared, intensity),
            Limit::PerChild(intensity) => (&mut self.window, intensity),
        };
        window.exceeds(intensity, now)
    }
}

pub(super) fn log_end(path: &str, child: &Child, end: &End, next: &Next) {
    let path = format!("{path}/{}", child.spec.id());
    let generation = child.spec.body.vitals().generation();
    match next {
        Next::Done if end.is_abnormal() => warn!(child.path = %path, generation, end = ?end, "ended"),
        Next::Done => info!(child.path = %path, generation, end = end.name(), "ended"),
        Next::Restart { after } => {
            warn!(child.path = %path, generation, end = ?end, restart_in_ms = after.as_millis(), "ended, restarts");
        }
        Next::GiveUp => error!(child.path = %path, generation, end = ?end, "ended too often, given up"),
    }
}

/// A number from 0 to 1, for jitter only.
fn random_unit() -> f64 {
    // Without randomness there is no jitter, which harms nobody.
    f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX)
}
