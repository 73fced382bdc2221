//! The breaker's promises one by one, and under many threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use super::word::Probing;
use super::*;

const DEADLINE: Duration = Duration::from_secs(10);

/// A breaker and the time it is used at.
struct Fixture {
    breaker: Breaker,
    now: Instant,
}

impl Fixture {
    /// Trips at so many failures in a row and at no percentage.
    fn closed(in_a_row: u16) -> Self {
        Self::of(
            Thresholds {
                in_a_row: NonZeroU16::new(in_a_row).unwrap(),
                percent: 101,
                ..Thresholds::default()
            },
            1,
        )
    }

    /// Trips at half of at least 10 calls in 80 s, and practically at no row.
    fn by_percentage() -> Self {
        let window = Duration::from_secs(80);
        Self::of(Thresholds { in_a_row: NonZeroU16::MAX, percent: 50, minimum: 10, window }, 1)
    }

    fn half_open(probes: u8) -> Self {
        let in_a_row = NonZeroU16::new(3).unwrap();
        let fixture = Self::of(Thresholds { in_a_row, ..Thresholds::default() }, probes);
        fixture.breaker.down(None);
        assert!(fixture.breaker.up(1));
        fixture
    }

    fn of(thresholds: Thresholds, probes: u8) -> Self {
        let now = Instant::now();
        let probes = Probes { count: NonZeroU8::new(probes).unwrap(), deadline: DEADLINE };
        Self { breaker: Breaker::new(thresholds, probes, now), now }
    }

    fn enter(&self) -> Result<Permit<'_>, Open> {
        self.breaker.try_enter(self.now)
    }

    fn fail(&self) -> bool {
        self.enter().unwrap().fail(self.now, None)
    }

    fn succeed(&self) {
        self.enter().unwrap().succeed(self.now);
    }

    fn state(&self) -> State {
        self.breaker.state()
    }
}

/// Runs `work` on so many threads at once and counts how often it was `true`.
fn at_once(threads: usize, work: impl Fn() -> bool + Sync) -> usize {
    let count = AtomicUsize::new(0);
    let start = Barrier::new(threads);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let run = || {
                start.wait();
                if work() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            };
            std::thread::Builder::new().stack_size(256 * 1024).spawn_scoped(scope, run).unwrap();
        }
    });
    count.into_inner()
}

// === Opening ===

#[test]
fn trips_at_failures_in_a_row_and_not_at_scattered_ones() {
    let closed = Fixture::closed(3);
    for _ in 0..5 {
        assert!(!closed.fail());
        assert!(!closed.fail());
        closed.succeed();
    }
    assert_eq!(closed.state(), State::Closed);

    assert!(!closed.fail());
    assert!(!closed.fail());
    assert!(closed.fail());
    assert_eq!(closed.state(), State::Open);
    assert!(closed.enter().is_err());
}

#[test]
fn trips_at_exactly_its_percentage() {
    let half = Fixture::by_percentage();
    for _ in 0..10 {
        half.succeed();
    }
    for _ in 0..9 {
        assert!(!half.fail());
    }
    assert!(half.fail(), "10 of 20 are half");
    assert_eq!(half.state(), State::Open);
}

#[test]
fn a_percentage_says_nothing_before_the_minimum_of_calls() {
    let half = Fixture::by_percentage();
    for _ in 0..9 {
        assert!(!half.fail());
    }
    assert_eq!(half.state(), State::Closed);
    assert!(half.fail());
}

#[test]
fn who_went_away_counts_for_nothing() {
    let half = Fixture::by_percentage();
    for _ in 0..9 {
        assert!(!half.fail());
    }
    for _ in 0..20 {
        drop(half.enter().unwrap());
    }
    assert!(half.fail(), "10 of 10");
}

#[test]
fn only_failures_of_the_last_while_count() {
    let mut half = Fixture::by_percentage();
    for _ in 0..9 {
        assert!(!half.fail());
    }
    half.now += Duration::from_secs(80);
    assert!(!half.fail());
    half.now += Duration::from_secs(70);
    for _ in 0..8 {
        assert!(!half.fail());
    }
    assert_eq!(half.state(), State::Closed);
    assert!(half.fail(), "the one of 70 seconds ago is still among these 10");
}

