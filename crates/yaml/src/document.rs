//! A document with the places of its keys: where each setting stands, and everything that is wrong with it at once.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::places::{Place, places};
use crate::{Error, Value};

/// The most errors that are told of one document.
pub const MAX_FAULTS: usize = 64;

/// One document as it was written.
#[derive(Clone, Debug)]
pub struct Document {
    name: String,
    /// What it says.
    pub value: Value,
    places: BTreeMap<Vec<String>, Place>,
}

/// What is wrong with one setting of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The setting.
    pub path: Vec<String>,
    /// What is wrong with it.
    pub error: Error,
}

impl Document {
    /// Reads one document as [`Value::parse`] does. `name` is for errors.
    ///
    /// # Errors
    /// As for [`Value::parse`].
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let value = Value::parse(name, text)?;
        let places = if value.is_empty() { BTreeMap::new() } else { places(name, text)? };
        Ok(Self { name: name.to_owned(), value, places })
    }

    /// The line, from 1, of the key at `path`; of the nearest key above it where it has none of its own.
    pub fn line(&self, path: &[String]) -> Option<usize> {
        self.place(path).map(|place| place.line)
    }

    /// Gives the key at `from` the name `to`, with what it says and its place; nothing where there is none.
    pub fn rename(&mut self, from: &[&str], to: &[&str]) {
        let Some(moved) = self.value.remove(from) else { return };
        self.value.insert(to, moved);
        let owned = |path: &[&str]| -> Vec<String> { path.iter().map(|key| (*key).to_owned()).collect() };
        if let Some(place) = self.places.remove(&owned(from)) {
            self.places.insert(owned(to), place);
        }
    }

    /// Everything that keeps it from being a `T`, setting by setting; at most [`MAX_FAULTS`].
    ///
    /// Each setting is read as if it stood alone: what `T` demands of two together is not seen here.
    pub fn faults<T: DeserializeOwned>(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        for path in self.value.leaves() {
            let Some(error) = self.fault::<T>(&path) else { continue };
            if faults.iter().all(|known| known.error != error) {
                faults.push(Fault { path, error });
            }
            if faults.len() == MAX_FAULTS {
                break;
            }
        }
        faults
    }

    fn fault<T: DeserializeOwned>(&self, path: &[String]) -> Option<Error> {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let mut alone = Value::default();
        alone.insert(&keys, self.value.get(&keys)?);
        let text = crate::to_string(&alone).ok()?;
        let error = serde_yaml::from_str::<T>(&text).err()?;
        let place = self.place(&blamed(path, &error.to_string()));
        let error = Error::unlocated(&self.name, &error);
        Some(Error { line: place.map(|place| place.line), column: place.map(|place| place.column), ..error })
    }

    fn place(&self, path: &[String]) -> Option<Place> {
        (1..=path.len()).rev().find_map(|end| self.places.get(&path[..end]).copied())
    }
}

/// The path that an error about the setting at `path` means: serde_yaml writes one before its message, as `a.b[0].c`.
fn blamed(path: &[String], message: &str) -> Vec<String> {
    let head = message.split_once(": ").map_or("", |(head, _)| head);
    let written = head.replace('[', ".[");
    let keys: Vec<&str> = written.split('.').filter(|key| !key.is_empty()).collect();
    let agree = keys.iter().zip(path).all(|(key, known)| *key == known.as_str());
    if !agree || keys.len() <= path.len() {
        // About a mapping on the way: it is its next key that does not fit there.
        let end = if agree { keys.len() + 1 } else { path.len() };
        return path[..end.min(path.len())].to_vec();
    }
    keys.into_iter().map(ToOwned::to_owned).collect()
}

/// Writes `value` as [`crate::to_string`] does, with a comment behind each setting that `remark` has one for.
///
/// # Errors
/// As for [`crate::to_string`].
pub fn annotated(value: &Value, remark: impl Fn(&[String]) -> Option<String>) -> Result<String, Error> {
    let text = crate::to_string(value)?;
    let places = places("output", &text)?;
    let mut remarks: BTreeMap<usize, String> = BTreeMap::new();
    for path in value.leaves() {
        if let (Some(place), Some(remark)) = (places.get(&path), remark(&path)) {
            remarks.insert(place.line, remark);
        }
    }
    let mut annotated = String::with_capacity(text.len());
    for (number, line) in text.lines().enumerate() {
        annotated.push_str(line);
        if let Some(remark) = remarks.get(&(number + 1)) {
            // A line break in it would end the comment.
            let remark: String =
                remark.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
            annotated.push_str("  # ");
            annotated.push_str(&remark);
        }
        annotated.push('\n');
    }
    Ok(annotated)
}

#[cfg(test)]
mod tests;
