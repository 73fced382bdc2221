//! A client's stream in Gemini's words: chunks as server-sent events, or as the entries of one list.

use chat::{Citation, Event, Media, Source, StopReason};
use serde::Serialize;
use serde_json::{Value, json};

use super::chunk::{stop_word, usage_json};
use super::error;
use crate::arguments::object;
use crate::blocks::{Blocks, Kind, Step};
use crate::{Encode, Failure, Head, citing, seal};

/// How chunks follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// With `alt=sse`.
    Sse,
    /// Without it.
    List,
}

/// Writes one answer.
#[derive(Debug)]
pub struct Encoder {
    blocks: Blocks,
    writer: Writer,
    usage: chat::Usage,
    stop: Option<StopReason>,
    /// All of the text, and where it comes from, which is told at the end.
    said: String,
    citations: Vec<Citation>,
}

/// Writes parts.
#[derive(Debug)]
struct Writer {
    form: Form,
    id: String,
    model: String,
    has_written: bool,
    /// Of the call that is open: calls are written whole.
    arguments: String,
    /// Waits for the next part.
    signature: Option<String>,
}

impl Encoder {
    /// For one answer.
    pub fn new(head: &Head<'_>, form: Form) -> Self {
        let writer = Writer {
            form,
            id: head.id.to_owned(),
            model: head.model.to_owned(),
            has_written: false,
            arguments: String::new(),
            signature: None,
        };
        Self {
            blocks: Blocks::default(),
            writer,
            usage: chat::Usage::default(),
            stop: None,
            said: String::new(),
            citations: Vec::new(),
        }
    }
}

impl Encode for Encoder {
    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Began { id: Some(id), .. } if !self.writer.has_written => {
                id.clone_into(&mut self.writer.id)
            }
            Event::Began { .. } => {}
            Event::Usage(usage) => self.usage = *usage,
            Event::Stopped { reason } => self.stop = Some(reason.clone()),
            Event::Cited(citation) => self.citations.push(citation.clone()),
            Event::Text { .. }
            | Event::Thought { .. }
            | Event::Sealed(_)
            | Event::Refusal { .. }
            | Event::Media { .. }
            | Event::ToolCallStarted { .. }
            | Event::ToolCallArguments { .. } => {
                if let Event::Text { text } = event {
                    self.said.push_str(text);
                }
                let Self { blocks, writer, .. } = self;
                blocks.push(event, &mut |step| writer.write(&step, out));
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let Self { blocks, writer, usage, stop, said, citations } = self;
        blocks.close(&mut |step| writer.write(&step, out));
        let reason = stop.take().unwrap_or(StopReason::EndOfTurn);
        let mut part = json!({"text": ""});
        if let Some(signature) = writer.signature.take() {
            part["thoughtSignature"] = json!(signature);
        }
        let content = json!({"parts": [part], "role": "model"});
        let mut candidate = json!({"content": content, "finishReason": stop_word(&reason), "index": 0});
        if !citations.is_empty() {
            candidate["groundingMetadata"] = citing::for_gemini(citations, said);
        }
        writer.chunk(json!({"candidates": [candidate], "usageMetadata": usage_json(usage)}), out);
        if writer.form == Form::List {
            out.extend_from_slice(b"]");
        }
    }

    /// A stream of events says it as the vendor does: as a bare object, which clients take for an error; one in a `data`
    /// field some of them pass by, and no line may be empty after it.
    fn fail(&mut self, failure: &Failure<'_>, out: &mut Vec<u8>) {
        match self.writer.form {
            Form::Sse => {
                out.extend_from_slice(&error(failure));
                out.extend_from_slice(b"\r\n");
            }
            Form::List => {
                self.writer.separate(out);
                out.extend_from_slice(&error(failure));
                out.extend_from_slice(b"]");
            }
        }
    }
}

