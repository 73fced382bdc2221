//! When refused callers may come back: a hint that belongs to one generation and ends with it.

use std::time::{Duration, Instant};

use crate::sync::{AtomicU64, Ordering};

const NONE: u64 = 0;
const MILLIS_BITS: u32 = 40;
const MAX_MILLIS: u64 = (1 << MILLIS_BITS) - 1;

/// The low 24 bits of the generation, and milliseconds after the breaker's origin; 0 stands for none.
#[derive(Debug)]
pub(super) struct Hint(AtomicU64);

impl Hint {
    pub(super) fn none() -> Self {
        Self(AtomicU64::new(NONE))
    }

    pub(super) fn set(&self, generation: u64, origin: Instant, at: Option<Instant>) {
        let bits = at.map_or(NONE, |at| {
            let after_origin = at.saturating_duration_since(origin).as_millis();
            // Rounded up, so that nobody comes early.
            let millis = u64::try_from(after_origin).unwrap_or(u64::MAX).saturating_add(1);
            generation << MILLIS_BITS | millis.min(MAX_MILLIS)
        });
        self.0.store(bits, Ordering::Release);
    }

    pub(super) fn of(&self, generation: u64, origin: Instant) -> Option<Instant> {
        let bits = self.0.load(Ordering::Acquire);
        let millis = bits & MAX_MILLIS;
        if millis == NONE || bits & !MAX_MILLIS != generation << MILLIS_BITS {
            return None;
        }
        origin.checked_add(Duration::from_millis(millis))
    }
}
