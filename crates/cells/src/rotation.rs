//! Several things of one kind that take turns, such as keys: each is in force, or set aside until a time.
//!
//! Times are counted by the owner, from whatever moment it likes. What is set aside while another one is in force is
//! handed to nobody; where all are, the one whose time is up soonest is, so that a real call finds out.

use std::time::Duration;

use crate::sync::{AtomicU64, Ordering};

const IN_FORCE: u64 = 0;

/// Whose turn it is.
#[derive(Debug)]
pub struct Rotation {
    next: AtomicU64,
    /// Per seat the microsecond until which it is set aside, or [`IN_FORCE`].
    seats: Box<[AtomicU64]>,
}

/// A seat that was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Which seat.
    pub seat: usize,
    /// What was known of it then.
    seen: u64,
}

impl Rotation {
    /// All of `seats` are in force.
    pub fn new(seats: usize) -> Self {
        Self { next: AtomicU64::new(0), seats: (0..seats).map(|_| AtomicU64::new(IN_FORCE)).collect() }
    }

    /// The next seat in force that is not among `tried`. Where nothing was tried and none is in force, the one whose time
    /// is up soonest.
    pub fn turn(&self, now: Duration, tried: &[usize]) -> Option<Turn> {
        let seats = self.seats.len();
        if seats == 0 {
            return None;
        }
        let first = self.next.fetch_add(1, Ordering::Relaxed) % (seats as u64);
        let first = usize::try_from(first).unwrap_or(0);
        let mut soonest: Option<Turn> = None;
        for seat in (first..seats).chain(0..first) {
            let turn = Turn { seat, seen: self.seats[seat].load(Ordering::Acquire) };
            if turn.seen <= micros(now) && !tried.contains(&seat) {
                return Some(turn);
            }
            soonest = Some(soonest.filter(|known| known.seen <= turn.seen).unwrap_or(turn));
        }
        soonest.filter(|_| tried.is_empty())
    }

    /// Sets the seat aside until then, or longer if that is known already. Whether it was in force at `now`.
    pub fn set_aside(&self, turn: Turn, now: Duration, until: Duration) -> bool {
        let known = self.seats[turn.seat].fetch_max(micros(until), Ordering::AcqRel);
        known <= micros(now)
    }

    /// The seat did its work: it is in force again, unless somebody set it aside since it was handed out.
    pub fn worked(&self, turn: Turn) -> bool {
        let seat = &self.seats[turn.seat];
        turn.seen != IN_FORCE
            && seat.compare_exchange(turn.seen, IN_FORCE, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// How many seats are in force.
    pub fn in_force(&self, now: Duration) -> usize {
        self.seats.iter().filter(|seat| seat.load(Ordering::Acquire) <= micros(now)).count()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Turn,
        SetAside(usize, u64),
        Worked(usize),
        Wait(u64),
    }

    fn step(seats: usize) -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Turn),
            (0..seats, 1..50_u64).prop_map(|(seat, for_s)| Step::SetAside(seat, for_s)),
            (0..seats).prop_map(Step::Worked),
            (0..30_u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn what_is_set_aside_is_handed_to_nobody_while_another_is_in_force(
            (seats, steps) in (1..6_usize).prop_flat_map(|n| (Just(n), prop::collection::vec(step(n), 1..80)))
        ) {
            let rotation = Rotation::new(seats);
            // What a plain description says: until when each is set aside.
            let mut until = vec![Duration::ZERO; seats];
            let mut now = Duration::from_secs(1);
            for step in steps {
                match step {
                    Step::Wait(for_s) => now += Duration::from_secs(for_s),
                    Step::SetAside(seat, for_s) => {
                        let end = now + Duration::from_secs(for_s);
                        let was_in_force = rotation.set_aside(Turn { seat, seen: 0 }, now, end);
                        prop_assert_eq!(was_in_force, until[seat] <= now);
                        until[seat] = until[seat].max(end);
                    }
                    Step::Worked(seat) => {
                        rotation.worked(Turn { seat, seen: micros(until[seat]) });
                        until[seat] = Duration::ZERO;
                    }
                    Step::Turn => {
                        let turn = rotation.turn(now, &[]).unwrap();
                        let some_in_force = until.iter().any(|end| *end <= now);
                        prop_assert_eq!(until[turn.seat] <= now, some_in_force);
                        if !some_in_force {
                            prop_assert_eq!(until[turn.seat], *until.iter().min().unwrap());
                        }
                    }
                }
                let in_force = until.iter().filter(|end| **end <= now).count();
                prop_assert_eq!(rotation.in_force(now), in_force);
            }
        }
    }

    #[test]
    fn those_in_force_take_turns_and_one_call_gets_none_twice() {
        let rotation = Rotation::new(3);
        let turns: Vec<usize> = (0..6).map(|_| rotation.turn(Duration::ZERO, &[]).unwrap().seat).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
        assert_eq!(rotation.turn(Duration::ZERO, &[0, 2]).unwrap().seat, 1);
        assert_eq!(rotation.turn(Duration::ZERO, &[0, 1, 2]), None);
    }

    #[test]
    fn a_late_success_brings_nothing_back_that_was_set_aside_meanwhile() {
        let rotation = Rotation::new(1);
        let begun = rotation.turn(Duration::ZERO, &[]).unwrap();
        rotation.set_aside(begun, Duration::ZERO, Duration::from_secs(9));
        assert!(!rotation.worked(begun));
        assert_eq!(rotation.in_force(Duration::ZERO), 0);
        let probe = rotation.turn(Duration::ZERO, &[]).unwrap();
        assert!(rotation.worked(probe));
        assert_eq!(rotation.in_force(Duration::ZERO), 1);
    }
}
