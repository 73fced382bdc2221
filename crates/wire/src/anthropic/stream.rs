//! A client's stream in Anthropic's words: `message_start`, blocks strictly one after the other, `message_delta` with
//! the final usage, `message_stop`; an `error` may come at any time. Clients ignore a `ping`.

use chat::{Event, StopReason};
use serde::Serialize;
use serde_json::json;

use super::{error, media_words, message_id, stop_word, usage_json};
use crate::blocks::{Blocks, Kind, Step};
use crate::{Encode, Failure, Head, citing, seal};

/// Writes one answer.
#[derive(Debug)]
pub struct Encoder {
    id: String,
    model: String,
    usage: chat::Usage,
    /// The provider has named its answer; what it says was used stands in `message_start`, if it comes before all else.
    is_named: bool,
    has_started: bool,
    blocks: Blocks,
    writer: Writer,
    stop: Option<StopReason>,
}

/// Writes blocks.
#[derive(Debug, Default)]
struct Writer {
    /// The open block, or the next one.
    index: u64,
    has_calls: bool,
}

impl Encoder {
    /// For one answer.
    pub fn new(head: &Head<'_>) -> Self {
        Self {
            id: message_id(None, head.id),
            model: head.model.to_owned(),
            usage: chat::Usage::default(),
            is_named: false,
            has_started: false,
            blocks: Blocks::default(),
            writer: Writer::default(),
            stop: None,
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let message = json!({
            "id": self.id, "type": "message", "role": "assistant", "model": self.model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": usage_json(&self.usage),
        });
        frame(out, "message_start", &json!({"type": "message_start", "message": message}));
    }
}

impl Encode for Encoder {
    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Began { id, .. } => {
                if let Some(own) = id.as_deref().filter(|own| own.starts_with("msg_")) {
                    own.clone_into(&mut self.id);
                }
                self.is_named = true;
            }
            Event::Usage(usage) => {
                self.usage = *usage;
                if self.is_named {
                    self.start(out);
                }
            }
            Event::Stopped { reason } => self.stop = Some(reason.clone()),
            Event::Text { .. }
            | Event::Thought { .. }
            | Event::Sealed(_)
            | Event::Refusal { .. }
            | Event::Media { .. }
            | Event::Cited(_)
            | Event::ToolCallStarted { .. }
            | Event::ToolCallArguments { .. } => {
                self.start(out);
                let Self { blocks, writer, .. } = self;
                blocks.push(event, &mut |step| writer.write(&step, out));
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        let Self { blocks, writer, .. } = self;
        blocks.close(&mut |step| writer.write(&step, out));
        let reason = self.stop.take().unwrap_or(StopReason::EndOfTurn);
        let (word, sequence) = stop_word(&reason, self.writer.has_calls);
        let delta = json!({"stop_reason": word, "stop_sequence": sequence});
        let change = json!({"type": "message_delta", "delta": delta, "usage": usage_json(&self.usage)});
        frame(out, "message_delta", &change);
        frame(out, "message_stop", &json!({"type": "message_stop"}));
    }

    fn fail(&mut self, failure: &Failure<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: error\ndata: ");
        out.extend_from_slice(&error(failure));
        out.extend_from_slice(b"\n\n");
    }
}

impl Writer {
    fn write(&mut self, step: &Step<'_>, out: &mut Vec<u8>) {
        match step {
            Step::Begin(kind) => self.begin(kind, out),
            Step::More(Kind::Thought { .. }, text) => self.delta("thinking_delta", "thinking", text, out),
            Step::More(Kind::Tool { .. }, text) => self.delta("input_json_delta", "partial_json", text, out),
            Step::More(Kind::Text | Kind::Refusal | Kind::Media(_), text) => {
                self.delta("text_delta", "text", text, out);
            }
            Step::Cited(citation) => {
                let delta = json!({"type": "citations_delta", "citation": citing::for_anthropic(citation)});
                let change = json!({"type": "content_block_delta", "index": self.index, "delta": delta});
                frame(out, "content_block_delta", &change);
            }
            Step::End { kind, is_empty } => self.end(kind, *is_empty, out),
        }
    }

    fn begin(&mut self, kind: &Kind, out: &mut Vec<u8>) {
        let block = match kind {
            Kind::Text | Kind::Refusal | Kind::Media(_) => json!({"type": "text", "text": ""}),
            Kind::Thought { seal: Some(seal), is_hidden: true } if seal.whole => {
                json!({"type": "redacted_thinking", "data": seal::pack(seal)})
            }
            Kind::Thought { .. } => json!({"type": "thinking", "thinking": "", "signature": ""}),
            Kind::Tool { id, name, .. } => {
                self.has_calls = true;
                json!({"type": "tool_use", "id": id, "name": name, "input": {}})
            }
        };
        let index = self.index;
        let start = json!({"type": "content_block_start", "index": index, "content_block": block});
        frame(out, "content_block_start", &start);
        if let Kind::Media(part) = kind {
            self.delta("text_delta", "text", &media_words(part), out);
        }
    }

    fn end(&mut self, kind: &Kind, is_empty: bool, out: &mut Vec<u8>) {
        match kind {
            Kind::Thought { seal: Some(seal), is_hidden } if !(*is_hidden && seal.whole) => {
                self.delta("signature_delta", "signature", &seal::pack(seal), out);
            }
            Kind::Tool { .. } if is_empty => self.delta("input_json_delta", "partial_json", "{}", out),
            Kind::Thought { .. } | Kind::Tool { .. } | Kind::Text | Kind::Refusal | Kind::Media(_) => {}
        }
        let stop = json!({"type": "content_block_stop", "index": self.index});
        frame(out, "content_block_stop", &stop);
        self.index += 1;
    }

    /// Written by hand: most of a stream is this.
    fn delta(&self, kind: &str, field: &str, text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":",
        );
        write_json(out, &self.index);
        out.extend_from_slice(b",\"delta\":{\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"");
        out.extend_from_slice(field.as_bytes());
        out.extend_from_slice(b"\":");
        write_json(out, text);
        out.extend_from_slice(b"}}\n\n");
    }
}

fn frame(out: &mut Vec<u8>, event: &str, data: &serde_json::Value) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(event.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    write_json(out, data);
    out.extend_from_slice(b"\n\n");
}

fn write_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("a buffer takes what is text, number or JSON");
}

#[cfg(test)]
mod tests;
