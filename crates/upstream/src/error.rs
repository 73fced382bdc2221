//! How a call fails, and what its caller can do about it.

use std::path::PathBuf;
use std::time::Duration;

use crate::Refusal;

/// What a caller can do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// The request is wrong: it will fail again wherever it is sent.
    Client,
    /// The key, its permissions or its account's credit: this provider fails until a person acts.
    Key,
    /// Too many calls for this key: wait, or go elsewhere.
    Limited,
    /// The provider has no room: wait, or go elsewhere.
    Overloaded,
    /// The provider is broken: go elsewhere.
    Server,
    /// The provider cannot be reached, or the connection broke.
    Network,
    /// The provider took too long.
    Timeout,
    /// The provider answers, but not in its dialect.
    Malformed,
}

/// What was waited for in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The first event, connecting and headers among it.
    FirstEvent,
    /// More bytes.
    MoreBytes,
    /// The end of the answer.
    Total,
}

/// How a call fails. No variant carries a key, a URL's path or a model's words.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operator's CA file cannot be used.
    #[error("`upstream.ca_file` {}: {reason}; it must hold certificates in PEM form", path.display())]
    CaFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The TLS or HTTP machinery cannot be set up.
    #[error("the HTTP client cannot be set up: {reason}")]
    Setup {
        /// What its library says.
        reason: String,
    },
    /// The endpoint speaks TLS, and there is no certificate to check it against.
    #[error(
        "{origin} cannot be verified: this machine has no CA certificates; install its `ca-certificates` package \
         or set `upstream.ca_file` to a PEM bundle"
    )]
    NoRoots {
        /// Who was to be called.
        origin: String,
    },
    /// The endpoint's URL cannot be used.
    #[error("the base URL of {origin} cannot be used: {rule}")]
    BadEndpoint {
        /// Whose URL.
        origin: String,
        /// What it must be.
        rule: &'static str,
    },
    /// The key cannot be sent.
    #[error("the key for {origin} holds characters that no HTTP header may hold: check how it was copied")]
    BadKey {
        /// Whose key.
        origin: String,
    },
    /// The provider refused before it answered.
    #[error("{origin} answered with status {status}: {message}")]
    Status {
        /// Who refused.
        origin: String,
        /// The HTTP status.
        status: u16,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
        /// Whether it says that the account has no credit left, which some do with the status of something else.
        is_spent: bool,
        /// Its own words, shortened, without the key.
        message: String,
        /// All it said, for a caller who speaks its dialect; `None` where that cannot be read, or nobody would.
        refusal: Option<Box<Refusal>>,
    },
    /// The provider reported an error after the answer had begun.
    #[error("{origin} broke off its answer with status {status}: {message}")]
    Reported {
        /// Who broke off.
        origin: String,
        /// The status that this error would have had before the answer.
        status: u16,
        /// Its own words, shortened, without the key.
        message: String,
    },
    /// The endpoint sends its callers elsewhere; that is never followed, because the key would go along.
    #[error(
        "{origin} redirects (status {status}), which is not followed: set its base URL to where it really is"
    )]
    Redirected {
        /// Who redirects.
        origin: String,
        /// The HTTP status.
        status: u16,
    },
    /// The connection failed or broke.
    #[error("{origin} cannot be reached, or its connection broke: {reason}")]
    Network {
        /// Who was called.
        origin: String,
        /// What the HTTP library says.
        reason: String,
    },
    /// The connection ended in order, but before the answer's own end.
    #[error("{origin} ended the connection before the answer was whole")]
    Cut {
        /// Who was called.
        origin: String,
    },
    /// It took too long.
    #[error("{origin} took longer than {} ms ({})", limit.as_millis(), waited_for.words())]
    Timeout {
        /// Who was called.
        origin: String,
        /// What was waited for.
        waited_for: Wait,
        /// How long it may take.
        limit: Duration,
    },
    /// The answer is not of the expected kind.
    #[error("{origin} did not answer with {expected} but with `{found}`: is its dialect right?")]
    WrongContent {
        /// Who answered.
        origin: String,
        /// The content type or encoding that was expected.
        expected: &'static str,
        /// What came instead, shortened.
        found: String,
    },
    /// The answer is larger than is allowed.
    #[error("{origin} sent more than {limit} bytes in one answer")]
    TooLarge {
        /// Who answered.
        origin: String,
        /// The most bytes that are allowed.
        limit: usize,
    },
    /// The answer breaks the rules of its dialect.
    #[error("{origin}: {source}")]
    Malformed {
        /// Who answered.
        origin: String,
        /// Which rule.
        source: wire::Error,
    },
    /// The script has no answer to this.
    #[error(transparent)]
    NoRule(#[from] scripted::NoRule),
}

