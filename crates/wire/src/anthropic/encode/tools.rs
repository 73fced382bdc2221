//! Tools, and whether one has to be called.

use chat::{Lifetime, Request, Tool, ToolChoice, ToolInput};
use serde_json::{Value, json};

use crate::freeform;

/// The list, if there is any; only those among which the model may choose, because the choice itself knows only one.
pub(super) fn tools(request: &Request) -> Option<Value> {
    let tools: Vec<Value> = request.tools.iter().filter(|tool| is_offered(tool, request)).map(one).collect();
    (!tools.is_empty()).then_some(Value::Array(tools))
}

fn is_offered(tool: &Tool, request: &Request) -> bool {
    match &request.tool_choice {
        ToolChoice::Among(names) | ToolChoice::RequiredAmong(names) => names.contains(&tool.name),
        ToolChoice::Auto | ToolChoice::None | ToolChoice::Required | ToolChoice::Named(_) => true,
    }
}

fn one(tool: &Tool) -> Value {
    let Tool { name, input, strict, cache, .. } = tool;
    let mut description = tool.description.clone();
    let schema = match input {
        ToolInput::Json(schema) => object(schema),
        ToolInput::Text { grammar } => {
            description = freeform::description(tool, grammar.as_ref());
            freeform::schema()
        }
    };
    let mut json = json!({"name": name});
    if !description.is_empty() {
        json["description"] = json!(description);
    }
    json["input_schema"] = schema;
    if let Some(strict) = strict {
        json["strict"] = json!(strict);
    }
    if let Some(lifetime) = cache {
        json["cache_control"] = cache_control(*lifetime);
    }
    json
}

/// The API wants to read `object` at the top; where a client left it to be understood, it is said.
fn object(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(fields) = schema.as_object_mut() {
        fields.entry("type").or_insert_with(|| json!("object"));
    }
    schema
}

/// How long a mark holds.
pub(super) fn cache_control(lifetime: Lifetime) -> Value {
    match lifetime {
        Lifetime::Short => json!({"type": "ephemeral"}),
        Lifetime::Hour => json!({"type": "ephemeral", "ttl": "1h"}),
    }
}

/// Whether and what the model has to call; nothing where it is as the API does by itself.
pub(super) fn choice(request: &Request) -> Option<Value> {
    let mut choice = match &request.tool_choice {
        ToolChoice::Auto | ToolChoice::Among(_) if request.parallel_tools.is_none() => return None,
        ToolChoice::Auto | ToolChoice::Among(_) => json!({"type": "auto"}),
        ToolChoice::None => return Some(json!({"type": "none"})),
        ToolChoice::Required | ToolChoice::RequiredAmong(_) => json!({"type": "any"}),
        ToolChoice::Named(name) => json!({"type": "tool", "name": name}),
    };
    if let Some(parallel) = request.parallel_tools {
        choice["disable_parallel_tool_use"] = json!(!parallel);
    }
    Some(choice)
}
