//! The answer as an object, which stands in a stream's first and last events and is the whole of one without a stream.

use chat::{Message, Part, Request, StopReason, Thinking, Usage};
use serde_json::{Map, Value, json};

use super::Kept;
use super::encode::written;
use super::item::{self, Kind, Names};
use super::tools::{chosen, own_kind, written as offered};
use crate::{Head, citing, freeform};

/// What does not change while an answer grows.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) names: Names,
    created_s: i64,
    /// The model, and what was asked, as fields of an object without its braces: written once and repeated.
    asked: String,
}

/// What changes.
#[derive(Debug, Default)]
pub(super) struct State<'a> {
    pub(super) status: &'static str,
    pub(super) output: &'a [Value],
    pub(super) usage: Option<&'a Usage>,
    pub(super) error: Value,
    pub(super) stop: Option<&'a StopReason>,
}

impl Frame {
    pub(super) fn new(head: &Head<'_>, kept: &Kept) -> Self {
        let asked = asked(head, kept).to_string();
        let fields = asked.strip_prefix('{').and_then(|asked| asked.strip_suffix('}')).unwrap_or_default();
        Self { names: Names::new(head.id), created_s: head.created_s, asked: fields.to_owned() }
    }

    /// Appends the answer.
    pub(super) fn write(&self, state: &State<'_>, out: &mut Vec<u8>) {
        let (incomplete, metadata) = ending(state.stop, state.output);
        let fields = json!({
            "id": self.names.response(),
            "object": "response",
            "created_at": self.created_s,
            "status": state.status,
            "error": state.error,
            "incomplete_details": incomplete.map(|reason| json!({"reason": reason})),
            "metadata": metadata,
            "output": state.output,
            "usage": state.usage.map(used),
        });
        let fields = fields.to_string();
        out.extend_from_slice(fields.strip_suffix('}').unwrap_or(&fields).as_bytes());
        out.push(b',');
        out.extend_from_slice(self.asked.as_bytes());
        out.push(b'}');
    }
}

/// The body of an answer that is not kept.
pub fn whole(message: &Message, head: &Head<'_>) -> Vec<u8> {
    whole_kept(message, head, &Kept::default())
}

/// The body of an answer that says what is kept of it.
pub fn whole_kept(message: &Message, head: &Head<'_>, kept: &Kept) -> Vec<u8> {
    let frame = Frame::new(head, kept);
    let output = output(message, head.request, &frame.names);
    let stop = Some(&message.stop);
    let state = State {
        status: status(&message.stop, &output),
        output: &output,
        usage: Some(&message.usage),
        error: Value::Null,
        stop,
    };
    let mut out = Vec::new();
    frame.write(&state, &mut out);
    out
}

/// What the answer's status is.
pub(super) fn status(stop: &StopReason, output: &[Value]) -> &'static str {
    if ending(Some(stop), output).0.is_some() { "incomplete" } else { "completed" }
}

/// Why an answer is not whole; and what the dialect has no word for, in the field that holds any names and texts.
fn ending(stop: Option<&StopReason>, output: &[Value]) -> (Option<&'static str>, Value) {
    let refused = || {
        output.iter().any(|item| {
            item["content"].as_array().is_some_and(|parts| parts.iter().any(|part| part["type"] == "refusal"))
        })
    };
    match stop {
        None | Some(StopReason::EndOfTurn | StopReason::ToolUse) => (None, json!({})),
        Some(StopReason::StopSequence { text: None }) => (None, json!({})),
        Some(StopReason::StopSequence { text: Some(text) }) => (None, json!({"stop_sequence": text})),
        // The answer is not whole, and no other word says so.
        Some(StopReason::Paused | StopReason::MaxOutput) => (Some("max_output_tokens"), json!({})),
        Some(StopReason::Refusal) if refused() => (None, json!({})),
        Some(StopReason::Refusal) => (Some("content_filter"), json!({})),
        Some(StopReason::Other(word)) => (None, json!({"stop_reason": word})),
    }
}

