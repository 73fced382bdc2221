//! Events out of Anthropic's stream: `message_start`, blocks one after the other, `message_delta`, `message_stop`.

use chat::Event;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{DIALECT, Reported, Usage, stop_reason};
use crate::decode::{Decode, next_tool_call, parse};
use crate::{Error, seal, sse};

/// Decodes one answer.
#[derive(Debug, Default)]
pub struct Decoder {
    usage: chat::Usage,
    calls: Vec<Call>,
    /// Of the open block; it counts when the block ends, and a later one replaces it.
    signature: Option<String>,
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
    id: Option<String>,
    model: Option<String>,
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
    Thinking {
        #[serde(default)]
        thinking: String,
        #[serde(default)]
        signature: String,
    },
    RedactedThinking {
        data: String,
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
    ThinkingDelta {
        thinking: String,
    },
    SignatureDelta {
        signature: String,
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
    #[serde(default)]
    stop_sequence: Option<String>,
}

impl Decode for Decoder {
    fn push(&mut self, frame: &sse::Frame) -> Result<Vec<Event>, Error> {
        if self.ended {
            return Ok(Vec::new());
        }
        match parse(DIALECT, "a frame", frame.data.as_bytes())? {
            Incoming::MessageStart { message: Started { id, model, usage } } => {
                Ok([Event::Began { id, model }].into_iter().chain(self.used(usage)).collect())
            }
            Incoming::ContentBlockStart { index, content_block } => self.start(index, content_block),
            Incoming::ContentBlockDelta { index, delta } => self.extend(index, delta),
            Incoming::ContentBlockStop { index } => Ok(self.stop(index)),
            Incoming::MessageDelta { delta, usage } => {
                let mut events: Vec<Event> = self.used(usage).into_iter().collect();
                if let Some(reason) = delta.stop_reason.filter(|_| !self.stopped) {
                    self.stopped = true;
                    events.push(Event::Stopped { reason: stop_reason(reason, delta.stop_sequence) });
                }
                Ok(events)
            }
            Incoming::MessageStop => {
                self.ended = true;
                Ok(Vec::new())
            }
            Incoming::Error { error } => Err(error.into()),
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
        usage?.put_into(&mut self.usage);
        Some(Event::Usage(self.usage))
    }

    fn start(&mut self, block: u64, content: Block) -> Result<Vec<Event>, Error> {
        match content {
            Block::Text { text } => Ok(said(text)),
            Block::Thinking { thinking, signature } => {
                self.sign(signature);
                Ok(thought(thinking))
            }
            Block::RedactedThinking { data } => Ok(vec![Event::Sealed(seal::unpack(&data, true))]),
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
            Piece::ThinkingDelta { thinking } => Ok(thought(thinking)),
            Piece::SignatureDelta { signature } => {
                self.sign(signature);
                Ok(Vec::new())
            }
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
        let seal = self.signature.take().map(|signature| Event::Sealed(seal::unpack(&signature, false)));
        let whole = self.call(block).and_then(|(index, call)| Some((index, call.whole.take()?)));
        let whole = whole.map(|(index, json)| Event::ToolCallArguments { index, json });
        seal.into_iter().chain(whole).collect()
    }

    fn sign(&mut self, signature: String) {
        if !signature.is_empty() {
            self.signature = Some(signature);
        }
    }

    fn call(&mut self, block: u64) -> Option<(u32, &mut Call)> {
        (0..).zip(&mut self.calls).find(|(_, call)| call.block == block)
    }
}

fn said(text: String) -> Vec<Event> {
    if text.is_empty() { Vec::new() } else { vec![Event::Text { text }] }
}

fn thought(text: String) -> Vec<Event> {
    if text.is_empty() { Vec::new() } else { vec![Event::Thought { text }] }
}
