//! A request in Anthropic's words.

use chat::{Part, Request, Role, Tool, Turn};
use serde_json::{Value, json};

use crate::arguments::object;
use crate::number::decimal;

/// The body of `POST /v1/messages`, streaming.
pub fn encode(request: &Request, model: &str) -> Value {
    let mut body = json!({
        "model": model,
        "max_tokens": request.max_output,
        "stream": true,
        "messages": request.turns.iter().filter_map(message).collect::<Vec<_>>(),
    });
    if let Some(system) = request.system.as_ref().filter(|system| !system.is_empty()) {
        body["system"] = json!(system);
    }
    if !request.tools.is_empty() {
        body["tools"] = request.tools.iter().map(tool).collect();
    }
    if let Some(temperature) = request.temperature {
        body["temperature"] = decimal(temperature);
    }
    body
}

fn message(turn: &Turn) -> Option<Value> {
    let role = match turn.role {
        Role::User => "user",
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
            let content = &result.content;
            let mut block = json!({"type": "tool_result", "tool_use_id": result.call_id, "content": content});
            if result.is_error {
                block["is_error"] = json!(true);
            }
            block
        }
    })
}

fn tool(tool: &Tool) -> Value {
    json!({"name": tool.name, "description": tool.description, "input_schema": tool.parameters})
}
