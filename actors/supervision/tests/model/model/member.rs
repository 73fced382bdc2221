//! A child as the model's supervisors know it, and where it is in its life.

use super::family::Family;
use super::scene::Scene;
use crate::plan::{PERIOD, Sprout};

/// A child as its supervisor knows it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) sprout: Sprout,
    pub(crate) phase: Phase,
    /// What lives in it, if it is a supervisor that lives.
    pub(crate) family: Option<Family>,
    pub(crate) serial: u64,
    /// It came by request and not with its supervisor.
    pub(crate) is_guest: bool,
    pub(super) is_compensating: bool,
    /// When restarts were counted against its own limit.
    pub(super) window: Vec<u64>,
}

/// Where a child is in its life.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Phase {
    Running,
    /// Ended, and starts again by itself at that time.
    Waiting {
        until: u64,
    },
    /// Ended, and its group waits for its time to start again.
    Awaited,
    /// Down with its group, and starts again with it.
    Held,
    Asleep,
    Parked,
    Ignored,
    Ended,
}

impl Member {
    pub(crate) fn is_asleep(&self) -> bool {
        self.phase == Phase::Asleep
    }

    /// Its count of restarts begins anew.
    pub(crate) fn begins_anew(&mut self) {
        self.window.clear();
    }

    pub(super) fn is_significant_and_alive(&self) -> bool {
        self.sprout.significant
            && match self.phase {
                Phase::Running | Phase::Waiting { .. } | Phase::Awaited | Phase::Held | Phase::Asleep => true,
                Phase::Parked | Phase::Ignored | Phase::Ended => false,
            }
    }
}

impl Phase {
    /// The state that a place shows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting { .. } | Self::Awaited | Self::Held => "backing_off",
            Self::Asleep => "asleep",
            Self::Parked => "parked",
            Self::Ignored => "ignored",
            Self::Ended => "ended",
        }
    }
}

/// Counts a restart; true when more than `restarts` were counted within the period.
pub(super) fn is_one_too_many(window: &mut Vec<u64>, restarts: usize, scene: &mut Scene) -> bool {
    if window.iter().any(|at| scene.now - at == PERIOD) {
        scene.race("whether a restart counts that was exactly one period ago");
    }
    window.retain(|at| scene.now - at < PERIOD);
    window.push(scene.now);
    window.len() > restarts
}
