//! The counts of the dialects, made into parts that do not overlap. Those of Chat Completions are read where its answers are.

use serde::Deserialize;
use units::TokenCount;

/// Cumulative; a later message may leave out what has not changed.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Anthropic {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<Thoughts>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Thoughts {
    thinking_tokens: Option<u64>,
}

impl Anthropic {
    /// With what a later message says.
    pub(super) fn then(self, later: Self) -> Self {
        Self {
            input_tokens: later.input_tokens.or(self.input_tokens),
            cache_read_input_tokens: later.cache_read_input_tokens.or(self.cache_read_input_tokens),
            cache_creation_input_tokens: later
                .cache_creation_input_tokens
                .or(self.cache_creation_input_tokens),
            output_tokens: later.output_tokens.or(self.output_tokens),
            output_tokens_details: later.output_tokens_details.or(self.output_tokens_details),
        }
    }
}

impl From<Anthropic> for chat::Usage {
    fn from(usage: Anthropic) -> Self {
        let count = |count: Option<u64>| TokenCount(count.unwrap_or(0));
        Self {
            input: count(usage.input_tokens),
            cached_input: count(usage.cache_read_input_tokens),
            cache_written: count(usage.cache_creation_input_tokens),
            output: count(usage.output_tokens),
            reasoning: count(usage.output_tokens_details.and_then(|details| details.thinking_tokens)),
        }
    }
}

/// The input includes what was cached, the output what was reasoned.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Responses {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_tokens_details: Option<Input>,
    output_tokens_details: Option<Output>,
}

#[derive(Debug, Default, Deserialize)]
struct Input {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
struct Output {
    reasoning_tokens: Option<u64>,
}

impl From<Responses> for chat::Usage {
    fn from(usage: Responses) -> Self {
        let of_input = usage.input_tokens_details.unwrap_or_default();
        let cached = of_input.cached_tokens.unwrap_or(0);
        let written = of_input.cache_write_tokens.unwrap_or(0);
        let input = usage.input_tokens.unwrap_or(0);
        let reasoning = usage.output_tokens_details.unwrap_or_default().reasoning_tokens;
        Self {
            input: TokenCount(input.saturating_sub(cached).saturating_sub(written)),
            cached_input: TokenCount(cached),
            cache_written: TokenCount(written),
            output: TokenCount(usage.output_tokens.unwrap_or(0)),
            reasoning: TokenCount(reasoning.unwrap_or(0)),
        }
    }
}

/// The prompt includes what was cached; thoughts and what the vendor's tools put in are extra.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Gemini {
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

impl From<Gemini> for chat::Usage {
    fn from(usage: Gemini) -> Self {
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
