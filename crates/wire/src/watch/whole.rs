//! An answer that came whole, looked into once.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{Seen, frame, usage};
use crate::decode::parse;
use crate::{Dialect, Error, openai_chat};

const ANSWER: &str = "an answer";

/// What a provider's answer shows that is no stream. What has no conversation's shape (embeddings, counts) shows its
/// usage where it has any, and is never "stopped".
///
/// # Errors
/// When it is no JSON object of the dialect, or an error although its status said otherwise.
pub fn whole(dialect: Dialect, body: &[u8]) -> Result<Seen, Error> {
    match dialect {
        Dialect::Anthropic => anthropic(body),
        Dialect::OpenAiChat => chat_completion(body),
        Dialect::OpenAiResponses => response(body),
        Dialect::Gemini => gemini(body),
    }
}

fn anthropic(body: &[u8]) -> Result<Seen, Error> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        r#type: String,
        stop_reason: Option<IgnoredAny>,
        id: Option<String>,
        model: Option<String>,
        usage: Option<usage::Anthropic>,
    }
    let answer: Answer = parse(Dialect::Anthropic.name(), ANSWER, body)?;
    if answer.r#type == "error" {
        return Err(frame::reported(Dialect::Anthropic, body));
    }
    let is_stopped = answer.stop_reason.is_some();
    Ok(Seen { id: answer.id, model: answer.model, usage: answer.usage.map(Into::into), is_stopped })
}

fn chat_completion(body: &[u8]) -> Result<Seen, Error> {
    #[derive(Deserialize)]
    struct Answer {
        error: Option<IgnoredAny>,
        id: Option<Value>,
        model: Option<Value>,
        choices: Option<Vec<Choice>>,
        usage: Option<openai_chat::usage::Usage>,
    }
    #[derive(Deserialize)]
    struct Choice {
        finish_reason: Option<IgnoredAny>,
    }
    let answer: Answer = parse(Dialect::OpenAiChat.name(), ANSWER, body)?;
    if answer.error.is_some() {
        return Err(frame::reported(Dialect::OpenAiChat, body));
    }
    let choices = answer.choices.unwrap_or_default();
    let is_stopped = choices.iter().any(|choice| choice.finish_reason.is_some());
    let word = |value: Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
    let usage = answer.usage.map(Into::into);
    Ok(Seen { id: word(answer.id), model: word(answer.model), usage, is_stopped })
}

fn response(body: &[u8]) -> Result<Seen, Error> {
    let answer: frame::Response = parse(Dialect::OpenAiResponses.name(), ANSWER, body)?;
    if let Some(error) = answer.error {
        return Err(error.into());
    }
    let is_stopped = matches!(answer.status.as_deref(), Some("completed" | "incomplete"));
    Ok(Seen { id: answer.id, model: answer.model, usage: answer.usage.map(Into::into), is_stopped })
}

fn gemini(body: &[u8]) -> Result<Seen, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        error: Option<IgnoredAny>,
        response_id: Option<String>,
        model_version: Option<String>,
        #[serde(default)]
        candidates: Vec<Candidate>,
        prompt_feedback: Option<frame::PromptFeedback>,
        usage_metadata: Option<usage::Gemini>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Candidate {
        finish_reason: Option<IgnoredAny>,
    }
    let answer: Answer = parse(Dialect::Gemini.name(), ANSWER, body)?;
    if answer.error.is_some() {
        return Err(frame::reported(Dialect::Gemini, body));
    }
    let is_blocked = answer.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some());
    let is_finished = answer.candidates.iter().any(|candidate| candidate.finish_reason.is_some());
    Ok(Seen {
        id: answer.response_id,
        model: answer.model_version,
        usage: answer.usage_metadata.map(Into::into),
        is_stopped: is_blocked || is_finished,
    })
}
