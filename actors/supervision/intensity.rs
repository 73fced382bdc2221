//! How many restarts a supervisor puts up with before it gives up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// At most `restarts` within `period`; one more is too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// How many are put up with.
    pub restarts: u32,
    /// The sliding window they are counted in.
    pub period: Duration,
}

impl Default for Intensity {
    /// 3 within 5 s.
    fn default() -> Self {
        Self { restarts: 3, period: Duration::from_secs(5) }
    }
}

/// The restarts of the last period.
#[derive(Debug, Default)]
pub(crate) struct Window(VecDeque<Instant>);

impl Window {
    /// Counts a restart at `now`; true when it is one too many.
    pub(crate) fn exceeds(&mut self, intensity: Intensity, now: Instant) -> bool {
        while self.0.front().is_some_and(|at| now.duration_since(*at) > intensity.period) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        self.0.len() > intensity.restarts as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_restart_past_the_limit_is_one_too_many_and_old_ones_are_forgotten() {
        let intensity = Intensity { restarts: 2, period: Duration::from_secs(5) };
        let start = Instant::now();
        let mut window = Window::default();
        let mut at = |seconds| window.exceeds(intensity, start + Duration::from_secs(seconds));

        assert_eq!([at(0), at(1), at(6), at(7), at(8)], [false, false, false, false, true]);
    }
}
