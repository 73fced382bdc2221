//! Turns as items for a provider.

use std::collections::HashSet;

use chat::{Media, Part, Request, Role, Source, Thought, ToolCall, ToolResult, Turn};
use serde_json::{Value, json};

use crate::openai_chat::said::{FAILED, FILE_NAME, calls, named, texts};
use crate::openai_chat::traits::{Model, shortened};
use crate::openai_chat::{media, tools};
use crate::unsaid::Unsaid;
use crate::{To, freeform};

/// The most bytes of a call's id.
const MAX_ID: usize = 64;

/// All turns.
pub(super) fn items(request: &Request, to: &To<'_>, unsaid: &mut Unsaid) -> Vec<Value> {
    let mut writer =
        Writer { request, to, unsaid, calls: calls(request), custom: Vec::new(), out: Vec::new() };
    for turn in &request.turns {
        writer.turn(turn);
    }
    writer.out
}

struct Writer<'a> {
    request: &'a Request,
    to: &'a To<'a>,
    unsaid: &'a mut Unsaid,
    calls: HashSet<&'a str>,
    /// Calls whose results are of another type, too.
    custom: Vec<&'a str>,
    out: Vec<Value>,
}

impl<'a> Writer<'a> {
    fn turn(&mut self, turn: &'a Turn) {
        match turn.role {
            Role::User => self.user(&turn.parts),
            Role::Assistant => self.assistant(&turn.parts),
            Role::System => {
                let texts = texts(&turn.parts, self.unsaid);
                if !texts.is_empty() {
                    self.out
                        .push(json!({"type": "message", "role": "developer", "content": texts.join("\n\n")}));
                }
            }
        }
    }

    /// Results stand directly after their calls, all else follows.
    fn user(&mut self, parts: &[Part]) {
        for part in parts {
            if let Part::ToolResult(result) = part
                && self.calls.contains(result.call_id.as_str())
            {
                self.answer(result);
            }
        }
        let mut content: Vec<Value> = Vec::new();
        for part in parts {
            match part {
                Part::ToolResult(result) if self.calls.contains(result.call_id.as_str()) => {}
                Part::ToolResult(result) => {
                    content
                        .extend(text_piece(&format!("What the tool call {} answered:", id(&result.call_id))));
                    content.extend(result.content.iter().filter_map(|part| piece(part, self.unsaid)));
                }
                Part::Text { .. }
                | Part::Refusal { .. }
                | Part::Image(_)
                | Part::Document(_)
                | Part::Audio(_)
                | Part::Thought(_)
                | Part::ToolCall(_)
                | Part::CachePoint { .. } => content.extend(piece(part, self.unsaid)),
            }
        }
        if !content.is_empty() {
            self.out.push(json!({"type": "message", "role": "user", "content": content}));
        }
    }

    fn answer(&mut self, result: &ToolResult) {
        let custom = self.custom.contains(&result.call_id.as_str());
        let kind = if custom { "custom_tool_call_output" } else { "function_call_output" };
        let id = id(&result.call_id);
        let mark = if result.is_error { FAILED } else { "" };
        let is_text = |part: &Part| part.as_text().is_some();
        let output = if result.content.iter().all(is_text) {
            let texts: Vec<&str> = result.content.iter().filter_map(Part::as_text).collect();
            json!(format!("{mark}{}", texts.join("\n")))
        } else {
            let mark = (!mark.is_empty()).then(|| json!({"type": "input_text", "text": mark}));
            let parts = result.content.iter().filter_map(|part| piece(part, self.unsaid));
            mark.into_iter().chain(parts).collect()
        };
        self.out.push(json!({"type": kind, "call_id": id, "output": output}));
    }

