//! The messages of a client's request, as turns.

use chat::{Part, Role, Seal, Thought, ToolCall, ToolResult, Turn};
use serde_json::Value;

use super::details::{self, Detail, MAX_DETAILS};
use super::media;
use super::tools::{MAX_NAME, MAX_TOOLS, lifetime};
use crate::fields::{At, Fields, each, note};
use crate::{Invalid, freeform, seal};

/// The most messages of one request.
pub(crate) const MAX_MESSAGES: usize = 10_000;
/// The most parts of one message.
pub(crate) const MAX_PARTS: usize = 4_096;
/// The most bytes of a tool call's id.
pub(crate) const MAX_ID: usize = 1_024;
/// Fields of a message that say nothing to a model.
const HARMLESS: [&str; 3] = ["role", "annotations", "id"];

/// The first instructions, and the turns.
pub(crate) fn read(
    fields: &mut Fields<'_>,
    unsaid: &mut Vec<String>,
) -> Result<(Vec<Part>, Vec<Turn>), Invalid> {
    let (mut system, mut turns) = (Vec::new(), Vec::<Turn>::new());
    let there = fields.objects("messages", MAX_MESSAGES, |mut message| {
        let role = message.needed_text("role")?;
        match role.as_str() {
            "system" | "developer" => {
                let parts = content(&mut message, unsaid)?;
                if turns.is_empty() {
                    system.extend(parts);
                } else {
                    turns.push(Turn { role: Role::System, parts });
                }
            }
            "user" => turns.push(Turn { role: Role::User, parts: content(&mut message, unsaid)? }),
            "assistant" => turns.extend(assistant(&mut message, unsaid)?),
            "tool" => answer(tool(&mut message, unsaid)?, &mut turns),
            _ => return Err(message.must("role", "must be system, developer, user, assistant or tool")),
        }
        message.pass_by(&HARMLESS);
        message.unread("messages.", unsaid);
        Ok(())
    })?;
    if !there {
        return Err(fields.must("messages", "is needed, and must be a list"));
    }
    Ok((system, turns))
}

/// Results that follow each other are one turn.
pub(crate) fn answer(result: ToolResult, turns: &mut Vec<Turn>) {
    let only_results = |turn: &Turn| {
        turn.role == Role::User && turn.parts.iter().all(|part| matches!(part, Part::ToolResult(_)))
    };
    match turns.last_mut() {
        Some(turn) if only_results(turn) => turn.parts.push(Part::ToolResult(result)),
        Some(_) | None => turns.push(Turn { role: Role::User, parts: vec![Part::ToolResult(result)] }),
    }
}

fn tool(message: &mut Fields<'_>, unsaid: &mut Vec<String>) -> Result<ToolResult, Invalid> {
    let call_id = message.name("tool_call_id", MAX_ID)?;
    message.pass_by(&["name"]);
    Ok(ToolResult { call_id, content: content(message, unsaid)?, is_error: false })
}

fn assistant(message: &mut Fields<'_>, unsaid: &mut Vec<String>) -> Result<Option<Turn>, Invalid> {
    let mut parts: Vec<Part> = thoughts(message)?.into_iter().map(Part::Thought).collect();
    if let Some(value) = message.take("content") {
        let said = pieces(&At::Field(message.at(), "content"), value, unsaid)?;
        parts.extend(said.into_iter().filter(|part| part.as_text() != Some("")));
    }
    if let Some(text) = message.text("refusal")?.filter(|text| !text.is_empty()) {
        parts.push(Part::Refusal { text });
    }
    message.objects("tool_calls", MAX_TOOLS, |mut call| tool_call(&mut call, &mut parts))?;
    if message.take("function_call").is_some() {
        return Err(message.must("function_call", "is the old way; use `tool_calls`"));
    }
    Ok((!parts.is_empty()).then_some(Turn { role: Role::Assistant, parts }))
}

