//! The three waits of a call, by the tree's clock.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use clock::Clock;
use futures_util::future::{Either, select};

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
    /// Set once for many pieces: a stream that speaks costs no timer with each of them.
    alarm: Option<Alarm>,
}

struct Alarm {
    at: Instant,
    sleep: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").field("at", &self.at).finish_non_exhaustive()
    }
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
            alarm: None,
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// The first event has come.
    pub(crate) fn begin(&mut self) {
        self.begun = true;
    }

    /// Gives `work` the time that is left.
    pub(crate) async fn watch<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Error> {
        let now = self.clock.now();
        let (wait, limit, deadline) = if self.begun {
            (Wait::MoreBytes, self.between_bytes, now + self.between_bytes)
        } else {
            (Wait::FirstEvent, self.first_event, self.started + self.first_event)
        };
        let end = self.started + self.total;
        let (waited_for, limit, deadline) =
            if end < deadline { (Wait::Total, self.total, end) } else { (wait, limit, deadline) };
        // A provider that always has a byte ready would never let the clock have its say.
        if now < deadline {
            let mut work = pin!(work);
            loop {
                let alarm = self.alarm_before(deadline);
                match select(work.as_mut(), alarm.sleep.as_mut()).await {
                    Either::Left((output, _)) => return Ok(output),
                    Either::Right(((), _)) => self.alarm = None,
                }
                // It may have been set for an earlier piece.
                if self.clock.now() >= deadline {
                    break;
                }
            }
        }
        Err(Error::Timeout { origin: self.origin.clone(), waited_for, limit })
    }

    /// The alarm that is set, or a new one where that would be too late.
    fn alarm_before(&mut self, deadline: Instant) -> &mut Alarm {
        if self.alarm.as_ref().is_some_and(|alarm| alarm.at > deadline) {
            self.alarm = None;
        }
        self.alarm.get_or_insert_with(|| {
            let clock = self.clock.clone();
            Alarm { at: deadline, sleep: Box::pin(async move { clock.sleep_until(deadline).await }) }
        })
    }
}
