//! Items of an answer, as a client reads them.

use chat::{Media, Seal, Source};
use serde_json::{Value, json};

use crate::freeform;

/// What a message says in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Refusal,
}

impl Kind {
    /// A piece of this kind.
    pub(super) fn piece(self, text: &str) -> Value {
        self.cited(text, &[])
    }

    /// A piece of this kind, and where it comes from.
    pub(super) fn cited(self, text: &str, annotations: &[Value]) -> Value {
        match self {
            Self::Text => {
                json!({"type": "output_text", "text": text, "annotations": annotations, "logprobs": []})
            }
            Self::Refusal => json!({"type": "refusal", "refusal": text}),
        }
    }
}

/// What items are called: unique within the answer, and the same in all its events.
#[derive(Debug)]
pub(super) struct Names {
    answer: String,
}

impl Names {
    pub(super) fn new(answer: &str) -> Self {
        Self { answer: answer.to_owned() }
    }

    pub(super) fn item(&self, prefix: &str, place: usize) -> String {
        format!("{prefix}_{}_{place}", self.answer)
    }

    pub(super) fn response(&self) -> String {
        format!("resp_{}", self.answer)
    }
}

pub(super) fn message(id: &str, status: &str, content: &[Value]) -> Value {
    json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content})
}

/// A thought; what of it may be read is its summary.
pub(super) fn reasoning(id: &str, text: Option<&str>, seal: Option<&Seal>) -> Value {
    let summary: Vec<Value> = text.map(summary).into_iter().collect();
    let mut item = json!({"id": id, "type": "reasoning", "summary": summary});
    if let Some(seal) = seal {
        item["encrypted_content"] = json!(crate::seal::pack(seal));
    }
    item
}

pub(super) fn summary(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

/// A call: its id, the name of its tool, and what was given to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) given: &'a str,
}

pub(super) fn call(item: &str, status: &str, is_text: bool, call: Call<'_>) -> Value {
    let Call { id, name, given } = call;
    if is_text {
        return json!({"id": item, "type": "custom_tool_call", "status": status, "call_id": id, "name": name, "input": given});
    }
    json!({"id": item, "type": "function_call", "status": status, "call_id": id, "name": name, "arguments": given})
}

/// What is given to the tool, of arguments that are whole.
pub(super) fn given(arguments: &str, is_text: bool) -> String {
    if is_text {
        return freeform::unwrap(arguments);
    }
    if arguments.trim().is_empty() { "{}".to_owned() } else { arguments.to_owned() }
}

/// An image of the model's making; the dialect has no other media in an answer.
pub(super) fn image(id: &str, image: &Media) -> Option<Value> {
    let Source::Base64(bytes) = &image.source else { return None };
    Some(json!({"id": id, "type": "image_generation_call", "status": "completed", "result": bytes}))
}
