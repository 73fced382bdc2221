//! How a supervisor reaches one generation of a child: requests that need no queue and cannot be full.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::task::{Poll, Waker};

use crate::End;

const STOP: u8 = 1;
const KILL: u8 = 2;
const SLEEP: u8 = 4;
const SETTLED: u8 = 8;

/// What is asked of a running generation; a later request only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Request {
    Live,
    Stop,
    Kill,
}

#[derive(Debug, Default)]
pub(crate) struct Control {
    flags: AtomicU8,
    waker: Mutex<Option<Waker>>,
    verdict: OnceLock<End>,
}

impl Control {
    pub(crate) fn ask_for(&self, request: Request) {
        let flag = match request {
            Request::Live => 0,
            Request::Stop => STOP,
            Request::Kill => KILL,
        };
        self.raise(flag);
    }

    pub(crate) fn ask_to_sleep(&self) {
        self.raise(SLEEP);
    }

    pub(crate) fn request(&self) -> Request {
        let flags = self.flags.load(Ordering::Acquire);
        match (flags & KILL, flags & STOP) {
            (0, 0) => Request::Live,
            (0, _) => Request::Stop,
            _ => Request::Kill,
        }
    }

    /// Whether it is asked to sleep; asked once, told once.
    pub(crate) fn take_sleep(&self) -> bool {
        self.flags.load(Ordering::Acquire) & SLEEP != 0
            && self.flags.fetch_and(!SLEEP, Ordering::AcqRel) & SLEEP != 0
    }

    /// Nothing is asked and nothing is settled: the next message may be handled.
    pub(crate) fn is_quiet(&self) -> bool {
        self.flags.load(Ordering::Acquire) == 0
    }

    /// Settles how this generation ends; the first word counts.
    pub(crate) fn settle(&self, end: End) {
        // A later word changes nothing.
        let _ = self.verdict.set(end);
        self.raise(SETTLED);
    }

    pub(crate) fn verdict(&self) -> Option<End> {
        self.verdict.get().cloned()
    }

    /// Wakes `waker` at each request from now on.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut known = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    pub(crate) fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits until it is settled how this generation ends.
    pub(crate) async fn settled(&self) -> End {
        poll_fn(|cx| {
            self.register(cx.waker());
            self.verdict().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Waits until more is asked than `heard`.
    pub(crate) async fn beyond(&self, heard: Request) -> Request {
        poll_fn(|cx| {
            self.register(cx.waker());
            let request = self.request();
            if request > heard { Poll::Ready(request) } else { Poll::Pending }
        })
        .await
    }

    fn raise(&self, flag: u8) {
        self.flags.fetch_or(flag, Ordering::AcqRel);
        self.wake();
    }
}
