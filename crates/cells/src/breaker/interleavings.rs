//! Every interleaving of a few steps: `RUSTFLAGS="--cfg loom" cargo test -p cells --lib`.

use loom::sync::Arc;
use loom::thread;

use super::*;

fn breaker(trips_after: u16) -> Arc<Breaker> {
    Arc::new(Breaker::new(NonZeroU16::new(trips_after).unwrap(), Instant::now()))
}

fn half_open(permits: u16) -> Arc<Breaker> {
    let breaker = breaker(2);
    breaker.down();
    assert!(breaker.up(1, NonZeroU16::new(permits).unwrap()));
    breaker
}

#[test]
fn one_of_two_failures_trips_it() {
    loom::model(|| {
        let breaker = breaker(2);
        let other = breaker.clone();
        let failing = thread::spawn(move || other.try_enter().is_ok_and(Permit::fail));
        let here = breaker.try_enter().is_ok_and(Permit::fail);
        assert_eq!(usize::from(here) + usize::from(failing.join().unwrap()), 1);
        assert_eq!(breaker.state(), State::Open);
    });
}

#[test]
fn one_permit_lets_one_probe_out_and_comes_back() {
    loom::model(|| {
        let breaker = half_open(1);
        let other = breaker.clone();
        let entering = thread::spawn(move || drop(other.try_enter()));
        drop(breaker.try_enter());
        entering.join().unwrap();
        let probe = breaker.try_enter();
        assert!(probe.is_ok());
        assert!(breaker.try_enter().is_err());
    });
}

#[test]
fn a_late_probe_never_touches_the_next_generation() {
    loom::model(|| {
        let breaker = half_open(1);
        let other = breaker.clone();
        let probing = thread::spawn(move || {
            let Ok(probe) = other.try_enter() else { return };
            if probe.generation == 1 {
                let _ = probe.fail();
            }
        });
        breaker.down();
        assert!(breaker.up(2, NonZeroU16::new(1).unwrap()));
        probing.join().unwrap();
        assert_eq!(breaker.state(), State::HalfOpen);
        assert!(breaker.try_enter().is_ok());
    });
}
