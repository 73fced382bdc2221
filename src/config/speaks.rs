//! Which of OpenAI's two dialects a provider or a model speaks: one of them, or both.

use std::marker::PhantomData;

use serde::de::Deserializer;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};
use upstream::{Dialect, Spoken};

use super::one_or_many::{OneOrMany, Texts};

/// The dialects, the one first into which what comes in other words is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaks {
    first: Tongue,
    also: Option<Tongue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tongue {
    Chat,
    Responses,
}

impl Speaks {
    /// What OpenAI itself speaks. Chat Completions come first, because every model but a few has them.
    pub const BOTH: Self = Self { first: Tongue::Chat, also: Some(Tongue::Responses) };
    /// What all others speak.
    pub const CHAT: Self = Self { first: Tongue::Chat, also: None };

    /// The same for whoever calls.
    pub fn spoken(self) -> Spoken {
        Spoken { dialect: self.first.dialect(), also: self.also.map(Tongue::dialect) }
    }
}

impl Tongue {
    const ALL: [Self; 2] = [Self::Chat, Self::Responses];

    fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
        }
    }

    fn dialect(self) -> Dialect {
        match self {
            Self::Chat => Dialect::OpenAiChat,
            Self::Responses => Dialect::OpenAiResponses,
        }
    }
}

impl<'de> Deserialize<'de> for Speaks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Texts::<Self>(PhantomData))
    }
}

impl Serialize for Speaks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(also) = self.also else { return serializer.serialize_str(self.first.name()) };
        let mut list = serializer.serialize_seq(Some(2))?;
        list.serialize_element(self.first.name())?;
        list.serialize_element(also.name())?;
        list.end()
    }
}

impl OneOrMany for Speaks {
    const EXPECTED: &'static str = "`chat`, `responses`, or a list of both";
    const MOST: usize = Tongue::ALL.len();

    fn one(text: &str) -> Result<Self, String> {
        Self::many(vec![text.to_owned()])
    }

    fn many(texts: Vec<String>) -> Result<Self, String> {
        let tongue = |text: &String| Tongue::ALL.into_iter().find(|tongue| tongue.name() == text);
        let tongues: Option<Vec<Tongue>> = texts.iter().map(tongue).collect();
        match tongues.as_deref() {
            Some([first]) => Ok(Self { first: *first, also: None }),
            Some([first, also]) if first != also => Ok(Self { first: *first, also: Some(*also) }),
            Some(_) | None => Err(format!("not what is expected here: {}", Self::EXPECTED)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_or_both_are_read_and_printed_as_they_were_written() {
        for (text, dialect, also) in [
            ("chat", Dialect::OpenAiChat, None),
            ("responses", Dialect::OpenAiResponses, None),
            ("[chat, responses]", Dialect::OpenAiChat, Some(Dialect::OpenAiResponses)),
            ("[responses, chat]", Dialect::OpenAiResponses, Some(Dialect::OpenAiChat)),
        ] {
            let read: Speaks = yaml::from_str("x", text).unwrap();
            assert_eq!(read.spoken(), Spoken { dialect, also }, "{text}");
            assert_eq!(yaml::from_str::<Speaks>("x", &yaml::to_string(&read).unwrap()).unwrap(), read);
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_what_is() {
        for text in ["gemini", "[]", "[chat, chat]", "[chat, responses, chat]", "[chat, x]", "7", "{a: b}"] {
            let refused = yaml::from_str::<Speaks>("x", text).unwrap_err().to_string();
            assert!(
                refused.contains("`chat`, `responses`") || refused.contains("more than 2"),
                "{text}: {refused}"
            );
        }
    }
}
