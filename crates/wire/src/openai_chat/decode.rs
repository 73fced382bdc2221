//! Events out of OpenAI's chunks: deltas of text and of several tool calls, a finish reason, usage, `[DONE]`.

use chat::{Event, StopReason};
use serde::Deserialize;
use units::TokenCount;

use super::{DIALECT, Reported};
use crate::decode::{Decode, next_tool_call, parse};
use crate::{Error, sse};

/// Decodes one answer.
#[derive(Debug, Default)]
pub struct Decoder {
    calls: Vec<Call>,
    refused: bool,
    stopped: bool,
    done: bool,
}

/// A tool call by the server's own index and id; its place in the list is our index.
#[derive(Debug)]
struct Call {
    index: u64,
    id: String,
}

#[derive(Deserialize)]
struct Chunk {
    error: Option<Reported>,
    /// Empty in the chunk of the usage; null there from vLLM.
    choices: Option<Vec<Choice>>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Deserialize)]
struct CallDelta {
    #[serde(default)]
    index: u64,
    id: Option<String>,
    function: Option<FunctionDelta>,
}

#[derive(Default, Deserialize)]
struct FunctionDelta {
    name: Option<String>,
    arguments: Option<String>,
}

/// `prompt_tokens` includes what was cached, `completion_tokens` what was reasoned.
#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
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

impl Decode for Decoder {
    fn push(&mut self, frame: &sse::Frame) -> Result<Vec<Event>, Error> {
        let data = frame.data.trim();
        if data == "[DONE]" {
            self.done = true;
        }
        if self.done || data.is_empty() {
            return Ok(Vec::new());
        }
        let chunk: Chunk = parse(DIALECT, "a chunk", data.as_bytes())?;
        if let Some(error) = chunk.error {
            return Err(Error::Reported { status: error.status(), message: error.message() });
        }
        let mut events = Vec::new();
        // Only one answer was asked for.
        for choice in chunk.choices.into_iter().flatten().filter(|choice| choice.index == 0) {
            self.take(choice, &mut events)?;
        }
        events.extend(chunk.usage.map(|usage| Event::Usage(usage.into())));
        Ok(events)
    }

    fn ended(&self) -> bool {
        self.done && self.stopped
    }

    /// A finish reason makes the answer whole, also where a server leaves out `[DONE]`.
    fn finish(&mut self) -> Result<Vec<Event>, Error> {
        if self.stopped { Ok(Vec::new()) } else { Err(Error::Cut { dialect: DIALECT }) }
    }
}

impl Decoder {
    fn take(&mut self, choice: Choice, events: &mut Vec<Event>) -> Result<(), Error> {
        if let Some(Delta { content, refusal, tool_calls }) = choice.delta {
            let refusal = refusal.filter(|text| !text.is_empty());
            self.refused |= refusal.is_some();
            let texts = [content, refusal].into_iter().flatten().filter(|text| !text.is_empty());
            events.extend(texts.map(|text| Event::Text { text }));
            for call in tool_calls.into_iter().flatten() {
                self.extend(call, events)?;
            }
        }
        if let Some(word) = choice.finish_reason.filter(|word| !word.is_empty() && !self.stopped) {
            self.stopped = true;
            events.push(Event::Stopped { reason: self.stop_reason(word) });
        }
        Ok(())
    }

    fn extend(&mut self, delta: CallDelta, events: &mut Vec<Event>) -> Result<(), Error> {
        let id = delta.id.filter(|id| !id.is_empty());
        let FunctionDelta { name, arguments } = delta.function.unwrap_or_default();
        let name = name.filter(|name| !name.is_empty());
        let index = match self.find(delta.index, id.as_deref(), name.is_some()) {
            Some(index) => index,
            None => {
                let Some(name) = name else {
                    return Err(Error::Malformed {
                        dialect: DIALECT,
                        what: "a chunk",
                        column: 0,
                        rule: "a tool call must begin with its name",
                    });
                };
                let index = next_tool_call(self.calls.len())?;
                let id = id.unwrap_or_else(|| format!("call_{index}"));
                self.calls.push(Call { index: delta.index, id: id.clone() });
                events.push(Event::ToolCallStarted { index, id, name });
                index
            }
        };
        if let Some(json) = arguments.filter(|json| !json.is_empty()) {
            events.push(Event::ToolCallArguments { index, json });
        }
        Ok(())
    }

    /// The call that a delta goes on with. An id goes before an index: Ollama gives all parallel calls the index 0.
    fn find(&self, index: u64, id: Option<&str>, named: bool) -> Option<u32> {
        let mut calls = self.calls.iter();
        let place = match id {
            Some(id) => calls.rposition(|call| call.id == id),
            None => calls.rposition(|call| call.index == index).filter(|_| !named),
        };
        place.and_then(|place| u32::try_from(place).ok())
    }

    fn stop_reason(&self, word: String) -> StopReason {
        match word.as_str() {
            "stop" if self.refused => StopReason::Refusal,
            // Some servers say `stop` although they wait for a tool.
            "stop" if !self.calls.is_empty() => StopReason::ToolUse,
            "stop" => StopReason::EndOfTurn,
            "tool_calls" | "function_call" => StopReason::ToolUse,
            "length" => StopReason::MaxOutput,
            "content_filter" => StopReason::Refusal,
            _ => StopReason::Other(word),
        }
    }
}

impl From<Usage> for chat::Usage {
    fn from(usage: Usage) -> Self {
        let prompt = usage.prompt_tokens_details.unwrap_or_default();
        let cached = prompt.cached_tokens.unwrap_or(0);
        let written = prompt.cache_write_tokens.unwrap_or(0);
        let reasoning = usage.completion_tokens_details.unwrap_or_default().reasoning_tokens.unwrap_or(0);
        Self {
            input: TokenCount(usage.prompt_tokens.saturating_sub(cached).saturating_sub(written)),
            cached_input: TokenCount(cached),
            cache_written: TokenCount(written),
            output: TokenCount(usage.completion_tokens),
            reasoning: TokenCount(reasoning),
        }
    }
}
