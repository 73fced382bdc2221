//! Ids as newtypes: each parses only what it may hold, so that an id can name a row, a route or a folder.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const WORKFLOW_ID_LENGTH: usize = 12;
const KEY_ID_LENGTH: usize = 12;
const MAX_LENGTH: usize = 128;

/// What an id may not be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no {what}: {rule}")]
pub struct BadId {
    what: &'static str,
    found: String,
    rule: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    return Ok(Self(text.to_owned()));
                }
                let found = text.chars().take(MAX_LENGTH).collect();
                Err(BadId { what: $what, found, rule: $rule })
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;

            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

id!(
    /// A workflow: 12 characters of Crockford's base32, 60 random bits.
    WorkflowId, "workflow id", "it has 12 of the characters 0-9 and a-z without i, l, o and u",
    |text| text.len() == WORKFLOW_ID_LENGTH && text.bytes().all(|byte| ALPHABET.contains(&byte))
);
id!(
    /// An API key's public part: 12 characters of Crockford's base32, 60 random bits.
    KeyId, "key id", "it has 12 of the characters 0-9 and a-z without i, l, o and u",
    |text| text.len() == KEY_ID_LENGTH && text.bytes().all(|byte| ALPHABET.contains(&byte))
);
id!(
    /// A task of a plan, named by the planner.
    TaskId, "task id", "use 1 to 64 of the characters a-z, 0-9, `-` and `_`",
    |text| (1..=64).contains(&text.len()) && text.bytes().all(is_slug)
);
id!(
    /// A provider, as the operator named it in the configuration.
    ProviderId, "provider name", "use 1 to 64 of the characters a-z, 0-9, `-` and `_`",
    |text| (1..=64).contains(&text.len()) && text.bytes().all(is_slug)
);
id!(
    /// A model's name at its provider.
    ModelName, "model name", "use 1 to 128 printable ASCII characters without spaces",
    |text| (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
);

id!(
    /// A server among those that write to one database: 16 hexadecimal digits, drawn once for a state folder.
    NodeId, "node id", "it has 16 of the characters 0-9 and a-f",
    |text| text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
);

fn is_slug(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
}

impl NodeId {
    /// The id made of the 64 bits of `random`.
    pub fn from_random(random: u64) -> Self {
        Self(format!("{random:016x}"))
    }
}

impl WorkflowId {
    /// The id made of the low 60 bits of `random`.
    pub fn from_random(random: u64) -> Self {
        Self(digits(random, WORKFLOW_ID_LENGTH))
    }
}

impl KeyId {
    /// The id made of the low 60 bits of `random`.
    pub fn from_random(random: u64) -> Self {
        Self(digits(random, KEY_ID_LENGTH))
    }
}

fn digits(random: u64, length: usize) -> String {
    let digit = |place: usize| char::from(ALPHABET[(random >> (5 * place) & 31) as usize]);
    (0..length).map(digit).collect()
}

/// One model at one provider: `provider/model`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeploymentId {
    /// Who serves it.
    pub provider: ProviderId,
    /// What is served; may hold slashes itself.
    pub model: ModelName,
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

impl FromStr for DeploymentId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let Some((provider, model)) = text.split_once('/') else {
            let found = text.chars().take(MAX_LENGTH).collect();
            return Err(BadId { what: "deployment", found, rule: "write it as provider/model" });
        };
        Ok(Self { provider: provider.parse()?, model: model.parse()? })
    }
}

impl TryFrom<String> for DeploymentId {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<DeploymentId> for String {
    fn from(id: DeploymentId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_workflow_id_parses_back() {
        for random in [0, 1, 31, 32, u64::MAX, 0x0123_4567_89ab_cdef] {
            let id = WorkflowId::from_random(random);
            assert_eq!(id.as_str().parse(), Ok(id));
        }
    }

    #[test]
    fn refuses_what_could_leave_its_folder() {
        for text in ["", "../../etc/pw", "ABCDEFGHJKMN", "0123456789a", "0123456789ab/"] {
            assert!(text.parse::<WorkflowId>().is_err(), "{text}");
        }
        for text in ["", "..", "a/b", "Upper", &"x".repeat(65)] {
            assert!(text.parse::<TaskId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_deployment_keeps_the_slashes_of_its_model() {
        let id: DeploymentId = "openrouter/meta/llama-4".parse().unwrap();
        assert_eq!(id.provider.as_str(), "openrouter");
        assert_eq!(id.model.as_str(), "meta/llama-4");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("no-slash".parse::<DeploymentId>().unwrap_err().to_string().contains("provider/model"));
    }
}
