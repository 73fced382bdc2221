//! What Gemini sends. Source: `google.genai.types` of the Python SDK.

use serde_json::{Value, json};

use crate::route::Vendor;
use crate::said::{self, CACHED, INPUT, Said, Stop, TOOL};

fn usage(said: &Said, output: u64) -> Value {
    let thoughts = said.reasoning();
    let mut usage = json!({
        "promptTokenCount": INPUT,
        "cachedContentTokenCount": CACHED,
        "candidatesTokenCount": output.saturating_sub(thoughts),
        "totalTokenCount": INPUT + output.max(thoughts),
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": INPUT}],
    });
    if thoughts > 0 {
        usage["thoughtsTokenCount"] = thoughts.into();
    }
    usage
}

fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Tools => "STOP",
        Stop::Length => "MAX_TOKENS",
        Stop::Refused => "SAFETY",
    }
}

fn chunk(model: &str, said: &Said, parts: Vec<Value>, is_last: bool, output: u64) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    if is_last {
        candidate["finishReason"] = finish_reason(said.stop).into();
    }
    json!({
        "candidates": [candidate], "usageMetadata": usage(said, output), "modelVersion": model,
        "responseId": "standin",
    })
}

/// Calls come whole; the first one has the seal. One that was cut off never comes.
fn calls(said: &Said) -> Vec<Value> {
    let mut parts = Vec::new();
    for call in &said.calls {
        let Ok(args) = serde_json::from_str::<Value>(&call.concat()) else { continue };
        let mut part = json!({"functionCall": {"name": TOOL, "args": args}});
        if parts.is_empty() {
            part["thoughtSignature"] = said::seal(Vendor::Gemini).into();
        }
        parts.push(part);
    }
    parts
}

/// The answer as one body.
pub(crate) fn whole(model: &str, said: &Said) -> Value {
    let mut parts: Vec<Value> =
        said.thought.map(|thought| json!({"text": thought, "thought": true})).into_iter().collect();
    if !said.texts.is_empty() {
        parts.push(json!({"text": said.text()}));
        if said.thought.is_some() {
            parts[1]["thoughtSignature"] = said::seal(Vendor::Gemini).into();
        }
    }
    parts.extend(calls(said));
    chunk(model, said, parts, true, said.output)
}

/// The answer as a stream of events, or as a list.
pub(crate) fn frames(model: &str, said: &Said, is_list: bool) -> Vec<String> {
    let thoughts = said.thought.into_iter().flat_map(|thought| thought.split_inclusive(' '));
    let mut pieces: Vec<Vec<Value>> =
        thoughts.map(|text| vec![json!({"text": text, "thought": true})]).collect();
    pieces.extend(said.texts.iter().map(|text| vec![json!({"text": text})]));
    if said.thought.is_some() {
        pieces.push(vec![json!({"text": "", "thoughtSignature": said::seal(Vendor::Gemini)})]);
    }
    let calls = calls(said);
    if !calls.is_empty() {
        pieces.push(calls);
    }
    let last = pieces.len().saturating_sub(1);
    let chunks = pieces.into_iter().enumerate().map(|(at, parts)| {
        let output = said.output.min(at as u64 + 1);
        chunk(model, said, parts, at == last, if at == last { said.output } else { output })
    });
    let written = chunks.enumerate().map(|(at, chunk)| match (is_list, at) {
        (false, _) => format!("data: {chunk}\r\n\r\n"),
        (true, 0) => format!("[{chunk}"),
        (true, _) => format!(",\r\n{chunk}"),
    });
    let mut frames: Vec<String> = written.collect();
    if is_list {
        frames.push("\r\n]".to_owned());
    }
    frames
}

pub(crate) fn count() -> Value {
    json!({"totalTokens": INPUT, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": INPUT}]})
}

pub(crate) fn embedding() -> Value {
    json!({"values": [0.5, -0.5, 0.25, -0.25]})
}

pub(crate) fn models(names: &[&str]) -> Value {
    let models: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({
                "name": format!("models/{name}"), "version": "001", "displayName": name,
                "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
            })
        })
        .collect();
    json!({"models": models})
}
