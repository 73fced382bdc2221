//! A request in Anthropic's words.

use chat::{Part, Request, Role, Tool, ToolInput, Turn};
use serde_json::{Value, json};

use crate::arguments::object;
use crate::number::decimal;
use crate::{Encoded, To};

/// The limit where the client named none: this dialect has to be told one.
const USUAL_MAX_TOKENS: u64 = 4_096;

/// The body of `POST /v1/messages`.
pub fn encode(request: &Request, to: &To<'_>) -> Encoded {
    let mut body = json!({
        "model": to.model,
        "max_tokens": request.max_output.map_or(USUAL_MAX_TOKENS, |limit| limit.0),
        "stream": to.is_streamed,
        "messages": request.turns.iter().filter_map(message).collect::<Vec<_>>(),
    });
    let system: Vec<&str> = request.system.iter().filter_map(Part::as_text).collect();
    if !system.is_empty() {
        body["system"] = json!(system.join("\n\n"));
    }
    if !request.tools.is_empty() {
        body["tools"] = request.tools.iter().map(tool).collect();
    }
    if let Some(temperature) = request.temperature {
        body["temperature"] = decimal(temperature);
    }
    Encoded { body, unsaid: Vec::new() }
}

fn message(turn: &Turn) -> Option<Value> {
    let role = match turn.role {
        Role::User | Role::System => "user",
        Role::Assistant => "assistant",
    };
    // Results must stand before all else in their turn, else the API says that calls lack their results.
    let (results, others): (Vec<&Part>, Vec<&Part>) =
        turn.parts.iter().partition(|part| matches!(part, Part::ToolResult(_)));
    let content: Vec<Value> = results.into_iter().chain(others).filter_map(block).collect();
    (!content.is_empty()).then(|| json!({"role": role, "content": content}))
}

fn block(part: &Part) -> Option<Value> {
    Some(match part {
        // The API refuses empty text.
        Part::Text { text } if text.is_empty() => return None,
        Part::Text { text } => json!({"type": "text", "text": text}),
        Part::ToolCall(call) => {
            let input = object(&call.arguments);
            json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input})
        }
        Part::ToolResult(result) => {
            let content = result.content.iter().filter_map(Part::as_text).collect::<Vec<_>>().join("\n");
            let mut block = json!({"type": "tool_result", "tool_use_id": result.call_id, "content": content});
            if result.is_error {
                block["is_error"] = json!(true);
            }
            block
        }
        _ => return None,
    })
}

fn tool(tool: &Tool) -> Value {
    let schema = match &tool.input {
        ToolInput::Json(schema) => schema.clone(),
        ToolInput::Text { .. } => json!({"type": "object"}),
    };
    json!({"name": tool.name, "description": tool.description, "input_schema": schema})
}