    fn assistant(&mut self, parts: &'a [Part]) {
        let mut words: Vec<Value> = Vec::new();
        for part in parts {
            match part {
                Part::Text { text } if text.is_empty() => {}
                Part::Text { text } => words.push(json!({"type": "output_text", "text": text})),
                Part::Refusal { text } => words.push(json!({"type": "refusal", "refusal": text})),
                Part::Thought(thought) => {
                    self.speak(&mut words);
                    self.think(thought);
                }
                Part::ToolCall(call) => {
                    self.speak(&mut words);
                    self.call(call);
                }
                Part::Image(_) => self.unsaid.note("images"),
                Part::Document(_) => self.unsaid.note("documents"),
                Part::Audio(_) => self.unsaid.note("audio"),
                Part::CachePoint { .. } => self.unsaid.note("cache_points"),
                Part::ToolResult(_) => self.unsaid.note("tool_results"),
            }
        }
        self.speak(&mut words);
    }

    fn speak(&mut self, words: &mut Vec<Value>) {
        if !words.is_empty() {
            let content = std::mem::take(words);
            self.out.push(json!({"type": "message", "role": "assistant", "content": content}));
        }
    }

    /// OpenAI keeps nothing, so only a thought that it sealed means something to it.
    fn think(&mut self, thought: &Thought) {
        let own = thought.seal.as_ref().filter(|seal| seal.issuer.as_deref() == Some(self.to.issuer));
        let Some(seal) = own else { return self.unsaid.note("thoughts") };
        let summary: Vec<Value> = Some(&thought.text)
            .filter(|text| !text.is_empty())
            .map(|text| json!({"type": "summary_text", "text": text}))
            .into_iter()
            .collect();
        self.out.push(json!({"type": "reasoning", "summary": summary, "encrypted_content": seal.value}));
    }

    fn call(&mut self, call: &'a ToolCall) {
        let ToolCall { id: call_id, name, arguments } = call;
        let short = id(call_id);
        if tools::kind(&self.request.tools, name, Model::new(self.to.model)) == "custom" {
            self.custom.push(call_id);
            let input = freeform::unwrap(arguments);
            self.out
                .push(json!({"type": "custom_tool_call", "call_id": short, "name": name, "input": input}));
            return;
        }
        let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
        self.out
            .push(json!({"type": "function_call", "call_id": short, "name": name, "arguments": arguments}));
    }
}

fn id(id: &str) -> String {
    if id.len() <= MAX_ID { id.to_owned() } else { shortened(id, MAX_ID) }
}

/// A part of what a user or a tool said.
fn piece(part: &Part, unsaid: &mut Unsaid) -> Option<Value> {
    let (piece, kind) = match part {
        Part::Text { text } | Part::Refusal { text } => (text_piece(text), "text"),
        Part::Document(Media { source: Source::Text(text), name, .. }) => {
            (text_piece(&named(name.as_deref(), text)), "text")
        }
        Part::Image(image) => (image_piece(image), "images"),
        Part::Document(file) => (file_piece(file), "documents"),
        // The dialect's published types have no sound in an input.
        Part::Audio(_) => (None, "audio"),
        Part::Thought(_) => (None, "thoughts"),
        Part::ToolCall(_) | Part::ToolResult(_) => (None, "tool_calls"),
        Part::CachePoint { .. } => (None, "cache_points"),
    };
    if piece.is_none() && kind != "text" {
        unsaid.note(kind);
    }
    piece
}

fn text_piece(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| json!({"type": "input_text", "text": text}))
}

fn image_piece(image: &Media) -> Option<Value> {
    let mut piece = match &image.source {
        Source::File(id) => json!({"type": "input_image", "file_id": id}),
        Source::Base64(_) | Source::Url(_) | Source::Text(_) => {
            json!({"type": "input_image", "image_url": media::address(image)?})
        }
    };
    if let Some(detail) = &image.detail {
        piece["detail"] = json!(detail);
    }
    Some(piece)
}

fn file_piece(file: &Media) -> Option<Value> {
    Some(match &file.source {
        Source::Base64(bytes) => {
            let data = media::data(file.mime.as_deref().unwrap_or("application/pdf"), bytes);
            json!({"type": "input_file", "filename": file.name.as_deref().unwrap_or(FILE_NAME), "file_data": data})
        }
        Source::Url(url) => json!({"type": "input_file", "file_url": url}),
        Source::File(id) => json!({"type": "input_file", "file_id": id}),
        Source::Text(_) => return None,
    })
}
