//! Turns as messages for a provider.

use std::collections::HashSet;

use chat::{Media, Part, Request, Role, Source, Thought, ToolCall, ToolResult, Turn};
use serde_json::{Map, Value, json};

use super::traits::Model;
use super::{details, media, tools};
use crate::unsaid::Unsaid;
use crate::{To, freeform};

/// What a file without a name is called; OpenAI wants one.
pub(crate) const FILE_NAME: &str = "document.pdf";
/// Before a failed tool's words: there is no flag for it in OpenAI's dialects.
pub(crate) const FAILED: &str = "The tool failed: ";

/// How a text begins that Claude Code puts before its instructions. It changes with each request, so that no provider's
/// cache would find the rest again, and it means something to Anthropic alone.
const BILLING: &str = "x-anthropic-billing-header:";

/// The ids of all calls: a result without one of them would be refused.
pub(crate) fn calls(request: &Request) -> HashSet<&str> {
    let parts = request.turns.iter().flat_map(|turn| &turn.parts);
    let mut ids = HashSet::new();
    for part in parts {
        if let Part::ToolCall(call) = part {
            ids.insert(call.id.as_str());
        }
    }
    ids
}

/// The messages of one turn of a request with these calls.
pub(crate) fn turn(
    turn: &Turn,
    (request, calls): (&Request, &HashSet<&str>),
    to: &To<'_>,
    out: &mut Vec<Value>,
    unsaid: &mut Unsaid,
) {
    match turn.role {
        Role::User => user(&turn.parts, calls, Model::new(to.model), out, unsaid),
        Role::System => {
            let texts = texts(&turn.parts, unsaid);
            if !texts.is_empty() {
                out.push(json!({"role": "system", "content": texts.join("\n\n")}));
            }
        }
        Role::Assistant => out.extend(assistant(turn, request, to, unsaid)),
    }
}

/// The texts of the first instructions.
pub(crate) fn instructions<'a>(parts: &'a [Part], unsaid: &mut Unsaid) -> Vec<&'a str> {
    let mut texts = texts(parts, unsaid);
    texts.retain(|text| !text.starts_with(BILLING));
    texts
}

/// A text with a name, as a model reads it.
pub(crate) fn named(name: Option<&str>, text: &str) -> String {
    name.map_or_else(|| text.to_owned(), |name| format!("{name}:\n{text}"))
}

/// All texts that are not empty; what is none is noted.
pub(crate) fn texts<'a>(parts: &'a [Part], unsaid: &mut Unsaid) -> Vec<&'a str> {
    let mut texts = Vec::new();
    for part in parts {
        match part {
            Part::Text { text } | Part::Refusal { text } => texts.push(text.as_str()),
            Part::CachePoint { .. } => unsaid.note("cache_points"),
            Part::Image(_) => unsaid.note("images"),
            Part::Document(_) => unsaid.note("documents"),
            Part::Audio(_) => unsaid.note("audio"),
            Part::Thought(_) => unsaid.note("thoughts"),
            Part::ToolCall(_) => unsaid.note("tool_calls"),
            Part::ToolResult(_) => unsaid.note("tool_results"),
        }
    }
    texts.retain(|text| !text.is_empty());
    texts
}

/// One message for each tool result, which must directly follow the call, then one for all else.
fn user(parts: &[Part], calls: &HashSet<&str>, model: Model<'_>, out: &mut Vec<Value>, unsaid: &mut Unsaid) {
    let mut content = Content::default();
    for part in parts {
        let Part::ToolResult(result) = part else { continue };
        if !calls.contains(result.call_id.as_str()) {
            content.say(&format!("What the tool call {} answered:", model.id(&result.call_id)));
            result.content.iter().for_each(|part| content.push(part, unsaid));
        } else {
            out.push(answer(result, model, &mut content, unsaid));
        }
    }
    for part in parts {
        match part {
            Part::ToolResult(_) => {}
            Part::Text { .. }
            | Part::Refusal { .. }
            | Part::Image(_)
            | Part::Document(_)
            | Part::Audio(_)
            | Part::Thought(_)
            | Part::ToolCall(_)
            | Part::CachePoint { .. } => content.push(part, unsaid),
        }
    }
    if let Some(content) = content.into_value() {
        out.push(json!({"role": "user", "content": content}));
    }
}

