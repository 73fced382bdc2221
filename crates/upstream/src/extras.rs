//! What an operator adds to every request to a provider: headers, and pairs of the query; some of it is secret.

use std::collections::BTreeMap;
use std::fmt;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrets::Secret;
use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::{Error, HttpEndpoint};

/// The most headers of one provider, and the most pairs of its query.
pub const MAX_EXTRAS: usize = 16;
/// The longest name, and the longest value that is no secret, in bytes.
const MAX_NAME_BYTES: usize = 64;
const MAX_VALUE_BYTES: usize = 1_024;
/// What a call sets itself, or the connection: whoever could change these could send a body to read as another one.
const RESERVED: [&str; 19] = [
    "accept-encoding",
    "anthropic-version",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-goog-api-key",
];

/// The value of a header, or of a pair of the query.
#[derive(Clone, PartialEq, Eq)]
pub enum Extra {
    /// Anybody may see it.
    Plain(String),
    /// Nobody may.
    Secret(Secret),
}

/// What goes along with every request; names of headers are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Headers.
    pub headers: BTreeMap<String, Extra>,
    /// Pairs of the query.
    pub query: BTreeMap<String, Extra>,
}

/// Shows no value: a plain one may be half a secret.
impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "plain",
            Self::Secret(_) => "secret",
        })
    }
}

impl Extra {
    fn expose(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose(),
        }
    }
}

impl Extras {
    /// Whether an operator may add this header; its name in lower case.
    ///
    /// # Errors
    /// What is wrong with the name, and what to do.
    pub fn may_add_header(name: &str) -> Result<(), &'static str> {
        if name == "authorization" {
            return Err("a key does not belong here: use `api_key`");
        }
        if RESERVED.contains(&name) {
            return Err("calls set it themselves: remove it");
        }
        let is_name = HeaderName::from_bytes(name.as_bytes()).is_ok_and(|parsed| parsed.as_str() == name);
        if is_name && name.len() <= MAX_NAME_BYTES { Ok(()) } else { Err("it is no name of a header") }
    }

    /// Whether an operator may add a pair of this name to the query.
    ///
    /// # Errors
    /// What is wrong with the name, and what to do.
    pub fn may_add_pair(name: &str) -> Result<(), &'static str> {
        if name == "alt" {
            return Err("calls set it themselves: remove it");
        }
        let is_name = !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.contains(char::is_control);
        if is_name { Ok(()) } else { Err("it is no name: write 1 to 64 bytes") }
    }

    /// Whether a text that is no secret can be sent, in a header or in a query.
    pub fn can_send(value: &str) -> bool {
        value.len() <= MAX_VALUE_BYTES && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    }

    /// What of it nobody may see.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.headers.values().chain(self.query.values()).filter_map(|extra| match extra {
            Extra::Plain(_) => None,
            Extra::Secret(secret) => Some(secret),
        })
    }

    /// What of it anybody may see.
    fn plain(&self) -> Self {
        let plain = |extras: &BTreeMap<String, Extra>| {
            let plain = extras.iter().filter(|(_, extra)| matches!(extra, Extra::Plain(_)));
            plain.map(|(name, extra)| (name.clone(), extra.clone())).collect()
        };
        Self { headers: plain(&self.headers), query: plain(&self.query) }
    }

    fn add_headers(&self, headers: &mut HeaderMap) -> Option<()> {
        for (name, extra) in &self.headers {
            let mut value = HeaderValue::from_str(extra.expose()).ok()?;
            value.set_sensitive(matches!(extra, Extra::Secret(_)));
            headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, value);
        }
        Some(())
    }

    /// Puts the pairs behind the others; of a name that comes twice, the operator's alone is left.
    fn add_query(&self, url: &mut Url) {
        let is_other = |name: &str| !self.query.contains_key(name);
        let others: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| is_other(name))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let own = self.query.iter().map(|(name, extra)| (name.as_str(), extra.expose()));
        let others = others.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        url.query_pairs_mut().clear().extend_pairs(others.chain(own));
    }
}

impl HttpEndpoint {
    /// The endpoint without the secrets among its headers and its query: for calls that somebody else pays for.
    pub(crate) fn with_plain_extras(self) -> Self {
        let extras = self.extras.as_deref().map(|extras| std::sync::Arc::new(extras.plain()));
        Self { extras, ..self }
    }

    /// Adds the operator's headers; what a call sets itself comes after them.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) -> Result<(), Error> {
        let Some(extras) = &self.extras else { return Ok(()) };
        extras.add_headers(headers).ok_or_else(|| Error::BadKey { origin: self.origin() })
    }

    /// The URL of a request with the operator's query.
    pub(crate) fn asked_at(&self, mut url: Url) -> Url {
        if let Some(extras) = self.extras.as_deref().filter(|extras| !extras.query.is_empty()) {
            extras.add_query(&mut url);
        }
        url
    }

    /// Foreign words without any secret that was sent there: some providers repeat them.
    pub(crate) fn redact(&self, mut text: String) -> String {
        let extras = self.extras.iter().flat_map(|extras| extras.secrets());
        for secret in self.key.iter().chain(extras) {
            text = secret.redact(&text);
        }
        // Who repeats the URL repeats it as it was written there.
        for extra in self.extras.iter().flat_map(|extras| extras.query.values()) {
            if let Extra::Secret(secret) = extra {
                let written: String = byte_serialize(secret.expose().as_bytes()).collect();
                text =
                    Secret::try_new(written).map_or_else(|_| text.clone(), |written| written.redact(&text));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests;