/// What the model thought, in whichever of the fields that servers gave to it.
fn thoughts(message: &mut Fields<'_>) -> Result<Vec<Thought>, Invalid> {
    let content = message.text("reasoning_content")?;
    let reasoning = message.text("reasoning")?;
    let text = content.or(reasoning).filter(|text| !text.is_empty());
    let entries = message.list("reasoning_details", MAX_DETAILS)?.unwrap_or_default();
    let entries: Result<Vec<Detail>, _> = entries.into_iter().map(serde_json::from_value).collect();
    let entries =
        entries.map_err(|_| message.must("reasoning_details", "must be entries as they were given"))?;
    let mut thoughts = details::thoughts(entries);
    if let Some(text) = text {
        match thoughts.as_mut_slice() {
            [] => thoughts.push(Thought { text, seal: None }),
            [only] if only.text.is_empty() => only.text = text,
            [..] => {}
        }
    }
    Ok(thoughts)
}

fn tool_call(call: &mut Fields<'_>, parts: &mut Vec<Part>) -> Result<(), Invalid> {
    let id = call.name("id", MAX_ID)?;
    if let Some(seal) = call.object("extra_content", google)?.flatten() {
        parts.push(Part::Thought(Thought { text: String::new(), seal: Some(seal) }));
    }
    let kind = call.text("type")?;
    let (name, arguments) = match kind.as_deref() {
        None | Some("function") => call.needed_object("function", |function| {
            Ok((function.name("name", MAX_NAME)?, function.text("arguments")?.unwrap_or_default()))
        })?,
        Some("custom") => call.needed_object("custom", |custom| {
            Ok((custom.name("name", MAX_NAME)?, freeform::wrap(&custom.needed_text("input")?)))
        })?,
        Some(_) => return Err(call.must("type", "must be function or custom")),
    };
    parts.push(Part::ToolCall(ToolCall { id, name, arguments }));
    Ok(())
}

/// Where Google's compatible endpoint puts the signature of a call.
fn google(extra: &mut Fields<'_>) -> Result<Option<Seal>, Invalid> {
    let signature = extra.object("google", |google| google.text("thought_signature"))?.flatten();
    Ok(signature.filter(|text| !text.is_empty()).map(|text| seal::unpack(&text, false)))
}

fn content(message: &mut Fields<'_>, unsaid: &mut Vec<String>) -> Result<Vec<Part>, Invalid> {
    let Some(value) = message.take("content") else {
        return Err(message.must("content", "is needed: a string or a list of parts"));
    };
    pieces(&At::Field(message.at(), "content"), value, unsaid)
}

fn pieces(at: &At<'_>, value: Value, unsaid: &mut Vec<String>) -> Result<Vec<Part>, Invalid> {
    let list = match value {
        Value::String(text) => return Ok(vec![Part::Text { text }]),
        Value::Array(list) if list.len() <= MAX_PARTS => list,
        Value::Array(_) => return Err(at.must(format!("must have at most {MAX_PARTS} parts"))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            return Err(at.must("must be a string or a list of parts"));
        }
    };
    let mut parts = Vec::new();
    each(at, list, |mut fields| {
        let kind = fields.needed_text("type")?;
        let cached = lifetime(&mut fields)?;
        match piece(&kind, &mut fields)? {
            Some(part) => parts.push(part),
            None => note(unsaid, format!("messages.content.{kind}")),
        }
        parts.extend(cached.map(|lifetime| Part::CachePoint { lifetime }));
        Ok(())
    })?;
    Ok(parts)
}

fn piece(kind: &str, fields: &mut Fields<'_>) -> Result<Option<Part>, Invalid> {
    Ok(Some(match kind {
        "text" => Part::Text { text: fields.needed_text("text")? },
        "refusal" => Part::Refusal { text: fields.needed_text("refusal")? },
        "image_url" => fields.needed_object("image_url", |image| {
            let media = media::at_address(image.needed_text("url")?);
            Ok(Part::Image(chat::Media { detail: image.text("detail")?, ..media }))
        })?,
        "input_audio" => fields.needed_object("input_audio", |audio| {
            Ok(Part::Audio(media::of_sound(audio.needed_text("data")?, &audio.needed_text("format")?)))
        })?,
        "file" => fields.needed_object("file", |file| {
            let name = file.text("filename")?;
            if let Some(data) = file.text("file_data")? {
                return Ok(Part::Document(media::of_file(data, name)));
            }
            let Some(id) = file.text("file_id")? else {
                return Err(file.must("file_data", "is needed, or `file_id`"));
            };
            let source = chat::Source::File(id);
            Ok(Part::Document(chat::Media { mime: None, source, name, detail: None }))
        })?,
        _ => return Ok(None),
    }))
}
