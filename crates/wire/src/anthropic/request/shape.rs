//! The shapes of a request's JSON. Source: the parameter types of Anthropic's SDK for Python, 2.12.
//!
//! A block is one flat structure for all its types: so it is read once, and an error keeps its place.

use std::fmt;

use chat::Lifetime;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::reading::{List, entries, pass_by};
use crate::unread::Unread;

/// The most messages; the vendor's own limit.
const MAX_MESSAGES: usize = 100_000;
/// The most blocks of one message or result.
const MAX_BLOCKS: usize = 10_000;
/// The most tools.
const MAX_TOOLS: usize = 4_096;
/// The most sequences that end an answer.
const MAX_STOPS: usize = 1_024;

#[derive(Deserialize)]
pub(super) struct Body<'a> {
    pub(super) model: String,
    #[serde(borrow)]
    pub(super) messages: List<Message<'a>, MAX_MESSAGES>,
    pub(super) system: Option<Content<'a>>,
    pub(super) max_tokens: Option<u64>,
    pub(super) stream: Option<bool>,
    pub(super) tools: Option<List<ToolConfig, MAX_TOOLS>>,
    pub(super) tool_choice: Option<ToolChoiceConfig>,
    pub(super) thinking: Option<ThinkingConfig>,
    pub(super) output_config: Option<OutputConfig>,
    /// An older place of `output_config.format`.
    pub(super) output_format: Option<OutputFormat>,
    pub(super) cache_control: Option<CacheControl>,
    pub(super) metadata: Option<Metadata>,
    pub(super) stop_sequences: Option<List<String, MAX_STOPS>>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) top_k: Option<u32>,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

#[derive(Deserialize)]
pub(super) struct Message<'a> {
    pub(super) role: String,
    #[serde(borrow)]
    pub(super) content: Content<'a>,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

/// A text is short for one block of it.
pub(super) enum Content<'a> {
    Text(String),
    Blocks(Vec<Block<'a>>),
    /// What a tool of the vendor's own answered.
    Other,
}

#[derive(Deserialize)]
pub(super) struct Block<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) text: Option<String>,
    pub(super) cache_control: Option<CacheControl>,
    pub(super) source: Option<Source<'a>>,
    pub(super) title: Option<String>,
    pub(super) citations: Option<Citations>,
    pub(super) thinking: Option<String>,
    pub(super) signature: Option<String>,
    pub(super) data: Option<String>,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    /// As the client wrote it: it becomes the call's arguments.
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    pub(super) tool_use_id: Option<String>,
    #[serde(borrow)]
    pub(super) content: Option<Content<'a>>,
    pub(super) is_error: Option<bool>,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

/// Where an image or a document is; what a search found only says so.
pub(super) enum Source<'a> {
    Named,
    Given(Box<GivenSource<'a>>),
}

#[derive(Deserialize)]
pub(super) struct GivenSource<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) media_type: Option<String>,
    pub(super) data: Option<String>,
    pub(super) url: Option<String>,
    pub(super) file_id: Option<String>,
    #[serde(borrow)]
    pub(super) content: Option<Content<'a>>,
}

/// Citations given or wanted.
pub(super) struct Citations {
    pub(super) are_there: bool,
}

#[derive(Deserialize)]
pub(super) struct CacheControl {
    ttl: Option<Ttl>,
}

#[derive(Clone, Copy, Deserialize)]
enum Ttl {
    #[serde(rename = "5m")]
    FiveMinutes,
    #[serde(rename = "1h")]
    OneHour,
}

#[derive(Deserialize)]
pub(super) struct ToolConfig {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) input_schema: Option<Value>,
    pub(super) strict: Option<bool>,
    pub(super) cache_control: Option<CacheControl>,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

#[derive(Deserialize)]
pub(super) struct ToolChoiceConfig {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: Option<String>,
    pub(super) disable_parallel_tool_use: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct ThinkingConfig {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) budget_tokens: Option<u64>,
    pub(super) display: Option<String>,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

#[derive(Default, Deserialize)]
pub(super) struct OutputConfig {
    pub(super) effort: Option<String>,
    pub(super) format: Option<OutputFormat>,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

#[derive(Deserialize)]
pub(super) struct OutputFormat {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) schema: Option<Value>,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) user_id: Option<String>,
}

impl From<CacheControl> for Lifetime {
    fn from(control: CacheControl) -> Self {
        match control.ttl {
            Some(Ttl::OneHour) => Self::Hour,
            Some(Ttl::FiveMinutes) | None => Self::Short,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Content<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of blocks")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                entries(list, MAX_BLOCKS).map(Content::Blocks)
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
                pass_by(object).map(|()| Content::Other)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Source<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Source<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Source::Named)
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
                let given = GivenSource::deserialize(de::value::MapAccessDeserializer::new(object))?;
                Ok(Source::Given(Box::new(given)))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Citations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Citations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list or an object")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut are_there = false;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    are_there = true;
                }
                Ok(Citations { are_there })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
                let mut are_there = false;
                while let Some((_, wanted)) = object.next_entry::<IgnoredAny, Option<bool>>()? {
                    are_there |= wanted == Some(true);
                }
                Ok(Citations { are_there })
            }
        }
        deserializer.deserialize_any(Either)
    }
}
