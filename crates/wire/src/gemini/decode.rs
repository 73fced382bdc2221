//! Events out of Gemini's chunks, each of which is a whole response; the stream ends without a mark.

use chat::{Event, StopReason};
use serde::Deserialize;
use serde_json::Value;
use units::TokenCount;

use super::{DIALECT, Reported};
use crate::decode::{Decode, next_tool_call, parse};
use crate::{Error, sse};

/// Decodes one answer.
#[derive(Debug, Default)]
pub struct Decoder {
    calls: usize,
    finish: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    error: Option<Reported>,
    #[serde(default)]
    candidates: Vec<Candidate>,
    prompt_feedback: Option<PromptFeedback>,
    usage_metadata: Option<Usage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default)]
    index: u64,
    content: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<ContentPart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContentPart {
    text: Option<String>,
    #[serde(default)]
    thought: bool,
    function_call: Option<FunctionCall>,
}

/// Comes whole, never in pieces.
#[derive(Deserialize)]
struct FunctionCall {
    id: Option<String>,
    name: String,
    args: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptFeedback {
    block_reason: Option<String>,
}

/// The prompt includes what was cached; thoughts and what tools of the vendor put in are extra.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
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

impl Decode for Decoder {
    fn push(&mut self, frame: &sse::Frame) -> Result<Vec<Event>, Error> {
        let chunk: Chunk = parse(DIALECT, "a chunk", frame.data.as_bytes())?;
        if let Some(error) = chunk.error {
            return Err(Error::Reported { status: error.status(), message: error.message });
        }
        let mut events = Vec::new();
        // Only one answer was asked for.
        for candidate in chunk.candidates.into_iter().filter(|candidate| candidate.index == 0) {
            for part in candidate.content.into_iter().flat_map(|content| content.parts) {
                self.take(part, &mut events)?;
            }
            self.finish = candidate.finish_reason.or(self.finish.take());
        }
        let blocked = chunk.prompt_feedback.and_then(|feedback| feedback.block_reason);
        if blocked.is_some() {
            self.finish = Some("SAFETY".to_owned());
        }
        events.extend(chunk.usage_metadata.map(|usage| Event::Usage(usage.into())));
        Ok(events)
    }

    fn ended(&self) -> bool {
        false
    }

    /// Only the end tells which finish reason was the last: some models send one with every chunk.
    fn finish(&mut self) -> Result<Vec<Event>, Error> {
        let word = self.finish.take().ok_or(Error::Cut { dialect: DIALECT })?;
        Ok(vec![Event::Stopped { reason: self.stop_reason(word) }])
    }
}

impl Decoder {
    fn take(&mut self, part: ContentPart, events: &mut Vec<Event>) -> Result<(), Error> {
        let text = part.text.filter(|text| !text.is_empty() && !part.thought);
        events.extend(text.map(|text| Event::Text { text }));
        let Some(call) = part.function_call else { return Ok(()) };
        let index = next_tool_call(self.calls)?;
        self.calls += 1;
        let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("call_{index}"));
        events.push(Event::ToolCallStarted { index, id, name: call.name });
        let json = call.args.filter(|args| !args.is_null()).map_or("{}".to_owned(), |args| args.to_string());
        events.push(Event::ToolCallArguments { index, json });
        Ok(())
    }

    fn stop_reason(&self, word: String) -> StopReason {
        match word.as_str() {
            "STOP" if self.calls > 0 => StopReason::ToolUse,
            "STOP" => StopReason::EndOfTurn,
            "MAX_TOKENS" => StopReason::MaxOutput,
            "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "LANGUAGE" => {
                StopReason::Refusal
            }
            _ => StopReason::Other(word),
        }
    }
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
