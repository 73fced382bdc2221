//! The conversation as contents: sides take turns, results stand first, and a seal stands on the part that follows the
//! thought.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chat::{Media, Part, Request, Role, Source, Thought, ToolResult, Turn};
use serde_json::{Value, json};

use crate::arguments::object;
use crate::gemini::model::Model;
use crate::gemini::request::NO_SIGNATURE;
use crate::unsaid::Unsaid;

/// How the base64 of a picture begins, of the usual types.
const BEGINNINGS: [(&str, &str); 4] =
    [("iVBORw0KGgo", "image/png"), ("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp")];
/// The types of files by the ends of their addresses: the API wants to be told.
const ENDINGS: [(&str, &str); 8] = [
    (".png", "image/png"),
    (".jpg", "image/jpeg"),
    (".jpeg", "image/jpeg"),
    (".webp", "image/webp"),
    (".gif", "image/gif"),
    (".pdf", "application/pdf"),
    (".mp3", "audio/mpeg"),
    (".wav", "audio/wav"),
];

/// What stands before a result whose call is not in the conversation: it cannot be said whose it is.
const ORPHAN: &str = "The result of a tool call that is no longer in this conversation:";

/// The conversation in the dialect's words.
pub(super) struct Written {
    pub(super) system: Option<Value>,
    pub(super) contents: Value,
}

struct Writer<'a> {
    turns: &'a [Turn],
    model: Model,
    issuer: &'a str,
}

/// Writes instructions and turns. `issuer` is whose seals are honoured.
pub(super) fn write(request: &Request, model: Model, issuer: &str, left: &mut Unsaid) -> Written {
    let writer = Writer { turns: &request.turns, model, issuer };
    let mut system = writer.parts(&request.system, 0, left);
    let mut contents: Vec<(Role, Vec<Value>)> = Vec::with_capacity(request.turns.len());
    for (place, turn) in request.turns.iter().enumerate() {
        let mut parts = writer.parts(&turn.parts, place, left);
        let role = match turn.role {
            Role::System if contents.is_empty() => {
                system.append(&mut parts);
                continue;
            }
            Role::System => {
                frame(&mut parts);
                Role::User
            }
            role @ (Role::User | Role::Assistant) => role,
        };
        match contents.last_mut().filter(|(last, _)| *last == role) {
            _ if parts.is_empty() => {}
            Some((_, before)) => before.append(&mut parts),
            None => contents.push((role, parts)),
        }
    }
    let contents = contents.into_iter().map(|(role, mut parts)| {
        // They must directly follow their calls.
        parts.sort_by_key(|part| part.get("functionResponse").is_none() && role == Role::User);
        json!({"role": if role == Role::Assistant { "model" } else { "user" }, "parts": parts})
    });
    let contents = contents.collect();
    Written { contents, system: (!system.is_empty()).then(|| json!({"parts": system})) }
}

/// Instructions that have to pass for a user's text are told apart from it.
fn frame(parts: &mut [Value]) {
    for part in parts {
        if let Some(text) = part["text"].as_str() {
            part["text"] = json!(format!("<system>\n{text}\n</system>"));
        }
    }
}

/// A signature that waits for the part after its thought.
struct Waiting<'a> {
    signature: &'a str,
    /// Where the thought itself stands, if it can be read.
    thought: Option<usize>,
}

