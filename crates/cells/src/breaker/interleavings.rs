//! Every interleaving of a few steps: `RUSTFLAGS="--cfg loom" cargo test -p cells --lib interleavings`.

use std::sync::LazyLock;

use loom::sync::Arc;
use loom::thread;

use super::*;

const DEADLINE: Duration = Duration::from_secs(10);

/// One for all runs of a model, which have to do the same each time.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

fn began() -> Instant {
    *BEGAN
}

fn breaker(in_a_row: u16, probes: u8) -> Arc<Breaker> {
    // A percentage that is never reached.
    let thresholds =
        Thresholds { in_a_row: NonZeroU16::new(in_a_row).unwrap(), percent: 101, ..Thresholds::default() };
    of(thresholds, probes)
}

fn of(thresholds: Thresholds, probes: u8) -> Arc<Breaker> {
    let probes = Probes { count: NonZeroU8::new(probes).unwrap(), deadline: DEADLINE };
    Arc::new(Breaker::new(thresholds, probes, began()))
}

fn half_open(probes: u8) -> Arc<Breaker> {
    let breaker = breaker(2, probes);
    breaker.down(None);
    assert!(breaker.up(1));
    breaker
}

fn enter(breaker: &Breaker) -> Result<Permit<'_>, Open> {
    breaker.try_enter(began())
}

fn fail(breaker: &Breaker) -> bool {
    enter(breaker).is_ok_and(|permit| permit.fail(began(), None))
}

#[test]
fn one_of_two_failures_trips_it() {
    loom::model(|| {
        let breaker = breaker(2, 1);
        let other = breaker.clone();
        let failing = thread::spawn(move || fail(&other));
        let here = fail(&breaker);
        assert_eq!(usize::from(here) + usize::from(failing.join().unwrap()), 1);
        assert_eq!(breaker.state(), State::Open);
    });
}

#[test]
fn one_of_two_failures_trips_it_by_the_percentage() {
    loom::model(|| {
        let thresholds =
            Thresholds { in_a_row: NonZeroU16::MAX, percent: 100, minimum: 2, ..Thresholds::default() };
        let breaker = of(thresholds, 1);
        let other = breaker.clone();
        let failing = thread::spawn(move || fail(&other));
        let here = fail(&breaker);
        let there = failing.join().unwrap();
        assert_eq!(usize::from(here) + usize::from(there), 1);
        assert_eq!(breaker.state(), State::Open);
    });
}

#[test]
fn one_permit_lets_one_probe_out_and_comes_back() {
    loom::model(|| {
        let breaker = half_open(1);
        let other = breaker.clone();
        let entering = thread::spawn(move || drop(enter(&other)));
        drop(enter(&breaker));
        entering.join().unwrap();
        let probe = enter(&breaker);
        assert!(probe.is_ok());
        assert!(enter(&breaker).is_err());
    });
}

#[test]
fn of_two_callers_one_becomes_the_probe() {
    loom::model(|| {
        let breaker = half_open(1);
        let other = breaker.clone();
        // Held until both have asked.
        let entering = thread::spawn(move || enter(&other).map(std::mem::forget).is_ok());
        let here = enter(&breaker).map(std::mem::forget).is_ok();
        assert!(here != entering.join().unwrap());
        assert_eq!(breaker.state(), State::HalfOpen);
    });
}

#[test]
fn two_probes_that_answer_at_once_close_it() {
    loom::model(|| {
        let breaker = half_open(2);
        let other = breaker.clone();
        let answering = thread::spawn(move || enter(&other).unwrap().answered());
        enter(&breaker).unwrap().answered();
        answering.join().unwrap();
        assert_eq!(breaker.state(), State::Closed);
    });
}

#[test]
fn a_probes_failure_outweighs_another_ones_answer_or_comes_too_late() {
    loom::model(|| {
        let breaker = half_open(2);
        let other = breaker.clone();
        let failing = thread::spawn(move || fail(&other));
        if let Ok(mut probe) = enter(&breaker) {
            probe.answered();
        }
        assert!(failing.join().unwrap(), "without its answer the other one closes nothing");
        assert_eq!(breaker.state(), State::Open);
    });
}

