//! Where a call goes.

use std::fmt;
use std::sync::Arc;

use secrets::Secret;
use url::Url;

use crate::{Error, Extras, Keys};

/// A vendor's wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Anthropic Messages, at `{base}/v1/messages`.
    Anthropic,
    /// OpenAI Chat Completions and what is compatible, at `{base}/chat/completions`; the base ends in `/v1`.
    OpenAiChat,
    /// OpenAI Responses and what is compatible, at `{base}/responses`; the base ends in `/v1`.
    OpenAiResponses,
    /// Gemini, at `{base}/v1beta/models/{model}:streamGenerateContent`.
    Gemini,
}

/// What one speaks: one dialect, or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// What comes in other words is put into these.
    pub dialect: Dialect,
    /// What else is understood.
    pub also: Option<Dialect>,
}

/// A provider as it is called.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// Over the network.
    Http(HttpEndpoint),
    /// By rules, without a network.
    Scripted(Arc<scripted::Script>),
}

impl Endpoint {
    /// The same place, asked for a model that speaks this; rules speak nothing.
    #[must_use]
    pub fn speaking(&self, spoken: Spoken) -> Self {
        match self {
            Self::Http(endpoint) => {
                let Spoken { dialect, also } = spoken;
                Self::Http(HttpEndpoint { dialect, also, ..endpoint.clone() })
            }
            Self::Scripted(script) => Self::Scripted(Arc::clone(script)),
        }
    }
}

/// A provider on the network.
#[derive(Clone)]
pub struct HttpEndpoint {
    /// What it speaks; what comes in other words is put into these.
    pub dialect: Dialect,
    /// What else it speaks, for whoever asks in that.
    pub also: Option<Dialect>,
    /// Where it is: `http` or `https`, without user name, query or fragment.
    pub base_url: Url,
    /// What goes along with every request.
    pub extras: Option<Arc<Extras>>,
    /// The key it asks for; local servers ask for none.
    pub key: Option<Secret>,
    /// Where it has several keys: all of them; then `key` is the first, and each call takes one whose turn it is.
    pub keys: Option<Arc<Keys>>,
    /// Whether it is told which trace a call belongs to.
    pub is_traced: bool,
    /// Whether clients may see and change what it keeps for the operator's account.
    pub has_account_routes: bool,
    /// Whether a client's own credential may go there in the place of the keys.
    pub lets_through: bool,
}

/// Shows no user name, password or query: they can be secrets, and [`HttpEndpoint::origin`] leaves them out.
impl fmt::Debug for HttpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpEndpoint")
            .field("dialect", &self.dialect)
            .field("origin", &self.origin())
            .field("path", &self.base_url.path())
            .field("key", &self.key)
            .finish()
    }
}

impl HttpEndpoint {
    /// Whether it understands this dialect.
    pub fn speaks(&self, dialect: Dialect) -> bool {
        self.dialect == dialect || self.also == Some(dialect)
    }

    /// Whether it has what a vendor of this dialect has beside conversations; which of OpenAI's two those are held in says
    /// nothing of that.
    pub fn has_routes_of(&self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::OpenAiChat | Dialect::OpenAiResponses => {
                self.speaks(Dialect::OpenAiChat) || self.speaks(Dialect::OpenAiResponses)
            }
            Dialect::Anthropic | Dialect::Gemini => self.speaks(dialect),
        }
    }

    /// Scheme, host and port, as `https://api.example.com`: what errors call the endpoint.
    pub fn origin(&self) -> String {
        self.base_url.origin().ascii_serialization()
    }

    /// The base URL with `segments` behind its path.
    pub(crate) fn url(&self, segments: &[&str]) -> Result<Url, Error> {
        let refuse = |rule| Error::BadEndpoint { origin: self.origin(), rule };
        let url = &self.base_url;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("its scheme must be http or https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("a user name or password does not belong into it; use the key"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it may have no query and no fragment"));
        }
        let mut url = url.clone();
        match url.path_segments_mut() {
            Ok(mut path) => path.pop_if_empty().extend(segments),
            Err(()) => return Err(refuse("it must have a path")),
        };
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> HttpEndpoint {
        HttpEndpoint {
            dialect: Dialect::OpenAiChat,
            also: None,
            base_url: url.parse().unwrap(),
            extras: None,
            key: None,
            keys: None,
            is_traced: false,
            has_account_routes: false,
            lets_through: false,
        }
    }

    #[test]
    fn joins_paths_with_and_without_a_final_slash() {
        for base in ["http://localhost:11434/v1", "http://localhost:11434/v1/"] {
            let url = endpoint(base).url(&["chat", "completions"]).unwrap();
            assert_eq!(url.as_str(), "http://localhost:11434/v1/chat/completions");
        }
    }

    #[test]
    fn a_model_cannot_leave_its_segment() {
        let url = endpoint("http://h/").url(&["models", "../../x?key=1#y"]).unwrap();
        assert_eq!(url.as_str(), "http://h/models/..%2F..%2Fx%3Fkey=1%23y");
    }

    #[test]
    fn refuses_urls_that_could_hold_a_secret_and_never_shows_it() {
        for url in
            ["https://me:hunter2@h/v1", "https://h/v1?key=hunter2", "https://h/v1#hunter2", "ftp://h/hi"]
        {
            let error = endpoint(url).url(&["x"]).unwrap_err();
            assert!(matches!(error, Error::BadEndpoint { .. }));
            assert!(!format!("{error} {error:?} {:?}", endpoint(url)).contains("hunter2"));
        }
    }
}
