//! Events as JSON, each with the version of its format: `{"v":1,"kind":"planned",…}`.

use serde::{Deserialize, Serialize};

use crate::bounds::{MAX_EVENT_BYTES, cut_end};
use crate::event::Event;

/// The version of the format that is written.
pub const VERSION: u32 = 1;

const SHOWN_BYTES: usize = 80;

/// Why stored text is no event or no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is larger than any event that was ever written.
    #[error("an event of {bytes} bytes: at most {max} are read; the history is damaged")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// A newer program wrote it.
    #[error(
        "an event in format {found}: this program knows format {known}; use the newer program that wrote it"
    )]
    UnknownVersion {
        /// What was found.
        found: u32,
        /// What is known.
        known: u32,
    },
    /// A newer program wrote it, or nobody did.
    #[error("an event of the unknown kind `{found}`; use the newer program that wrote it")]
    UnknownKind {
        /// What was found, cut.
        found: String,
    },
    /// It is no JSON, or not the fields of its kind.
    #[error("an event that cannot be read: {detail}; the history is damaged")]
    Malformed {
        /// What the parser said.
        detail: String,
    },
    /// It is no key of a call and no name of a step.
    #[error(
        "`{found}` is no call or step: write plan/<attempt>, edit/<task>/<attempt> or review/<round>/<attempt>"
    )]
    BadKey {
        /// What was found, cut.
        found: String,
    },
}

impl Error {
    pub(crate) fn bad_key(found: &str) -> Self {
        Self::BadKey { found: cut_end(found, SHOWN_BYTES) }
    }
}

#[derive(Serialize)]
struct Versioned<'a> {
    v: u32,
    #[serde(flatten)]
    event: &'a Event,
}

#[derive(Deserialize)]
struct Header {
    v: u32,
    kind: String,
}

impl Event {
    /// The event as one line of JSON.
    pub fn encode(&self) -> String {
        let versioned = Versioned { v: VERSION, event: self };
        serde_json::to_string(&versioned).expect("an event has only string keys and writes into memory")
    }

    /// The event that `encode` wrote.
    ///
    /// # Errors
    /// What is too large, of an unknown version or kind, or malformed.
    pub fn decode(json: &str) -> Result<Self, Error> {
        if json.len() > MAX_EVENT_BYTES {
            return Err(Error::TooLarge { bytes: json.len(), max: MAX_EVENT_BYTES });
        }
        let malformed =
            |error: serde_json::Error| Error::Malformed { detail: cut_end(&error.to_string(), 500) };
        let header: Header = serde_json::from_str(json).map_err(malformed)?;
        if header.v != VERSION {
            return Err(Error::UnknownVersion { found: header.v, known: VERSION });
        }
        if !Self::KINDS.contains(&header.kind.as_str()) {
            return Err(Error::UnknownKind { found: cut_end(&header.kind, SHOWN_BYTES) });
        }
        serde_json::from_str(json).map_err(malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_program_wrote_is_named_as_such() {
        let newer = Event::decode(r#"{"v":2,"kind":"started","goal":1}"#);
        assert_eq!(newer, Err(Error::UnknownVersion { found: 2, known: 1 }));
        let unknown = Event::decode(r#"{"v":1,"kind":"rewound"}"#);
        assert_eq!(unknown, Err(Error::UnknownKind { found: "rewound".to_owned() }));
    }

    #[test]
    fn refuses_what_is_no_event() {
        let cut = Event::GaveUp { reason: "x".to_owned() }.encode();
        let texts = ["", "null", "[]", r#"{"kind":"gave_up","reason":""}"#, r#"{"v":1,"kind":"gave_up"}"#];
        for text in texts.into_iter().chain([&cut[..cut.len() - 1]]) {
            assert!(matches!(Event::decode(text), Err(Error::Malformed { .. })), "{text}");
        }
        let bad_step = r#"{"v":1,"kind":"step_failed","step":"plan/0","reason":""}"#;
        assert!(Event::decode(bad_step).unwrap_err().to_string().contains("plan/0"));
        let large = " ".repeat(MAX_EVENT_BYTES + 1);
        assert!(matches!(Event::decode(&large), Err(Error::TooLarge { .. })));
    }
}
