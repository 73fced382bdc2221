//! A circuit breaker in one atomic word: phase, generation, an operator's override, and the permits of probes.
//!
//! It never opens or closes by time alone: supervision calls [`Breaker::down`] when the actor behind it ends and
//! [`Breaker::up`] when a fresh one runs, and that actor calls [`Breaker::expire`]. The counts of the last while and
//! the probes' deadlines stand beside the word. A result of an older generation changes nothing.

mod hint;
mod window;
mod word;

use std::num::{NonZeroU8, NonZeroU16};
use std::time::{Duration, Instant};

use crate::sync::{AtomicU64, Ordering};
use hint::Hint;
use window::Window;
use word::{Entry, Phase, Word};

/// The most probes that one probation may have.
pub const MAX_PROBES: u8 = 8;

/// Lets calls through to one deployment, or refuses them while it is broken.
///
/// | breaker   | the supervised child behind it               | calls                                            |
/// |-----------|----------------------------------------------|--------------------------------------------------|
/// | closed    | runs                                         | go through and are counted                       |
/// | trips     | is told, and fails as [`Breaker::down`] says | the one that crosses a threshold opens it at once |
/// | open      | is down: its supervisor backs off            | refused, with the time of the next start         |
/// | half-open | runs on probation since [`Breaker::up`]      | only probes                                      |
/// | closes    | runs on                                      | by the last probe's answer                       |
/// | opens     | fails again, which backs off for longer      | by a probe's failure, or [`Breaker::expire`]     |
///
/// An [`Override`] dominates all of that for callers, while the rest goes on underneath; it outlives restarts.
#[derive(Debug)]
pub struct Breaker {
    word: AtomicU64,
    window: Window,
    /// Nanoseconds after `origin`; they only grow.
    due: [AtomicU64; MAX_PROBES as usize],
    hint: Hint,
    thresholds: Thresholds,
    probes: Probes,
    origin: Instant,
}

/// When a closed breaker opens: at either of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// So many failures with no success between them.
    pub in_a_row: NonZeroU16,
    /// At a failure, so many failures of 100 calls in the window; over 100 is never.
    pub percent: u8,
    /// The percentage speaks only of at least so many calls in the window.
    pub minimum: u16,
    /// How long a call is remembered; they are forgotten an eighth of the window at a time.
    pub window: Duration,
}

/// What a half-open breaker asks for before it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probes {
    /// So many permits there are, and each of them has to be answered; more than [`MAX_PROBES`] counts as that many.
    pub count: NonZeroU8,
    /// A probe that has had neither an answer nor an end for so long has failed.
    pub deadline: Duration,
}

/// What a breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It lets all through.
    Closed,
    /// It refuses all.
    Open,
    /// It lets a few probes through.
    HalfOpen,
}

/// An operator's word, which dominates until it is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Override {
    /// Nobody is let through. Results change nothing.
    ForcedOpen,
    /// Everybody is let through. Results count, but open nothing.
    ForcedClosed,
    /// Everybody is let through. Results change nothing.
    Disabled,
}

/// The breaker lets nobody through: it is open, or all its probes are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// When it may be worth asking again, as far as anybody knows.
    pub retry_at: Option<Instant>,
    /// An operator holds it open.
    pub forced: bool,
}

/// How the probation of one generation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probation {
    /// Nothing is decided, and nothing can be overdue before this.
    Lasts {
        /// When to look again.
        until: Instant,
    },
    /// A probe was overdue, and this look opened the breaker for it: this generation has to fail.
    Overdue,
    /// The breaker was open already: this generation has to fail.
    Failed {
        /// When whoever opened it was asked to come back, as far as that is known.
        retry_at: Option<Instant>,
    },
    /// The breaker is closed, or belongs to a later generation.
    Over,
}

/// Leave to make one call. Dropped without a result it counts for nothing, and a probe's permit is given back.
#[derive(Debug)]
#[must_use = "a permit that is dropped counts for nothing"]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    generation: u64,
    /// A probe's place, until it has answered.
    slot: Option<u8>,
}

