//! What a server sends, piece by piece or whole, with all the fields that compatible servers gave to the dialect.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor, value::SeqAccessDeserializer};

use super::details::Detail;
use super::failure::Reported;
use super::usage::Usage;

/// A chunk of a stream, or a whole answer.
#[derive(Deserialize)]
pub(crate) struct Chunk {
    pub(crate) id: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) error: Option<Reported>,
    /// Empty in the chunk of the usage; null there from vLLM.
    pub(crate) choices: Option<Vec<Choice>>,
    pub(crate) usage: Option<Usage>,
    x_groq: Option<Groq>,
}

/// Where Groq puts the usage of a stream.
#[derive(Deserialize)]
struct Groq {
    usage: Option<Usage>,
}

impl Chunk {
    /// What was used, wherever it stands.
    pub(crate) fn take_usage(&mut self) -> Option<Usage> {
        let groq = self.x_groq.take().and_then(|groq| groq.usage);
        let choices = self.choices.as_mut();
        self.usage.take().or(groq).or_else(|| choices?.first_mut()?.usage.take())
    }
}

#[derive(Deserialize)]
pub(crate) struct Choice {
    #[serde(default)]
    pub(crate) index: u64,
    pub(crate) delta: Option<Delta>,
    /// In a whole answer. MiniMax ends a stream with one that says everything again.
    pub(crate) message: Option<Delta>,
    pub(crate) finish_reason: Option<String>,
    /// The text before which it ended (vLLM); a token's number where there is none.
    pub(crate) stop_reason: Option<serde_json::Value>,
    /// OpenRouter.
    pub(crate) error: Option<Reported>,
    /// Moonshot.
    usage: Option<Usage>,
}

#[derive(Default, Deserialize)]
pub(crate) struct Delta {
    pub(crate) content: Option<Content>,
    pub(crate) refusal: Option<String>,
    /// DeepSeek, and most after it.
    pub(crate) reasoning_content: Option<String>,
    /// OpenRouter, Groq, newer vLLM; some servers give both.
    pub(crate) reasoning: Option<String>,
    pub(crate) reasoning_details: Option<Vec<Detail>>,
    pub(crate) tool_calls: Option<Vec<CallDelta>>,
    /// OpenRouter.
    pub(crate) images: Option<Vec<Image>>,
    pub(crate) audio: Option<Audio>,
    pub(crate) annotations: Option<serde_json::Value>,
}

#[derive(Deserialize)]
pub(crate) struct Image {
    pub(crate) image_url: Address,
}

#[derive(Deserialize)]
pub(crate) struct Address {
    pub(crate) url: String,
}

#[derive(Deserialize)]
pub(crate) struct Audio {
    pub(crate) data: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct CallDelta {
    #[serde(default)]
    pub(crate) index: u64,
    pub(crate) id: Option<String>,
    pub(crate) function: Option<FunctionDelta>,
    pub(crate) custom: Option<CustomDelta>,
    pub(crate) extra_content: Option<Extra>,
}

#[derive(Default, Deserialize)]
pub(crate) struct FunctionDelta {
    pub(crate) name: Option<String>,
    pub(crate) arguments: Option<Arguments>,
}

#[derive(Deserialize)]
pub(crate) struct CustomDelta {
    pub(crate) name: Option<String>,
    pub(crate) input: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Extra {
    pub(crate) google: Option<Google>,
}

#[derive(Deserialize)]
pub(crate) struct Google {
    pub(crate) thought_signature: Option<String>,
}

/// A text, or the list of parts that Mistral's reasoning models answer with.
pub(crate) enum Content {
    Text(String),
    Parts(Vec<Piece>),
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Piece {
    Text {
        text: String,
    },
    Thinking {
        thinking: Vec<Piece>,
    },
    #[serde(other)]
    Unknown,
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Content;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a text or a list of parts")
            }

            fn visit_str<E>(self, text: &str) -> Result<Content, E> {
                Ok(Content::Text(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Content, E> {
                Ok(Content::Text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<Content, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(parts)).map(Content::Parts)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// Arguments are a text; some servers write the object itself.
pub(crate) struct Arguments(pub(crate) String);

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Arguments;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a text or an object")
            }

            fn visit_str<E>(self, text: &str) -> Result<Arguments, E> {
                Ok(Arguments(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Arguments, E> {
                Ok(Arguments(text))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, entries: A) -> Result<Arguments, A::Error> {
                let entries = serde::de::value::MapAccessDeserializer::new(entries);
                serde_json::Map::deserialize(entries)
                    .map(|object| Arguments(serde_json::Value::Object(object).to_string()))
            }
        }

        deserializer.deserialize_any(Either)
    }
}
