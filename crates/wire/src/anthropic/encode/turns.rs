//! The conversation as messages: sides take turns, results stand first, and thoughts only where they are honoured.

use std::collections::HashSet;

use chat::{Lifetime, Part, Request, Role, Thought, ToolResult, Turn};
use serde_json::{Value, json};

use super::media;
use super::tools::cache_control;
use crate::anthropic::model::Model;
use crate::arguments::object;
use crate::unsaid::Unsaid;

/// What stands before a result whose call is not in the conversation: the API refuses it as a result.
const ORPHAN: &str = "The result of a tool call that is no longer in this conversation:";
/// What a tool says that failed without a word: the API refuses a failure without one.
const SILENT_FAILURE: &str = "The tool failed.";

/// The conversation in the dialect's words.
pub(super) struct Written {
    pub(super) system: Option<Value>,
    pub(super) messages: Value,
}

struct Message {
    role: Role,
    content: Vec<Value>,
}

/// Writes instructions and turns. `issuer` is whose seals are honoured.
pub(super) fn write(request: &Request, model: Model, issuer: &str, left: &mut Unsaid) -> Written {
    let mut system = blocks(&request.system, issuer, left);
    let mut messages: Vec<Message> = Vec::with_capacity(request.turns.len());
    for turn in &request.turns {
        let content = blocks(&turn.parts, issuer, left);
        if turn.role == Role::System && messages.is_empty() {
            system.extend(content);
        } else {
            add(turn, content, model, &mut messages);
        }
    }
    for place in 0..messages.len() {
        let (before, rest) = messages.split_at_mut(place);
        if let Some(message) = rest.first_mut().filter(|message| message.role == Role::User) {
            settle_results(message, before.last());
        }
    }
    if let Some(Message { role: Role::Assistant, content }) = messages.last_mut() {
        trim_end(content);
    }
    let messages = messages.into_iter().map(|Message { role, content }| {
        let role = match role {
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::System => "system",
        };
        json!({"role": role, "content": content})
    });
    Written { messages: messages.collect(), system: instructions(system) }
}

fn add(turn: &Turn, content: Vec<Value>, model: Model, messages: &mut Vec<Message>) {
    if content.is_empty() {
        return;
    }
    let last = messages.last().map(|message| message.role);
    let (role, content) = match turn.role {
        // Only newer models take them, and only after a user's turn.
        Role::System if model.is_instructed_midway() && last == Some(Role::User) => (Role::System, content),
        Role::System => (Role::User, framed(content)),
        role @ (Role::User | Role::Assistant) => (role, content),
    };
    match messages.last_mut().filter(|last| last.role == role) {
        Some(last) => last.content.extend(content),
        None => messages.push(Message { role, content }),
    }
}

/// Instructions that have to pass for a user's text are told apart from it.
fn framed(mut content: Vec<Value>) -> Vec<Value> {
    for block in &mut content {
        if let Some(text) = block["text"].as_str() {
            block["text"] = json!(format!("<system>\n{text}\n</system>"));
        }
    }
    content
}

/// One text where no mark needs blocks.
fn instructions(blocks: Vec<Value>) -> Option<Value> {
    if blocks.is_empty() {
        return None;
    }
    let texts: Option<Vec<&str>> = blocks
        .iter()
        .map(|block| block["text"].as_str().filter(|_| block.get("cache_control").is_none()))
        .collect();
    match texts {
        Some(texts) => Some(json!(texts.join("\n\n"))),
        None => Some(Value::Array(blocks)),
    }
}

fn blocks(parts: &[Part], issuer: &str, left: &mut Unsaid) -> Vec<Value> {
    let mut blocks = Vec::with_capacity(parts.len());
    for part in parts {
        if let Part::CachePoint { lifetime } = part {
            mark(&mut blocks, *lifetime, left);
        } else {
            blocks.extend(block(part, issuer, left));
        }
    }
    blocks
}

/// Marks the last block that may be marked; those of thoughts may not.
fn mark(blocks: &mut [Value], lifetime: Lifetime, left: &mut Unsaid) {
    let is_thought = |block: &Value| block["type"] == "thinking" || block["type"] == "redacted_thinking";
    match blocks.iter_mut().rfind(|block| !is_thought(block)) {
        Some(block) => block["cache_control"] = cache_control(lifetime),
        None => left.note("cache_point"),
    }
}

