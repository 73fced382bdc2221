//! Answers that are not streamed: a provider's, as events, and a client's.

use chat::{Event, Message, Part};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::chunk::{stop_word, usage_json};
use super::stream::{call_json, media_json};
use super::{DIALECT, Decoder};
use crate::decode::{Decode, parse};
use crate::{Error, Head, citing, seal};

/// The events of a whole answer; of a stream's chunks, too, if they come as a list.
///
/// # Errors
/// When it is not of the dialect, when it reports an error, or when it does not say why it ends.
pub fn answer(body: &[u8]) -> Result<Vec<Event>, Error> {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    if body.trim_ascii_start().starts_with(b"[") {
        let chunks: Vec<&RawValue> = parse(DIALECT, "a list of chunks", body)?;
        for chunk in chunks {
            events.extend(decoder.read(chunk.get().as_bytes())?);
        }
    } else {
        events = decoder.read(body)?;
    }
    events.extend(decoder.finish()?);
    Ok(events)
}

/// The body of an answer that is not streamed.
pub fn whole(message: &Message, head: &Head<'_>) -> Vec<u8> {
    let mut parts: Vec<Value> = Vec::with_capacity(message.parts.len());
    let mut signature: Option<String> = None;
    for part in &message.parts {
        let json = match part {
            Part::Thought(thought) => {
                if !thought.text.is_empty() {
                    parts.push(json!({"text": thought.text, "thought": true}));
                }
                if let Some(new) = &thought.seal
                    && let Some(before) = signature.replace(seal::pack(new))
                {
                    parts.push(json!({"text": "", "thoughtSignature": before}));
                }
                continue;
            }
            Part::Text { text } | Part::Refusal { text } => json!({ "text": text }),
            Part::ToolCall(call) => call_json(&call.id, &call.name, &call.arguments),
            Part::Image(media) | Part::Audio(media) | Part::Document(media) => media_json(media),
            Part::ToolResult(_) | Part::CachePoint { .. } => continue,
        };
        parts.push(json);
        if let (Some(signature), Some(last)) = (signature.take(), parts.last_mut()) {
            last["thoughtSignature"] = json!(signature);
        }
    }
    if let Some(signature) = signature {
        parts.push(json!({"text": "", "thoughtSignature": signature}));
    }
    let content = json!({"parts": parts, "role": "model"});
    let mut candidate = json!({"content": content, "finishReason": stop_word(&message.stop), "index": 0});
    if !message.citations.is_empty() {
        let said: String = message.parts.iter().filter_map(Part::as_text).collect();
        candidate["groundingMetadata"] = citing::for_gemini(&message.citations, &said);
    }
    let id = message.id.as_deref().unwrap_or(head.id);
    let body = json!({
        "candidates": [candidate], "usageMetadata": usage_json(&message.usage), "modelVersion": head.model,
        "responseId": id,
    });
    body.to_string().into_bytes()
}