fn output(message: &Message, request: &Request, names: &Names) -> Vec<Value> {
    let mut output = Vec::new();
    let mut words: Vec<Value> = Vec::new();
    let speak = |words: &mut Vec<Value>, output: &mut Vec<Value>| {
        if !words.is_empty() {
            let id = names.item("msg", output.len());
            output.push(item::message(&id, "completed", &std::mem::take(words)));
        }
    };
    let mut at = 0;
    for part in &message.parts {
        match part {
            Part::Text { text } => {
                let base = at;
                let pages = citing::within(&message.citations, &mut at, text);
                let pages: Vec<Value> = pages.map(|page| citing::for_responses(page, base)).collect();
                words.push(Kind::Text.cited(text, &pages));
            }
            Part::Refusal { text } => words.push(Kind::Refusal.piece(text)),
            Part::Thought(thought) => {
                speak(&mut words, &mut output);
                let text = Some(thought.text.as_str()).filter(|text| !text.is_empty());
                output.push(item::reasoning(&names.item("rs", output.len()), text, thought.seal.as_ref()));
            }
            Part::ToolCall(call) => {
                speak(&mut words, &mut output);
                let is_text = freeform::is_text(&request.tools, &call.name);
                let given = item::given(&call.arguments, is_text);
                let id = names.item(if is_text { "ctc" } else { "fc" }, output.len());
                let call = item::Call { id: &call.id, name: &call.name, given: &given };
                output.push(item::call(&id, "completed", is_text, call));
            }
            Part::Image(image) => {
                speak(&mut words, &mut output);
                output.extend(item::image(&names.item("ig", output.len()), image));
            }
            // No answer has them.
            Part::Document(_) | Part::Audio(_) | Part::ToolResult(_) | Part::CachePoint { .. } => {}
        }
    }
    speak(&mut words, &mut output);
    output
}

fn used(usage: &Usage) -> Value {
    let Usage { input, cached_input, cache_written, output, reasoning } = usage;
    let all = input.saturating_add(*cached_input).saturating_add(*cache_written);
    json!({
        "input_tokens": all,
        "input_tokens_details": {"cached_tokens": cached_input, "cache_write_tokens": cache_written},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": all.saturating_add(*output),
    })
}

/// The model, and what was asked, as the dialect repeats it.
fn asked(head: &Head<'_>, kept: &Kept) -> Value {
    let request = head.request;
    let own = request.system.iter().take(kept.instructions);
    let instructions: Vec<&str> = own.filter_map(Part::as_text).collect();
    let instructions = (!instructions.is_empty()).then(|| instructions.join("\n\n"));
    let tools: Vec<Value> = request.tools.iter().map(offered).collect();
    let effort = request.thinking.map(|thinking| match thinking {
        Thinking::Off => json!("none"),
        Thinking::Adaptive => Value::Null,
        Thinking::Budget(tokens) => json!(word(chat::Effort::of(tokens))),
        Thinking::Effort(effort) => json!(word(effort)),
    });
    let summary = request.show_thoughts.filter(|shown| *shown).map(|_| "auto");
    let mut asked = Map::new();
    for (name, value) in [
        ("model", json!(head.model)),
        ("background", json!(false)),
        ("instructions", json!(instructions)),
        ("max_output_tokens", json!(request.max_output)),
        ("parallel_tool_calls", json!(request.parallel_tools.unwrap_or(true))),
        ("previous_response_id", json!(kept.previous)),
        ("reasoning", json!({"effort": effort, "summary": summary})),
        ("store", json!(kept.store.unwrap_or(false))),
        ("temperature", json!(request.temperature)),
        ("text", json!({"format": written(&request.format)})),
        ("tool_choice", chosen(request, own_kind(request))),
        ("tools", json!(tools)),
        ("top_p", json!(request.top_p)),
        ("truncation", json!("disabled")),
        ("user", json!(request.user)),
    ] {
        asked.insert(name.to_owned(), value);
    }
    Value::Object(asked)
}

fn word(effort: chat::Effort) -> &'static str {
    match effort {
        chat::Effort::Minimal => "minimal",
        chat::Effort::Low => "low",
        chat::Effort::Medium => "medium",
        chat::Effort::High => "high",
        chat::Effort::Higher | chat::Effort::Max => "xhigh",
    }
}
