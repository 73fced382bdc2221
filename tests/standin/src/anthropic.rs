//! What Anthropic sends. Source: `anthropic.types` of the Python SDK, and the page on streaming.

use serde_json::{Value, json};

use crate::route::Vendor;
use crate::said::{self, CACHED, INPUT, Said, Stop, TOOL};

/// The counts; thoughts are told at the end alone.
fn usage(output: u64, thoughts: u64) -> Value {
    json!({
        "input_tokens": INPUT - CACHED,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": CACHED,
        "output_tokens": output,
        "output_tokens_details": (thoughts > 0).then(|| json!({"thinking_tokens": thoughts})),
    })
}

fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::Tools => "tool_use",
        Stop::Length => "max_tokens",
        Stop::Refused => "refusal",
    }
}

fn message(model: &str, content: Value, stop: Value, mut usage: Value) -> Value {
    usage["cache_creation"] = json!({"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0});
    usage["service_tier"] = "standard".into();
    json!({
        "id": "msg_standin", "type": "message", "role": "assistant", "model": model, "content": content,
        "stop_reason": stop, "stop_sequence": null, "usage": usage,
    })
}

/// The answer as one body. A call that was cut off has no input: this vendor gives none but whole JSON.
pub(crate) fn whole(model: &str, said: &Said) -> Value {
    let mut content = Vec::new();
    if let Some(thought) = said.thought {
        content.push(
            json!({"type": "thinking", "thinking": thought, "signature": said::seal(Vendor::Anthropic)}),
        );
    }
    if !said.texts.is_empty() {
        content.push(json!({"type": "text", "text": said.text(), "citations": null}));
    }
    for (index, call) in said.calls.iter().enumerate() {
        let input: Value = serde_json::from_str(&call.concat()).unwrap_or_else(|_| json!({}));
        content.push(
            json!({"type": "tool_use", "id": format!("toolu_standin{index}"), "name": TOOL, "input": input}),
        );
    }
    message(model, content.into(), stop_reason(said.stop).into(), usage(said.output, said.reasoning()))
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

/// The answer as a stream.
pub(crate) fn frames(model: &str, said: &Said) -> Vec<String> {
    let mut frames = vec![
        event(
            &json!({"type": "message_start", "message": message(model, json!([]), Value::Null, usage(1, 0))}),
        ),
        event(&json!({"type": "ping"})),
    ];
    let mut index = 0;
    let mut block = |start: Value, deltas: Vec<Value>| {
        frames.push(event(&json!({"type": "content_block_start", "index": index, "content_block": start})));
        for delta in deltas {
            frames.push(event(&json!({"type": "content_block_delta", "index": index, "delta": delta})));
        }
        frames.push(event(&json!({"type": "content_block_stop", "index": index})));
        index += 1;
    };
    if let Some(thought) = said.thought {
        let mut deltas: Vec<Value> = thought
            .split_inclusive(' ')
            .map(|text| json!({"type": "thinking_delta", "thinking": text}))
            .collect();
        deltas.push(json!({"type": "signature_delta", "signature": said::seal(Vendor::Anthropic)}));
        block(json!({"type": "thinking", "thinking": "", "signature": ""}), deltas);
    }
    if !said.texts.is_empty() {
        let deltas = said.texts.iter().map(|text| json!({"type": "text_delta", "text": text})).collect();
        block(json!({"type": "text", "text": ""}), deltas);
    }
    for (index, call) in said.calls.iter().enumerate() {
        // The first delta of a call is empty, as it is from the vendor.
        let pieces = std::iter::once(&"").chain(call);
        let deltas = pieces.map(|json| json!({"type": "input_json_delta", "partial_json": json})).collect();
        let start =
            json!({"type": "tool_use", "id": format!("toolu_standin{index}"), "name": TOOL, "input": {}});
        block(start, deltas);
    }
    frames.push(event(&json!({
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(said.stop), "stop_sequence": null},
        "usage": usage(said.output, said.reasoning()),
    })));
    frames.push(event(&json!({"type": "message_stop"})));
    frames
}

pub(crate) fn count() -> Value {
    json!({"input_tokens": INPUT})
}

pub(crate) fn models(names: &[&str]) -> Value {
    let models: Vec<Value> = names
        .iter()
        .map(|name| json!({"type": "model", "id": name, "display_name": name, "created_at": "2024-01-01T00:00:00Z"}))
        .collect();
    json!({"data": models, "has_more": false, "first_id": names.first(), "last_id": names.last()})
}
