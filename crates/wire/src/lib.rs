//! The vendors' wire formats: `chat` requests are encoded into them, and `chat` events decoded out of them.
//!
//! One module per dialect; no other crate knows a vendor's field names. Nothing here does IO: bytes come in pieces of
//! any size from whoever holds the socket.

pub mod anthropic;
mod arguments;
mod asked;
mod balance;
mod blocks;
mod broken;
mod citing;
#[cfg(test)]
mod crossing;
mod decode;
mod dialect;
mod embeddings;
mod encode;
mod error;
mod fields;
pub mod form;
mod freeform;
pub mod gemini;
pub mod hot;
mod number;
pub mod openai_chat;
pub mod openai_embeddings;
pub mod openai_responses;
pub mod patch;
mod reading;
mod refused;
pub mod seal;
pub mod sse;
#[cfg(test)]
mod transcript;
mod unread;
mod unsaid;
pub mod watch;

pub use asked::{Asked, Encoded, Invalid, To};
pub use broken::{broken_array, broken_events};
pub use decode::Decode;
pub use dialect::{Dialect, encoder, error_body, keep_alive, request, whole};
pub use embeddings::{EmbedAsked, Embeddings};
pub use encode::{Encode, Failure, Head};
pub use error::Error;
pub use refused::{refused_parameter, refuses_thoughts};
