//! A document without a type yet, so that layers of configuration can be laid over one another.

use std::cell::Cell;

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed};
use serde_yaml::Deserializer;

use crate::weight::Weigh;
use crate::{Error, MAX_BRACKETS, MAX_BYTES};

/// Any document. The default is an empty mapping.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Value(serde_yaml::Value);

impl Default for Value {
    fn default() -> Self {
        Self(serde_yaml::Value::Mapping(serde_yaml::Mapping::new()))
    }
}

impl Value {
    /// Reads one document; an empty one is an empty mapping. `name` is for errors.
    ///
    /// # Errors
    /// When the text is too large, is no YAML, has a tag, repeats a key, nests or repeats itself too often.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        bounded(name, text)?;
        if Deserializer::from_str(text).next().is_none() {
            return Ok(Self::default());
        }
        let weight = Cell::new(0);
        let weighed = Weigh(&weight).deserialize(Deserializer::from_str(text));
        weighed.map_err(|error| Error::located(name, &error))?;
        let value: serde_yaml::Value =
            serde_yaml::from_str(text).map_err(|error| Error::located(name, &error))?;
        Ok(if value.is_null() { Self::default() } else { Self(value) })
    }

    /// Whether this is a mapping without entries.
    pub fn is_empty(&self) -> bool {
        self.0.as_mapping().is_some_and(serde_yaml::Mapping::is_empty)
    }

    /// `self` with `over` laid on it: mappings merge key by key, everything else is replaced.
    ///
    /// A key whose value is null in `over` replaces too. Nesting is bounded by what [`Value::parse`] reads.
    #[must_use]
    pub fn merge(self, over: Self) -> Self {
        Self(merge(self.0, over.0))
    }

    /// Sets one scalar at `path`, making the mappings on the way; an empty path replaces the whole.
    ///
    /// `true`, `false` and numbers in their usual form (`8080`, not `08` or `1.10`) become such; other text stays text.
    pub fn set(&mut self, path: &[&str], text: &str) {
        let mut place = &mut self.0;
        for key in path {
            if !place.is_mapping() {
                *place = serde_yaml::Value::Mapping(serde_yaml::Mapping::new());
            }
            let mapping = place.as_mapping_mut().expect("it was made a mapping just above");
            place = mapping.entry((*key).into()).or_insert(serde_yaml::Value::Null);
        }
        *place = scalar(text);
    }

    /// Reads this as a `T`. Errors name the path of the key but no line: the layers' own lines are gone.
    ///
    /// # Errors
    /// When this is no `T`.
    pub fn into_typed<T: DeserializeOwned>(self, name: &str) -> Result<T, Error> {
        // By way of text: read from a tree, errors have no path and a number is no text where text is wanted.
        let text = serde_yaml::to_string(&self.0).map_err(|error| Error::unlocated(name, &error))?;
        serde_yaml::from_str(&text).map_err(|error| Error::unlocated(name, &error))
    }
}

/// Refuses what would cost the scanner too much before it sees it.
fn bounded(name: &str, text: &str) -> Result<(), Error> {
    if text.len() > MAX_BYTES {
        let message = format!("{} bytes; at most {MAX_BYTES} are read, split the file", text.len());
        return Err(Error::plain(name, message));
    }
    let brackets = text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if brackets > MAX_BRACKETS {
        let message = format!("{brackets} of `[` and `{{`; at most {MAX_BRACKETS} are read, use block style");
        return Err(Error::plain(name, message));
    }
    Ok(())
}

fn merge(base: serde_yaml::Value, over: serde_yaml::Value) -> serde_yaml::Value {
    let (mut base, over) = match (base, over) {
        (serde_yaml::Value::Mapping(base), serde_yaml::Value::Mapping(over)) => (base, over),
        (_, over) => return over,
    };
    for (key, value) in over {
        let below = base.get_mut(&key).map(std::mem::take);
        let merged = match below {
            Some(below) => merge(below, value),
            None => value,
        };
        base.insert(key, merged);
    }
    serde_yaml::Value::Mapping(base)
}

fn scalar(text: &str) -> serde_yaml::Value {
    let read: Option<serde_yaml::Value> = serde_yaml::from_str(text).ok();
    let plain = read.filter(|value| match value {
        serde_yaml::Value::Bool(truth) => truth.to_string() == text,
        serde_yaml::Value::Number(number) => number.to_string() == text,
        serde_yaml::Value::Null
        | serde_yaml::Value::String(_)
        | serde_yaml::Value::Sequence(_)
        | serde_yaml::Value::Mapping(_)
        | serde_yaml::Value::Tagged(_) => false,
    });
    plain.unwrap_or_else(|| text.into())
}
