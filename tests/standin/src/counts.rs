//! What came: requests, connections, calls that were broken off, and the last request itself.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// What came so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Connections that were accepted.
    pub connections: u64,
    /// Connections that are open now.
    pub open_connections: u64,
    /// Requests to a vendor's path.
    pub requests: u64,
    /// Requests that are being answered now.
    pub in_flight: u64,
    /// Answers that the client did not wait for.
    pub aborted: u64,
    /// Requests without the key.
    pub keyless: u64,
    /// Redirects that were followed.
    pub redirected: u64,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The path, with its query.
    pub target: String,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Received {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connections: AtomicU64,
    pub(crate) open_connections: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    pub(crate) aborted: AtomicU64,
    pub(crate) keyless: AtomicU64,
    pub(crate) redirected: AtomicU64,
    last: Mutex<Option<Received>>,
}

/// Counts as one for as long as it lives.
pub(crate) struct Present<'a>(&'a AtomicU64);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

pub(crate) fn present(counter: &AtomicU64) -> Present<'_> {
    count(counter);
    Present(counter)
}

impl Tally {
    pub(crate) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            connections: read(&self.connections),
            open_connections: read(&self.open_connections),
            requests: read(&self.requests),
            in_flight: read(&self.in_flight),
            aborted: read(&self.aborted),
            keyless: read(&self.keyless),
            redirected: read(&self.redirected),
        }
    }

    pub(crate) fn keep(&self, received: Received) {
        *self.last.lock().expect("nobody panics with it") = Some(received);
    }

    pub(crate) fn last(&self) -> Option<Received> {
        self.last.lock().expect("nobody panics with it").clone()
    }
}