#[test]
fn a_new_generation_begins_to_count_at_nothing() {
    let half = Fixture::by_percentage();
    for _ in 0..9 {
        assert!(!half.fail());
    }
    half.breaker.down(None);
    assert!(half.breaker.up(1));
    half.succeed();
    assert_eq!(half.state(), State::Closed);
    for _ in 0..8 {
        assert!(!half.fail());
    }
    assert!(half.fail(), "the probe and these are 10");
}

#[test]
fn exactly_one_caller_trips_it() {
    for _ in 0..50 {
        let closed = Fixture::closed(4);
        let permits = Mutex::new((0..16).map(|_| closed.enter().unwrap()).collect::<Vec<_>>());
        let trippers = at_once(16, || {
            let permit = permits.lock().unwrap().pop().unwrap();
            permit.fail(closed.now, None)
        });
        assert_eq!(trippers, 1);
        assert_eq!(closed.state(), State::Open);
    }
}

#[test]
fn exactly_one_caller_trips_it_by_the_percentage() {
    for _ in 0..50 {
        let half = Fixture::by_percentage();
        let permits = Mutex::new((0..16).map(|_| half.enter().unwrap()).collect::<Vec<_>>());
        let trippers = at_once(16, || {
            let permit = permits.lock().unwrap().pop().unwrap();
            permit.fail(half.now, None)
        });
        assert_eq!(trippers, 1);
        assert_eq!(half.state(), State::Open);
    }
}

// === Half-open ===

#[test]
fn of_a_thousand_callers_at_once_a_single_probe_gets_through() {
    for _ in 0..2 {
        let open = Fixture::of(Thresholds::default(), 1);
        open.breaker.down(None);
        let is_up = AtomicBool::new(false);
        let let_in = Mutex::new(Vec::new());
        let start = Barrier::new(1001);
        std::thread::scope(|scope| {
            let call = || {
                start.wait();
                // Refused while it is open, and then once more when it is half-open: nobody is refused for being early.
                loop {
                    let last = is_up.load(Ordering::SeqCst);
                    if let Ok(permit) = open.enter() {
                        let_in.lock().unwrap().push(permit);
                    }
                    if last {
                        break;
                    }
                    std::thread::yield_now();
                }
            };
            for _ in 0..1000 {
                std::thread::Builder::new().stack_size(128 * 1024).spawn_scoped(scope, call).unwrap();
            }
            start.wait();
            assert!(open.breaker.up(1));
            is_up.store(true, Ordering::SeqCst);
        });
        let mut let_in = let_in.into_inner().unwrap();
        assert_eq!(let_in.len(), 1);
        assert_eq!(open.state(), State::HalfOpen);
        let_in.pop().unwrap().succeed(open.now);
        assert_eq!(open.state(), State::Closed);
    }
}

#[test]
fn exactly_as_many_probes_as_allowed_go_out() {
    for probes in [1, 3, MAX_PROBES] {
        let half_open = Fixture::half_open(probes);
        let held = Mutex::new(Vec::new());
        let entered = at_once(16, || match half_open.enter() {
            Ok(permit) => {
                held.lock().unwrap().push(permit);
                true
            }
            Err(_) => false,
        });
        assert_eq!(entered, usize::from(probes));
    }
    let greedy = Fixture::half_open(u8::MAX);
    let held: Vec<_> = std::iter::from_fn(|| greedy.enter().ok()).collect();
    assert_eq!(held.len(), usize::from(MAX_PROBES));
}

#[test]
fn each_of_its_probes_has_to_answer_before_it_closes() {
    let half_open = Fixture::half_open(3);
    let mut first = half_open.enter().unwrap();
    let second = half_open.enter().unwrap();
    first.answered();
    assert_eq!(half_open.state(), State::HalfOpen);
    let third = half_open.enter().unwrap();
    assert!(half_open.enter().is_err(), "an answer gives no permit back: three in all");
    third.succeed(half_open.now);
    assert_eq!(half_open.state(), State::HalfOpen);
    second.succeed(half_open.now);
    assert_eq!(half_open.state(), State::Closed);
}

