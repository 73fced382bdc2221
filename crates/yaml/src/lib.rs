//! YAML as the house reads and writes it: bounded, and with errors that name file, line, key and remedy.
//!
//! The only crate that names the YAML library, so that another can take its place in one file.

mod document;
mod error;
mod places;
mod value;
mod weight;

pub use document::{Document, Fault, MAX_FAULTS, annotated};
pub use error::Error;
pub use value::{MAX_LEAVES, Value};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest document that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The most `[` and `{`, wherever they stand: the scanner's time grows faster than the number of open ones.
pub const MAX_BRACKETS: usize = 4096;

/// Reads one document. `name` is the file's name for errors; an empty document reads as an empty mapping.
///
/// # Errors
/// When the text is too large, is no YAML, repeats a key, nests or repeats itself too often, or is no `T`.
pub fn from_str<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, Error> {
    if Value::parse(name, text)?.is_empty() {
        return Value::default().into_typed(name);
    }
    serde_yaml::from_str(text).map_err(|error| Error::located(name, &error))
}

/// Writes `value` as one document with a final newline.
///
/// # Errors
/// When `value` has what YAML cannot express, such as a nested enum.
pub fn to_string<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_yaml::to_string(value).map_err(|error| Error::unlocated("output", &error))
}

#[cfg(test)]
mod tests;
