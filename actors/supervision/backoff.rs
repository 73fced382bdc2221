//! How long to wait before a child is started again.

use std::time::{Duration, Instant};

/// Exponential backoff with jitter; a quiet while resets it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The first wait; zero starts again at once.
    pub min: Duration,
    /// The longest wait, jitter and a failure's own hint aside.
    pub max: Duration,
    /// Up to this share is added at random, from 0 to 1.
    pub jitter: f64,
    /// A child that ran this long starts over with the first wait.
    pub reset_after: Duration,
}

/// No wait is longer than this many seconds make: some hundred years.
const LONGEST: Duration = Duration::from_secs(3_000_000_000);

/// `by` after `now`; a time that no clock can tell is a hundred years away.
pub(crate) fn later(now: Instant, by: Duration) -> Instant {
    now.checked_add(by.min(LONGEST)).unwrap_or(now)
}

impl Backoff {
    /// Starts again at once, every time: the intensity alone bounds it.
    pub const NONE: Self =
        Self { min: Duration::ZERO, max: Duration::ZERO, jitter: 0.0, reset_after: Duration::ZERO };

    /// The wait after `failures` ends in a row (the first is 1); `random` gives from 0 to 1, `floor` is a failure's own hint.
    pub(crate) fn delay(
        &self,
        failures: u32,
        random: impl FnOnce() -> f64,
        floor: Option<Duration>,
    ) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        let grown = self.min.saturating_mul(1 << doublings).min(self.max);
        let share = if grown.is_zero() || self.jitter == 0.0 { 0.0 } else { self.jitter * random() };
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        // A wait of years is as good as any longer one.
        let jitter = grown.min(LONGEST).mul_f64(share);
        grown.saturating_add(jitter).max(floor.unwrap_or_default())
    }
}

impl Default for Backoff {
    /// 50 ms, doubled up to 10 s, up to a fifth more at random, over again after 30 quiet seconds.
    fn default() -> Self {
        Self {
            min: Duration::from_millis(50),
            max: Duration::from_secs(10),
            jitter: 0.2,
            reset_after: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_its_maximum() {
        let backoff = Backoff { jitter: 0.0, ..Backoff::default() };
        let delays: Vec<_> =
            [1, 2, 3, 9, 1000].map(|failures| backoff.delay(failures, || 0.9, None).as_millis()).into();
        assert_eq!(delays, [50, 100, 200, 10_000, 10_000]);
    }

    #[test]
    fn the_longest_times_and_a_jitter_that_is_no_number_are_harmless() {
        let longest = Backoff { min: Duration::MAX, max: Duration::MAX, jitter: 1.0, ..Backoff::default() };
        assert_eq!(longest.delay(9, || 1.0, Some(Duration::MAX)), Duration::MAX);
        let odd = Backoff { jitter: f64::NAN, ..Backoff::default() };
        assert_eq!(odd.delay(1, || 1.0, None), Duration::from_millis(50));
        let now = Instant::now();
        assert!(later(now, Duration::MAX) > now);
    }

    #[test]
    fn a_hint_is_a_floor_and_jitter_only_adds() {
        let backoff = Backoff::default();
        assert_eq!(backoff.delay(1, || 0.0, Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(backoff.delay(1, || 1.0, None), Duration::from_millis(60));
        assert_eq!(Backoff::NONE.delay(50, || 1.0, None), Duration::ZERO);
    }
}
