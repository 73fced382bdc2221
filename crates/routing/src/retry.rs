//! What to do when a candidate failed before anything of its answer was shown.

use std::time::Duration;

/// The most that a candidate may be asked again.
pub const MAX_RETRIES: u32 = 10;
/// The longest wait before a candidate is asked again; who wants more time is passed by.
pub const MAX_WAIT: Duration = Duration::from_secs(30);

const FIRST_BACKOFF: Duration = Duration::from_millis(250);

/// How hard a call tries before it gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether the next candidate is asked after one that failed.
    pub fallback: bool,
    /// How often the last candidate is asked again after a failure that may pass; no more than [`MAX_RETRIES`].
    pub max_retries: u32,
}

/// How a candidate failed, by what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request is at fault.
    Client,
    /// The key was refused.
    Key,
    /// The key is over its limit.
    Limited,
    /// The provider has too much to do.
    Overloaded,
    /// The provider broke.
    Server,
    /// The way to the provider broke.
    Network,
    /// No answer in time.
    Timeout,
    /// An answer that cannot be understood.
    Malformed,
}

/// A failure with what the decision needs to know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Failed {
    /// How.
    pub failure: Failure,
    /// How often this candidate was asked, this time among them: from 1.
    pub attempt: u32,
    /// How often it may be asked, the first time among them.
    pub attempts: u32,
    /// How long the provider wants to be left alone, when it said so.
    pub retry_after: Option<Duration>,
    /// Whether another candidate waits behind this one.
    pub others: bool,
    /// A random number from 0 to 1, which keeps callers from coming back all at once.
    pub jitter: f64,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Ask the next candidate; without one, it is over.
    NextCandidate,
    /// Ask the same one again.
    RetrySame {
        /// How long to wait before.
        after: Duration,
    },
    /// Nobody can answer this.
    GiveUp,
}

/// What to do about a failure. Somebody else now is better than the same one later; a wait is never shorter than the
/// provider asked for, and never longer than [`MAX_WAIT`].
pub fn after(failed: &Failed) -> Verdict {
    match failed.failure {
        Failure::Client => Verdict::GiveUp,
        // The same key, the same long wait or the same nonsense again would be paid for and help nobody.
        Failure::Key | Failure::Timeout | Failure::Malformed => Verdict::NextCandidate,
        Failure::Limited | Failure::Overloaded | Failure::Server | Failure::Network => again(failed),
    }
}

fn again(failed: &Failed) -> Verdict {
    if failed.others || failed.attempt >= failed.attempts {
        return Verdict::NextCandidate;
    }
    let asked_for = failed.retry_after.unwrap_or_default();
    if asked_for > MAX_WAIT {
        return Verdict::NextCandidate;
    }
    let after = asked_for.saturating_add(backoff(failed.attempt, failed.jitter)).min(MAX_WAIT);
    Verdict::RetrySame { after }
}

/// Between half of the step and all of it.
fn backoff(attempt: u32, jitter: f64) -> Duration {
    let step = FIRST_BACKOFF.saturating_mul(1 << attempt.saturating_sub(1).min(MAX_RETRIES));
    let share = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 1.0 };
    step.mul_f64(0.5 + share / 2.0)
}

impl Default for Policy {
    /// With fallback, and with two retries where there is nobody to fall back on.
    fn default() -> Self {
        Self { fallback: true, max_retries: 2 }
    }
}

impl Policy {
    /// How often one candidate is asked at most, the first time among them.
    pub fn attempts(&self) -> u32 {
        self.max_retries.min(MAX_RETRIES) + 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Failure; 8] = [
        Failure::Client,
        Failure::Key,
        Failure::Limited,
        Failure::Overloaded,
        Failure::Server,
        Failure::Network,
        Failure::Timeout,
        Failure::Malformed,
    ];

    fn failed(failure: Failure, attempt: u32, others: bool) -> Failed {
        Failed { failure, attempt, attempts: 3, retry_after: None, others, jitter: 0.0 }
    }

    #[test]
    fn a_bad_request_goes_to_nobody_else() {
        assert_eq!(after(&failed(Failure::Client, 1, true)), Verdict::GiveUp);
        assert_eq!(after(&failed(Failure::Client, 1, false)), Verdict::GiveUp);
    }

    #[test]
    fn somebody_else_is_asked_before_anybody_waits() {
        for failure in ALL.into_iter().filter(|failure| *failure != Failure::Client) {
            assert_eq!(after(&failed(failure, 1, true)), Verdict::NextCandidate, "{failure:?}");
        }
    }

    #[test]
    fn the_last_candidate_is_asked_again_with_growing_pauses_and_then_no_more() {
        let waits: Vec<_> =
            (1..=3).map(|attempt| after(&failed(Failure::Overloaded, attempt, false))).collect();
        let first = Verdict::RetrySame { after: Duration::from_millis(125) };
        let second = Verdict::RetrySame { after: Duration::from_millis(250) };
        assert_eq!(waits, [first, second, Verdict::NextCandidate]);
    }

    #[test]
    fn who_may_not_be_asked_again_is_asked_once() {
        let once = Policy { max_retries: 0, ..Policy::default() };
        let failed = Failed { attempts: once.attempts(), ..failed(Failure::Overloaded, 1, false) };
        assert_eq!(after(&failed), Verdict::NextCandidate);
        assert_eq!(Policy { max_retries: u32::MAX, ..once }.attempts(), MAX_RETRIES + 1);
    }

    #[test]
    fn what_would_fail_the_same_way_is_not_asked_again() {
        for failure in [Failure::Key, Failure::Timeout, Failure::Malformed] {
            assert_eq!(after(&failed(failure, 1, false)), Verdict::NextCandidate, "{failure:?}");
        }
    }

    #[test]
    fn who_wants_to_be_left_alone_for_long_is_passed_by() {
        let long = Some(MAX_WAIT + Duration::from_millis(1));
        let failed = Failed { retry_after: long, ..failed(Failure::Limited, 1, false) };
        assert_eq!(after(&failed), Verdict::NextCandidate);
    }

    proptest! {
        #[test]
        fn a_wait_is_as_long_as_asked_for_and_bounded(
            failure in prop::sample::select(ALL.as_slice()),
            attempt in any::<u32>(),
            attempts in any::<u32>(),
            asked_ms in prop::option::of(0..60_000_u64),
            others in any::<bool>(),
            jitter in any::<f64>(),
        ) {
            let retry_after = asked_ms.map(Duration::from_millis);
            let verdict = after(&Failed { failure, attempt, attempts, retry_after, others, jitter });
            if let Verdict::RetrySame { after } = verdict {
                prop_assert!(after >= retry_after.unwrap_or_default());
                prop_assert!(after <= MAX_WAIT);
                prop_assert!(attempt < attempts && !others);
            }
        }
    }
}