fn block(part: &Part, issuer: &str, left: &mut Unsaid) -> Option<Value> {
    match part {
        // The API refuses text of nothing but white space.
        Part::Text { text } | Part::Refusal { text } => {
            (!text.trim().is_empty()).then(|| json!({"type": "text", "text": text}))
        }
        Part::Image(media) => media::image(media, left),
        Part::Document(media) => media::document(media, left),
        Part::Audio(_) => {
            left.note("audio");
            None
        }
        Part::Thought(thought) => {
            let block = thinking(thought, issuer);
            if block.is_none() {
                left.note("thoughts");
            }
            block
        }
        Part::ToolCall(call) => {
            let input = object(&call.arguments);
            Some(json!({"type": "tool_use", "id": id(&call.id), "name": call.name, "input": input}))
        }
        Part::ToolResult(result) => Some(tool_result(result, issuer, left)),
        Part::CachePoint { .. } => None,
    }
}

/// Whether the thought comes back to whom it is from.
pub(super) fn is_honoured(thought: &Thought, issuer: &str) -> bool {
    thought.seal.as_ref().is_some_and(|seal| seal.issuer.as_deref() == Some(issuer))
}

fn thinking(thought: &Thought, issuer: &str) -> Option<Value> {
    let seal = thought.seal.as_ref().filter(|_| is_honoured(thought, issuer))?;
    Some(if seal.whole {
        json!({"type": "redacted_thinking", "data": seal.value})
    } else {
        json!({"type": "thinking", "thinking": thought.text, "signature": seal.value})
    })
}

fn tool_result(result: &ToolResult, issuer: &str, left: &mut Unsaid) -> Value {
    let ToolResult { call_id, content, is_error } = result;
    // A mark within is one on the whole: it keeps what stands before it either way.
    let lifetime = content
        .iter()
        .rev()
        .find_map(|part| if let Part::CachePoint { lifetime } = part { Some(*lifetime) } else { None });
    let mut content: Vec<Value> = content.iter().filter_map(|part| block(part, issuer, left)).collect();
    if content.is_empty() && *is_error {
        content.push(json!({"type": "text", "text": SILENT_FAILURE}));
    }
    let mut block = json!({"type": "tool_result", "tool_use_id": id(call_id)});
    if let [only] = content.as_mut_slice()
        && only["type"] == "text"
    {
        block["content"] = only["text"].take();
    } else if !content.is_empty() {
        block["content"] = Value::Array(content);
    }
    if *is_error {
        block["is_error"] = json!(true);
    }
    if let Some(lifetime) = lifetime {
        block["cache_control"] = cache_control(lifetime);
    }
    block
}

/// The id with only those characters that the API takes; the same for a call and its result.
fn id(id: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    if id.is_empty() { "call".to_owned() } else { id.chars().map(fit).collect() }
}

/// Results must stand before all else in the message after their calls, else the API says that calls lack their
/// results; and one without its call is refused, so it becomes text.
fn settle_results(message: &mut Message, before: Option<&Message>) {
    let is_result = |block: &Value| block["type"] == "tool_result";
    if !message.content.iter().any(is_result) {
        return;
    }
    let before = before.filter(|message| message.role == Role::Assistant);
    let calls: HashSet<&str> = before
        .iter()
        .flat_map(|message| &message.content)
        .filter(|block| block["type"] == "tool_use")
        .filter_map(|block| block["id"].as_str())
        .collect();
    let (mut results, mut others) = (Vec::new(), Vec::new());
    for block in std::mem::take(&mut message.content) {
        if !is_result(&block) {
            others.push(block);
        } else if block["tool_use_id"].as_str().is_some_and(|id| calls.contains(id)) {
            results.push(block);
        } else {
            adopt(block, &mut others);
        }
    }
    results.extend(others);
    message.content = results;
}

fn adopt(mut result: Value, blocks: &mut Vec<Value>) {
    blocks.push(json!({"type": "text", "text": ORPHAN}));
    match result["content"].take() {
        Value::String(text) => blocks.push(json!({"type": "text", "text": text})),
        Value::Array(content) => blocks.extend(content),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
    }
}

/// The API refuses a beginning of its own answer that ends in white space.
fn trim_end(content: &mut [Value]) {
    if let Some(block) = content.last_mut()
        && let Some(text) = block["text"].as_str()
        && block["type"] == "text"
    {
        block["text"] = json!(text.trim_end());
    }
}
