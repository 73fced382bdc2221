//! Where a provider's key is, and that a key written in its place is refused without being shown.

use std::fmt;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::one_or_many::Variables;

/// The most words of a command.
const MAX_WORDS: usize = 64;

/// Where a key is. The key itself is never part of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyPlace {
    /// A program and its arguments, which writes the key and nothing else; it counts before `file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// A file that holds nothing else and that nobody else may read; it counts before `env`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Environment variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Variables>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKeyPlace {
    command: Option<Vec<String>>,
    file: Option<PathBuf>,
    env: Option<Variables>,
}

impl<'de> Deserialize<'de> for KeyPlace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Key)
    }
}

struct Key;

impl KeyPlace {
    /// The words for what stands where a place is wanted; it may be the key, so they do not repeat it.
    pub(super) fn refuse<T, E: de::Error>() -> Result<T, E> {
        Err(E::custom(
            "a key does not belong in the configuration: write {env: NAME}, {file: PATH} or {command: [PROGRAM, ARGUMENT]}",
        ))
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = KeyPlace;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{env: NAME}, {file: PATH} or {command: [PROGRAM, ARGUMENT]}")
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<KeyPlace, E> {
        KeyPlace::refuse()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<KeyPlace, E> {
        KeyPlace::refuse()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<KeyPlace, E> {
        KeyPlace::refuse()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<KeyPlace, E> {
        KeyPlace::refuse()
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<KeyPlace, A::Error> {
        let WrittenKeyPlace { command, file, env } =
            Deserialize::deserialize(MapAccessDeserializer::new(map))?;
        if command.is_none() && file.is_none() && env.is_none() {
            return Err(de::Error::custom(
                "it names no place: write {env: NAME}, {file: PATH} or {command: [PROGRAM, ARGUMENT]}",
            ));
        }
        if let Some(words) = &command
            && (words.len() > MAX_WORDS || words.first().is_none_or(|program| program.is_empty()))
        {
            return Err(de::Error::custom(format!(
                "a command is a list of 1 to {MAX_WORDS} words, and begins with a program: no shell reads it"
            )));
        }
        Ok(KeyPlace { command, file, env })
    }
}
