//! How busy and how quick a deployment is: calls in flight, and the smoothed time to the first output.

use std::time::Duration;

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// A new sample moves the smoothed latency by one part in so many.
const SMOOTHING: u64 = 8;
const NO_SAMPLE: u64 = 0;

/// A deployment's load, written by its callers.
#[derive(Debug)]
pub struct Load {
    in_flight: AtomicU32,
    /// Microseconds.
    latency_us: AtomicU64,
}

/// A call under way; dropping it ends the call.
#[derive(Debug)]
#[must_use = "the call counts only as long as this lives"]
pub struct InFlight<'a>(&'a Load);

impl Load {
    /// No calls, and nothing known about the latency.
    pub fn new() -> Self {
        Self { in_flight: AtomicU32::new(0), latency_us: AtomicU64::new(NO_SAMPLE) }
    }

    /// Counts a call until the guard is dropped.
    pub fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        InFlight(self)
    }

    /// How many calls are under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Acquire)
    }

    /// The smoothed time to the first output; `None` before the first sample.
    pub fn latency(&self) -> Option<Duration> {
        match self.latency_us.load(Ordering::Acquire) {
            NO_SAMPLE => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }

    /// The first output came after `latency`.
    pub fn observe(&self, latency: Duration) {
        let sample = micros(latency);
        self.update(|known| Some(smoothed(known, sample)));
    }

    /// A call was given up after `elapsed` without any output: it would have taken at least as long.
    pub fn observe_at_least(&self, elapsed: Duration) {
        let sample = micros(elapsed);
        self.update(|known| (sample > known).then(|| smoothed(known, sample)));
    }

    fn update(&self, next: impl Fn(u64) -> Option<u64>) {
        let mut known = self.latency_us.load(Ordering::Acquire);
        while let Some(latency) = next(known) {
            match self.latency_us.compare_exchange_weak(known, latency, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(found) => known = found,
            }
        }
    }
}

impl Default for Load {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Never `NO_SAMPLE`: an answer in no time is still an answer.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1)
}

fn smoothed(known: u64, sample: u64) -> u64 {
    if known == NO_SAMPLE {
        return sample;
    }
    // In whole units of the known value's own weight, so that no sum can overflow.
    let kept = known - known / SMOOTHING;
    kept.saturating_add(sample / SMOOTHING).max(1)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_guard_counts_as_long_as_it_lives() {
        let load = Load::new();
        let first = load.enter();
        let second = load.enter();
        assert_eq!(load.in_flight(), 2);
        drop(first);
        assert_eq!(load.in_flight(), 1);
        drop(second);
        assert_eq!(load.in_flight(), 0);
    }

    #[test]
    fn the_first_sample_stands_as_it_is_and_later_ones_move_it_gently() {
        let load = Load::new();
        assert_eq!(load.latency(), None);
        load.observe(Duration::from_micros(800));
        assert_eq!(load.latency(), Some(Duration::from_micros(800)));
        load.observe(Duration::from_micros(1600));
        assert_eq!(load.latency(), Some(Duration::from_micros(900)));
    }

    #[test]
    fn a_call_that_was_given_up_can_only_raise_the_latency() {
        let load = Load::new();
        load.observe(Duration::from_micros(800));
        load.observe_at_least(Duration::from_micros(8));
        assert_eq!(load.latency(), Some(Duration::from_micros(800)));
        load.observe_at_least(Duration::from_micros(1600));
        assert_eq!(load.latency(), Some(Duration::from_micros(900)));
    }

    #[test]
    fn the_longest_and_the_shortest_time_do_not_break_it() {
        let load = Load::new();
        load.observe(Duration::ZERO);
        assert!(load.latency().is_some());
        for _ in 0..100 {
            load.observe(Duration::MAX);
        }
        for _ in 0..1000 {
            load.observe(Duration::ZERO);
        }
        assert!(load.latency().is_some());
    }
}
