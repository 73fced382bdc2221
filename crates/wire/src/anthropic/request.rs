//! What a client asks in Anthropic's words: `POST /v1/messages`, and `count_tokens`, which takes the same.

mod block;
mod shape;

use chat::{Format, Lifetime, Part, Request, Role, Thinking, Tool, ToolChoice, ToolInput, Turn};
use serde_json::json;
use units::TokenCount;

use self::shape::{Body, Content, Message, OutputConfig, ThinkingConfig, ToolChoiceConfig, ToolConfig};
use super::effort;
use crate::reading::{Path, read};
use crate::unread::Names;
use crate::{Asked, Invalid};

/// How Claude Code begins a line at the top of `system` that is meant for the vendor's books and changes with every request.
const BILLING: &str = "x-anthropic-billing-header:";
/// Fields that do not change the answer.
const HARMLESS: [&str; 5] =
    ["diagnostics", "inference_geo", "service_tier", "user_profile_id", "workspace_id"];

/// Understands a client's request.
///
/// # Errors
/// When it is not what the dialect has there; the error names the field.
pub fn request(body: &[u8]) -> Result<Asked, Invalid> {
    let body: Body<'_> = read(body)?;
    let mut unsaid = Names::default();
    unsaid.unread("", &body.unread, &HARMLESS);
    let mut turns = turns(body.messages.0, &mut unsaid)?;
    if body.cache_control.is_some() {
        mark_last(&mut turns, body.cache_control.map(Lifetime::from).unwrap_or_default());
    }
    let mut config = body.output_config.unwrap_or_default();
    config.format = config.format.or(body.output_format);
    unsaid.unread("output_config", &config.unread, &[]);
    let thinking = thinking(body.thinking.as_ref(), &config, &mut unsaid)?;
    let choice = body.tool_choice.unwrap_or_default();
    let request = Request {
        system: system(body.system, &mut unsaid)?,
        turns,
        tools: tools(body.tools.unwrap_or_default().0, &mut unsaid)?,
        tool_choice: tool_choice(&choice)?,
        parallel_tools: choice.disable_parallel_tool_use.map(|disabled| !disabled),
        max_output: body.max_tokens.map(TokenCount),
        temperature: body.temperature,
        top_p: body.top_p,
        top_k: body.top_k,
        stop: body.stop_sequences.unwrap_or_default().0,
        thinking,
        show_thoughts: shown(body.thinking.as_ref())?,
        format: format(config, &mut unsaid)?,
        user: body.metadata.and_then(|metadata| metadata.user_id),
        ..Request::default()
    };
    let (model, is_streamed) = (body.model, body.stream.unwrap_or(false));
    Ok(Asked { model, is_streamed, wants_usage: true, request, unsaid: unsaid.into_names() })
}

fn turns(messages: Vec<Message<'_>>, unsaid: &mut Names) -> Result<Vec<Turn>, Invalid> {
    let list = Path::of("messages");
    let mut turns = Vec::with_capacity(messages.len());
    for (place, message) in messages.into_iter().enumerate() {
        let path = list.index(place);
        unsaid.unread("messages", &message.unread, &[]);
        let role = match message.role.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => return Err(path.breaks("role", "must be `user`, `assistant` or `system`")),
        };
        let parts = block::parts(message.content, &path.field("content"), unsaid)?;
        turns.push(Turn { role, parts });
    }
    Ok(turns)
}

fn system(content: Option<Content<'_>>, unsaid: &mut Names) -> Result<Vec<Part>, Invalid> {
    let Some(content) = content else { return Ok(Vec::new()) };
    let mut parts = block::parts(content, &Path::of("system"), unsaid)?;
    for part in &mut parts {
        if let Part::Text { text } = part
            && text.starts_with(BILLING)
        {
            let rest = text.split_once('\n').map_or("", |(_, rest)| rest.trim_start());
            *text = rest.to_owned();
        }
    }
    parts.retain(|part| part.as_text() != Some(""));
    Ok(parts)
}

/// The mark of the whole request is one on its last block.
fn mark_last(turns: &mut [Turn], lifetime: Lifetime) {
    if let Some(turn) = turns.last_mut()
        && !matches!(turn.parts.last(), None | Some(Part::CachePoint { .. }))
    {
        turn.parts.push(Part::CachePoint { lifetime });
    }
}

