//! Tools and the choice among them, in a request of Chat Completions.

use chat::{Lifetime, Tool, ToolChoice, ToolInput};
use serde_json::{Value, json};

use super::traits::Model;
use crate::fields::{At, Fields, each, note};
use crate::{Invalid, freeform};

/// The most tools of one request.
pub(crate) const MAX_TOOLS: usize = 1_024;
/// The most bytes of a tool's name.
pub(crate) const MAX_NAME: usize = 256;

/// The tools that a client offers.
pub(crate) fn read(fields: &mut Fields<'_>, unsaid: &mut Vec<String>) -> Result<Vec<Tool>, Invalid> {
    let mut tools = Vec::new();
    fields.objects("tools", MAX_TOOLS, |mut entry| {
        let kind = entry.needed_text("type")?;
        let cache = lifetime(&mut entry)?;
        let tool = match kind.as_str() {
            "function" => entry.needed_object("function", function)?,
            "custom" => entry.needed_object("custom", custom)?,
            _ => {
                note(unsaid, format!("tools.{kind}"));
                return Ok(());
            }
        };
        tools.push(Tool { cache, ..tool });
        Ok(())
    })?;
    Ok(tools)
}

/// A tool that takes an object. Both of OpenAI's APIs have the same fields here.
pub(crate) fn function(fields: &mut Fields<'_>) -> Result<Tool, Invalid> {
    let name = fields.name("name", MAX_NAME)?;
    let description = fields.text("description")?.unwrap_or_default();
    let input = match fields.take("parameters") {
        Some(schema @ Value::Object(_)) => ToolInput::Json(schema),
        Some(_) => return Err(fields.must("parameters", "must be a JSON Schema")),
        None => ToolInput::Json(json!({"type": "object", "properties": {}})),
    };
    Ok(Tool { name, description, input, strict: fields.flag("strict")?, cache: None })
}

fn custom(fields: &mut Fields<'_>) -> Result<Tool, Invalid> {
    let name = fields.name("name", MAX_NAME)?;
    let description = fields.text("description")?.unwrap_or_default();
    let grammar = fields.take("format").map(flat);
    Ok(Tool { name, description, input: ToolInput::Text { grammar }, strict: None, cache: None })
}

/// Chat Completions wraps a grammar once more than Responses does, whose form is the one that `chat` carries.
fn flat(format: Value) -> Value {
    match format.get("grammar") {
        Some(grammar) => {
            json!({"type": "grammar", "syntax": grammar.get("syntax"), "definition": grammar.get("definition")})
        }
        None => format,
    }
}

fn wrapped(format: &Value) -> Value {
    if format.get("type").is_some_and(|kind| kind == "grammar") {
        let grammar = json!({"syntax": format.get("syntax"), "definition": format.get("definition")});
        return json!({"type": "grammar", "grammar": grammar});
    }
    format.clone()
}

/// Anthropic's mark for the cache, which clients of OpenRouter and LiteLLM send in this dialect, too.
pub(crate) fn lifetime(fields: &mut Fields<'_>) -> Result<Option<Lifetime>, Invalid> {
    fields.object("cache_control", |mark| {
        Ok(match mark.text("ttl")?.as_deref() {
            Some("1h") => Lifetime::Hour,
            Some(_) | None => Lifetime::Short,
        })
    })
}

/// Whether a tool has to be called. In a choice among some, Chat Completions has a level more than Responses.
pub(crate) fn choice(fields: &mut Fields<'_>, unsaid: &mut Vec<String>) -> Result<ToolChoice, Invalid> {
    const NAME: &str = "tool_choice";
    let value = match fields.take(NAME) {
        None => return Ok(ToolChoice::Auto),
        Some(Value::String(word)) => {
            return mode(&word).ok_or_else(|| fields.must(NAME, "must be auto, none, required or an object"));
        }
        Some(value) => value,
    };
    let at = At::Field(fields.at(), NAME);
    let mut fields = Fields::of(&at, value)?;
    let kind = fields.needed_text("type")?;
    match kind.as_str() {
        "function" | "custom" => named(&mut fields, &kind).map(ToolChoice::Named),
        "allowed_tools" => match fields.object("allowed_tools", allowed)? {
            Some(choice) => Ok(choice),
            None => allowed(&mut fields),
        },
        _ => {
            note(unsaid, format!("tool_choice.{kind}"));
            Ok(ToolChoice::Auto)
        }
    }
}

