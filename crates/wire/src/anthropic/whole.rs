//! A client's answer in one piece.

use chat::{Message, Part};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{media_words, message_id, stop_word, usage_json};
use crate::arguments::object;
use crate::{Head, citing, seal};

#[derive(Serialize)]
struct Body<'a> {
    id: String,
    r#type: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
    usage: Value,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        citations: Vec<Value>,
    },
    #[serde(rename = "text")]
    Words {
        text: String,
    },
    Thinking {
        thinking: &'a str,
        signature: String,
    },
    RedactedThinking {
        data: String,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Input<'a>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Input<'a> {
    /// As the model wrote it.
    Own(&'a RawValue),
    /// What is no object, shown as what it is.
    Framed(Value),
}

/// The body of an answer that is not streamed.
pub fn whole(message: &Message, head: &Head<'_>) -> Vec<u8> {
    let has_calls = message.parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let (stop_reason, stop_sequence) = stop_word(&message.stop, has_calls);
    let body = Body {
        id: message_id(message.id.as_deref(), head.id),
        r#type: "message",
        role: "assistant",
        model: head.model,
        content: content(message),
        stop_reason,
        stop_sequence,
        usage: usage_json(&message.usage),
    };
    serde_json::to_vec(&body).expect("texts and JSON can always be written")
}

fn content(message: &Message) -> Vec<Block<'_>> {
    let mut at = 0;
    let cited = |part| {
        let mut block = block(part)?;
        if let (Part::Text { text }, Block::Text { citations, .. }) = (part, &mut block) {
            let pages = citing::within(&message.citations, &mut at, text);
            citations.extend(pages.map(citing::for_anthropic));
        }
        Some(block)
    };
    message.parts.iter().filter_map(cited).collect()
}

fn block(part: &Part) -> Option<Block<'_>> {
    match part {
        Part::Text { text } | Part::Refusal { text } => {
            (!text.is_empty()).then_some(Block::Text { text: text.as_str(), citations: Vec::new() })
        }
        Part::Thought(thought) => Some(match &thought.seal {
            Some(seal) if seal.whole && thought.text.is_empty() => {
                Block::RedactedThinking { data: seal::pack(seal) }
            }
            Some(seal) => Block::Thinking { thinking: &thought.text, signature: seal::pack(seal) },
            None => Block::Thinking { thinking: &thought.text, signature: String::new() },
        }),
        Part::ToolCall(call) => {
            let own = serde_json::from_str::<&RawValue>(&call.arguments).ok();
            let own = own.filter(|json| json.get().starts_with('{'));
            let input = own.map_or_else(|| Input::Framed(object(&call.arguments)), Input::Own);
            Some(Block::ToolUse { id: &call.id, name: &call.name, input })
        }
        Part::Image(_) | Part::Document(_) | Part::Audio(_) => Some(Block::Words { text: media_words(part) }),
        Part::ToolResult(_) | Part::CachePoint { .. } => None,
    }
}
