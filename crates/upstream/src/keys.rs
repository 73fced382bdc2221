//! Several keys of one provider: they take turns, and one that is refused or out of room is set aside.
//!
//! A call goes on with the next key before its refusal counts as the provider's. Only what the provider refuses without
//! an answer is asked again, so that nothing is paid twice.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cells::{Rotation, Turn};
use clock::Clock;
use secrets::Secret;

use crate::{Error, HttpEndpoint, Waits};

/// The most keys of one provider.
pub const MAX_KEYS: usize = 8;
/// A key that was refused or has no credit is tried again after this long; when the keys are read anew, at once.
const REFUSED_FOR: Duration = Duration::from_secs(600);
/// A key without room is left alone this long where its provider does not say how long.
const LIMITED_FOR: Duration = Duration::from_secs(5);
/// The longest that a provider can ask for.
const LIMITED_AT_MOST: Duration = Duration::from_secs(3_600);

/// One key, and what it is called where people look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Where it stands, as `api_key[1]`; shown in the log.
    pub place: String,
    /// The key.
    pub secret: Secret,
}

/// The keys of one provider, and which of them are in force.
pub struct Keys {
    keys: Vec<Key>,
    rotation: Rotation,
    /// From when the rotation counts: when the first call took a key.
    began: OnceLock<Instant>,
}

/// Shows how many there are, and none of them.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("count", &self.keys.len()).finish_non_exhaustive()
    }
}

impl Keys {
    /// All of `keys`, the first [`MAX_KEYS`] at most, are in force.
    pub fn new(mut keys: Vec<Key>) -> Self {
        keys.truncate(MAX_KEYS);
        Self { rotation: Rotation::new(keys.len()), keys, began: OnceLock::new() }
    }

    /// The keys in their order, for whoever has to recognise them.
    pub fn all(&self) -> impl ExactSizeIterator<Item = &Key> {
        self.keys.iter()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// How many are in force now.
    pub fn in_force(&self, clock: &Clock) -> usize {
        self.rotation.in_force(self.since(clock))
    }

    fn since(&self, clock: &Clock) -> Duration {
        let now = clock.now();
        now.saturating_duration_since(*self.began.get_or_init(|| now))
    }

    /// What the failure says of the key: whether another key is worth a try.
    fn judge(&self, turn: Turn, error: &Error, clock: &Clock, origin: &str) -> bool {
        let (aside, is_refused) = match error {
            Error::Status { is_spent: true, .. } => (REFUSED_FOR, true),
            // One key can be refused what another one may: it is not set aside for it.
            Error::Status { status: 403, .. } => return true,
            Error::BadKey { .. } | Error::Status { status: 401 | 402, .. } => (REFUSED_FOR, true),
            Error::Status { status: 429, retry_after, .. } => {
                (retry_after.unwrap_or(LIMITED_FOR).min(LIMITED_AT_MOST), false)
            }
            Error::Status { .. }
            | Error::CaFile { .. }
            | Error::Setup { .. }
            | Error::NoRoots { .. }
            | Error::BadEndpoint { .. }
            | Error::Reported { .. }
            | Error::Redirected { .. }
            | Error::Network { .. }
            | Error::Cut { .. }
            | Error::Timeout { .. }
            | Error::WrongContent { .. }
            | Error::TooLarge { .. }
            | Error::Malformed { .. }
            | Error::NoRule(_) => return false,
        };
        let now = self.since(clock);
        let was_in_force = self.rotation.set_aside(turn, now, now.saturating_add(aside));
        if was_in_force && is_refused {
            let place = &self.keys[turn.seat].place;
            let in_force = self.rotation.in_force(now);
            tracing::warn!(
                origin,
                place,
                in_force,
                "a key was refused and is set aside: check it and its credit"
            );
        }
        true
    }
}

impl HttpEndpoint {
    /// The endpoint with these keys in place of its own: none, one, or several that take turns.
    #[must_use]
    pub fn with_keys(self, keys: Vec<Key>) -> Self {
        let key = keys.first().map(|key| key.secret.clone());
        let keys = (keys.len() > 1).then(|| std::sync::Arc::new(Keys::new(keys)));
        Self { key, keys, ..self }
    }