#[test]
fn a_probe_without_a_result_gives_its_permit_back() {
    let half_open = Fixture::half_open(1);
    for _ in 0..300 {
        let probe = half_open.enter().unwrap();
        assert!(half_open.enter().is_err());
        drop(probe);
    }
    assert_eq!(half_open.state(), State::HalfOpen);
}

#[test]
fn churning_probes_never_mint_a_permit() {
    let half_open = Fixture::half_open(2);
    let inside = AtomicUsize::new(0);
    at_once(8, || {
        for _ in 0..500 {
            if let Ok(permit) = half_open.enter() {
                assert!(inside.fetch_add(1, Ordering::SeqCst) < 2);
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(permit);
            }
        }
        false
    });
    let _first = half_open.enter().unwrap();
    let _second = half_open.enter().unwrap();
    assert!(half_open.enter().is_err());
}

#[test]
fn the_first_output_of_a_probe_closes_it_before_the_stream_has_ended() {
    let half_open = Fixture::half_open(1);
    let mut probe = half_open.enter().unwrap();
    probe.answered();
    assert_eq!(half_open.state(), State::Closed);

    assert!(!probe.fail(half_open.now, None), "a cut later in the stream is the first of a new row");
    assert_eq!(half_open.state(), State::Closed);
}

#[test]
fn a_probe_that_fails_opens_it_again_and_only_the_first_says_so() {
    let half_open = Fixture::half_open(3);
    let first = half_open.enter().unwrap();
    let second = half_open.enter().unwrap();
    half_open.succeed();
    assert!(first.fail(half_open.now, None));
    assert!(!second.fail(half_open.now, None));
    assert_eq!(half_open.state(), State::Open);
}

#[test]
fn a_late_result_of_an_old_generation_changes_nothing() {
    let one = Fixture::closed(1);
    let late_failure = one.enter().unwrap();
    let late_success = one.enter().unwrap();
    one.breaker.down(None);
    assert!(one.breaker.up(1));

    late_success.succeed(one.now);
    assert_eq!(one.state(), State::HalfOpen);
    assert!(!late_failure.fail(one.now, None));
    assert_eq!(one.state(), State::HalfOpen);

    let old_probe = one.enter().unwrap();
    one.breaker.down(None);
    assert!(one.breaker.up(2));
    drop(old_probe);
    let _probe = one.enter().unwrap();
    assert!(one.enter().is_err(), "the old probe's permit belongs to no breaker any more");
}

#[test]
fn a_generation_that_is_not_newer_brings_nothing_up() {
    let half_open = Fixture::half_open(1);
    half_open.breaker.down(None);
    for generation in [0, 1, u64::MAX] {
        assert!(!half_open.breaker.up(generation), "{generation}");
    }
    assert_eq!(half_open.state(), State::Open);
    assert!(half_open.breaker.up(Word::MAX_GENERATION));
    assert_eq!(half_open.breaker.generation(), Word::MAX_GENERATION);
}

#[test]
fn a_first_start_leaves_a_closed_breaker_closed() {
    let closed = Fixture::closed(2);
    assert!(!closed.fail());
    assert!(closed.breaker.up(1));
    assert_eq!(closed.state(), State::Closed);
    assert!(!closed.fail(), "the row of failures began anew");
}

// === Deadlines ===

#[test]
fn a_probe_that_is_overdue_opens_it_again() {
    let Fixture { breaker, now: began } = Fixture::half_open(2);
    let first = breaker.try_enter(began).unwrap();
    let now = began + Duration::from_secs(4);
    let second = breaker.try_enter(now).unwrap();

    assert_eq!(breaker.expire(1, now), Probation::Lasts { until: began + DEADLINE });
    first.succeed(now);
    let due = now + DEADLINE;
    assert_eq!(breaker.expire(1, now), Probation::Lasts { until: due });
    assert_eq!(breaker.expire(1, due - Duration::from_nanos(1)), Probation::Lasts { until: due });
    assert_eq!(breaker.expire(1, due), Probation::Overdue);
    assert_eq!(breaker.state(), State::Open);

    second.succeed(due);
    assert_eq!(breaker.state(), State::Open, "too late");
}

