//! Events out of Anthropic's stream: `message_start`, blocks one after the other, `message_delta`, `message_stop`.

use chat::{Event, StopReason};
use serde::Deserialize;
use serde_json::{Map, Value};
use units::TokenCount;

use super::{DIALECT, Reported};
use crate::decode::{Decode, next_tool_call, parse};
use crate::{Error, sse};

/// Decodes one answer.
#[derive(Debug, Default)]
pub struct Decoder {
    usage: chat::Usage,
    calls: Vec<Call>,
    stopped: bool,
    ended: bool,
}

#[derive(Debug)]
struct Call {
    block: u64,
    /// Arguments that came with the block's start; they count if no delta follows, as some compatible servers have it.
    whole: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Incoming {
    MessageStart {
        message: Started,
    },
    ContentBlockStart {
        index: u64,
        content_block: Block,
    },
    ContentBlockDelta {
        index: u64,
        delta: Piece,
    },
    ContentBlockStop {
        index: u64,
    },
    MessageDelta {
        delta: Change,
        #[serde(default)]
        usage: Option<Usage>,
    },
    MessageStop,
    Error {
        error: Reported,
    },
    /// The documentation asks to pass by what is unknown.
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
struct Started {
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
        #[serde(default)]
        input: Map<String, Value>,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Piece {
    TextDelta {
        text: String,
    },
    InputJsonDelta {
        partial_json: String,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    stop_reason: Option<String>,
}

/// All counts are cumulative; a later message may leave out what has not changed.
#[derive(Deserialize)]
struct Usage {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

impl Decode for Decoder {
    fn push(&mut self, frame: &sse::Frame) -> Result<Vec<Event>, Error> {
        if self.ended {
            return Ok(Vec::new());
        }
        match parse(DIALECT, "a frame", frame.data.as_bytes())? {
            Incoming::MessageStart { message } => Ok(self.used(message.usage).into_iter().collect()),
            Incoming::ContentBlockStart { index, content_block } => self.start(index, content_block),
            Incoming::ContentBlockDelta { index, delta } => self.extend(index, delta),
            Incoming::ContentBlockStop { index } => Ok(self.stop(index)),
            Incoming::MessageDelta { delta, usage } => {
                let mut events: Vec<Event> = self.used(usage).into_iter().collect();
                if let Some(reason) = delta.stop_reason.filter(|_| !self.stopped) {
                    self.stopped = true;
                    events.push(Event::Stopped { reason: stop_reason(reason) });
                }
                Ok(events)
            }
            Incoming::MessageStop => {
                self.ended = true;
                Ok(Vec::new())
            }
            Incoming::Error { error } => {
                Err(Error::Reported { status: error.status(), message: error.message })
            }
            Incoming::Unknown => Ok(Vec::new()),
        }
    }

    fn ended(&self) -> bool {
        self.ended && self.stopped
    }

    fn finish(&mut self) -> Result<Vec<Event>, Error> {
        if self.ended() { Ok(Vec::new()) } else { Err(Error::Cut { dialect: DIALECT }) }
    }
}

impl Decoder {
    fn used(&mut self, usage: Option<Usage>) -> Option<Event> {
        let usage = usage?;
        let set = |count: &mut TokenCount, new: Option<u64>| *count = new.map_or(*count, TokenCount);
        set(&mut self.usage.input, usage.input_tokens);
        set(&mut self.usage.cached_input, usage.cache_read_input_tokens);
        set(&mut self.usage.cache_written, usage.cache_creation_input_tokens);
        set(&mut self.usage.output, usage.output_tokens);
        Some(Event::Usage(self.usage))
    }

    fn start(&mut self, block: u64, content: Block) -> Result<Vec<Event>, Error> {
        match content {
            Block::Text { text } => Ok(said(text)),
            Block::ToolUse { id, name, input } => {
                let index = next_tool_call(self.calls.len())?;
                let whole = (!input.is_empty()).then(|| Value::Object(input).to_string());
                self.calls.push(Call { block, whole });
                Ok(vec![Event::ToolCallStarted { index, id, name }])
            }
            Block::Unknown => Ok(Vec::new()),
        }
    }

    fn extend(&mut self, block: u64, piece: Piece) -> Result<Vec<Event>, Error> {
        match piece {
            Piece::TextDelta { text } => Ok(said(text)),
            Piece::InputJsonDelta { partial_json } if partial_json.is_empty() => Ok(Vec::new()),
            Piece::InputJsonDelta { partial_json: json } => {
                let Some((index, call)) = self.call(block) else {
                    return Err(Error::Malformed {
                        dialect: DIALECT,
                        what: "a frame",
                        column: 0,
                        rule: "arguments must belong to a tool call that has begun",
                    });
                };
                call.whole = None;
                Ok(vec![Event::ToolCallArguments { index, json }])
            }
            Piece::Unknown => Ok(Vec::new()),
        }
    }

    fn stop(&mut self, block: u64) -> Vec<Event> {
        let whole = self.call(block).and_then(|(index, call)| Some((index, call.whole.take()?)));
        whole.map(|(index, json)| Event::ToolCallArguments { index, json }).into_iter().collect()
    }

    fn call(&mut self, block: u64) -> Option<(u32, &mut Call)> {
        (0..).zip(&mut self.calls).find(|(_, call)| call.block == block)
    }
}

fn said(text: String) -> Vec<Event> {
    if text.is_empty() { Vec::new() } else { vec![Event::Text { text }] }
}

fn stop_reason(word: String) -> StopReason {
    match word.as_str() {
        "end_turn" | "stop_sequence" => StopReason::EndOfTurn,
        "tool_use" => StopReason::ToolUse,
        "max_tokens" => StopReason::MaxOutput,
        "refusal" => StopReason::Refusal,
        _ => StopReason::Other(word),
    }
}
