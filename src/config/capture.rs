//! Which bodies are captured, how much of them, and for how long.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::time::Duration;

use actors::captures::Options;
use secrets::Secret;
use serde::de::Deserializer;
use serde::{Deserialize, Serialize};

use super::StateFolder;
use super::bounded::Bounded;
use super::one_or_many::{OneOrMany, Texts};
use crate::http;

/// Reading a capture must not make another, which would outlive it.
const NEVER: &str = "/admin/captures";

/// Which bodies are captured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capture {
    /// Of these routes.
    pub routes: Routes,
    /// How long each is kept, in hours.
    pub keep_hours: Bounded<1, 168>,
    /// Bytes of each body.
    pub body_bytes: Bounded<1, { 1 << 20 }>,
    /// All captures together, in MiB.
    pub max_mb: Bounded<1, 10_240>,
}

/// Templates of routes, as docs/doors.md writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Routes(pub Vec<String>);

impl Default for Capture {
    fn default() -> Self {
        Self {
            routes: Routes::default(),
            keep_hours: Bounded::new(24),
            body_bytes: Bounded::new(64 << 10),
            max_mb: Bounded::new(64),
        }
    }
}

impl Capture {
    /// What the server is told.
    pub(super) fn options(&self, state: &StateFolder, known: Vec<Secret>) -> Options {
        Options {
            folder: state.captures(),
            routes: self.routes.0.iter().cloned().collect::<BTreeSet<_>>(),
            keep: Duration::from_secs(self.keep_hours.get() * 60 * 60),
            body_bytes: self.body_bytes.size(),
            max_bytes: self.max_mb.get() << 20,
            known,
        }
    }
}

impl<'de> Deserialize<'de> for Routes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Texts::<Self>(PhantomData))
    }
}

impl OneOrMany for Routes {
    const EXPECTED: &'static str = "the template of a route such as /v1/workflows, or a list of them";
    const MOST: usize = 64;

    fn one(text: &str) -> Result<Self, String> {
        Self::many(text.split(',').map(|part| part.trim().to_owned()).collect())
    }

    fn many(texts: Vec<String>) -> Result<Self, String> {
        for text in &texts {
            if text.starts_with(NEVER) {
                return Err(format!("`{text}` shows captures, and is never captured itself"));
            }
            if !http::templates().any(|template| template == text) {
                let nearest = http::templates().max_by(|one, other| {
                    let likeness = |template| strsim::jaro_winkler(template, text);
                    likeness(one).total_cmp(&likeness(other))
                });
                let meant = nearest.unwrap_or_default();
                return Err(format!("`{text}` is no template of a route; did you mean `{meant}`?"));
            }
        }
        Ok(Self(texts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Capture, yaml::Error> {
        yaml::from_str("a file", text)
    }

    #[test]
    fn a_route_is_named_by_its_template_and_an_unknown_one_is_refused_with_its_neighbour() {
        let capture = read("routes: [/v1/workflows, '/v1/workflows/{id}/events']\nkeep_hours: 2").unwrap();
        assert_eq!(capture.routes.0.len(), 2);
        assert_eq!(read("routes: '/v1/workflows, /v1/providers'").unwrap().routes.0.len(), 2);
        for (text, expected) in [
            ("routes: [/v1/workflow]", "did you mean `/v1/workflows`"),
            ("routes: [/v1/workflows/0123]", "did you mean `/v1/workflows"),
            ("routes: ['']", "no template"),
            ("routes: ['/admin/captures/{id}']", "never captured"),
            ("keep_hours: 169", "from 1 to 168"),
            ("body_bytes: 1048577", "1048576"),
            ("max_mb: 0", "from 1 to 10240"),
            ("route: []", "route"),
        ] {
            let refused = read(text).err().unwrap_or_else(|| panic!("{text} was taken")).to_string();
            assert!(refused.contains(expected), "{text}: {refused}");
        }
    }
}
