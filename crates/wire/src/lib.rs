//! The vendors' wire formats: `chat` requests are encoded into them, and `chat` events decoded out of them.
//!
//! One module per dialect; no other crate knows a vendor's field names. Nothing here does IO: bytes come in pieces of
//! any size from whoever holds the socket.

pub mod anthropic;
mod arguments;
mod asked;
mod balance;
mod blocks;
#[cfg(test)]
mod crossing;
mod decode;
mod embeddings;
mod encode;
mod error;
mod fields;
mod freeform;
pub mod gemini;
mod number;
pub mod openai_chat;
pub mod openai_embeddings;
pub mod openai_responses;
mod reading;
mod refused;
pub mod seal;
pub mod sse;
#[cfg(test)]
mod transcript;
mod unread;
mod unsaid;

pub use asked::{Asked, Encoded, Invalid, To};
pub use decode::Decode;
pub use embeddings::{EmbedAsked, Embeddings};
pub use encode::{Encode, Failure, Head};
pub use error::Error;
pub use refused::refused_parameter;