impl Wait {
    fn words(self) -> &'static str {
        match self {
            Self::FirstEvent => "to the first event",
            Self::MoreBytes => "between two pieces of the answer",
            Self::Total => "in all",
        }
    }
}

impl Error {
    /// What the caller can do.
    pub fn class(&self) -> FailureClass {
        match self {
            Self::CaFile { .. } | Self::Setup { .. } | Self::BadEndpoint { .. } | Self::NoRule(_) => {
                FailureClass::Client
            }
            Self::BadKey { .. } => FailureClass::Key,
            Self::Status { is_spent: true, .. } => FailureClass::Key,
            Self::Status { status, .. } | Self::Reported { status, .. } => class_of(*status),
            Self::NoRoots { .. } | Self::Network { .. } | Self::Cut { .. } => FailureClass::Network,
            Self::Timeout { .. } => FailureClass::Timeout,
            Self::Redirected { .. }
            | Self::WrongContent { .. }
            | Self::TooLarge { .. }
            | Self::Malformed { .. } => FailureClass::Malformed,
        }
    }

    /// The parameter that the provider does not want to be told, where that is why it refused.
    pub fn refused_parameter(&self) -> Option<chat::Parameter> {
        let Self::Status { status: 400 | 422, message, .. } = self else { return None };
        wire::refused_parameter(message)
    }

    /// Whether the provider refused because thoughts among what was said are not proven to be its own.
    pub fn refuses_thoughts(&self) -> bool {
        let (Self::Status { status: 400 | 422, message, .. } | Self::Reported { status: 400, message, .. }) =
            self
        else {
            return false;
        };
        wire::refuses_thoughts(message)
    }

    /// Without the provider's own words, for a caller who does not speak its dialect.
    #[must_use]
    pub fn without_refusal(mut self) -> Self {
        if let Self::Status { refusal, .. } = &mut self {
            *refusal = None;
        }
        self
    }

    /// How long the provider asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        if let Self::Status { retry_after, .. } = self { *retry_after } else { None }
    }
}

/// 402 is an account without credit; 529 is Anthropic's word for overloaded.
fn class_of(status: u16) -> FailureClass {
    match status {
        401..=403 => FailureClass::Key,
        408 => FailureClass::Timeout,
        429 => FailureClass::Limited,
        503 | 529 => FailureClass::Overloaded,
        400..=499 => FailureClass::Client,
        500..=599 => FailureClass::Server,
        _ => FailureClass::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_what_to_do() {
        let classes = [400, 401, 402, 403, 404, 408, 429, 500, 503, 504, 529, 304].map(class_of);
        use FailureClass::{Client, Key, Limited, Malformed, Overloaded, Server, Timeout};
        let expected = [
            Client, Key, Key, Key, Client, Timeout, Limited, Server, Overloaded, Server, Overloaded,
            Malformed,
        ];
        assert_eq!(classes, expected);
    }

    #[test]
    fn thoughts_are_refused_before_an_answer_and_as_its_first_word_and_by_no_other_status() {
        let message = || "The encrypted content gAAA...Q== could not be verified.".to_owned();
        let origin = || "http://127.0.0.1".to_owned();
        for (number, is_so) in [(400, true), (500, false), (401, false)] {
            let before = Error::Status {
                origin: origin(),
                status: number,
                retry_after: None,
                message: message(),
                refusal: None,
                is_spent: false,
            };
            let within = Error::Reported { origin: origin(), status: number, message: message() };
            assert_eq!((before.refuses_thoughts(), within.refuses_thoughts()), (is_so, is_so), "{number}");
        }
        assert!(!Error::Cut { origin: origin() }.refuses_thoughts());
    }
}