/// A tool's answer as plain text, as strict servers want it; what is none follows in the user's message.
fn answer(result: &ToolResult, model: Model<'_>, follows: &mut Content, unsaid: &mut Unsaid) -> Value {
    let mut texts: Vec<&str> = Vec::new();
    let mut others = Vec::new();
    for part in &result.content {
        match part {
            Part::Text { text } | Part::Refusal { text } => texts.push(text),
            Part::CachePoint { .. } => unsaid.note("cache_points"),
            Part::Image(_) | Part::Document(_) | Part::Audio(_) => others.push(part),
            Part::Thought(_) | Part::ToolCall(_) | Part::ToolResult(_) => unsaid.note("tool_results"),
        }
    }
    let mut content = if result.is_error { FAILED.to_owned() } else { String::new() };
    content.push_str(&texts.join("\n"));
    let id = model.id(&result.call_id);
    if !others.is_empty() {
        if content.is_empty() {
            content.push_str("What the tool answered follows in the next message.");
        }
        follows.say(&format!("What the tool call {id} answered:"));
        for part in others {
            follows.push(part, unsaid);
        }
    }
    json!({"role": "tool", "tool_call_id": id, "content": content})
}

/// A message's content: a plain text as long as there is nothing else, since strict servers take no list of parts.
#[derive(Default)]
struct Content {
    parts: Vec<Value>,
    is_mixed: bool,
}

impl Content {
    fn say(&mut self, text: &str) {
        if !text.is_empty() {
            self.parts.push(json!({"type": "text", "text": text}));
        }
    }

    fn push(&mut self, part: &Part, unsaid: &mut Unsaid) {
        let other = match part {
            Part::Text { text } | Part::Refusal { text } => return self.say(text),
            Part::Document(Media { source: Source::Text(text), name, .. }) => {
                return self.say(&named(name.as_deref(), text));
            }
            Part::CachePoint { .. } => return unsaid.note("cache_points"),
            Part::Thought(_) => return unsaid.note("thoughts"),
            Part::ToolCall(_) | Part::ToolResult(_) => return unsaid.note("tool_calls"),
            Part::Image(image) => image_part(image).ok_or("images"),
            Part::Document(file) => file_part(file).ok_or("documents"),
            Part::Audio(sound) => sound_part(sound).ok_or("audio"),
        };
        match other {
            Ok(part) => {
                self.is_mixed = true;
                self.parts.push(part);
            }
            Err(kind) => unsaid.note(kind),
        }
    }

    fn into_value(self) -> Option<Value> {
        if self.parts.is_empty() {
            return None;
        }
        if self.is_mixed {
            return Some(Value::Array(self.parts));
        }
        let texts: Vec<&str> = self.parts.iter().filter_map(|part| part["text"].as_str()).collect();
        Some(Value::from(texts.join("\n")))
    }
}

fn image_part(image: &Media) -> Option<Value> {
    let mut part = json!({"url": media::address(image)?});
    if let Some(detail) = &image.detail {
        part["detail"] = json!(detail);
    }
    Some(json!({"type": "image_url", "image_url": part}))
}

fn file_part(file: &Media) -> Option<Value> {
    let part = match &file.source {
        Source::Base64(bytes) => {
            let data = media::data(file.mime.as_deref().unwrap_or("application/pdf"), bytes);
            json!({"filename": file.name.as_deref().unwrap_or(FILE_NAME), "file_data": data})
        }
        Source::File(id) => json!({"file_id": id}),
        Source::Url(_) | Source::Text(_) => return None,
    };
    Some(json!({"type": "file", "file": part}))
}

fn sound_part(sound: &Media) -> Option<Value> {
    let (data, format) = media::sound(sound)?;
    Some(json!({"type": "input_audio", "input_audio": {"data": data, "format": format}}))
}

