//! A provider whose answers are rules in YAML: what the tests, the demo and offline work talk to.
//!
//! The first rule that matches answers. Rules keep no state, so a restart changes nothing. This crate decides what is
//! said and when; it neither waits nor sends.

mod answer;
mod error;
mod rule;
mod script;

pub use answer::{Fault, Step};
pub use error::{Error, NoRule};
pub use script::{Question, Script};