#[test]
fn who_watches_never_sleeps_past_a_deadline() {
    let half_open = Fixture::half_open(1);
    let breaker = &half_open.breaker;
    let look_again = |generation, now| match breaker.expire(generation, now) {
        Probation::Lasts { until } => until,
        decided @ (Probation::Overdue | Probation::Failed { .. } | Probation::Over) => panic!("{decided:?}"),
    };
    assert_eq!(look_again(1, half_open.now), half_open.now + DEADLINE, "no probe is out");
    assert_eq!(look_again(2, half_open.now), half_open.now + DEADLINE, "not told of yet");
    assert_eq!(breaker.expire(0, half_open.now), Probation::Over, "another's");
    half_open.succeed();
    assert_eq!(breaker.expire(1, half_open.now), Probation::Over);
    let asked = half_open.now + DEADLINE;
    breaker.down(Some(asked));
    let Probation::Failed { retry_at: Some(told) } = breaker.expire(1, half_open.now) else { panic!("lost") };
    assert!(told >= asked && told <= asked + Duration::from_millis(1), "{told:?} instead of {asked:?}");
}

#[test]
fn a_place_that_is_taken_again_has_a_deadline_of_its_own() {
    let mut half_open = Fixture::half_open(1);
    drop(half_open.enter().unwrap());
    half_open.now += DEADLINE;
    let _probe = half_open.enter().unwrap();
    let until = half_open.now + DEADLINE;
    assert_eq!(half_open.breaker.expire(1, half_open.now), Probation::Lasts { until });
}

#[test]
fn a_deadline_that_never_comes_breaks_nothing() {
    let now = Instant::now();
    let probes = Probes { count: NonZeroU8::MIN, deadline: Duration::MAX };
    let breaker = Breaker::new(Thresholds::default(), probes, now);
    breaker.down(None);
    assert!(breaker.up(1));
    let _probe = breaker.try_enter(now).unwrap();
    assert!(matches!(breaker.expire(1, now), Probation::Lasts { .. }));
}

// === Overrides ===

#[test]
fn forced_open_refuses_all_whatever_happens_and_names_no_time() {
    let closed = Fixture::closed(1);
    let under_way = closed.enter().unwrap();
    let failing = closed.enter().unwrap();
    closed.breaker.force_open();
    let refused = Open { retry_at: None, forced: true };
    assert_eq!(closed.enter().unwrap_err(), refused);
    assert!(!failing.fail(closed.now, None), "nobody is told of a trip");
    under_way.succeed(closed.now);
    closed.breaker.down(Some(closed.now));
    assert_eq!(closed.enter().unwrap_err(), refused);
    assert!(closed.breaker.up(1));
    assert_eq!(closed.enter().unwrap_err(), refused);
    assert_eq!((closed.state(), closed.breaker.control()), (State::Open, Some(Override::ForcedOpen)));

    closed.breaker.release();
    assert_eq!((closed.state(), closed.breaker.control()), (State::HalfOpen, None));
}

#[test]
fn forced_closed_lets_all_through_and_counts_without_a_trip() {
    let closed = Fixture::closed(3);
    closed.breaker.force_closed();
    for _ in 0..5 {
        assert!(!closed.fail());
    }
    assert_eq!((closed.state(), closed.breaker.control()), (State::Closed, Some(Override::ForcedClosed)));

    closed.breaker.release();
    assert_eq!(closed.state(), State::Closed, "taking it back opens nothing by itself");
    assert!(closed.fail(), "but the row went on");
}

#[test]
fn disabled_lets_all_through_and_counts_nothing() {
    let closed = Fixture::closed(3);
    assert!(!closed.fail());
    assert!(!closed.fail());
    closed.breaker.disable();
    closed.succeed();
    for _ in 0..5 {
        assert!(!closed.fail());
    }
    assert_eq!((closed.state(), closed.breaker.control()), (State::Closed, Some(Override::Disabled)));
    closed.breaker.release();
    assert!(closed.fail(), "the row stands where it stood");
}

