//! The breaker's word and its transitions: pure functions, `None` where nothing changes.

use std::num::NonZeroU16;

use super::{MAX_PROBES, Override};

const TAG_BITS: u32 = 2;
const CONTROL_BITS: u32 = 2;
const DETAIL_BITS: u32 = 20;
const BELOW_GENERATION: u32 = TAG_BITS + CONTROL_BITS + DETAIL_BITS;

const CLOSED: u64 = 0;
const OPEN: u64 = 1;
const HALF_OPEN: u64 = 2;

/// 40 bits of generation, 20 of the phase's own detail, 2 of control, 2 of tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) generation: u64,
    pub(super) control: Option<Override>,
    pub(super) phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// So many failures in a row.
    Closed {
        row: u16,
    },
    Open,
    HalfOpen(Probing),
}

/// Half-open: the permits of probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probing {
    /// So many probes have yet to answer; no more than that may be under way.
    pub(super) missing: u8,
    /// A bit for each permit that is out.
    pub(super) out: u8,
    /// Counts permits, so that one that came back and went out again is not taken for the same.
    pub(super) turn: u8,
}

/// What a caller gets.
pub(super) enum Entry {
    /// Leave that the word need not know of.
    Free,
    /// This probe's permit, once the next word is swapped in.
    Probe {
        slot: u8,
        next: Word,
    },
    Refused,
}

impl Word {
    pub(super) const MAX_GENERATION: u64 = u64::MAX >> BELOW_GENERATION;

    pub(super) fn pack(self) -> u64 {
        let (tag, detail) = match self.phase {
            Phase::Closed { row } => (CLOSED, u64::from(row)),
            Phase::Open => (OPEN, 0),
            Phase::HalfOpen(Probing { missing, out, turn }) => {
                (HALF_OPEN, u64::from(turn) << 12 | u64::from(out) << 4 | u64::from(missing))
            }
        };
        let control = match self.control {
            None => 0,
            Some(Override::ForcedOpen) => 1,
            Some(Override::ForcedClosed) => 2,
            Some(Override::Disabled) => 3,
        };
        self.generation << BELOW_GENERATION | detail << (TAG_BITS + CONTROL_BITS) | control << TAG_BITS | tag
    }

    pub(super) fn unpack(bits: u64) -> Self {
        let detail = bits >> (TAG_BITS + CONTROL_BITS);
        let [low, high, top, ..] = detail.to_le_bytes();
        let phase = match bits & 3 {
            CLOSED => Phase::Closed { row: u16::from_le_bytes([low, high]) },
            HALF_OPEN => Phase::HalfOpen(Probing {
                missing: low & 15,
                out: low >> 4 | high << 4,
                turn: high >> 4 | top << 4,
            }),
            // `OPEN`, and the fourth tag, which is never packed.
            _ => Phase::Open,
        };
        let control = match bits >> TAG_BITS & 3 {
            0 => None,
            1 => Some(Override::ForcedOpen),
            2 => Some(Override::ForcedClosed),
            _ => Some(Override::Disabled),
        };
        Self { generation: bits >> BELOW_GENERATION, control, phase }
    }

    pub(super) fn enter(self) -> Entry {
        match self.control {
            Some(Override::ForcedOpen) => return Entry::Refused,
            Some(Override::ForcedClosed | Override::Disabled) => return Entry::Free,
            None => {}
        }
        match self.phase {
            Phase::Closed { .. } => Entry::Free,
            Phase::Open => Entry::Refused,
            Phase::HalfOpen(probing) if probing.out.count_ones() >= u32::from(probing.missing) => {
                Entry::Refused
            }
            Phase::HalfOpen(Probing { missing, out, turn }) => {
                let free = !out & out.wrapping_add(1);
                let probing = Probing { missing, out: out | free, turn: turn.wrapping_add(1) };
                let slot = u8::try_from(free.trailing_zeros()).expect("a bit of a byte is one of 8");
                Entry::Probe { slot, next: self.with(Phase::HalfOpen(probing)) }
            }
        }
    }

    pub(super) fn down(self) -> Option<Self> {
        match self.phase {
            Phase::Closed { .. } | Phase::HalfOpen(_) => Some(self.with(Phase::Open)),
            Phase::Open => None,
        }
    }