impl Writer {
    fn write(&mut self, step: &Step<'_>, out: &mut Vec<u8>) {
        match step {
            Step::Begin(Kind::Media(part)) => match part {
                chat::Part::Image(media) | chat::Part::Audio(media) | chat::Part::Document(media) => {
                    self.part(media_json(media), out);
                }
                chat::Part::Text { .. }
                | chat::Part::Thought(_)
                | chat::Part::Refusal { .. }
                | chat::Part::ToolCall(_)
                | chat::Part::ToolResult(_)
                | chat::Part::CachePoint { .. } => {}
            },
            Step::Begin(Kind::Text | Kind::Refusal | Kind::Thought { .. } | Kind::Tool { .. })
            | Step::Cited(_) => {}
            Step::More(Kind::Thought { .. }, text) => self.text(text, true, out),
            Step::More(Kind::Tool { .. }, text) => self.arguments.push_str(text),
            Step::More(Kind::Text | Kind::Refusal | Kind::Media(_), text) => {
                self.part(json!({ "text": text }), out)
            }
            Step::End { kind: Kind::Thought { seal: Some(new), .. }, .. } => {
                if let Some(before) = self.signature.replace(seal::pack(new)) {
                    self.parts(json!([{"text": "", "thoughtSignature": before}]), out);
                }
            }
            Step::End { kind: Kind::Tool { id, name, .. }, .. } => {
                let arguments = std::mem::take(&mut self.arguments);
                self.part(call_json(id, name, &arguments), out);
            }
            Step::End {
                kind: Kind::Text | Kind::Refusal | Kind::Thought { .. } | Kind::Media(_), ..
            } => {}
        }
    }

    /// A part that a signature may stand on.
    fn part(&mut self, mut part: Value, out: &mut Vec<u8>) {
        if let Some(signature) = self.signature.take() {
            part["thoughtSignature"] = json!(signature);
        }
        self.parts(json!([part]), out);
    }

    /// Written by hand: most of a stream is this.
    fn text(&mut self, text: &str, is_thought: bool, out: &mut Vec<u8>) {
        self.separate(out);
        out.extend_from_slice(br#"{"candidates":[{"content":{"parts":[{"text":"#);
        write_json(out, text);
        if is_thought {
            out.extend_from_slice(br#","thought":true"#);
        }
        out.extend_from_slice(br#"}],"role":"model"},"index":0}],"modelVersion":"#);
        write_json(out, &self.model);
        out.extend_from_slice(br#","responseId":"#);
        write_json(out, &self.id);
        out.extend_from_slice(b"}");
        self.close(out);
    }

    fn parts(&mut self, parts: Value, out: &mut Vec<u8>) {
        let content = json!({"parts": parts, "role": "model"});
        self.chunk(json!({"candidates": [{"content": content, "index": 0}]}), out);
    }

    fn chunk(&mut self, mut chunk: Value, out: &mut Vec<u8>) {
        chunk["modelVersion"] = json!(self.model);
        chunk["responseId"] = json!(self.id);
        self.separate(out);
        write_json(out, &chunk);
        self.close(out);
    }

    fn close(&self, out: &mut Vec<u8>) {
        if self.form == Form::Sse {
            out.extend_from_slice(b"\r\n\r\n");
        }
    }

    fn separate(&mut self, out: &mut Vec<u8>) {
        let is_first = !std::mem::replace(&mut self.has_written, true);
        out.extend_from_slice(match (self.form, is_first) {
            (Form::Sse, _) => b"data: ",
            (Form::List, true) => b"[",
            (Form::List, false) => b",\r\n",
        });
    }
}

fn write_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("a buffer takes what is text or JSON");
}

/// A call; arguments that are no object are shown as what they are.
pub(super) fn call_json(id: &str, name: &str, arguments: &str) -> Value {
    json!({"functionCall": {"id": id, "name": name, "args": object(arguments)}})
}

pub(super) fn media_json(media: &Media) -> Value {
    let mime = media.mime.as_deref().unwrap_or("application/octet-stream");
    match &media.source {
        Source::Base64(data) => json!({"inlineData": {"mimeType": mime, "data": data}}),
        Source::Url(address) | Source::File(address) => {
            json!({"fileData": {"mimeType": mime, "fileUri": address}})
        }
        Source::Text(text) => json!({ "text": text }),
    }
}

#[cfg(test)]
mod tests;