    /// All its keys and what else is secret, for whoever has to recognise them.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut secrets: Vec<Secret> = match &self.keys {
            Some(keys) => keys.all().map(|key| key.secret.clone()).collect(),
            None => self.key.iter().cloned().collect(),
        };
        secrets.extend(self.extras.iter().flat_map(|extras| extras.secrets()).cloned());
        secrets
    }

    /// The endpoint once with each of its keys alone.
    pub fn each(&self) -> Vec<Self> {
        let Some(keys) = &self.keys else { return vec![self.clone()] };
        keys.all().map(|key| self.clone().with_keys(vec![key.clone()])).collect()
    }
}

/// One call's way through the keys of its endpoint, within its own time.
pub(crate) struct Turns<'a> {
    clock: &'a Clock,
    endpoint: &'a HttpEndpoint,
    keys: &'a Keys,
    waits: Waits,
    started: Instant,
    tried: Vec<usize>,
    refusal: Option<Error>,
}

/// The endpoint with the key whose turn it is.
pub(crate) struct Taken {
    turn: Turn,
    pub(crate) endpoint: HttpEndpoint,
    /// What is left of the call's time.
    pub(crate) waits: Waits,
}

impl<'a> Turns<'a> {
    /// `None` where there is nothing to take turns.
    pub(crate) fn start(clock: &'a Clock, endpoint: &'a HttpEndpoint, waits: Waits) -> Option<Self> {
        let keys = endpoint.keys.as_deref()?;
        let started = clock.now();
        Some(Self { clock, endpoint, keys, waits, started, tried: Vec::new(), refusal: None })
    }

    /// The next key to ask with, while there is time.
    pub(crate) fn take(&mut self) -> Option<Taken> {
        let spent = self.clock.now().saturating_duration_since(self.started);
        let waits = Waits {
            first_byte: self.waits.first_byte.saturating_sub(spent),
            total: self.waits.total.saturating_sub(spent),
            ..self.waits
        };
        if waits.first_byte.is_zero() || waits.total.is_zero() {
            return None;
        }
        let turn = self.keys.rotation.turn(self.keys.since(self.clock), &self.tried)?;
        self.tried.push(turn.seat);
        let key = Some(self.keys.keys[turn.seat].secret.clone());
        Some(Taken { turn, endpoint: HttpEndpoint { key, ..self.endpoint.clone() }, waits })
    }

    /// The key was taken.
    pub(crate) fn worked(&self, taken: &Taken) {
        if self.keys.rotation.worked(taken.turn) {
            let place = &self.keys.keys[taken.turn.seat].place;
            tracing::info!(
                origin = self.endpoint.origin(),
                place,
                "a key that was set aside is in force again"
            );
        }
    }

    /// The call failed; with an error where that has nothing to do with the key.
    pub(crate) fn failed(&mut self, taken: &Taken, error: Error) -> Result<(), Error> {
        if !self.keys.judge(taken.turn, &error, self.clock, &self.endpoint.origin()) {
            return Err(error);
        }
        // To wait is a better remedy than to look at keys, and the key that has room first is the one to wait for.
        let waits = |error: &Error| {
            if let Error::Status { status: 429, is_spent: false, retry_after, .. } = error {
                retry_after.unwrap_or(LIMITED_FOR)
            } else {
                Duration::MAX
            }
        };
        let known = self.refusal.take().filter(|known| waits(known) < waits(&error));
        self.refusal = Some(known.unwrap_or(error));
        Ok(())
    }

    /// What is said when no key is left.
    pub(crate) fn refusal(self) -> Error {
        self.refusal.unwrap_or_else(|| Error::Timeout {
            origin: self.endpoint.origin(),
            waited_for: crate::Wait::FirstEvent,
            limit: self.waits.first_byte,
        })
    }
}

#[cfg(test)]
mod tests;