#[test]
fn who_is_let_through_by_hand_is_no_probe() {
    for open_the_gate in [Breaker::force_closed, Breaker::disable] {
        let half_open = Fixture::half_open(1);
        let probe = half_open.enter().unwrap();
        open_the_gate(&half_open.breaker);
        let (good, bad) = (half_open.enter().unwrap(), half_open.enter().unwrap());
        half_open.breaker.release();
        good.succeed(half_open.now);
        assert!(!bad.fail(half_open.now, None));
        assert_eq!(half_open.state(), State::HalfOpen);
        assert!(half_open.enter().is_err(), "the probe is still under way");
        probe.succeed(half_open.now);
        assert_eq!(half_open.state(), State::Closed);
    }
}

#[test]
fn an_override_suspends_deadlines_and_gives_failed_probes_back() {
    for take_over in [Breaker::force_open, Breaker::force_closed, Breaker::disable] {
        let Fixture { breaker, now } = Fixture::half_open(2);
        let failing = breaker.try_enter(now).unwrap();
        let _stuck = breaker.try_enter(now).unwrap();
        take_over(&breaker);
        assert!(!failing.fail(now, None));
        let late = now + 2 * DEADLINE;
        assert_eq!(breaker.expire(1, late), Probation::Lasts { until: late + DEADLINE });

        breaker.release();
        assert!(breaker.try_enter(late).is_ok());
        assert_eq!(breaker.expire(1, late), Probation::Overdue);
    }
}

#[test]
fn a_release_without_an_override_changes_nothing() {
    let half_open = Fixture::half_open(1);
    half_open.breaker.release();
    assert_eq!(half_open.state(), State::HalfOpen);
    half_open.breaker.force_open();
    half_open.breaker.force_open();
    half_open.breaker.disable();
    assert_eq!(half_open.breaker.control(), Some(Override::Disabled), "the last word holds");
}

// === Hints ===

#[test]
fn who_is_refused_learns_when_to_come_back_until_it_is_up_again() {
    let open = Fixture::closed(1);
    open.breaker.down(None);
    assert_eq!(open.enter().unwrap_err(), Open { retry_at: None, forced: false });

    let at = open.now + Duration::from_micros(2_000_500);
    open.breaker.down(Some(at));
    let hint = open.enter().unwrap_err().retry_at.unwrap();
    assert!(hint >= at && hint <= at + Duration::from_millis(1));

    assert!(open.breaker.up(1));
    let _probe = open.enter().unwrap();
    assert_eq!(open.enter().unwrap_err().retry_at, None);
}

#[test]
fn a_providers_own_wish_holds_until_supervision_knows_better() {
    let one = Fixture::closed(1);
    let seconds = |count| one.now + Duration::from_secs(count);
    let refusal = || one.enter().unwrap_err().retry_at.unwrap().duration_since(one.now).as_secs();
    assert!(one.enter().unwrap().fail(one.now, Some(seconds(30))));
    assert_eq!(refusal(), 30);
    one.breaker.down(Some(seconds(45)));
    assert_eq!(refusal(), 45);
    one.breaker.down(None);
    assert_eq!(one.enter().unwrap_err().retry_at, None, "nobody comes back any more");
}

#[test]
fn a_word_unpacks_to_what_was_packed() {
    let probing = |missing, out, turn| Phase::HalfOpen(Probing { missing, out, turn });
    let phases = [
        Phase::Closed { row: 0 },
        Phase::Closed { row: 1 },
        Phase::Closed { row: u16::MAX },
        Phase::Open,
        probing(1, 0, 0),
        probing(MAX_PROBES, 0b1010_0101, 0x5a),
        probing(1, u8::MAX, u8::MAX),
    ];
    let controls = [None, Some(Override::ForcedOpen), Some(Override::ForcedClosed), Some(Override::Disabled)];
    for generation in [0, 1, Word::MAX_GENERATION] {
        for (phase, control) in phases.into_iter().flat_map(|phase| controls.map(|control| (phase, control)))
        {
            let word = Word { generation, control, phase };
            assert_eq!(Word::unpack(word.pack()), word);
        }
    }
}

#[test]
fn a_breaker_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&Arc::new(Fixture::closed(1).breaker));
}