fn tools(configs: Vec<ToolConfig>, unsaid: &mut Names) -> Result<Vec<Tool>, Invalid> {
    let list = Path::of("tools");
    let mut tools = Vec::with_capacity(configs.len());
    for (place, config) in configs.into_iter().enumerate() {
        // Tools of the vendor's own have a dated type and no schema that could be told to anybody else.
        if let Some(kind) = config.kind.as_deref().filter(|kind| *kind != "custom") {
            unsaid.name(&format!("tools.{kind}"));
            continue;
        }
        let path = list.index(place);
        unsaid.unread("tools", &config.unread, &["eager_input_streaming"]);
        let name = path.needs("name", config.name)?;
        let schema = path.needs("input_schema", config.input_schema)?;
        if !schema.is_object() {
            return Err(path.breaks("input_schema", "must be an object"));
        }
        tools.push(Tool {
            name,
            description: config.description.unwrap_or_default(),
            input: ToolInput::Json(schema),
            strict: config.strict,
            cache: config.cache_control.map(Lifetime::from),
        });
    }
    Ok(tools)
}

fn tool_choice(choice: &ToolChoiceConfig) -> Result<ToolChoice, Invalid> {
    let path = Path::of("tool_choice");
    match choice.kind.as_str() {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "any" => Ok(ToolChoice::Required),
        "tool" => Ok(ToolChoice::Named(path.needs("name", choice.name.clone())?)),
        _ => Err(path.breaks("type", "must be `auto`, `any`, `tool` or `none`")),
    }
}

/// A word is more than `adaptive` alone, and a budget is more than a word.
fn thinking(
    config: Option<&ThinkingConfig>,
    output: &OutputConfig,
    unsaid: &mut Names,
) -> Result<Option<Thinking>, Invalid> {
    let word = match output.effort.as_deref() {
        None => None,
        Some(word) => Some(effort(word).ok_or_else(|| {
            Path::of("output_config").breaks("effort", "must be `low`, `medium`, `high`, `xhigh` or `max`")
        })?),
    };
    let Some(config) = config else { return Ok(word.map(Thinking::Effort)) };
    let path = Path::of("thinking");
    unsaid.unread("thinking", &config.unread, &[]);
    let thinking = match config.kind.as_str() {
        "disabled" => Thinking::Off,
        "enabled" => Thinking::Budget(TokenCount(path.needs("budget_tokens", config.budget_tokens)?)),
        "adaptive" => return Ok(Some(word.map_or(Thinking::Adaptive, Thinking::Effort))),
        "between_tools" => {
            unsaid.name("thinking.between_tools");
            return Ok(Some(word.map_or(Thinking::Adaptive, Thinking::Effort)));
        }
        _ => return Err(path.breaks("type", "must be `enabled`, `disabled`, `adaptive` or `between_tools`")),
    };
    unsaid.name_if(word.is_some(), "output_config.effort");
    Ok(Some(thinking))
}

fn shown(config: Option<&ThinkingConfig>) -> Result<Option<bool>, Invalid> {
    match config.and_then(|config| config.display.as_deref()) {
        None => Ok(None),
        Some("summarized") => Ok(Some(true)),
        Some("omitted") => Ok(Some(false)),
        Some(_) => Err(Path::of("thinking").breaks("display", "must be `summarized` or `omitted`")),
    }
}

fn format(config: OutputConfig, unsaid: &mut Names) -> Result<Format, Invalid> {
    let Some(format) = config.format else { return Ok(Format::Text) };
    let output = Path::of("output_config");
    let path = output.field("format");
    if format.kind != "json_schema" {
        return Err(path.breaks("type", "must be `json_schema`"));
    }
    unsaid.unread("output_config.format", &format.unread, &[]);
    let schema = path.needs("schema", format.schema)?;
    // This dialect knows no other than the strict kind.
    Ok(Format::Schema { name: None, description: None, schema, strict: Some(true) })
}

impl Default for ToolChoiceConfig {
    fn default() -> Self {
        Self { kind: "auto".to_owned(), name: None, disable_parallel_tool_use: None }
    }
}

/// The arguments of a call where a client left them out.
fn no_arguments() -> String {
    json!({}).to_string()
}

#[cfg(test)]
mod tests;