fn mode(word: &str) -> Option<ToolChoice> {
    Some(match word {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "required" | "any" => ToolChoice::Required,
        _ => return None,
    })
}

/// A tool by its name, in an object of its kind or beside it.
fn named(fields: &mut Fields<'_>, kind: &str) -> Result<String, Invalid> {
    match fields.object(kind, |function| function.name("name", MAX_NAME))? {
        Some(name) => Ok(name),
        None => fields.name("name", MAX_NAME),
    }
}

fn allowed(fields: &mut Fields<'_>) -> Result<ToolChoice, Invalid> {
    let required = match fields.text("mode")?.as_deref() {
        Some("auto") | None => false,
        Some("required") => true,
        Some(_) => return Err(fields.must("mode", "must be auto or required")),
    };
    let mut names = Vec::new();
    let Some(list) = fields.list("tools", MAX_TOOLS)? else { return Err(fields.must("tools", "is needed")) };
    each(&At::Field(fields.at(), "tools"), list, |mut tool| {
        let kind = tool.needed_text("type")?;
        if matches!(kind.as_str(), "function" | "custom") {
            names.push(named(&mut tool, &kind)?);
        }
        Ok(())
    })?;
    Ok(if required { ToolChoice::RequiredAmong(names) } else { ToolChoice::Among(names) })
}

/// The tools and the choice for a provider. Where a server does not know a choice among some, it is offered only those.
pub(crate) fn write(request: &chat::Request, model: Model<'_>, body: &mut Value) {
    let names = match &request.tool_choice {
        ToolChoice::Among(names) | ToolChoice::RequiredAmong(names) if !model.is_openais() => Some(names),
        ToolChoice::Auto
        | ToolChoice::None
        | ToolChoice::Required
        | ToolChoice::Named(_)
        | ToolChoice::Among(_)
        | ToolChoice::RequiredAmong(_) => None,
    };
    let offered = |tool: &&Tool| names.is_none_or(|names| names.contains(&tool.name));
    let tools: Vec<Value> = request.tools.iter().filter(offered).map(|tool| written(tool, model)).collect();
    if tools.is_empty() {
        return;
    }
    body["tools"] = Value::Array(tools);
    let kind = |name: &str| kind(&request.tools, name, model);
    let one = |name: &String| json!({"type": kind(name), kind(name): {"name": name}});
    let among = |mode: &str, names: &[String]| {
        let tools: Vec<Value> = names.iter().map(one).collect();
        json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}})
    };
    let choice = match &request.tool_choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(json!("none")),
        ToolChoice::Required => Some(json!("required")),
        ToolChoice::Named(name) => Some(one(name)),
        ToolChoice::Among(names) => model.is_openais().then(|| among("auto", names)),
        ToolChoice::RequiredAmong(names) if model.is_openais() => Some(among("required", names)),
        ToolChoice::RequiredAmong(_) => Some(json!("required")),
    };
    if let Some(choice) = choice {
        body["tool_choice"] = choice;
    }
    if let Some(parallel) = request.parallel_tools.filter(|_| !model.runs_one_tool()) {
        body["parallel_tool_calls"] = json!(parallel);
    }
}

/// How a tool is spoken of to this model.
pub(crate) fn kind(tools: &[Tool], name: &str, model: Model<'_>) -> &'static str {
    if model.takes_text_tools() && freeform::is_text(tools, name) { "custom" } else { "function" }
}

fn written(tool: &Tool, model: Model<'_>) -> Value {
    let (schema, description) = match &tool.input {
        ToolInput::Json(schema) => (schema.clone(), tool.description.clone()),
        ToolInput::Text { grammar } if model.takes_text_tools() => {
            let mut custom = json!({"name": tool.name, "description": tool.description});
            if let Some(grammar) = grammar {
                custom["format"] = wrapped(grammar);
            }
            return json!({"type": "custom", "custom": custom});
        }
        ToolInput::Text { grammar } => (freeform::schema(), freeform::description(tool, grammar.as_ref())),
    };
    let mut function = json!({"name": tool.name, "description": description, "parameters": schema});
    if let Some(strict) = tool.strict {
        function["strict"] = json!(strict);
    }
    json!({"type": "function", "function": function})
}