impl Breaker {
    /// A closed breaker of generation 0.
    ///
    /// Times are kept relative to `origin`: any instant before the first of them.
    pub fn new(thresholds: Thresholds, probes: Probes, origin: Instant) -> Self {
        let word = Word { generation: 0, control: None, phase: Phase::Closed { row: 0 } };
        Self {
            word: AtomicU64::new(word.pack()),
            window: Window::new(thresholds.window),
            due: std::array::from_fn(|_| AtomicU64::new(0)),
            hint: Hint::none(),
            thresholds,
            probes,
            origin,
        }
    }

    /// Leave to call, unless the breaker is open or its probes are all under way.
    pub fn try_enter(&self, now: Instant) -> Result<Permit<'_>, Open> {
        let mut bits = self.word.load(Ordering::Acquire);
        loop {
            let word = Word::unpack(bits);
            let permit = |slot| Permit { breaker: self, generation: word.generation, slot };
            let (slot, next) = match word.enter() {
                // The usual case only reads, so that callers do not fight over the word.
                Entry::Free => return Ok(permit(None)),
                Entry::Refused => return Err(self.refusal(word)),
                Entry::Probe { slot, next } => (slot, next),
            };
            // Before the permit is out, or it would seem overdue. Who loses the race for the place came before the
            // winner was through, so that the greatest is at most one deadline after that.
            self.due[usize::from(slot)].fetch_max(self.latest(now), Ordering::AcqRel);
            match self.word.compare_exchange_weak(bits, next.pack(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(permit(Some(slot))),
                Err(found) => bits = found,
            }
        }
    }

    /// The actor behind the cell is down: refuses calls until [`Breaker::up`], which is expected at `retry_at`.
    pub fn down(&self, retry_at: Option<Instant>) {
        self.hint.set(self.generation(), self.origin, retry_at);
        // Nothing to do when it is open already.
        let _ = self.step(Word::down);
    }

    /// A fresh actor of `generation` runs: an open breaker lets its probes through.
    ///
    /// A closed breaker stays closed: it never went down, so there is nothing to probe. A generation that is not
    /// newer than the last one changes nothing and is told so with `false`.
    pub fn up(&self, generation: u64) -> bool {
        self.step(|word| word.up(generation, self.probes.count.get())).is_some()
    }

    /// Opens the breaker if a probe is overdue `now`, and tells the actor of `generation` how its probation stands.
    ///
    /// An override suspends the probes' deadlines.
    pub fn expire(&self, generation: u64, now: Instant) -> Probation {
        let nanos = self.nanos(now);
        let due = |slot: u8| self.due[usize::from(slot)].load(Ordering::Acquire);
        let overdue = |word: Word| word.expired(|slot| due(slot) <= nanos);
        if self.step(|word| if word.generation == generation { overdue(word) } else { None }).is_some() {
            return Probation::Overdue;
        }
        let word = self.load();
        let first = match word.phase {
            _ if word.generation > generation => return Probation::Over,
            // The supervisor has not told of this generation yet.
            _ if word.generation < generation => None,
            Phase::Open => return Probation::Failed { retry_at: self.hint.of(generation, self.origin) },
            Phase::Closed { .. } => return Probation::Over,
            Phase::HalfOpen(_) if word.control.is_some() => None,
            Phase::HalfOpen(probing) => probing.slots().map(due).min(),
        };
        // A permit that goes out later than now is not due before that.
        let latest = self.latest(now);
        let until = first.map_or(latest, |first| first.min(latest));
        Probation::Lasts { until: self.origin + Duration::from_nanos(until) }
    }

    /// Refuses everybody until [`Breaker::release`].
    pub fn force_open(&self) {
        self.control_by(Some(Override::ForcedOpen));
    }

    /// Lets everybody through until [`Breaker::release`]; failures count and open nothing.
    pub fn force_closed(&self) {
        self.control_by(Some(Override::ForcedClosed));
    }

    /// Lets everybody through until [`Breaker::release`], as if there were no breaker.
    pub fn disable(&self) {
        self.control_by(Some(Override::Disabled));
    }

    /// Takes any override back: what went on underneath holds again.
    pub fn release(&self) {
        self.control_by(None);
    }

    /// What it does with calls now.
    pub fn state(&self) -> State {
        let word = self.load();
        match (word.control, word.phase) {
            (Some(Override::ForcedOpen), _) | (None, Phase::Open) => State::Open,
            (Some(Override::ForcedClosed | Override::Disabled), _) | (None, Phase::Closed { .. }) => {
                State::Closed
            }
            (None, Phase::HalfOpen(_)) => State::HalfOpen,
        }
    }

