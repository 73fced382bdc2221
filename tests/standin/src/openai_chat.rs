//! What OpenAI's Chat Completions sends, and its embeddings. Source: `openai.types.chat` of the Python SDK; thoughts are
//! in `reasoning_content`, as DeepSeek has them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::said::{CACHED, CREATED_S, INPUT, Said, Stop, TOOL};

const ID: &str = "chatcmpl-standin";
const VECTOR: [f32; 4] = [0.5, -0.5, 0.25, -0.25];

fn usage(said: &Said) -> Value {
    json!({
        "prompt_tokens": INPUT,
        "completion_tokens": said.output,
        "total_tokens": INPUT + said.output,
        "prompt_tokens_details": {"cached_tokens": CACHED, "cache_write_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": said.reasoning(), "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}

fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Refused => "stop",
        Stop::Tools => "tool_calls",
        Stop::Length => "length",
    }
}

/// The answer as one body.
pub(crate) fn whole(model: &str, said: &Said) -> Value {
    let is_refused = said.stop == Stop::Refused;
    let text = (!said.texts.is_empty()).then(|| said.text());
    let mut message = json!({
        "role": "assistant",
        "content": text.as_ref().filter(|_| !is_refused),
        "refusal": text.as_ref().filter(|_| is_refused),
        "annotations": [],
    });
    if let Some(thought) = said.thought {
        message["reasoning_content"] = thought.into();
    }
    let calls: Vec<Value> = said
        .calls
        .iter()
        .enumerate()
        .map(|(index, call)| {
            let function = json!({"name": TOOL, "arguments": call.concat()});
            json!({"id": format!("call_standin{index}"), "type": "function", "function": function})
        })
        .collect();
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    json!({
        "id": ID, "object": "chat.completion", "created": CREATED_S, "model": model,
        "choices": [{
            "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(said.stop),
        }],
        "usage": usage(said), "service_tier": "default", "system_fingerprint": "fp_standin",
    })
}

/// The answer as a stream.
pub(crate) fn frames(model: &str, said: &Said, wants_usage: bool) -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        let mut chunk = json!({
            "id": ID, "object": "chat.completion.chunk", "created": CREATED_S, "model": model,
            "service_tier": "default", "system_fingerprint": "fp_standin", "choices": choices,
        });
        if wants_usage {
            chunk["usage"] = usage;
        }
        format!("data: {chunk}\n\n")
    };
    let piece = |delta: Value, finish: Option<&str>| {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        chunk(json!([choice]), Value::Null)
    };
    let begins_with_text = said.calls.is_empty() || !said.texts.is_empty();
    let content = if begins_with_text { json!("") } else { Value::Null };
    let mut frames = vec![piece(json!({"role": "assistant", "content": content, "refusal": null}), None)];
    for text in said.thought.into_iter().flat_map(|thought| thought.split_inclusive(' ')) {
        frames.push(piece(json!({"reasoning_content": text}), None));
    }
    let field = if said.stop == Stop::Refused { "refusal" } else { "content" };
    for text in &said.texts {
        frames.push(piece(json!({field: text}), None));
    }
    for (index, call) in said.calls.iter().enumerate() {
        let function = json!({"name": TOOL, "arguments": ""});
        let first = json!({"index": index, "id": format!("call_standin{index}"), "type": "function", "function": function});
        frames.push(piece(json!({"tool_calls": [first]}), None));
        for json in call {
            let more = json!({"index": index, "function": {"arguments": json}});
            frames.push(piece(json!({"tool_calls": [more]}), None));
        }
    }
    frames.push(piece(json!({}), Some(finish_reason(said.stop))));
    if wants_usage {
        frames.push(chunk(json!([]), usage(said)));
    }
    frames.push("data: [DONE]\n\n".to_owned());
    frames
}

/// Vectors, one for each input; as base64 where that is asked for, as the SDK does.
pub(crate) fn embeddings(model: &str, inputs: usize, as_base64: bool) -> Value {
    let vector = if as_base64 {
        let bytes: Vec<u8> = VECTOR.iter().flat_map(|number| number.to_le_bytes()).collect();
        Value::from(STANDARD.encode(bytes))
    } else {
        json!(VECTOR)
    };
    let data: Vec<Value> = (0..inputs)
        .map(|index| json!({"object": "embedding", "index": index, "embedding": vector}))
        .collect();
    json!({"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": INPUT, "total_tokens": INPUT}})
}

pub(crate) fn models(names: &[&str]) -> Value {
    let models: Vec<Value> = names
        .iter()
        .map(|name| json!({"id": name, "object": "model", "created": CREATED_S, "owned_by": "standin"}))
        .collect();
    json!({"object": "list", "data": models})
}
