//! Whatever happens in whichever order: the breaker does what a plain description of it does.

use proptest::prelude::*;

use super::*;

const PROBES: u8 = 2;
const DEADLINE_S: u64 = 10;
const WINDOW_S: u64 = 40;
/// An eighth of the window.
const SLICE_S: u64 = 5;
const IN_A_ROW: u16 = 5;
const PERCENT: u8 = 50;
const MINIMUM: u16 = 4;

#[derive(Clone, Debug)]
enum Act {
    Enter,
    Answer(usize),
    Succeed(usize),
    Fail { permit: usize, retry_after_s: Option<u64> },
    Drop(usize),
    Pass { seconds: u64 },
    Down { retry_after_s: Option<u64> },
    Up,
    StaleUp,
    Expire { late: bool },
    Override(Option<Override>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Condition {
    Closed,
    Open,
    HalfOpen,
}

/// The breaker in plain words: lists instead of bits, seconds instead of instants.
struct Model {
    now_s: u64,
    generation: u64,
    control: Option<Override>,
    condition: Condition,
    row: u16,
    /// When calls of this generation ended while it was closed, and whether they failed.
    ended: Vec<(u64, bool)>,
    answers: u8,
    /// By permit, when the probe is due.
    out: Vec<(u64, u64)>,
    retry_at_s: Option<u64>,
    permits: u64,
}

#[derive(Clone, Copy)]
struct ModelPermit {
    id: u64,
    generation: u64,
}

impl Model {
    fn new() -> Self {
        Self {
            now_s: 0,
            generation: 0,
            control: None,
            condition: Condition::Closed,
            row: 0,
            ended: Vec::new(),
            answers: 0,
            out: Vec::new(),
            retry_at_s: None,
            permits: 0,
        }
    }

    fn state(&self) -> State {
        match (self.control, self.condition) {
            (Some(Override::ForcedOpen), _) => State::Open,
            (Some(_), _) => State::Closed,
            (None, Condition::Closed) => State::Closed,
            (None, Condition::Open) => State::Open,
            (None, Condition::HalfOpen) => State::HalfOpen,
        }
    }

    fn enter(&mut self) -> Option<ModelPermit> {
        let is_full = self.out.len() + usize::from(self.answers) >= usize::from(PROBES);
        let lets_in = match self.state() {
            State::Closed => true,
            State::Open => false,
            State::HalfOpen => !is_full,
        };
        if !lets_in {
            return None;
        }
        self.permits += 1;
        if self.state() == State::HalfOpen {
            self.out.push((self.permits, self.now_s + DEADLINE_S));
        }
        Some(ModelPermit { id: self.permits, generation: self.generation })
    }

    fn counts(&self) -> bool {
        !matches!(self.control, Some(Override::ForcedOpen | Override::Disabled))
    }

    /// Whether it was a probe that had not answered yet.
    fn take_back(&mut self, permit: ModelPermit) -> bool {
        let before = self.out.len();
        self.out.retain(|(id, _)| *id != permit.id);
        self.out.len() < before
    }

    fn answer(&mut self, permit: ModelPermit) {
        if self.take_back(permit) && self.counts() {
            self.answers += 1;
            if self.answers == PROBES {
                self.condition = Condition::Closed;
                self.row = 0;
            }
        }
    }

    fn succeed(&mut self, permit: ModelPermit) {
        self.answer(permit);
        if permit.generation == self.generation && self.condition == Condition::Closed && self.counts() {
            self.row = 0;
            self.ended.push((self.now_s, false));
        }
    }

    fn fail(&mut self, permit: ModelPermit, retry_at_s: Option<u64>) -> bool {
        let was_probe = self.take_back(permit);
        if permit.generation != self.generation || !self.counts() {
            return false;
        }
        let opens = match self.condition {
            Condition::Closed => {
                self.row = self.row.saturating_add(1);
                self.ended.push((self.now_s, true));
                self.row >= IN_A_ROW || self.has_too_many_failures()
            }
            Condition::HalfOpen => was_probe,
            Condition::Open => false,
        };
        let trips = opens && self.control.is_none();
        if trips {
            self.open(retry_at_s);
        }
        trips
    }

    fn has_too_many_failures(&self) -> bool {
        let oldest = (self.now_s / SLICE_S + 1).saturating_sub(WINDOW_S / SLICE_S);
        let recent: Vec<_> = self.ended.iter().filter(|(at, _)| at / SLICE_S >= oldest).collect();
        let failures = recent.iter().filter(|(_, failed)| *failed).count();
        recent.len() >= usize::from(MINIMUM) && failures * 100 >= usize::from(PERCENT) * recent.len()
    }

    fn open(&mut self, retry_at_s: Option<u64>) {
        self.condition = Condition::Open;
        self.out.clear();
        self.retry_at_s = retry_at_s;
    }

    fn up(&mut self, generation: u64) -> bool {
        if generation <= self.generation {
            return false;
        }
        self.generation = generation;
        self.row = 0;
        self.ended.clear();
        self.answers = 0;
        self.out.clear();
        self.retry_at_s = None;
        if self.condition != Condition::Closed {
            self.condition = Condition::HalfOpen;
        }
        true
    }

    fn expire(&mut self) -> &'static str {
        let is_overdue = self.out.iter().any(|(_, due)| *due <= self.now_s);
        if self.condition == Condition::HalfOpen && self.control.is_none() && is_overdue {
            self.open(None);
        }
        match self.condition {
            Condition::Closed => "over",
            Condition::Open => "failed",
            Condition::HalfOpen => "lasts",
        }
    }
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let place = 0_usize..8;
    let after = proptest::option::of(0_u64..100);
    let control = prop::sample::select(vec![
        None,
        None,
        Some(Override::ForcedOpen),
        Some(Override::ForcedClosed),
        Some(Override::Disabled),
    ]);
    let act = prop_oneof![
        12 => Just(Act::Enter),
        3 => place.clone().prop_map(Act::Answer),
        5 => place.clone().prop_map(Act::Succeed),
        9 => (place.clone(), after.clone())
            .prop_map(|(permit, retry_after_s)| Act::Fail { permit, retry_after_s }),
        2 => place.prop_map(Act::Drop),
        3 => (1_u64..25).prop_map(|seconds| Act::Pass { seconds }),
        1 => after.prop_map(|retry_after_s| Act::Down { retry_after_s }),
        3 => Just(Act::Up),
        1 => Just(Act::StaleUp),
        3 => any::<bool>().prop_map(|late| Act::Expire { late }),
        1 => control.prop_map(Act::Override),
    ];
    prop::collection::vec(act, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn it_does_what_its_description_does(acts in acts()) {
        let origin = Instant::now();
        let at = |seconds: u64| origin + Duration::from_secs(seconds);
        let thresholds = Thresholds {
            in_a_row: NonZeroU16::new(IN_A_ROW).unwrap(),
            percent: PERCENT,
            minimum: MINIMUM,
            window: Duration::from_secs(WINDOW_S),
        };
        let probes =
            Probes { count: NonZeroU8::new(PROBES).unwrap(), deadline: Duration::from_secs(DEADLINE_S) };
        let breaker = Breaker::new(thresholds, probes, origin);
        let mut model = Model::new();
        let mut permits: Vec<(Permit<'_>, ModelPermit)> = Vec::new();
        let take = |permits: &mut Vec<_>, place: usize| {
            (!permits.is_empty()).then(|| permits.swap_remove(place % permits.len()))
        };

        for act in acts {
            let now = at(model.now_s);
            match act {
                Act::Enter => match (breaker.try_enter(now), model.enter()) {
                    (Ok(permit), Some(expected)) => permits.push((permit, expected)),
                    (Err(open), None) => {
                        let forced = model.control.is_some();
                        let retry_at = model.retry_at_s.filter(|_| !forced);
                        // A hint is rounded up to the next millisecond.
                        let rounded = retry_at.map(|s| at(s) + Duration::from_millis(1));
                        prop_assert_eq!(open, Open { retry_at: rounded, forced });
                    }
                    (entered, expected) => {
                        prop_assert!(false, "{:?} instead of {}", entered, expected.is_some());
                    }
                },
                Act::Answer(place) => {
                    let count = permits.len();
                    if let Some((permit, expected)) = permits.get_mut(place % count.max(1)) {
                        permit.answered();
                        model.answer(*expected);
                    }
                }
                Act::Succeed(place) => if let Some((permit, expected)) = take(&mut permits, place) {
                    permit.succeed(now);
                    model.succeed(expected);
                },
                Act::Fail { permit, retry_after_s } => {
                    if let Some((permit, expected)) = take(&mut permits, permit) {
                        let retry_at_s = retry_after_s.map(|after| model.now_s + after);
                        let tripped = permit.fail(now, retry_at_s.map(at));
                        prop_assert_eq!(tripped, model.fail(expected, retry_at_s));
                    }
                }
                Act::Drop(place) => if let Some((permit, expected)) = take(&mut permits, place) {
                    drop(permit);
                    model.take_back(expected);
                },
                Act::Pass { seconds } => model.now_s += seconds,
                Act::Down { retry_after_s } => {
                    let retry_at_s = retry_after_s.map(|after| model.now_s + after);
                    breaker.down(retry_at_s.map(at));
                    model.open(retry_at_s);
                }
                Act::Up => {
                    let next = model.generation + 1;
                    prop_assert_eq!(breaker.up(next), model.up(next));
                }
                Act::StaleUp => prop_assert!(!breaker.up(model.generation)),
                Act::Expire { late } => {
                    if late && model.generation > 0 {
                        let stale = breaker.expire(model.generation - 1, now);
                        prop_assert_eq!(stale, Probation::Over);
                    }
                    let told = match breaker.expire(model.generation, now) {
                        Probation::Lasts { until } => {
                            prop_assert!(until > now && until <= at(model.now_s + DEADLINE_S));
                            "lasts"
                        }
                        Probation::Overdue | Probation::Failed { .. } => "failed",
                        Probation::Over => "over",
                    };
                    prop_assert_eq!(told, model.expire());
                }
                Act::Override(control) => {
                    match control {
                        None => breaker.release(),
                        Some(Override::ForcedOpen) => breaker.force_open(),
                        Some(Override::ForcedClosed) => breaker.force_closed(),
                        Some(Override::Disabled) => breaker.disable(),
                    }
                    model.control = control;
                }
            }
            prop_assert_eq!(breaker.state(), model.state());
            prop_assert_eq!(breaker.control(), model.control);
            prop_assert_eq!(breaker.generation(), model.generation);
        }
    }
}
