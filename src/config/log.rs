//! What is logged and how.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// The most parts with a level of their own.
const MAX_TARGETS: usize = 64;
/// The longest name of a part, in bytes.
const MAX_TARGET_BYTES: usize = 128;

/// What is logged and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The least that is logged; none leaves it to the command.
    pub level: Option<Level>,
    /// Parts of the program with a level of their own.
    pub targets: Targets,
    /// How a line looks.
    pub format: Format,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words are those of every log")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people where the log goes to a terminal, JSON where it does not.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Levels by the names of crates and modules, such as `supervision` or `impresario::http`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Targets(pub BTreeMap<String, Level>);

impl<'de> Deserialize<'de> for Targets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Parts)
    }
}

struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = Targets;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping from parts of the program to levels, such as {supervision: debug}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Targets, A::Error> {
        let mut targets = BTreeMap::new();
        while let Some((name, level)) = map.next_entry::<String, Level>()? {
            let is_path = |name: &str| {
                name.split("::").all(|part| {
                    !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                })
            };
            if name.len() > MAX_TARGET_BYTES || !is_path(&name) {
                return Err(de::Error::custom(
                    "a part is named as its crate or module, such as `supervision` or `impresario::http`",
                ));
            }
            targets.insert(name, level);
            if targets.len() > MAX_TARGETS {
                return Err(de::Error::custom(format!("more than {MAX_TARGETS} parts")));
            }
        }
        Ok(Targets(targets))
    }
}
