//! The input of a client's request: a text, or items that together are turns.

use chat::{Media, Part, Role, Source, Thought, ToolCall, ToolResult, Turn};
use serde_json::Value;

use crate::fields::{At, Fields, each, note};
use crate::openai_chat::media;
use crate::openai_chat::messages::{MAX_ID, MAX_MESSAGES, MAX_PARTS, answer};
use crate::openai_chat::tools::{MAX_NAME, lifetime};
use crate::{Invalid, freeform, seal};

/// Fields of an item that say nothing to a model. A message's phase is where in a turn of many steps it was said.
const HARMLESS: [&str; 5] = ["id", "status", "phase", "type", "role"];

/// The first instructions, and the turns.
type Read = (Vec<Part>, Vec<Turn>);

/// Reads `input`.
pub(super) fn read(fields: &mut Fields<'_>, unsaid: &mut Vec<String>) -> Result<Read, Invalid> {
    match fields.take("input") {
        None => Err(fields.must("input", "is needed: a string or a list of items")),
        Some(Value::String(text)) => Ok((Vec::new(), vec![Turn::user(text)])),
        Some(value) => items(&At::Field(fields.at(), "input"), value, unsaid),
    }
}

/// Reads a list of items.
pub(super) fn items(at: &At<'_>, value: Value, unsaid: &mut Vec<String>) -> Result<Read, Invalid> {
    let list = match value {
        Value::Array(list) if list.len() <= MAX_MESSAGES => list,
        Value::Array(_) => return Err(at.must(format!("must have at most {MAX_MESSAGES} items"))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            return Err(at.must("must be a string or a list of items"));
        }
    };
    let mut read = (Vec::new(), Vec::new());
    each(at, list, |mut item| {
        let kind = item.text("type")?;
        match kind.as_deref() {
            None | Some("message") => message(&mut item, &mut read, unsaid)?,
            Some("reasoning") => said(&mut read.1, Part::Thought(reasoning(&mut item)?)),
            Some("function_call") => {
                let arguments = |item: &mut Fields<'_>| Ok(item.text("arguments")?.unwrap_or_default());
                said(&mut read.1, call(&mut item, arguments)?);
            }
            Some("custom_tool_call") => {
                let arguments = |item: &mut Fields<'_>| Ok(freeform::wrap(&item.needed_text("input")?));
                said(&mut read.1, call(&mut item, arguments)?);
            }
            Some("function_call_output" | "custom_tool_call_output") => {
                answer(output(&mut item, unsaid)?, &mut read.1);
            }
            Some("item_reference") => {
                return Err(item.must("type", "must not be item_reference: send the item itself"));
            }
            Some(other) => {
                note(unsaid, format!("input.{other}"));
                return Ok(());
            }
        }
        item.pass_by(&HARMLESS);
        item.unread("input.", unsaid);
        Ok(())
    })?;
    Ok(read)
}

/// What the model says, item after item, is one turn.
fn said(turns: &mut Vec<Turn>, part: Part) {
    match turns.last_mut() {
        Some(turn) if turn.role == Role::Assistant => turn.parts.push(part),
        Some(_) | None => turns.push(Turn { role: Role::Assistant, parts: vec![part] }),
    }
}

fn message(item: &mut Fields<'_>, read: &mut Read, unsaid: &mut Vec<String>) -> Result<(), Invalid> {
    let (system, turns) = read;
    let role = item.needed_text("role")?;
    let Some(content) = item.take("content") else {
        return Err(item.must("content", "is needed: a string or a list of parts"));
    };
    let parts = pieces(&At::Field(item.at(), "content"), content, unsaid)?;
    match role.as_str() {
        "user" => turns.push(Turn { role: Role::User, parts }),
        "assistant" => {
            for part in parts.into_iter().filter(|part| part.as_text() != Some("")) {
                said(turns, part);
            }
        }
        "system" | "developer" if turns.is_empty() => system.extend(parts),
        "system" | "developer" => turns.push(Turn { role: Role::System, parts }),
        _ => return Err(item.must("role", "must be user, assistant, system or developer")),
    }
    Ok(())
}

fn reasoning(item: &mut Fields<'_>) -> Result<Thought, Invalid> {
    let mut texts = Vec::new();
    for name in ["summary", "content"] {
        let has_words = !texts.is_empty();
        item.objects(name, MAX_PARTS, |mut entry| {
            let text = entry.needed_text("text")?;
            if !has_words && !text.is_empty() {
                texts.push(text);
            }
            Ok(())
        })?;
    }
    let sealed = item.text("encrypted_content")?.filter(|text| !text.is_empty());
    Ok(Thought { text: texts.join("\n\n"), seal: sealed.map(|text| seal::unpack(&text, true)) })
}

fn call(
    item: &mut Fields<'_>,
    arguments: impl FnOnce(&mut Fields<'_>) -> Result<String, Invalid>,
) -> Result<Part, Invalid> {
    let id = item.name("call_id", MAX_ID)?;
    let name = item.name("name", MAX_NAME)?;
    Ok(Part::ToolCall(ToolCall { id, name, arguments: arguments(item)? }))
}

fn output(item: &mut Fields<'_>, unsaid: &mut Vec<String>) -> Result<ToolResult, Invalid> {
    let call_id = item.name("call_id", MAX_ID)?;
    item.pass_by(&["name"]);
    let Some(output) = item.take("output") else {
        return Err(item.must("output", "is needed: a string or a list of parts"));
    };
    let content = pieces(&At::Field(item.at(), "output"), output, unsaid)?;
    Ok(ToolResult { call_id, content, is_error: false })
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
            None => note(unsaid, format!("input.content.{kind}")),
        }
        parts.extend(cached.map(|lifetime| Part::CachePoint { lifetime }));
        Ok(())
    })?;
    Ok(parts)
}

fn piece(kind: &str, fields: &mut Fields<'_>) -> Result<Option<Part>, Invalid> {
    Ok(Some(match kind {
        "input_text" | "output_text" | "text" => Part::Text { text: fields.needed_text("text")? },
        "refusal" => Part::Refusal { text: fields.needed_text("refusal")? },
        "input_image" => Part::Image(image(fields)?),
        "input_file" => Part::Document(file(fields)?),
        "input_audio" => fields.needed_object("input_audio", |audio| {
            Ok(Part::Audio(media::of_sound(audio.needed_text("data")?, &audio.needed_text("format")?)))
        })?,
        _ => return Ok(None),
    }))
}

fn image(fields: &mut Fields<'_>) -> Result<Media, Invalid> {
    let detail = fields.text("detail")?;
    if let Some(url) = fields.text("image_url")? {
        return Ok(Media { detail, ..media::at_address(url) });
    }
    let Some(id) = fields.text("file_id")? else {
        return Err(fields.must("image_url", "is needed, or `file_id`"));
    };
    Ok(Media { mime: None, source: Source::File(id), name: None, detail })
}

fn file(fields: &mut Fields<'_>) -> Result<Media, Invalid> {
    let name = fields.text("filename")?;
    if let Some(data) = fields.text("file_data")? {
        return Ok(media::of_file(data, name));
    }
    let url = fields.text("file_url")?.map(Source::Url);
    let Some(source) = url.or(fields.text("file_id")?.map(Source::File)) else {
        return Err(fields.must("file_data", "is needed, or `file_url`, or `file_id`"));
    };
    Ok(Media { mime: None, source, name, detail: None })
}
