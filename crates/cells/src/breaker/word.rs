//! The breaker's word and its transitions: pure functions, `None` where nothing changes.

use std::num::NonZeroU16;

const TAG_BITS: u32 = 2;
const COUNT_BITS: u32 = 16;
const CLOSED: u64 = 0;
const OPEN: u64 = 1;
const HALF_OPEN: u64 = 2;

/// 46 bits of generation, 16 of count, 2 of tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) generation: u64,
    pub(super) phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// So many failures in a row.
    Closed {
        failures: u16,
    },
    Open,
    /// So many probes may still start.
    HalfOpen {
        permits: u16,
    },
}

impl Word {
    pub(super) const MAX_GENERATION: u64 = u64::MAX >> (TAG_BITS + COUNT_BITS);

    pub(super) fn pack(self) -> u64 {
        let (tag, count) = match self.phase {
            Phase::Closed { failures } => (CLOSED, failures),
            Phase::Open => (OPEN, 0),
            Phase::HalfOpen { permits } => (HALF_OPEN, permits),
        };
        self.generation << (TAG_BITS + COUNT_BITS) | u64::from(count) << TAG_BITS | tag
    }

    pub(super) fn unpack(bits: u64) -> Self {
        let count = u16::try_from(bits >> TAG_BITS & u64::from(u16::MAX)).expect("16 bits fit into 16 bits");
        let phase = match bits & 3 {
            CLOSED => Phase::Closed { failures: count },
            HALF_OPEN => Phase::HalfOpen { permits: count },
            // `OPEN`, and the fourth tag, which is never packed.
            _ => Phase::Open,
        };
        Self { generation: bits >> (TAG_BITS + COUNT_BITS), phase }
    }

    pub(super) fn down(self) -> Option<Self> {
        match self.phase {
            Phase::Closed { .. } | Phase::HalfOpen { .. } => Some(self.with(Phase::Open)),
            Phase::Open => None,
        }
    }

    pub(super) fn up(self, generation: u64, probes: NonZeroU16) -> Option<Self> {
        if generation <= self.generation || generation > Self::MAX_GENERATION {
            return None;
        }
        let phase = match self.phase {
            Phase::Closed { .. } => Phase::Closed { failures: 0 },
            Phase::Open | Phase::HalfOpen { .. } => Phase::HalfOpen { permits: probes.get() },
        };
        Some(Self { generation, phase })
    }

    /// A probe had its first output.
    pub(super) fn proven(self, generation: u64) -> Option<Self> {
        match self.of(generation)?.phase {
            Phase::HalfOpen { .. } => Some(self.with(Phase::Closed { failures: 0 })),
            Phase::Closed { .. } | Phase::Open => None,
        }
    }

    /// A call went well.
    pub(super) fn cleared(self, generation: u64) -> Option<Self> {
        match self.of(generation)?.phase {
            Phase::Closed { failures: 1.. } => Some(self.with(Phase::Closed { failures: 0 })),
            Phase::Closed { failures: 0 } | Phase::Open | Phase::HalfOpen { .. } => None,
        }
    }

    /// A call or a probe failed.
    pub(super) fn failed(self, generation: u64, trips_after: NonZeroU16) -> Option<Self> {
        match self.of(generation)?.phase {
            Phase::Closed { failures } => {
                let failures = failures.saturating_add(1);
                let trips = failures >= trips_after.get();
                Some(self.with(if trips { Phase::Open } else { Phase::Closed { failures } }))
            }
            Phase::HalfOpen { .. } => Some(self.with(Phase::Open)),
            Phase::Open => None,
        }
    }

    /// A probe ended without a result.
    pub(super) fn given_back(self, generation: u64) -> Option<Self> {
        match self.of(generation)?.phase {
            Phase::HalfOpen { permits } => {
                Some(self.with(Phase::HalfOpen { permits: permits.saturating_add(1) }))
            }
            Phase::Closed { .. } | Phase::Open => None,
        }
    }

    fn of(self, generation: u64) -> Option<Self> {
        (self.generation == generation).then_some(self)
    }

    fn with(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }
}
