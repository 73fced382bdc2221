//! A child as its supervisor sees it: where it is in its life, and what follows from its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::Limit;
use super::handle::{Birth, ChildInfo, Reply};
use crate::backoff::later;
use crate::child::{ChildSpec, Restart, Role, Shutdown};
use crate::control::Request;
use crate::end::{End, Follows};
use crate::intensity::{Intensity, Window};
use crate::life::Life;
use crate::threads::Seat;
use crate::view::Kind;

/// How long a killed actor has to be gone; then its thread is held to be stuck and it is left behind.
const KILL_GRACE: Duration = Duration::from_secs(2);

/// Where a child came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It stands in its supervisor's spec: each life of the supervisor starts it.
    Static,
    /// It came by a request, and goes with this life of its supervisor.
    Added,
}

/// A child and where it is in its life.
pub(super) struct Child {
    pub(super) serial: u64,
    pub(super) spec: ChildSpec,
    /// The life it leads, or led last.
    pub(super) life: Option<Life>,
    pub(super) seat: Option<Arc<Seat>>,
    pub(super) phase: Phase,
    pub(super) role: Role,
    pub(super) window: Window,
    pub(super) failures: u32,
    pub(super) running_since: Option<Instant>,
    /// It came by a request, and goes with this life of its supervisor.
    pub(super) added: bool,
    /// It has never lived: should its start fail, it is not kept.
    pub(super) newborn: bool,
    pub(super) on_start: Option<Reply<Birth>>,
    pub(super) on_stop: Vec<Reply<()>>,
}

/// Where a child is in its life; `State` is what others see of it.
///
/// ```text
///                     ┌──────────── message ───────────── Asleep ◀─ idle ─┐
///                     ▼                                                   │
/// Waiting ─turn──▶ Starting ─acknowledged──▶ Running ─────────────────────┤
///    ▲                │                         │                         │
///    └── group ── Held ◀─ as a bystander ─ Stopping ◀── told to stop ─────┤
///    ▲                                          │                         │
///    └─ group, or time is over ── BackingOff ◀──┼─ an end to restart after ┤
///                                               ▼                         │
///                                      Ended, or Parked ◀─ done, given up ─┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    /// Its elders start first.
    Waiting,
    /// Its factory works, or its start is not acknowledged yet.
    Starting,
    Running,
    /// Stopped as a bystander; it starts again with the child that began it.
    Held,
    BackingOff {
        until: Instant,
    },
    Asleep,
    Stopping {
        deadline: Option<Instant>,
        killed: bool,
    },
    Parked,
    Ended,
}

impl Phase {
    /// When something has to be done about it.
    pub(super) fn due(self) -> Option<Instant> {
        match self {
            Self::BackingOff { until } => Some(until),
            Self::Stopping { deadline, .. } => deadline,
            Self::Waiting
            | Self::Starting
            | Self::Running
            | Self::Held
            | Self::Asleep
            | Self::Parked
            | Self::Ended => None,
        }
    }

    /// Something of it runs.
    pub(super) fn is_alive(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping { .. })
    }

    /// It lives: its start was acknowledged.
    pub(super) fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Stopping { .. })
    }

    /// It will be started again without being asked.
    pub(super) fn is_restarting(self) -> bool {
        matches!(self, Self::Waiting | Self::Held | Self::BackingOff { .. })
    }
}

impl Child {
    pub(super) fn new(serial: u64, spec: ChildSpec, origin: Origin) -> Self {
        let added = origin == Origin::Added;
        Self {
            serial,
            life: None,
            seat: None,
            phase: Phase::Ended,
            role: Role::Regular,
            window: Window::default(),
            failures: 0,
            running_since: None,
            added,
            newborn: added,
            on_start: None,
            on_stop: Vec::new(),
            spec,
        }
    }

    pub(super) fn ask_for(&self, request: Request) {
        if let Some(life) = &self.life {
            life.control().ask_for(request);
        }
    }

    /// Whether this end is that of a life whose start was never acknowledged, by its own fault or its thread's.
    pub(super) fn has_failed_to_start(&self, end: &End) -> bool {
        matches!(end, End::StartFailed { .. }) || (*end == End::Stuck && self.running_since.is_none())
    }

