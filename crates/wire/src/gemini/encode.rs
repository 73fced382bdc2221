//! A request in Gemini's words.

use chat::{Part, Request, Role, Tool, ToolInput, ToolResult, Turn};
use serde_json::{Value, json};

use crate::arguments::object;
use crate::number::decimal;
use crate::{Encoded, To};

/// The body of `streamGenerateContent`; the model stands in the URL and not here.
pub fn encode(request: &Request, _to: &To<'_>) -> Encoded {
    let contents: Vec<Value> =
        (0..request.turns.len()).filter_map(|place| content(&request.turns[..=place])).collect();
    let mut body = json!({
        "contents": contents,
        "generationConfig": {"maxOutputTokens": request.max_output},
    });
    let system: Vec<Value> =
        request.system.iter().filter_map(Part::as_text).map(|text| json!({"text": text})).collect();
    if !system.is_empty() {
        body["systemInstruction"] = json!({"parts": system});
    }
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body["tools"] = json!([{"functionDeclarations": tools}]);
    }
    if let Some(temperature) = request.temperature {
        body["generationConfig"]["temperature"] = decimal(temperature);
    }
    Encoded { body, unsaid: Vec::new() }
}

/// The last of `turns`; the others are there to find the names of the calls that it answers.
fn content(turns: &[Turn]) -> Option<Value> {
    let turn = turns.last()?;
    let role = match turn.role {
        Role::User | Role::System => "user",
        Role::Assistant => "model",
    };
    let parts: Vec<Value> = turn.parts.iter().filter_map(|part| encode_part(part, turns)).collect();
    (!parts.is_empty()).then(|| json!({"role": role, "parts": parts}))
}

fn encode_part(part: &Part, turns: &[Turn]) -> Option<Value> {
    match part {
        Part::Text { text } if text.is_empty() => None,
        Part::Text { text } => Some(json!({"text": text})),
        Part::ToolCall(call) => {
            let args = object(&call.arguments);
            Some(json!({"functionCall": {"id": call.id, "name": call.name, "args": args}}))
        }
        Part::ToolResult(result) => {
            let ToolResult { call_id, content, is_error } = result;
            let content = content.iter().filter_map(Part::as_text).collect::<Vec<_>>().join("\n");
            let key = if *is_error { "error" } else { "output" };
            let name = called(call_id, turns);
            let response = json!({"id": call_id, "name": name, "response": {key: content}});
            Some(json!({"functionResponse": response}))
        }
        _ => None,
    }
}

/// The name of the tool that was called by `id`, latest first: ids may come again in a later turn.
fn called<'a>(id: &str, turns: &'a [Turn]) -> &'a str {
    let parts = turns.iter().rev().flat_map(|turn| &turn.parts);
    let name = parts.filter_map(|part| match part {
        Part::ToolCall(call) if call.id == id => Some(call.name.as_str()),
        _ => None,
    });
    name.into_iter().next().unwrap_or("unknown")
}

/// `parametersJsonSchema` takes JSON Schema; `parameters` would take a subset of OpenAPI's.
fn tool(tool: &Tool) -> Value {
    let schema = match &tool.input {
        ToolInput::Json(schema) => schema.clone(),
        ToolInput::Text { .. } => json!({"type": "object"}),
    };
    json!({
        "name": tool.name,
        "description": tool.description,
        "parametersJsonSchema": schema,
    })
}
