//! What a provider sends: events of a stream, the answer in them, and the answer's items.

use serde::Deserialize;
use serde_json::{Map, Value};
use units::TokenCount;

use crate::openai_chat::failure::Reported;

/// One event; which fields there are follows from its type.
#[derive(Deserialize)]
pub(super) struct Sent {
    pub(super) r#type: String,
    pub(super) response: Option<Response>,
    pub(super) item: Option<Item>,
    pub(super) item_id: Option<String>,
    pub(super) output_index: Option<u64>,
    pub(super) summary_index: Option<u64>,
    pub(super) delta: Option<String>,
    pub(super) arguments: Option<String>,
    pub(super) input: Option<String>,
    /// An error's, which stand in an object of their own at some servers.
    pub(super) error: Option<Reported>,
    pub(super) message: Option<String>,
    pub(super) code: Option<Value>,
}

/// An answer, as far as it is known.
#[derive(Deserialize)]
pub(super) struct Response {
    pub(super) id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) status: Option<String>,
    pub(super) error: Option<Reported>,
    pub(super) incomplete_details: Option<Incomplete>,
    pub(super) output: Option<Vec<Item>>,
    pub(super) usage: Option<Usage>,
    pub(super) metadata: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
pub(super) struct Incomplete {
    pub(super) reason: Option<String>,
}

/// An item of an answer; which fields there are follows from its type.
#[derive(Deserialize)]
pub(super) struct Item {
    pub(super) r#type: String,
    pub(super) id: Option<String>,
    pub(super) call_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) arguments: Option<Value>,
    pub(super) input: Option<Value>,
    pub(super) summary: Option<Vec<Words>>,
    pub(super) content: Option<Vec<Words>>,
    pub(super) encrypted_content: Option<String>,
    pub(super) result: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct Words {
    pub(super) text: Option<String>,
    pub(super) refusal: Option<String>,
    pub(super) annotations: Option<Value>,
}

/// `input_tokens` includes what was cached, `output_tokens` what was reasoned.
#[derive(Deserialize)]
pub(super) struct Usage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Default, Deserialize)]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
}

impl From<Usage> for chat::Usage {
    fn from(usage: Usage) -> Self {
        let details = usage.input_tokens_details.unwrap_or_default();
        let cached = details.cached_tokens.unwrap_or(0);
        let written = details.cache_write_tokens.unwrap_or(0);
        let reasoning = usage.output_tokens_details.unwrap_or_default().reasoning_tokens.unwrap_or(0);
        let input = usage.input_tokens.unwrap_or(0);
        Self {
            input: TokenCount(input.saturating_sub(cached).saturating_sub(written)),
            cached_input: TokenCount(cached),
            cache_written: TokenCount(written),
            output: TokenCount(usage.output_tokens.unwrap_or(0)),
            reasoning: TokenCount(reasoning),
        }
    }
}
