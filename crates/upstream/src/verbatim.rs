//! Calls whose bytes go out and come back as they are.

use std::fmt;

use bytes::Bytes;

use crate::{Credential, Waits, Way};

/// A call in the provider's own words.
#[derive(Clone, Copy)]
pub struct Verbatim<'a> {
    /// What is asked.
    pub way: Way<'a>,
    /// Headers that go along, by their names in lower case; what the endpoint sets itself comes before them.
    pub headers: &'a [(&'static str, String)],
    /// What the client pays with, if not with the endpoint's keys; it goes nowhere that does not let it through.
    pub credential: Option<&'a Credential>,
    /// The body: JSON.
    pub body: &'a Bytes,
    /// How long it may take.
    pub waits: Waits,
}

/// What a provider said when it refused, for whoever speaks its dialect.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The type of the body.
    pub content_type: String,
    /// Headers that are the caller's business, by their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, whole, without the key.
    pub body: Vec<u8>,
}

/// Shows nothing of what may repeat a prompt.
impl fmt::Debug for Verbatim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { way, waits, .. } = self;
        f.debug_struct("Verbatim").field("way", way).field("waits", waits).finish_non_exhaustive()
    }
}

/// Shows nothing of what may repeat a prompt.
impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}
