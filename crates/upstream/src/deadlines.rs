//! The three waits of a call, by the tree's clock.

use std::future::Future;
use std::time::{Duration, Instant};

use clock::Clock;

use crate::{Error, Wait, Waits};

/// No wait is longer; it keeps sums of instants from overflowing.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[derive(Debug)]
pub(crate) struct Deadlines {
    clock: Clock,
    origin: String,
    started: Instant,
    first_event: Duration,
    between_bytes: Duration,
    total: Duration,
    begun: bool,
}

impl Deadlines {
    /// The waits of a call that starts now.
    pub(crate) fn start(clock: &Clock, origin: String, waits: Waits) -> Self {
        Self {
            clock: clock.clone(),
            origin,
            started: clock.now(),
            first_event: waits.first_byte.min(LONGEST),
            between_bytes: waits.between_bytes.min(LONGEST),
            total: waits.total.min(LONGEST),
            begun: false,
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The first event has come.
    pub(crate) fn begin(&mut self) {
        self.begun = true;
    }

    /// Gives `work` the time that is left.
    pub(crate) async fn watch<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let (wait, limit, deadline) = if self.begun {
            (Wait::MoreBytes, self.between_bytes, self.clock.now() + self.between_bytes)
        } else {
            (Wait::FirstEvent, self.first_event, self.started + self.first_event)
        };
        let end = self.started + self.total;
        let (waited_for, limit, deadline) =
            if end < deadline { (Wait::Total, self.total, end) } else { (wait, limit, deadline) };
        let late = || Error::Timeout { origin: self.origin.clone(), waited_for, limit };
        // A provider that always has a byte ready would never let the clock have its say.
        if self.clock.now() >= deadline {
            return Err(late());
        }
        self.clock.deadline(deadline, work).await.map_err(|clock::Elapsed| late())
    }
}