/// What the model said, in one message.
#[derive(Default)]
struct Spoken<'a> {
    texts: Vec<&'a str>,
    refusal: String,
    thoughts: Vec<&'a str>,
    details: Vec<Value>,
    calls: Vec<Value>,
    /// A signature that belongs to the call that follows.
    signature: Option<&'a str>,
}

fn assistant(turn: &Turn, request: &Request, to: &To<'_>, unsaid: &mut Unsaid) -> Option<Value> {
    let model = Model::new(to.model);
    let mut spoken = Spoken::default();
    for part in &turn.parts {
        match part {
            Part::Text { text } => spoken.texts.push(text),
            Part::Refusal { text } if model.is_openais() => spoken.refusal.push_str(text),
            Part::Refusal { text } => spoken.texts.push(text),
            Part::Thought(thought) => spoken.think(thought, to, unsaid),
            Part::ToolCall(call) => {
                let signature = spoken.signature.take();
                spoken.calls.push(tool_call(call, request, model, signature));
            }
            Part::Image(_) => unsaid.note("images"),
            Part::Document(_) => unsaid.note("documents"),
            Part::Audio(_) => unsaid.note("audio"),
            Part::CachePoint { .. } => unsaid.note("cache_points"),
            Part::ToolResult(_) => unsaid.note("tool_results"),
        }
    }
    spoken.message(model, unsaid)
}

impl<'a> Spoken<'a> {
    fn think(&mut self, thought: &'a Thought, to: &To<'_>, unsaid: &mut Unsaid) {
        let own = thought.seal.as_ref().filter(|seal| seal.issuer.as_deref() == Some(to.issuer));
        let entry = own.and_then(|seal| details::of_provider(thought, seal, self.details.len()));
        match (entry, own) {
            (Some(entry), _) => self.details.push(entry),
            (None, Some(seal)) if thought.text.is_empty() => self.signature = Some(&seal.value),
            (None, _) => {
                self.thoughts.extend(Some(thought.text.as_str()).filter(|text| !text.is_empty()));
                if thought.seal.is_some() {
                    unsaid.note("thoughts");
                }
            }
        }
    }

    fn message(mut self, model: Model<'_>, unsaid: &mut Unsaid) -> Option<Value> {
        self.texts.retain(|text| !text.is_empty());
        let mut message = Map::new();
        message.insert("role".to_owned(), json!("assistant"));
        let text = (!self.texts.is_empty()).then(|| self.texts.join("\n"));
        message.insert("content".to_owned(), json!(text));
        if !self.refusal.is_empty() {
            message.insert("refusal".to_owned(), json!(self.refusal));
        }
        // Outside a tool's loop DeepSeek wants them left out.
        if !self.thoughts.is_empty() {
            if model.wants_thoughts() && !self.calls.is_empty() {
                message.insert("reasoning_content".to_owned(), json!(self.thoughts.concat()));
            } else {
                unsaid.note("thoughts");
            }
        }
        if !self.details.is_empty() {
            message.insert("reasoning_details".to_owned(), Value::Array(self.details));
        }
        if !self.calls.is_empty() {
            message.insert("tool_calls".to_owned(), Value::Array(self.calls));
        }
        let says = |name: &str| message.contains_key(name);
        (text.is_some() || says("refusal") || says("tool_calls")).then_some(Value::Object(message))
    }
}

fn tool_call(call: &ToolCall, request: &Request, model: Model<'_>, signature: Option<&str>) -> Value {
    let id = model.id(&call.id);
    let mut written = if tools::kind(&request.tools, &call.name, model) == "custom" {
        let input = freeform::unwrap(&call.arguments);
        json!({"id": id, "type": "custom", "custom": {"name": call.name, "input": input}})
    } else {
        let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
        json!({"id": id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
    };
    if let Some(signature) = signature {
        written["extra_content"] = json!({"google": {"thought_signature": signature}});
    }
    written
}