impl Writer<'_> {
    fn parts(&self, parts: &[Part], place: usize, left: &mut Unsaid) -> Vec<Value> {
        let mut written: Vec<Value> = Vec::with_capacity(parts.len());
        let mut waiting: Option<Waiting<'_>> = None;
        for part in parts {
            if let Part::Thought(thought) = part {
                let Some(signature) = self.honoured(thought) else {
                    left.note("thoughts");
                    continue;
                };
                settle(waiting.take(), &mut written);
                let has_words = !thought.text.is_empty();
                if has_words {
                    written.push(json!({"text": thought.text, "thought": true}));
                }
                let thought = has_words.then(|| written.len() - 1);
                waiting = Some(Waiting { signature, thought });
                continue;
            }
            let from = written.len();
            self.part(part, place, &mut written, left);
            if let Some(first) = written.get_mut(from)
                && let Some(Waiting { signature, .. }) = waiting.take()
            {
                first["thoughtSignature"] = json!(signature);
            }
        }
        settle(waiting, &mut written);
        self.excuse(&mut written);
        written
    }

    fn honoured<'t>(&self, thought: &'t Thought) -> Option<&'t str> {
        let seal = thought.seal.as_ref()?;
        (seal.issuer.as_deref() == Some(self.issuer)).then_some(seal.value.as_str())
    }

    /// Newer models refuse a call without a signature, unless they are told that there is none: the first of a turn.
    fn excuse(&self, written: &mut [Value]) {
        let first = written.iter_mut().find(|part| part.get("functionCall").is_some());
        if let Some(call) =
            first.filter(|call| self.model.wants_signatures() && call.get("thoughtSignature").is_none())
        {
            call["thoughtSignature"] = json!(NO_SIGNATURE);
        }
    }

    fn part(&self, part: &Part, place: usize, written: &mut Vec<Value>, left: &mut Unsaid) {
        match part {
            Part::Text { text } | Part::Refusal { text } => {
                if !text.is_empty() {
                    written.push(json!({"text": text}));
                }
            }
            Part::Image(media) => written.extend(data(media, "image", left)),
            Part::Document(media) => written.extend(data(media, "document", left)),
            Part::Audio(media) => written.extend(data(media, "audio", left)),
            Part::ToolCall(call) => {
                let args = object(&call.arguments);
                written.push(json!({"functionCall": {"id": call.id, "name": call.name, "args": args}}));
            }
            Part::ToolResult(result) => self.result(result, place, written, left),
            Part::CachePoint { .. } => left.note("cache_point"),
            // Written by `parts`, for it needs to know what follows.
            Part::Thought(_) => {}
        }
    }

    /// Newer models take pictures within a result; for others they follow it.
    fn result(&self, result: &ToolResult, place: usize, written: &mut Vec<Value>, left: &mut Unsaid) {
        let ToolResult { call_id, content, is_error } = result;
        let text = content.iter().filter_map(Part::as_text).collect::<Vec<_>>().join("\n");
        let key = if *is_error { "error" } else { "output" };
        let Some(name) = called(call_id, &self.turns[..=place]) else {
            written.push(json!({"text": ORPHAN}));
            content.iter().for_each(|part| self.part(part, place, written, left));
            return;
        };
        let mut response = json!({"id": call_id, "name": name, "response": {key: text}});
        let mut others = Vec::new();
        for part in content.iter().filter(|part| part.as_text().is_none()) {
            self.part(part, place, &mut others, left);
        }
        if self.model.wants_signatures() && !others.is_empty() {
            response["parts"] = Value::Array(std::mem::take(&mut others));
        }
        written.push(json!({"functionResponse": response}));
        written.append(&mut others);
    }
}

/// A signature after which no part came, or another: on its thought, or on a text of nothing.
fn settle(waiting: Option<Waiting<'_>>, written: &mut Vec<Value>) {
    let Some(Waiting { signature, thought }) = waiting else { return };
    match thought.and_then(|place| written.get_mut(place)) {
        Some(thought) => thought["thoughtSignature"] = json!(signature),
        None => written.push(json!({"text": "", "thoughtSignature": signature})),
    }
}

/// The name of the tool that was called by `id`, latest first: ids may come again in a later turn.
fn called<'a>(id: &str, turns: &'a [Turn]) -> Option<&'a str> {
    let parts = turns.iter().rev().flat_map(|turn| &turn.parts);
    let mut names = parts.filter_map(|part| {
        if let Part::ToolCall(call) = part { (call.id == id).then_some(call.name.as_str()) } else { None }
    });
    names.next()
}

fn data(media: &Media, what: &'static str, left: &mut Unsaid) -> Option<Value> {
    if media.detail.is_some() {
        left.note("detail");
    }
    if media.name.is_some() {
        left.note("name");
    }
    let mime = media.mime.as_deref();
    Some(match &media.source {
        Source::Base64(data) => {
            let seen =
                BEGINNINGS.iter().find(|(beginning, _)| data.starts_with(beginning)).map(|(_, mime)| *mime);
            let usual = if what == "image" { "image/png" } else { "application/pdf" };
            let mime = mime.or(seen).unwrap_or(usual);
            json!({"inlineData": {"mimeType": mime, "data": data}})
        }
        Source::Text(text) if what == "document" => {
            json!({"inlineData": {"mimeType": "text/plain", "data": STANDARD.encode(text)}})
        }
        Source::Text(_) => {
            left.note(what);
            return None;
        }
        Source::Url(address) | Source::File(address) => {
            let mut file = json!({"fileUri": address});
            let path = address.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
            let ending = ENDINGS.iter().find(|(ending, _)| path.ends_with(ending)).map(|(_, mime)| *mime);
            if let Some(mime) = mime.or(ending) {
                file["mimeType"] = json!(mime);
            }
            json!({"fileData": file})
        }
    })
}