    pub(super) fn up(self, generation: u64, probes: u8) -> Option<Self> {
        if generation <= self.generation || generation > Self::MAX_GENERATION {
            return None;
        }
        let phase = match self.phase {
            Phase::Closed { .. } => Phase::Closed { row: 0 },
            Phase::Open | Phase::HalfOpen(_) => {
                Phase::HalfOpen(Probing { missing: probes.min(MAX_PROBES), out: 0, turn: 0 })
            }
        };
        Some(Self { generation, phase, ..self })
    }

    pub(super) fn controlled(self, control: Option<Override>) -> Option<Self> {
        (self.control != control).then_some(Self { control, ..self })
    }

    /// A probe had its first output.
    pub(super) fn answered(self, generation: u64, slot: u8) -> Option<Self> {
        let (back, missing) = self.back(generation, slot)?;
        if !self.counts() {
            return Some(back);
        }
        match (back.phase, missing) {
            (_, 0 | 1) => Some(self.with(Phase::Closed { row: 0 })),
            (Phase::HalfOpen(probing), _) => {
                Some(self.with(Phase::HalfOpen(Probing { missing: missing - 1, ..probing })))
            }
            (Phase::Closed { .. } | Phase::Open, _) => None,
        }
    }

    /// A call went well.
    pub(super) fn cleared(self, generation: u64) -> Option<Self> {
        match self.of(generation)?.phase {
            Phase::Closed { row: 1.. } if self.counts() => Some(self.with(Phase::Closed { row: 0 })),
            Phase::Closed { .. } | Phase::Open | Phase::HalfOpen(_) => None,
        }
    }

    /// A call or the probe in `slot` failed; `too_many` when the window says so.
    pub(super) fn failed(
        self,
        generation: u64,
        slot: Option<u8>,
        in_a_row: NonZeroU16,
        too_many: bool,
    ) -> Option<Self> {
        match (self.of(generation)?.phase, slot) {
            (Phase::Closed { .. }, _) if !self.counts() => None,
            (Phase::Closed { row }, _) => {
                let row = row.saturating_add(1);
                let trips = self.trips() && (row >= in_a_row.get() || too_many);
                Some(self.with(if trips { Phase::Open } else { Phase::Closed { row } }))
            }
            (Phase::HalfOpen(_), Some(_)) if self.trips() => Some(self.with(Phase::Open)),
            (Phase::HalfOpen(_), Some(slot)) => self.given_back(generation, slot),
            // Only probes decide: this call entered while an operator let everybody through.
            (Phase::HalfOpen(_), None) | (Phase::Open, _) => None,
        }
    }

    /// A probe ended without a result.
    pub(super) fn given_back(self, generation: u64, slot: u8) -> Option<Self> {
        self.back(generation, slot).map(|(back, _)| back)
    }

    /// The word once one of `overdue` probes has been found under way.
    pub(super) fn expired(self, overdue: impl Fn(u8) -> bool) -> Option<Self> {
        match self.phase {
            Phase::HalfOpen(probing) if self.trips() && probing.slots().any(overdue) => {
                Some(self.with(Phase::Open))
            }
            Phase::Closed { .. } | Phase::Open | Phase::HalfOpen(_) => None,
        }
    }

    /// Whether results change anything.
    pub(super) fn counts(self) -> bool {
        matches!(self.control, None | Some(Override::ForcedClosed))
    }

    /// Whether the window takes a result of `generation`.
    pub(super) fn records(self, generation: u64) -> bool {
        self.generation == generation && matches!(self.phase, Phase::Closed { .. }) && self.counts()
    }

    fn trips(self) -> bool {
        self.control.is_none()
    }

    fn back(self, generation: u64, slot: u8) -> Option<(Self, u8)> {
        match self.of(generation)?.phase {
            Phase::HalfOpen(probing) => {
                let back = Probing { out: probing.out & !(1 << slot), ..probing };
                Some((self.with(Phase::HalfOpen(back)), probing.missing))
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

impl Probing {
    /// Those whose permit is out.
    pub(super) fn slots(self) -> impl Iterator<Item = u8> {
        (0..MAX_PROBES).filter(move |slot| self.out & 1 << slot != 0)
    }
}
