//! The vendors' wire formats: `chat` requests are encoded into them, and `chat` events decoded out of them.
//!
//! One module per dialect; no other crate knows a vendor's field names. Nothing here does IO: bytes come in pieces of
//! any size from whoever holds the socket.

pub mod anthropic;
mod arguments;
mod decode;
mod error;
pub mod gemini;
mod number;
pub mod openai_chat;
mod refused;
pub mod sse;
#[cfg(test)]
mod transcript;

pub use decode::Decode;
pub use error::Error;
pub use refused::refused_parameter;
