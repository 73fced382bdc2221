//! What was used, as Chat Completions and its compatible servers count it.

use serde::Deserialize;
use serde_json::{Value, json};
use units::TokenCount;

/// `prompt_tokens` includes what was cached, `completion_tokens` what was reasoned.
#[derive(Deserialize)]
pub(crate) struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek's name for what was cached.
    prompt_cache_hit_tokens: Option<u64>,
    /// Moonshot's.
    cached_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

impl From<Usage> for chat::Usage {
    fn from(usage: Usage) -> Self {
        let details = usage.prompt_tokens_details.unwrap_or_default();
        let cached =
            details.cached_tokens.or(usage.prompt_cache_hit_tokens).or(usage.cached_tokens).unwrap_or(0);
        let written = details.cache_write_tokens.unwrap_or(0);
        let prompt = usage.prompt_tokens.unwrap_or(0);
        let completion = usage.completion_tokens.unwrap_or(0);
        let told = usage.completion_tokens_details.and_then(|details| details.reasoning_tokens);
        // xAI and Google's compatible endpoint count thinking beside the completion, and only the total holds all.
        let beside = usage.total_tokens.unwrap_or(0).saturating_sub(prompt.saturating_add(completion));
        let beside = if told.is_none_or(|reasoning| reasoning == beside) { beside } else { 0 };
        Self {
            input: TokenCount(prompt.saturating_sub(cached).saturating_sub(written)),
            cached_input: TokenCount(cached),
            cache_written: TokenCount(written),
            output: TokenCount(completion.saturating_add(beside)),
            reasoning: TokenCount(told.unwrap_or(beside)),
        }
    }
}

/// The same for a client.
pub(crate) fn written(usage: &chat::Usage) -> Value {
    let chat::Usage { input, cached_input, cache_written, output, reasoning } = usage;
    let prompt = input.saturating_add(*cached_input).saturating_add(*cache_written);
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt.saturating_add(*output),
        "prompt_tokens_details": {"cached_tokens": cached_input, "cache_write_tokens": cache_written, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    })
}