    /// Asks it to stop by its own rule, or kills it, and says in which phase that leaves it.
    pub(super) fn begin_stop(&self, kill: bool, now: Instant) -> Phase {
        let (request, deadline) = match self.spec.shutdown {
            _ if kill => (Request::Kill, self.gone_by(now)),
            Shutdown::Kill => (Request::Kill, self.gone_by(now)),
            Shutdown::Timeout(timeout) => (Request::Stop, Some(later(now, timeout))),
            Shutdown::Infinity => (Request::Stop, None),
        };
        self.ask_for(request);
        Phase::Stopping { deadline, killed: request == Request::Kill }
    }

    /// When it has to be gone once it was killed; a supervisor first sees its own children off, each in its time.
    pub(super) fn gone_by(&self, now: Instant) -> Option<Instant> {
        match self.spec.body.vitals().kind() {
            Kind::Actor => Some(now + KILL_GRACE),
            Kind::Supervisor => None,
        }
    }

    /// What its restart rule and the intensity make of an end that came by itself.
    pub(super) fn after(&mut self, end: &End, limit: Limit, shared: &mut Window, now: Instant) -> Follows {
        let is_done = match (self.role, self.spec.restart) {
            (Role::Regular, Restart::Permanent) => false,
            (Role::Regular, Restart::Temporary) => true,
            (Role::Compensating, _) | (_, Restart::Transient) => !end.is_abnormal(),
        };
        if is_done {
            return Follows::Nothing;
        }
        let ran = self.running_since.take().map(|since| now.duration_since(since)).unwrap_or_default();
        if ran >= self.spec.backoff.reset_after && ran > Duration::ZERO {
            self.failures = 0;
        }
        self.failures += 1;
        if end.counts() && self.exceeds(limit, shared, now) {
            let may_compensate = self.role == Role::Regular && self.spec.compensates.is_some();
            return if may_compensate { Follows::Compensation } else { Follows::GivenUp };
        }
        let hint = if let End::Failed(failure) = end { failure.retry_after } else { None };
        Follows::Restart { after: self.spec.backoff.delay(self.failures, random_unit, hint) }
    }

    fn exceeds(&mut self, limit: Limit, shared: &mut Window, now: Instant) -> bool {
        let own = self.spec.compensates.filter(|_| self.role == Role::Compensating);
        let (window, intensity): (_, Intensity) = match (own, limit) {
            (Some(intensity), _) | (None, Limit::PerChild(intensity)) => (&mut self.window, intensity),
            (None, Limit::Shared(intensity)) => (shared, intensity),
        };
        window.exceeds(intensity, now)
    }

    /// Its count of restarts and its backoff begin anew.
    pub(super) fn forget_failures(&mut self) {
        self.window = Window::default();
        self.failures = 0;
        self.running_since = None;
    }

    pub(super) fn info(&self) -> ChildInfo {
        let vitals = self.spec.body.vitals();
        ChildInfo {
            id: vitals.id().to_string(),
            kind: vitals.kind(),
            state: vitals.state(),
            generation: vitals.generation(),
            restart: self.spec.restart,
            shutdown: self.spec.shutdown,
            significant: self.spec.significant,
        }
    }

    pub(super) fn log_end(&self, end: &End, follows: Follows) {
        let vitals = self.spec.body.vitals();
        let (path, generation) = (vitals.path(), vitals.generation());
        match follows {
            Follows::Nothing if end.is_abnormal() => {
                warn!(child.path = %path, generation, end = ?end, "ended");
            }
            Follows::Nothing | Follows::Sleep => {
                info!(child.path = %path, generation, end = end.name(), "ended");
            }
            Follows::Restart { after } => {
                let restart_in_ms = after.as_millis();
                warn!(child.path = %path, generation, end = ?end, restart_in_ms, "ended, restarts");
            }
            Follows::Compensation => {
                error!(child.path = %path, generation, end = ?end, "ended too often, compensates");
            }
            Follows::GivenUp => {
                error!(child.path = %path, generation, end = ?end, "ended too often, given up")
            }
        }
    }
}

/// A number from 0 to 1, for jitter only.
fn random_unit() -> f64 {
    // Without randomness there is no jitter, which harms nobody.
    f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX)
}
