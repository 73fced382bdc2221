//! Signs of life: what a client hears while its provider is silent, so that no proxy and no timeout of its own cuts it off.
//!
//! They are given between whole frames only, and none before the answer has begun: until then another provider can still
//! take over, and a status can still say what went wrong.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clock::Clock;
use futures_util::future::{Either, select};

use crate::Out;

/// How long one stream has been silent.
pub(crate) struct Alive<'a> {
    clock: &'a Clock,
    /// The longest silence.
    every: Duration,
    sign: &'static [u8],
    /// When something was last given.
    last: Instant,
    /// Set once for many pieces: a stream that speaks costs no timer with each of them.
    sleep: Option<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
}

impl<'a> Alive<'a> {
    pub(crate) fn begin(clock: &'a Clock, every: Duration, sign: &'static [u8]) -> Self {
        Self { clock, every, sign, last: clock.now(), sleep: None }
    }

    /// Something was given.
    pub(crate) fn heard(&mut self) {
        self.last = self.clock.now();
    }

    /// Waits for `work`, and gives a sign whenever nothing was given for too long.
    pub(crate) async fn through<F: Future>(&mut self, work: F, out: &mut impl Out) -> F::Output {
        let mut work = pin!(work);
        loop {
            let (clock, due) = (self.clock, self.last + self.every);
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(clock.sleep_until(due)));
            match select(work.as_mut(), sleep.as_mut()).await {
                Either::Left((output, _)) => return output,
                Either::Right(((), _)) => self.sleep = None,
            }
            // It was set before the last piece came.
            if self.clock.now() < self.last + self.every {
                continue;
            }
            out.give(Bytes::from_static(self.sign)).await;
            self.heard();
        }
    }
}

/// Waits for `work`, with signs of life once the answer has begun.
pub(crate) async fn next<F: Future>(work: F, alive: &mut Option<Alive<'_>>, out: &mut impl Out) -> F::Output {
    match alive {
        Some(alive) => alive.through(work, out).await,
        None => work.await,
    }
}
