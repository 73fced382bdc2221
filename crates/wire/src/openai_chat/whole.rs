//! A whole answer, as a client of `/v1/chat/completions` reads it that did not ask for a stream.

use chat::{Media, Message, Part, Source, StopReason};
use serde_json::{Map, Value, json};

use super::stream::signed;
use super::{details, media, usage};
use crate::{Head, citing, freeform};

/// The body of an answer.
pub fn whole(message: &Message, head: &Head<'_>) -> Vec<u8> {
    let own = message.id.as_deref().filter(|id| id.starts_with("chatcmpl-"));
    let id = own.map_or_else(|| format!("chatcmpl-{}", head.id), str::to_owned);
    let refused = message.parts.iter().any(|part| matches!(part, Part::Refusal { .. }));
    let mut choice = json!({"index": 0, "message": said(message, head), "logprobs": null});
    finish(&message.stop, refused, &mut choice);
    let answer = json!({
        "id": id,
        "object": "chat.completion",
        "created": head.created_s,
        "model": head.model,
        "choices": [choice],
        "usage": usage::written(&message.usage),
    });
    answer.to_string().into_bytes()
}

/// Why it stopped. What OpenAI has no word for stands beside it, in the fields of vLLM and OpenRouter.
pub(super) fn finish(reason: &StopReason, refused: bool, choice: &mut Value) {
    let word = match reason {
        StopReason::EndOfTurn => "stop",
        StopReason::StopSequence { text } => {
            if let Some(text) = text {
                choice["stop_reason"] = json!(text);
            }
            "stop"
        }
        // The answer is not whole, and no other word says so.
        StopReason::Paused | StopReason::MaxOutput => "length",
        StopReason::ToolUse => "tool_calls",
        StopReason::Refusal if refused => "stop",
        StopReason::Refusal => "content_filter",
        StopReason::Other(word) => {
            choice["native_finish_reason"] = json!(word);
            "stop"
        }
    };
    choice["finish_reason"] = json!(word);
}

/// An image in the field that OpenRouter gave to the dialect.
pub(super) fn picture(image: &Media) -> Option<Value> {
    Some(json!({"type": "image_url", "image_url": {"url": media::address(image)?}}))
}

#[derive(Default)]
struct Said {
    text: Option<String>,
    refusal: Option<String>,
    thoughts: String,
    details: Vec<Value>,
    calls: Vec<Value>,
    images: Vec<Value>,
    sound: Option<Value>,
    annotations: Vec<Value>,
}

fn said(message: &Message, head: &Head<'_>) -> Value {
    let annotations = message.citations.iter().map(citing::for_chat).collect();
    let mut said = Said { annotations, ..Said::default() };
    let mut parts = message.parts.iter().peekable();
    while let Some(part) = parts.next() {
        match part {
            Part::Text { text } => said.text.get_or_insert_default().push_str(text),
            Part::Refusal { text } => said.refusal.get_or_insert_default().push_str(text),
            Part::Thought(thought) => {
                said.thoughts.push_str(&thought.text);
                let Some(seal) = &thought.seal else { continue };
                if let Some(Part::ToolCall(next)) = parts.peek()
                    && thought.text.is_empty()
                    && !seal.whole
                    && !freeform::is_text(&head.request.tools, &next.name)
                {
                    let mut call = call(next, head);
                    call["extra_content"] = signed(seal);
                    said.calls.push(call);
                    parts.next();
                } else {
                    said.details.push(details::for_client(&thought.text, seal, said.details.len()));
                }
            }
            Part::ToolCall(next) => said.calls.push(call(next, head)),
            Part::Image(image) => said.images.extend(picture(image)),
            Part::Audio(Media { source: Source::Base64(data), .. }) => {
                said.sound = Some(json!({"data": data}))
            }
            // No answer has them.
            Part::Audio(_) | Part::Document(_) | Part::ToolResult(_) | Part::CachePoint { .. } => {}
        }
    }
    said.message()
}

impl Said {
    fn message(self) -> Value {
        let mut message = Map::new();
        let mut put = |name: &str, value: Value| message.insert(name.to_owned(), value);
        put("role", json!("assistant"));
        put("content", json!(self.text));
        put("refusal", json!(self.refusal));
        put("annotations", json!(self.annotations));
        let others = [
            ("reasoning_content", json!(self.thoughts), self.thoughts.is_empty()),
            ("reasoning_details", json!(self.details), self.details.is_empty()),
            ("tool_calls", json!(self.calls), self.calls.is_empty()),
            ("images", json!(self.images), self.images.is_empty()),
            ("audio", json!(self.sound), self.sound.is_none()),
        ];
        for (name, value, is_empty) in others {
            if !is_empty {
                put(name, value);
            }
        }
        Value::Object(message)
    }
}

fn call(call: &chat::ToolCall, head: &Head<'_>) -> Value {
    let chat::ToolCall { id, name, arguments } = call;
    if freeform::is_text(&head.request.tools, name) {
        let custom = json!({"name": name, "input": freeform::unwrap(arguments)});
        return json!({"id": id, "type": "custom", "custom": custom});
    }
    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}