    /// The operator's word in force.
    pub fn control(&self) -> Option<Override> {
        self.load().control
    }

    /// The generation of the actor that it was last [`up`](Self::up) for.
    pub fn generation(&self) -> u64 {
        self.load().generation
    }

    fn control_by(&self, control: Option<Override>) {
        // Nothing to do when it is in force already.
        let _ = self.step(|word| word.controlled(control));
    }

    fn refusal(&self, word: Word) -> Open {
        if word.control.is_some() {
            return Open { retry_at: None, forced: true };
        }
        Open { retry_at: self.hint.of(word.generation, self.origin), forced: false }
    }

    fn has_too_many_failures(&self, generation: u64, at: u64) -> bool {
        let tally = self.window.tally(generation, at);
        let share = u64::from(self.thresholds.percent) * u64::from(tally.calls);
        tally.calls >= u32::from(self.thresholds.minimum) && u64::from(tally.failures) * 100 >= share
    }

    /// When a probe is overdue that goes out now.
    fn latest(&self, now: Instant) -> u64 {
        let deadline = u64::try_from(self.probes.deadline.as_nanos()).unwrap_or(u64::MAX);
        self.nanos(now).saturating_add(deadline)
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }

    fn load(&self) -> Word {
        Word::unpack(self.word.load(Ordering::Acquire))
    }

    /// Swaps in what `next` makes of the word, and returns that; `None` when `next` leaves it as it is.
    fn step(&self, next: impl Fn(Word) -> Option<Word>) -> Option<Word> {
        let mut bits = self.word.load(Ordering::Acquire);
        loop {
            let after = next(Word::unpack(bits))?;
            match self.word.compare_exchange_weak(bits, after.pack(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(after),
                Err(found) => bits = found,
            }
        }
    }
}

impl Permit<'_> {
    /// The first output arrived. A probe has proven the deployment by that, and the last one closes the breaker; it
    /// need not wait for the end of a long stream.
    pub fn answered(&mut self) {
        if let Some(slot) = self.slot.take() {
            // Another probe may have opened it before.
            let _ = self.breaker.step(|word| word.answered(self.generation, slot));
        }
    }

    /// The call went well: the row of failures ends.
    pub fn succeed(mut self, now: Instant) {
        self.answered();
        if self.breaker.load().records(self.generation) {
            self.breaker.window.record(self.generation, self.breaker.nanos(now), false);
        }
        let _ = self.breaker.step(|word| word.cleared(self.generation));
    }

    /// The deployment failed, and asks to be left alone until `retry_at`. `true` for the one caller whose failure
    /// opened the breaker.
    #[must_use = "who trips the breaker has to tell its actor"]
    pub fn fail(mut self, now: Instant, retry_at: Option<Instant>) -> bool {
        let (slot, breaker, generation) = (self.slot.take(), self.breaker, self.generation);
        let too_many = breaker.load().records(generation) && {
            let at = breaker.nanos(now);
            breaker.window.record(generation, at, true);
            breaker.has_too_many_failures(generation, at)
        };
        let in_a_row = breaker.thresholds.in_a_row;
        let stepped = breaker.step(|word| word.failed(generation, slot, in_a_row, too_many));
        let tripped = stepped.is_some_and(|word| word.phase == Phase::Open);
        if tripped && retry_at.is_some() {
            breaker.hint.set(generation, breaker.origin, retry_at);
        }
        tripped
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            let _ = self.breaker.step(|word| word.given_back(self.generation, slot));
        }
    }
}

impl Default for Thresholds {
    /// 5 in a row, or half of at least 10 calls in two minutes: a call to a model takes seconds, and one machine makes
    /// few of them.
    fn default() -> Self {
        Self {
            in_a_row: NonZeroU16::new(5).expect("5 is not 0"),
            percent: 50,
            minimum: 10,
            window: Duration::from_secs(120),
        }
    }
}

impl Default for Probes {
    /// Two, each with two minutes and ten seconds: longer than a call waits for its first output.
    fn default() -> Self {
        Self { count: NonZeroU8::new(2).expect("2 is not 0"), deadline: Duration::from_secs(130) }
    }
}

#[cfg(test)]
#[cfg(loom)]
mod interleavings;
#[cfg(test)]
#[cfg(not(loom))]
mod laws;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
