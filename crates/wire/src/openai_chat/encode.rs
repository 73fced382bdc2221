//! A request in OpenAI's words.

use chat::{Part, Request, Role, Tool, ToolCall, ToolInput, Turn};
use serde_json::{Value, json};

use crate::number::decimal;
use crate::{Encoded, To};

/// The body of `POST /v1/chat/completions`, with usage.
pub fn encode(request: &Request, to: &To<'_>) -> Encoded {
    let model = to.model;
    let system = request.system.iter().filter_map(Part::as_text);
    let system = system.map(|system| json!({"role": "system", "content": system}));
    let mut body = json!({
        "model": model,
        "stream": to.is_streamed,
        "stream_options": {"include_usage": true},
        "messages": system.chain(request.turns.iter().flat_map(messages)).collect::<Vec<_>>(),
    });
    // OpenAI's own reasoning models refuse the old name and a temperature; many compatible servers know only the old.
    let limit = if reasons(model) { "max_completion_tokens" } else { "max_tokens" };
    body[limit] = json!(request.max_output);
    if let Some(temperature) = request.temperature.filter(|_| !reasons(model)) {
        body["temperature"] = decimal(temperature);
    }
    if !request.tools.is_empty() {
        body["tools"] = request.tools.iter().map(tool).collect();
    }
    Encoded { body, unsaid: Vec::new() }
}

/// OpenAI's `o` series, and `gpt` from 5 on; a gateway's prefix such as `openai/` may stand before it.
fn reasons(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let generation =
        |rest: &str| rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok());
    match (name.strip_prefix("gpt-"), name.strip_prefix('o')) {
        (Some(rest), _) => generation(rest).is_some_and(|number: u32| number >= 5),
        (None, Some(rest)) => generation(rest).is_some(),
        (None, None) => false,
    }
}

fn messages(turn: &Turn) -> Vec<Value> {
    match turn.role {
        Role::User | Role::System => user(turn),
        Role::Assistant => assistant(turn).into_iter().collect(),
    }
}

/// One message for each tool result, which must directly follow the call, then one for the text.
fn user(turn: &Turn) -> Vec<Value> {
    let results = turn.parts.iter().filter_map(|part| match part {
        Part::ToolResult(result) => {
            // There is no flag for it on this wire.
            let mark = if result.is_error { "The tool failed: " } else { "" };
            let content = result.content.iter().filter_map(Part::as_text).collect::<Vec<_>>().join("\n");
            let content = format!("{mark}{content}");
            Some(json!({"role": "tool", "tool_call_id": result.call_id, "content": content}))
        }
        _ => None,
    });
    let text = text(turn).map(|text| json!({"role": "user", "content": text}));
    results.chain(text).collect()
}

fn assistant(turn: &Turn) -> Option<Value> {
    let calls: Vec<Value> = turn
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::ToolCall(call) => Some(tool_call(call)),
            _ => None,
        })
        .collect();
    let text = text(turn);
    if calls.is_empty() {
        return text.map(|text| json!({"role": "assistant", "content": text}));
    }
    Some(json!({"role": "assistant", "content": text, "tool_calls": calls}))
}

/// All text in one: strict servers take no list of parts.
fn text(turn: &Turn) -> Option<String> {
    let texts: Vec<&str> = turn
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Text { text } if !text.is_empty() => Some(text.as_str()),
            _ => None,
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

fn tool_call(call: &ToolCall) -> Value {
    let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
}

fn tool(tool: &Tool) -> Value {
    let schema = match &tool.input {
        ToolInput::Json(schema) => schema.clone(),
        ToolInput::Text { .. } => json!({"type": "object"}),
    };
    let function = json!({"name": tool.name, "description": tool.description, "parameters": schema});
    json!({"type": "function", "function": function})
}

#[cfg(test)]
mod tests {
    use super::reasons;

    #[test]
    fn knows_openais_reasoning_models_by_name() {
        for model in
            ["o1", "o3-mini", "o4-mini-2025", "gpt-5", "gpt-5.2-codex", "openai/gpt-5-nano", "gpt-10"]
        {
            assert!(reasons(model), "{model}");
        }
        for model in
            ["gpt-4o", "gpt-4.1-mini", "gpt-oss-120b", "olmo-2", "openchat", "llama3", "gpt-3.5-turbo"]
        {
            assert!(!reasons(model), "{model}");
        }
    }
}
