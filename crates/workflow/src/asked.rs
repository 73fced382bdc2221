//! What is noted of a question beside its answer.

use serde::{Deserialize, Serialize};

/// Which prompt a call was made with, and how long its answer took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The template's name.
    pub template: String,
    /// Its version: the hash of its file.
    pub version: String,
    /// From the question to the answer, in milliseconds.
    pub took_ms: u64,
}
