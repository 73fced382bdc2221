//! Where traces go, and what is captured.

use std::fmt;

use serde::de::{self, Deserializer, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

use super::base_url::BaseUrl;
use super::capture::Capture;
use super::one_or_many::Variables;
use super::{Environment, Error, Loaded};

/// The most headers that an export is sent with.
const MAX_HEADERS: usize = 32;

/// What leaves the server about itself, beside the log and the metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Traces by OpenTelemetry's protocol.
    pub otlp: Otlp,
    /// Bodies of requests and answers.
    pub capture: Capture,
}

/// Where traces go, and which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Otlp {
    /// The collector; none sends nothing.
    pub endpoint: Option<BaseUrl>,
    /// The variables that may hold headers to send along.
    pub headers_env: Variables,
    /// The share of traces that are kept, of those that begin here.
    pub sample: Share,
}

/// A share from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Share(f64);

/// A header to send along. Its value may be a key: it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: secrets::Secret,
}

impl Default for Otlp {
    fn default() -> Self {
        let variables = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
        Self {
            endpoint: None,
            headers_env: Variables(variables.map(str::to_owned).to_vec()),
            sample: Share(1.0),
        }
    }
}

impl Share {
    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(Part)
    }
}

struct Part;

impl Visitor<'_> for Part {
    type Value = Share;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 0 to 1")
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Share, E> {
        if !(0.0..=1.0).contains(&number) {
            return Err(E::invalid_value(Unexpected::Float(number), &self));
        }
        Ok(Share(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Share, E> {
        let small = u8::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self));
        self.visit_f64(small?.into())
    }
}

/// The headers that exports are sent with: `name=value,other=value` in the first variable that is set.
///
/// # Errors
/// When it is no such list; its text is not shown, for it may hold a key.
pub fn headers(loaded: &Loaded) -> Result<Vec<Header>, Error> {
    read(&loaded.settings.telemetry.otlp, &loaded.environment)
}

fn read(otlp: &Otlp, environment: &Environment) -> Result<Vec<Header>, Error> {
    for name in &otlp.headers_env.0 {
        if let Some(text) = environment.text(name)? {
            let pairs = text.split(',').filter(|pair| !pair.trim().is_empty()).map(header);
            let headers: Option<Vec<Header>> = pairs.take(MAX_HEADERS + 1).collect();
            let bad = || Error::Headers { name: name.clone(), most: MAX_HEADERS };
            return headers.filter(|headers| headers.len() <= MAX_HEADERS).ok_or_else(bad);
        }
    }
    Ok(Vec::new())
}

fn header(pair: &str) -> Option<Header> {
    let (name, value) = pair.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_token = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let is_plain = value.chars().all(|c| c.is_ascii() && !c.is_ascii_control());
    let value = secrets::Secret::try_new(value).ok().filter(|_| is_token && is_plain)?;
    Some(Header { name: name.to_owned(), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<Header>, Error> {
        read(&Otlp::default(), &[("OTEL_EXPORTER_OTLP_HEADERS", text)].into_iter().collect())
    }

    #[test]
    fn headers_are_read_in_the_form_that_opentelemetry_has_for_them() {
        let headers = of("api-key=abc=, x-team = one ,").unwrap();
        let shown: Vec<_> = headers.iter().map(|one| (one.name.as_str(), one.value.expose())).collect();
        assert_eq!(shown, [("api-key", "abc="), ("x-team", "one")]);
        assert!(of("").unwrap().is_empty());
        let first = [("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=1"), ("OTEL_EXPORTER_OTLP_HEADERS", "b=2")];
        let headers = read(&Otlp::default(), &first.into_iter().collect()).unwrap();
        assert_eq!(headers.len(), 1);
        assert_eq!(headers[0].name, "a");
    }

    #[test]
    fn what_is_no_header_is_refused_without_being_shown() {
        for text in ["sesame", "=sesame", "a b=sesame", "a=sesame\u{7f}", "a=sesame\u{e9}", "a="] {
            let refused = of(text).err().unwrap_or_else(|| panic!("{text:?} was taken")).to_string();
            assert!(refused.contains("OTEL_EXPORTER_OTLP_HEADERS"), "{refused}");
            assert!(!refused.contains("sesame"), "{refused}");
        }
        assert!(of(&"a=1,".repeat(MAX_HEADERS + 1)).is_err());
    }
}
