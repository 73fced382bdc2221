//! Calls to providers: a `chat` request goes out over HTTP, and `chat` events come back as a stream.
//!
//! Every way to fail is an [`Error`] whose [`FailureClass`] says what the caller can do. A stream that breaks never
//! passes for a whole answer. Keys travel in headers only and appear in no error. Dropping a stream closes its call.

mod body;
mod client;
mod credential;
mod deadlines;
mod dialect;
mod endpoint;
mod error;
mod extras;
mod http;
mod keys;
#[cfg(test)]
mod loopback;
mod passage;
mod played;
mod retry_after;
mod stream;
mod tls;
mod verbatim;
mod way;

pub use client::{Call, Client, Options, TraceParent, Waits};
pub use credential::{Bearing, Credential};
pub use endpoint::{Dialect, Endpoint, HttpEndpoint, Spoken};
pub use error::{Error, FailureClass, Wait};
pub use extras::{Extra, Extras, MAX_EXTRAS};
pub use http::Relayed;
pub use keys::{Key, Keys, MAX_KEYS};
pub use passage::{Load, Passage, Verb};
pub use stream::EventStream;
pub use verbatim::{Refusal, Verbatim};
pub use way::{Method, Way};
