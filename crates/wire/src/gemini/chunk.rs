//! The shape of an answer: of the whole one, and of each chunk of a stream, which is a whole one with less in it.

use chat::StopReason;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use units::TokenCount;

use super::Reported;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk<'a> {
    pub(super) error: Option<Reported>,
    #[serde(borrow, default)]
    pub(super) candidates: Vec<Candidate<'a>>,
    pub(super) prompt_feedback: Option<PromptFeedback>,
    pub(super) usage_metadata: Option<Usage>,
    pub(super) model_version: Option<String>,
    pub(super) response_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    #[serde(default)]
    pub(super) index: u64,
    #[serde(borrow)]
    pub(super) content: Option<Content<'a>>,
    pub(super) finish_reason: Option<String>,
    pub(super) grounding_metadata: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct Content<'a> {
    #[serde(borrow, default)]
    pub(super) parts: Vec<ContentPart<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContentPart<'a> {
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) thought: bool,
    pub(super) thought_signature: Option<String>,
    #[serde(borrow)]
    pub(super) function_call: Option<FunctionCall<'a>>,
    pub(super) inline_data: Option<Blob>,
}

/// Comes whole, never in pieces.
#[derive(Deserialize)]
pub(super) struct FunctionCall<'a> {
    pub(super) id: Option<String>,
    pub(super) name: String,
    #[serde(borrow)]
    pub(super) args: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob {
    #[serde(default)]
    pub(super) mime_type: String,
    #[serde(default)]
    pub(super) data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptFeedback {
    pub(super) block_reason: Option<String>,
}

/// The prompt includes what was cached; thoughts and what tools of the vendor put in are extra.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Usage {
    #[serde(default)]
    prompt_token_count: u64,
    #[serde(default)]
    tool_use_prompt_token_count: u64,
    #[serde(default)]
    cached_content_token_count: u64,
    #[serde(default)]
    candidates_token_count: u64,
    #[serde(default)]
    thoughts_token_count: u64,
}

impl From<Usage> for chat::Usage {
    fn from(usage: Usage) -> Self {
        let prompt = usage.prompt_token_count.saturating_sub(usage.cached_content_token_count);
        Self {
            input: TokenCount(prompt.saturating_add(usage.tool_use_prompt_token_count)),
            cached_input: TokenCount(usage.cached_content_token_count),
            cache_written: TokenCount(0),
            output: TokenCount(usage.candidates_token_count.saturating_add(usage.thoughts_token_count)),
            reasoning: TokenCount(usage.thoughts_token_count),
        }
    }
}

/// Usage in the dialect's words: what was written to a cache is part of the prompt.
pub(super) fn usage_json(usage: &chat::Usage) -> Value {
    let chat::Usage { input, cached_input, cache_written, output, reasoning } = *usage;
    let prompt = input.saturating_add(cached_input).saturating_add(cache_written);
    let mut json = json!({
        "promptTokenCount": prompt,
        "candidatesTokenCount": output.0.saturating_sub(reasoning.0),
        "totalTokenCount": prompt.saturating_add(output),
    });
    if cached_input.0 > 0 {
        json["cachedContentTokenCount"] = json!(cached_input);
    }
    if reasoning.0 > 0 {
        json["thoughtsTokenCount"] = json!(reasoning);
    }
    json
}

/// What the vendor's filters say.
const REFUSALS: [&str; 11] = [
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "LANGUAGE",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "ESCALATION",
    "MODEL_ARMOR",
];
/// What the vendor says that no other dialect does.
const OTHERS: [&str; 8] = [
    "OTHER",
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
    "IMAGE_OTHER",
    "NO_IMAGE",
];

pub(super) fn stop_reason(word: String, has_calls: bool) -> StopReason {
    match word.as_str() {
        "STOP" if has_calls => StopReason::ToolUse,
        "STOP" => StopReason::EndOfTurn,
        "MAX_TOKENS" => StopReason::MaxOutput,
        "CONTINUATION" => StopReason::Paused,
        word if REFUSALS.contains(&word) => StopReason::Refusal,
        _ => StopReason::Other(word),
    }
}

/// The dialect's word: a stop is a stop, whatever it is for.
pub(super) fn stop_word(reason: &StopReason) -> &str {
    match reason {
        StopReason::EndOfTurn
        | StopReason::StopSequence { .. }
        | StopReason::Paused
        | StopReason::ToolUse => "STOP",
        StopReason::MaxOutput => "MAX_TOKENS",
        StopReason::Refusal => "SAFETY",
        StopReason::Other(word) if OTHERS.contains(&word.as_str()) => word,
        StopReason::Other(_) => "OTHER",
    }
}
