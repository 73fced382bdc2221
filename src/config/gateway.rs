//! The doors for clients that speak a vendor's dialect.

use std::collections::BTreeMap;
use std::fmt;

use routing::{Alias, MAX_ALIASES};
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::settings::{Bounded, Wanted};

/// The largest body that may be configured, in bytes.
const MOST_BODY: u64 = 256 * 1024 * 1024;
/// The largest form that may be configured, in bytes.
const MOST_UPLOAD: u64 = 4 * 1024 * 1024 * 1024;
const HOUR_S: u64 = 60 * 60;
/// The most answers of one owner that may be configured.
const MOST_RESPONSES: u64 = 100_000;
/// A TiB, in MiB.
const MOST_OWNER_MB: u64 = 1 << 20;

/// The doors for clients that speak a vendor's dialect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// What clients' names for models mean.
    pub aliases: Aliases,
    /// The largest body, in bytes.
    pub body_bytes: Bounded<1_024, MOST_BODY>,
    /// The largest form, in bytes.
    pub upload_bytes: Bounded<1_024, MOST_UPLOAD>,
    /// The longest that an answer may take, retries and fallbacks among it, in seconds.
    pub within_s: Bounded<1, HOUR_S>,
    /// What becomes of a call whose client has hung up.
    pub on_hang_up: OnHangUp,
    /// The longest that a stream is silent before its client is given a sign of life, in seconds.
    pub keep_alive_s: Bounded<1, HOUR_S>,
    /// Answers of OpenAI's Responses that are kept here.
    pub responses: Responses,
}

/// Answers of OpenAI's Responses that are kept here, each with the conversation before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Responses {
    /// Whether an answer is kept unless its client says otherwise; else none is.
    pub store: bool,
    /// The most of one key, or of one account at the socket; the oldest go.
    pub per_owner: Bounded<1, MOST_RESPONSES>,
    /// What they weigh together at most, in MiB; the oldest go.
    pub owner_mb: Bounded<1, MOST_OWNER_MB>,
}

/// What becomes of a call whose client has hung up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnHangUp {
    /// It ends at once; what was used is billed as far as the provider had said it.
    #[default]
    Cancel,
    /// It goes on unheard, so that all that was used is known.
    Drain,
}

/// Clients' names for models, and who is meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aliases(pub BTreeMap<Alias, Wanted>);

impl Default for Gateway {
    fn default() -> Self {
        Self {
            aliases: Aliases::default(),
            body_bytes: Bounded::new(32 * 1024 * 1024),
            upload_bytes: Bounded::new(512 * 1024 * 1024),
            within_s: Bounded::new(600),
            on_hang_up: OnHangUp::Cancel,
            keep_alive_s: Bounded::new(15),
            responses: Responses::default(),
        }
    }
}

impl Default for Responses {
    fn default() -> Self {
        Self { store: false, per_owner: Bounded::new(1_000), owner_mb: Bounded::new(256) }
    }
}

impl Responses {
    /// How much one owner may have kept.
    pub(crate) fn room(&self) -> store::ResponseRoom {
        store::ResponseRoom { rows: self.per_owner.get(), bytes: self.owner_mb.get() << 20 }
    }
}

impl Serialize for Aliases {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(alias, wanted)| (alias.to_string(), wanted)))
    }
}

impl<'de> Deserialize<'de> for Aliases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Names)
    }
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Aliases;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping from names to models, such as {\"claude-*\": openai/gpt-6-sol}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Aliases, A::Error> {
        let mut aliases = BTreeMap::new();
        while let Some((name, wanted)) = map.next_entry::<String, Wanted>()? {
            let alias = name.parse().map_err(de::Error::custom)?;
            aliases.insert(alias, wanted);
            if aliases.len() > MAX_ALIASES {
                return Err(de::Error::custom(format!("more than {MAX_ALIASES} aliases")));
            }
        }
        Ok(Aliases(aliases))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_as_large_as_they_may_be_and_no_larger() {
        let read = |bytes: u64| yaml::from_str::<Gateway>("a test", &format!("upload_bytes: {bytes}"));
        assert_eq!(Gateway::default().upload_bytes.get(), 512 << 20);
        assert_eq!(read(MOST_UPLOAD).unwrap().upload_bytes.get(), 4 << 30);
        for bytes in [0, 1_023, MOST_UPLOAD + 1] {
            assert!(read(bytes).unwrap_err().to_string().contains("4294967296"), "{bytes}");
        }
    }
}
