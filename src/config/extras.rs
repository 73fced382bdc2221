//! What a provider's entry adds to every request: `headers` and `query`, each value a text or the place of a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use clock::Clock;
use secrets::Redactor;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use units::ProviderId;
use upstream::{Extra, Extras, MAX_EXTRAS};

use super::Error;
use super::environment::Environment;
use super::secret_source::{self, Found};
use super::settings::{KeyPlace, Provider};

/// A value: what is secret stands elsewhere, so that nothing that prints the configuration can show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Added {
    /// Anybody may see it.
    Plain(String),
    /// Where it is.
    Secret(KeyPlace),
}

impl<'de> Deserialize<'de> for Added {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Value)
    }
}

struct Value;

impl Value {
    fn refuse<E: de::Error>() -> Result<Added, E> {
        Err(E::custom("no text: put it into quotes"))
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Added;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or for a secret {env: NAME}, {file: PATH} or {command: [PROGRAM, ARGUMENT]}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Added, E> {
        Ok(Added::Plain(text.to_owned()))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Added, E> {
        Self::refuse()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Added, E> {
        Self::refuse()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Added, E> {
        Self::refuse()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Added, E> {
        Self::refuse()
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Added, A::Error> {
        KeyPlace::deserialize(MapAccessDeserializer::new(map)).map(Added::Secret)
    }
}

/// Reads `headers`; their names are the same in upper and lower case.
pub(super) fn headers<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Added>, D::Error> {
    let headers = BTreeMap::<String, Added>::deserialize(deserializer)?;
    let mut seen = BTreeSet::new();
    for (name, added) in &headers {
        let name = name.to_ascii_lowercase();
        checked::<D::Error>(&name, added, Extras::may_add_header)?;
        if seen.contains(&name) {
            return Err(de::Error::custom(format!("`{name}` comes twice: keep one")));
        }
        seen.insert(name);
    }
    bounded(headers)
}

/// Reads `query`.
pub(super) fn query<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Added>, D::Error> {
    let query = BTreeMap::<String, Added>::deserialize(deserializer)?;
    for (name, added) in &query {
        checked::<D::Error>(name, added, Extras::may_add_pair)?;
    }
    bounded(query)
}

fn bounded<E: de::Error>(extras: BTreeMap<String, Added>) -> Result<BTreeMap<String, Added>, E> {
    match extras.len() {
        0..=MAX_EXTRAS => Ok(extras),
        found => Err(E::custom(format!("{found} entries, and {MAX_EXTRAS} are the most: remove some"))),
    }
}

/// No reason repeats a value: it may be a secret that stands in the wrong place.
fn checked<E: de::Error>(
    name: &str,
    added: &Added,
    may_add: fn(&str) -> Result<(), &'static str>,
) -> Result<(), E> {
    may_add(name).map_err(|reason| E::custom(format!("`{}`: {reason}", name.escape_debug())))?;
    let Added::Plain(value) = added else { return Ok(()) };
    if !Extras::can_send(value) {
        return Err(E::custom(format!("`{name}`: write at most 1024 ASCII characters on one line")));
    }
    let written = serde_json::json!({ name: value }).to_string();
    if Redactor::default().redact(&written) != written {
        return Err(E::custom(format!(
            "`{name}` is named like a secret, or looks like one, and that does not belong in the configuration: \
             write {{env: NAME}}, {{file: PATH}} or {{command: [PROGRAM, ARGUMENT]}}"
        )));
    }
    Ok(())
}

/// What an entry adds, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Additions {
    plain: Extras,
    secret: Vec<Placed>,
}

#[derive(Clone, Debug)]
struct Placed {
    part: Part,
    name: String,
    /// The key of the configuration that names it, as `providers.a.headers.api-key`.
    setting: String,
    found: Found,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Headers,
    Query,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Query => "query",
        }
    }

    /// The name as it is sent.
    fn called(self, written: &str) -> String {
        match self {
            Self::Headers => written.to_ascii_lowercase(),
            Self::Query => written.to_owned(),
        }
    }

    fn of(self, extras: &mut Extras) -> &mut BTreeMap<String, Extra> {
        match self {
            Self::Headers => &mut extras.headers,
            Self::Query => &mut extras.query,
        }
    }
}

impl Additions {
    /// Looks up what is secret; no command is run.
    pub(super) fn look_up(
        id: &ProviderId,
        provider: &Provider,
        environment: &Environment,
    ) -> Result<Self, Error> {
        let mut additions = Self::default();
        for (part, added) in [(Part::Headers, &provider.headers), (Part::Query, &provider.query)] {
            for (written, added) in added {
                let name = part.called(written);
                match added {
                    Added::Plain(text) => {
                        let plain = part.of(&mut additions.plain);
                        plain.insert(name, Extra::Plain(text.clone()));
                    }
                    Added::Secret(place) => {
                        let setting = format!("providers.{id}.{}.{written}", part.name());
                        let found = secret_source::look(place, &setting, environment)?;
                        additions.secret.push(Placed { part, name, setting, found });
                    }
                }
            }
        }
        Ok(additions)
    }

    /// Whether one of its secrets is nowhere.
    pub(super) fn is_locked(&self) -> bool {
        self.secret.iter().any(|placed| placed.found == Found::Nowhere)
    }

    /// Whether a command has to be run for one.
    pub(super) fn has_commands(&self) -> bool {
        self.secret.iter().any(|placed| matches!(placed.found, Found::Asked(_)))
    }

    /// Runs the commands.
    pub(super) async fn ask(&mut self, environment: &Environment, clock: &Clock) -> Result<(), Error> {
        for placed in &mut self.secret {
            if let Found::Asked(command) = &placed.found {
                let said = secret_source::ask(command, &placed.setting, environment, clock).await?;
                placed.found = Found::Here(said);
            }
        }
        Ok(())
    }

    /// What is known, for whoever calls.
    pub(super) fn known(&self) -> Option<Arc<Extras>> {
        let mut extras = self.plain.clone();
        for placed in &self.secret {
            if let Found::Here(secret) = &placed.found {
                placed.part.of(&mut extras).insert(placed.name.clone(), Extra::Secret(secret.clone()));
            }
        }
        (extras != Extras::default()).then(|| Arc::new(extras))
    }
}

#[cfg(test)]
mod tests;
