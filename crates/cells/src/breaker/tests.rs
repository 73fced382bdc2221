//! The breaker under many threads, and its promises one by one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use super::*;

fn breaker(trips_after: u16) -> Breaker {
    Breaker::new(NonZeroU16::new(trips_after).unwrap(), Instant::now())
}

fn probes(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

fn half_open(permits: u16) -> Breaker {
    let breaker = breaker(3);
    breaker.down();
    assert!(breaker.up(1, probes(permits)));
    breaker
}

/// Runs `work` on so many threads at once and counts how often it was `true`.
fn at_once(threads: usize, work: impl Fn() -> bool + Sync) -> usize {
    let count = AtomicUsize::new(0);
    let start = Arc::new(Barrier::new(threads));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                start.wait();
                if work() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    count.into_inner()
}

#[test]
fn trips_at_failures_in_a_row_and_not_at_scattered_ones() {
    let breaker = breaker(3);
    for _ in 0..5 {
        assert!(!breaker.try_enter().unwrap().fail());
        assert!(!breaker.try_enter().unwrap().fail());
        breaker.try_enter().unwrap().succeed();
    }
    assert_eq!(breaker.state(), State::Closed);

    assert!(!breaker.try_enter().unwrap().fail());
    assert!(!breaker.try_enter().unwrap().fail());
    assert!(breaker.try_enter().unwrap().fail());
    assert_eq!(breaker.state(), State::Open);
    assert!(breaker.try_enter().is_err());
}

#[test]
fn exactly_one_caller_trips_it() {
    for _ in 0..50 {
        let breaker = breaker(4);
        let permits =
            std::sync::Mutex::new((0..16).map(|_| breaker.try_enter().unwrap()).collect::<Vec<_>>());
        let trippers = at_once(16, || {
            let permit = permits.lock().unwrap().pop().unwrap();
            permit.fail()
        });
        assert_eq!(trippers, 1);
        assert_eq!(breaker.state(), State::Open);
    }
}

#[test]
fn exactly_as_many_probes_as_allowed_go_out() {
    for _ in 0..50 {
        let breaker = half_open(3);
        let held = std::sync::Mutex::new(Vec::new());
        let entered = at_once(16, || match breaker.try_enter() {
            Ok(permit) => {
                held.lock().unwrap().push(permit);
                true
            }
            Err(_) => false,
        });
        assert_eq!(entered, 3);
    }
}

#[test]
fn a_probe_without_a_result_gives_its_permit_back() {
    let breaker = half_open(1);
    for _ in 0..3 {
        let probe = breaker.try_enter().unwrap();
        assert!(breaker.try_enter().is_err());
        drop(probe);
    }
    assert_eq!(breaker.state(), State::HalfOpen);
}

#[test]
fn churning_probes_never_mint_a_permit() {
    let breaker = half_open(2);
    let inside = AtomicUsize::new(0);
    at_once(8, || {
        for _ in 0..500 {
            if let Ok(permit) = breaker.try_enter() {
                assert!(inside.fetch_add(1, Ordering::SeqCst) < 2);
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(permit);
            }
        }
        false
    });
    let _first = breaker.try_enter().unwrap();
    let _second = breaker.try_enter().unwrap();
    assert!(breaker.try_enter().is_err());
}

#[test]
fn the_first_output_of_a_probe_closes_it_before_the_stream_has_ended() {
    let breaker = half_open(1);
    let mut probe = breaker.try_enter().unwrap();
    probe.answered();
    assert_eq!(breaker.state(), State::Closed);

    assert!(!probe.fail(), "a cut later in the stream is the first of a new row");
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_probe_that_fails_opens_it_again_and_only_the_first_says_so() {
    let breaker = half_open(2);
    let first = breaker.try_enter().unwrap();
    let second = breaker.try_enter().unwrap();
    assert!(first.fail());
    assert!(!second.fail());
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_late_result_of_an_old_generation_changes_nothing() {
    let breaker = breaker(1);
    let late_failure = breaker.try_enter().unwrap();
    let late_success = breaker.try_enter().unwrap();
    breaker.down();
    assert!(breaker.up(1, probes(1)));

    late_success.succeed();
    assert_eq!(breaker.state(), State::HalfOpen);
    assert!(!late_failure.fail());
    assert_eq!(breaker.state(), State::HalfOpen);

    let old_probe = breaker.try_enter().unwrap();
    breaker.down();
    assert!(breaker.up(2, probes(1)));
    drop(old_probe);
    let _probe = breaker.try_enter().unwrap();
    assert!(breaker.try_enter().is_err(), "the old probe's permit belongs to no breaker any more");
}

#[test]
fn a_generation_that_is_not_newer_brings_nothing_up() {
    let breaker = half_open(1);
    breaker.down();
    for generation in [0, 1, u64::MAX] {
        assert!(!breaker.up(generation, probes(1)), "{generation}");
    }
    assert_eq!(breaker.state(), State::Open);
    assert!(breaker.up(Word::MAX_GENERATION, probes(1)));
    assert_eq!(breaker.generation(), Word::MAX_GENERATION);
}

#[test]
fn a_first_start_leaves_a_closed_breaker_closed() {
    let breaker = breaker(2);
    assert!(!breaker.try_enter().unwrap().fail());
    assert!(breaker.up(1, probes(1)));
    assert_eq!(breaker.state(), State::Closed);
    assert!(!breaker.try_enter().unwrap().fail(), "the row of failures began anew");
}

#[test]
fn who_is_refused_learns_when_to_come_back_until_it_is_up_again() {
    let origin = Instant::now();
    let breaker = Breaker::new(probes(1), origin);
    breaker.down();
    assert_eq!(breaker.try_enter().unwrap_err().retry_at, None);

    let at = origin + Duration::from_micros(2_000_500);
    breaker.set_retry_at(at);
    let hint = breaker.try_enter().unwrap_err().retry_at.unwrap();
    assert!(hint >= at && hint <= at + Duration::from_millis(1));

    assert!(breaker.up(1, probes(1)));
    let _probe = breaker.try_enter().unwrap();
    assert_eq!(breaker.try_enter().unwrap_err().retry_at, None);
}

#[test]
fn a_word_unpacks_to_what_was_packed() {
    let phases = [
        Phase::Closed { failures: 0 },
        Phase::Closed { failures: u16::MAX },
        Phase::Open,
        Phase::HalfOpen { permits: 0 },
        Phase::HalfOpen { permits: u16::MAX },
    ];
    for generation in [0, 1, Word::MAX_GENERATION] {
        for phase in phases {
            let word = Word { generation, phase };
            assert_eq!(Word::unpack(word.pack()), word);
        }
    }
}
