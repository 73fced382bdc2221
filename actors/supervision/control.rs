//! How a supervisor reaches one generation of a child: requests that need no queue and cannot be full.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use futures_util::task::AtomicWaker;

use crate::End;

/// What is asked of a running generation; a later request only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Request {
    Live,
    Stop,
    Kill,
}

/// Shared by a generation's runner, its actor's `Life` and its supervisor.
#[derive(Debug, Default)]
pub(crate) struct Control {
    request: AtomicU8,
    waker: AtomicWaker,
    verdict: Mutex<Option<End>>,
}

impl Control {
    pub(crate) fn ask_for(&self, request: Request) {
        self.request.fetch_max(request as u8, Ordering::AcqRel);
        self.waker.wake();
    }

    pub(crate) fn request(&self) -> Request {
        match self.request.load(Ordering::Acquire) {
            0 => Request::Live,
            1 => Request::Stop,
            _ => Request::Kill,
        }
    }

    /// Settles how this generation ends; the first word counts.
    pub(crate) fn settle(&self, end: End) {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(end);
        self.waker.wake();
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(crate) fn verdict(&self) -> Option<End> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn register(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }
}
