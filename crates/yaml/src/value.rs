//! A document without a type yet, so that layers of configuration can be laid over one another.

use std::cell::Cell;

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed};
use serde_yaml::Deserializer;

use crate::weight::Weigh;
use crate::{Error, MAX_BRACKETS, MAX_BYTES};

/// The most settings of one document that are told apart.
pub const MAX_LEAVES: usize = 16 * 1024;

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

    /// Whether this is a mapping, with entries or without.
    pub fn is_mapping(&self) -> bool {
        self.0.is_mapping()
    }

    /// Whether nothing stands here.
    pub fn is_null(&self) -> bool {
        self.0.is_null()
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
        *self.place(path) = scalar(text);
    }

    /// What stands at `path`.
    pub fn get(&self, path: &[&str]) -> Option<Self> {
        let found = path.iter().try_fold(&self.0, |place, key| place.as_mapping()?.get(*key))?;
        Some(Self(found.clone()))
    }

    /// Takes what stands at `path` away.
    pub fn remove(&mut self, path: &[&str]) -> Option<Self> {
        let (last, above) = path.split_last()?;
        let above = above.iter().try_fold(&mut self.0, |place, key| place.as_mapping_mut()?.get_mut(*key))?;
        above.as_mapping_mut()?.remove(*last).map(Self)
    }

    /// Puts `value` at `path`, making the mappings on the way; an empty path replaces the whole.
    pub fn insert(&mut self, path: &[&str], value: Self) {
        *self.place(path) = value.0;
    }

    /// The paths of all settings: of everything but mappings with entries, in the order of the document. No more than
    /// [`MAX_LEAVES`].
    pub fn leaves(&self) -> Vec<Vec<String>> {
        let mut leaves = Vec::new();
        leaves_below(&self.0, &mut Vec::new(), &mut leaves);
        leaves
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

impl Value {
    fn place(&mut self, path: &[&str]) -> &mut serde_yaml::Value {
        let mut place = &mut self.0;
        for key in path {
            if !place.is_mapping() {
                *place = serde_yaml::Value::Mapping(serde_yaml::Mapping::new());
            }
            let mapping = place.as_mapping_mut().expect("it was made a mapping just above");
            place = mapping.entry((*key).into()).or_insert(serde_yaml::Value::Null);
        }
        place
    }
}

fn leaves_below(value: &serde_yaml::Value, path: &mut Vec<String>, leaves: &mut Vec<Vec<String>>) {
    let Some(mapping) = value.as_mapping().filter(|mapping| !mapping.is_empty()) else {
        leaves.push(path.clone());
        return;
    };
    for (key, value) in mapping {
        if leaves.len() == MAX_LEAVES {
            return;
        }
        path.push(key_text(key));
        leaves_below(value, path, leaves);
        path.pop();
    }
}

/// A key as text; one that is no scalar has none that anybody would look for.
fn key_text(key: &serde_yaml::Value) -> String {
    match key {
        serde_yaml::Value::String(text) => text.clone(),
        serde_yaml::Value::Bool(truth) => truth.to_string(),
        serde_yaml::Value::Number(number) => number.to_string(),
        serde_yaml::Value::Null => "null".to_owned(),
        serde_yaml::Value::Sequence(_) | serde_yaml::Value::Mapping(_) | serde_yaml::Value::Tagged(_) => {
            "?".to_owned()
        }
    }
}

/// Refuses what would cost the scanner too much before it sees it.
fn bounded(name: &str, text: &str) -> Result<(), Error> {
    if text.len() > MAX_BYTES {
        let message = format!("larger than the {MAX_BYTES} bytes that are read; split the file");
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