#[test]
fn a_late_probe_never_touches_the_next_generation() {
    loom::model(|| {
        let breaker = half_open(1);
        let other = breaker.clone();
        let probing = thread::spawn(move || {
            let Ok(probe) = enter(&other) else { return };
            if probe.generation == 1 {
                let _ = probe.fail(began(), None);
            }
        });
        breaker.down(None);
        assert!(breaker.up(2));
        probing.join().unwrap();
        assert_eq!(breaker.state(), State::HalfOpen);
        assert!(enter(&breaker).is_ok());
    });
}

#[test]
fn a_late_failure_never_counts_for_the_generation_that_comes_up() {
    loom::model(|| {
        let breaker = breaker(1, 1);
        let other = breaker.clone();
        let failing = thread::spawn(move || fail(&other));
        // It was closed, and a fresh generation begins closed: only a failure of its own opens it.
        assert_eq!(breaker.generation(), 0);
        let is_up = breaker.up(1);
        let tripped = failing.join().unwrap();
        assert!(is_up);
        match breaker.state() {
            State::Open => assert!(tripped),
            // Tripped before it came up, or too late to count.
            State::HalfOpen => assert!(tripped),
            State::Closed => assert!(!tripped),
        }
    });
}

#[test]
fn a_probe_is_either_overdue_or_answered() {
    loom::model(|| {
        let breaker = half_open(1);
        let other = breaker.clone();
        let probe = enter(&breaker).unwrap();
        let expiring = thread::spawn(move || other.expire(1, began() + DEADLINE));
        probe.succeed(began() + DEADLINE);
        match expiring.join().unwrap() {
            Probation::Overdue => assert_eq!(breaker.state(), State::Open),
            Probation::Over => assert_eq!(breaker.state(), State::Closed),
            told @ (Probation::Lasts { .. } | Probation::Failed { .. }) => panic!("{told:?}"),
        }
    });
}

#[test]
fn a_probe_that_takes_the_place_of_another_is_never_overdue_for_it() {
    loom::model(|| {
        let breaker = half_open(1);
        let other = breaker.clone();
        let late = began() + DEADLINE;
        let first = enter(&breaker).unwrap();
        let expiring = thread::spawn(move || other.expire(1, late));
        drop(first);
        let Ok(second) = breaker.try_enter(late) else {
            assert_eq!(expiring.join().unwrap(), Probation::Overdue);
            return;
        };
        // The first was gone before the second came, so nothing is overdue any more.
        assert!(matches!(expiring.join().unwrap(), Probation::Lasts { .. }));
        assert_eq!(breaker.state(), State::HalfOpen);
        second.succeed(late);
        assert_eq!(breaker.state(), State::Closed);
    });
}

#[test]
fn a_caller_that_loses_the_place_shortens_no_deadline() {
    loom::model(|| {
        let breaker = half_open(1);
        let other = breaker.clone();
        let late = began() + DEADLINE;
        let entering = thread::spawn(move || enter(&other).map(std::mem::forget).is_ok());
        let here = breaker.try_enter(late).map(std::mem::forget).is_ok();
        entering.join().unwrap();
        if here {
            assert!(matches!(breaker.expire(1, late), Probation::Lasts { .. }));
        }
    });
}

#[test]
fn an_operators_word_and_a_failure_keep_each_other() {
    loom::model(|| {
        let breaker = breaker(1, 1);
        let other = breaker.clone();
        let failing = thread::spawn(move || fail(&other));
        breaker.force_open();
        let tripped = failing.join().unwrap();
        assert_eq!(breaker.control(), Some(Override::ForcedOpen));
        assert!(enter(&breaker).is_err());
        breaker.release();
        assert_eq!(breaker.state() == State::Open, tripped, "tripped before, or not at all");
    });
}

#[test]
fn an_operators_word_outlives_a_restart_beside_it() {
    loom::model(|| {
        let breaker = breaker(1, 1);
        let other = breaker.clone();
        let restarting = thread::spawn(move || {
            other.down(None);
            assert!(other.up(1));
        });
        breaker.force_closed();
        assert!(enter(&breaker).is_ok());
        restarting.join().unwrap();
        assert!(enter(&breaker).is_ok());
        assert_eq!((breaker.control(), breaker.generation()), (Some(Override::ForcedClosed), 1));
        breaker.release();
        assert_eq!(breaker.state(), State::HalfOpen);
    });
}
