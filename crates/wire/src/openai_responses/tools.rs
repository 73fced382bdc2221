//! Tools and the choice among them: as in Chat Completions, with a level less.

use chat::{Tool, ToolChoice, ToolInput};
use serde_json::{Map, Value, json};

use crate::fields::{Fields, note};
use crate::openai_chat::tools::{MAX_NAME, MAX_TOOLS, function, kind, lifetime};
use crate::openai_chat::traits::Model;
use crate::{Invalid, freeform};

/// The tools that a client offers; those that OpenAI runs itself are only named.
pub(super) fn read(fields: &mut Fields<'_>, unsaid: &mut Vec<String>) -> Result<Vec<Tool>, Invalid> {
    let mut tools = Vec::new();
    fields.objects("tools", MAX_TOOLS, |mut entry| {
        let cache = lifetime(&mut entry)?;
        let tool = match entry.needed_text("type")?.as_str() {
            "function" => function(&mut entry)?,
            "custom" => custom(&mut entry)?,
            other => {
                note(unsaid, format!("tools.{other}"));
                return Ok(());
            }
        };
        tools.push(Tool { cache, ..tool });
        Ok(())
    })?;
    Ok(tools)
}

fn custom(fields: &mut Fields<'_>) -> Result<Tool, Invalid> {
    let name = fields.name("name", MAX_NAME)?;
    let description = fields.text("description")?.unwrap_or_default();
    let input = ToolInput::Text { grammar: fields.take("format") };
    Ok(Tool { name, description, input, strict: None, cache: None })
}

/// The tools and the choice, for a provider.
pub(super) fn write(request: &chat::Request, model: Model<'_>, body: &mut Value) {
    if request.tools.is_empty() {
        return;
    }
    body["tools"] = request.tools.iter().map(|tool| offered(tool, model)).collect();
    let choice = chosen(request, |name| kind(&request.tools, name, model));
    if request.tool_choice != ToolChoice::Auto {
        body["tool_choice"] = choice;
    }
    if let Some(parallel) = request.parallel_tools.filter(|_| !model.runs_one_tool()) {
        body["parallel_tool_calls"] = json!(parallel);
    }
}

fn offered(tool: &Tool, model: Model<'_>) -> Value {
    match &tool.input {
        ToolInput::Text { grammar } if !model.takes_text_tools() => {
            let description = freeform::description(tool, grammar.as_ref());
            written(&Tool { description, ..Tool::new(&*tool.name, "", freeform::schema()) })
        }
        ToolInput::Text { .. } | ToolInput::Json(_) => written(tool),
    }
}

/// A tool as a provider and a client read it.
pub(super) fn written(tool: &Tool) -> Value {
    let mut fields = Map::new();
    let kind = match &tool.input {
        ToolInput::Json(schema) => {
            fields.insert("parameters".to_owned(), schema.clone());
            // Left out, it means true here, other than in all other dialects.
            fields.insert("strict".to_owned(), json!(tool.strict.unwrap_or(false)));
            "function"
        }
        ToolInput::Text { grammar } => {
            fields.extend(grammar.clone().map(|grammar| ("format".to_owned(), grammar)));
            "custom"
        }
    };
    fields.insert("type".to_owned(), json!(kind));
    fields.insert("name".to_owned(), json!(tool.name));
    fields.insert("description".to_owned(), json!(tool.description));
    Value::Object(fields)
}

/// The choice as a provider and a client read it.
pub(super) fn chosen(request: &chat::Request, kind: impl Fn(&str) -> &'static str) -> Value {
    let one = |name: &String| json!({"type": kind(name), "name": name});
    let among = |mode: &str, names: &[String]| {
        let tools: Vec<Value> = names.iter().map(one).collect();
        json!({"type": "allowed_tools", "mode": mode, "tools": tools})
    };
    match &request.tool_choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => one(name),
        ToolChoice::Among(names) => among("auto", names),
        ToolChoice::RequiredAmong(names) => among("required", names),
    }
}

/// The kind of the tool of this name, as the client offered it.
pub(super) fn own_kind<'a>(request: &'a chat::Request) -> impl Fn(&str) -> &'static str + use<'a> {
    |name| if freeform::is_text(&request.tools, name) { "custom" } else { "function" }
}
