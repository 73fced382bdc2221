//! A circuit breaker in one atomic word: phase, generation, and the count that the phase needs.
//!
//! It never opens or closes by time: supervision calls [`Breaker::down`] when the actor behind it ends and
//! [`Breaker::up`] when a fresh one runs. A result of an older generation changes nothing.

mod word;

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use crate::sync::{AtomicU64, Ordering};
use word::{Phase, Word};

const NO_HINT: u64 = 0;

/// Lets calls through to one deployment, or refuses them while it is broken.
#[derive(Debug)]
pub struct Breaker {
    word: AtomicU64,
    trips_after: NonZeroU16,
    origin: Instant,
    /// Milliseconds after `origin`.
    retry_at_ms: AtomicU64,
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

/// The breaker lets nobody through: it is open, or all its probes are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// When it may be worth asking again, as far as anybody knows.
    pub retry_at: Option<Instant>,
}

/// Leave to make one call. Dropped without a result it counts for nothing, and a probe's permit is given back.
#[derive(Debug)]
#[must_use = "a permit that is dropped counts for nothing"]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    generation: u64,
    probe: bool,
}

impl Breaker {
    /// A closed breaker of generation 0, which trips at `trips_after` failures in a row.
    ///
    /// Hints about the time are kept relative to `origin`: any instant before the first of them.
    pub fn new(trips_after: NonZeroU16, origin: Instant) -> Self {
        let word = Word { generation: 0, phase: Phase::Closed { failures: 0 } };
        Self { word: AtomicU64::new(word.pack()), trips_after, origin, retry_at_ms: AtomicU64::new(NO_HINT) }
    }

    /// Leave to call, unless the breaker is open or its probes are all under way.
    pub fn try_enter(&self) -> Result<Permit<'_>, Open> {
        let mut bits = self.word.load(Ordering::Acquire);
        loop {
            let word = Word::unpack(bits);
            let permit = |probe| Permit { breaker: self, generation: word.generation, probe };
            let next = match word.phase {
                // The usual case only reads, so that callers do not fight over the word.
                Phase::Closed { .. } => return Ok(permit(false)),
                Phase::Open | Phase::HalfOpen { permits: 0 } => {
                    return Err(Open { retry_at: self.retry_at() });
                }
                Phase::HalfOpen { permits } => {
                    Word { phase: Phase::HalfOpen { permits: permits - 1 }, ..word }
                }
            };
            match self.word.compare_exchange_weak(bits, next.pack(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(permit(true)),
                Err(found) => bits = found,
            }
        }
    }

    /// The actor behind the cell is down: refuses calls until [`Breaker::up`].
    pub fn down(&self) {
        // Nothing to do when it is open already.
        let _ = self.step(|word| word.down());
    }

    /// A fresh actor of `generation` runs: an open breaker lets `probes` calls through at a time until one succeeds.
    ///
    /// A closed breaker stays closed: it never went down, so there is nothing to probe. A generation that is not
    /// newer than the last one changes nothing and is told so with `false`.
    pub fn up(&self, generation: u64, probes: NonZeroU16) -> bool {
        let stepped = self.step(|word| word.up(generation, probes)).is_some();
        if stepped {
            self.retry_at_ms.store(NO_HINT, Ordering::Release);
        }
        stepped
    }

    /// Tells refused callers when to ask again. Only a hint: it opens and closes nothing.
    pub fn set_retry_at(&self, at: Instant) {
        let after_origin = at.saturating_duration_since(self.origin).as_millis();
        // Rounded up, so that nobody comes early; never 0, which stands for no hint.
        let millis = u64::try_from(after_origin).unwrap_or(u64::MAX).saturating_add(1);
        self.retry_at_ms.store(millis, Ordering::Release);
    }

    /// What it does with calls now.
    pub fn state(&self) -> State {
        match self.load().phase {
            Phase::Closed { .. } => State::Closed,
            Phase::Open => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// The generation of the actor that it was last [`up`](Self::up) for.
    pub fn generation(&self) -> u64 {
        self.load().generation
    }

    fn retry_at(&self) -> Option<Instant> {
        match self.retry_at_ms.load(Ordering::Acquire) {
            NO_HINT => None,
            millis => self.origin.checked_add(Duration::from_millis(millis)),
        }
    }

    fn load(&self) -> Word {
        Word::unpack(self.word.load(Ordering::Acquire))
    }

    /// Swaps in what `next` makes of the word, and returns both; `None` when `next` leaves it as it is.
    fn step(&self, next: impl Fn(Word) -> Option<Word>) -> Option<(Word, Word)> {
        let mut bits = self.word.load(Ordering::Acquire);
        loop {
            let before = Word::unpack(bits);
            let after = next(before)?;
            match self.word.compare_exchange_weak(bits, after.pack(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some((before, after)),
                Err(found) => bits = found,
            }
        }
    }
}

impl Permit<'_> {
    /// The first output arrived. A probe has proven the deployment by that and closes the breaker; it need not wait
    /// for the end of a long stream.
    pub fn answered(&mut self) {
        if self.probe {
            self.probe = false;
            // Another probe may have closed or opened it before.
            let _ = self.breaker.step(|word| word.proven(self.generation));
        }
    }

    /// The call went well: the row of failures ends.
    pub fn succeed(mut self) {
        self.answered();
        let _ = self.breaker.step(|word| word.cleared(self.generation));
    }

    /// The deployment failed. `true` for the one caller whose failure opened the breaker.
    #[must_use = "who trips the breaker has to tell its actor"]
    pub fn fail(mut self) -> bool {
        self.probe = false;
        let trips_after = self.breaker.trips_after;
        let stepped = self.breaker.step(|word| word.failed(self.generation, trips_after));
        stepped.is_some_and(|(_, after)| after.phase == Phase::Open)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.probe {
            let _ = self.breaker.step(|word| word.given_back(self.generation));
        }
    }
}

#[cfg(test)]
#[cfg(loom)]
mod interleavings;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
