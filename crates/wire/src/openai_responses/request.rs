//! A client's request to `/v1/responses`, understood.

use chat::{Format, Part, Thinking};
use serde_json::Value;
use units::TokenCount;

use super::{Kept, input, tools};
use crate::fields::{self, At, Fields, note};
use crate::openai_chat::request::{MAX_MODEL, effort, schema, usual};
use crate::openai_chat::tools::choice;
use crate::{Asked, Invalid};

/// The most bytes of an answer's id.
const MAX_ID: usize = 256;
/// The most entries of `include`.
const MAX_INCLUDE: usize = 64;
/// Fields that change nothing in an answer, or only how it is paid for, kept and sent.
const HARMLESS: [&str; 4] = ["metadata", "client_metadata", "prompt_cache_retention", "stream_options"];
/// What would have to be looked up where only OpenAI can.
const ELSEWHERE: [(&str, &str); 3] = [
    ("conversation", "is kept by OpenAI alone; send the turns, or `previous_response_id`"),
    ("prompt", "is kept by OpenAI alone; send the prompt's text"),
    ("background", "must be false: answers are given at once"),
];

/// Understands the body of `POST /v1/responses`; what it says of kept conversations stands beside it.
///
/// # Errors
/// When a field is missing, of a wrong type or out of its range, when a key stands twice, or when the request points at
/// what only OpenAI keeps.
pub fn request(body: &[u8]) -> Result<(Asked, Kept), Invalid> {
    let mut fields = fields::body(body)?;
    let mut unsaid = Vec::new();
    let model = fields.name("model", MAX_MODEL)?;
    let is_streamed = fields.flag("stream")?.unwrap_or(false);
    refuse(&mut fields)?;
    let mut system = instructions(&mut fields, &mut unsaid)?;
    let previous = match fields.take("previous_response_id") {
        None => None,
        Some(Value::String(id)) if (1..=MAX_ID).contains(&id.len()) => Some(id),
        Some(_) => return Err(fields.must("previous_response_id", "must be the id of an answer")),
    };
    let kept = Kept { store: fields.flag("store")?, previous, instructions: system.len() };
    let (first, turns) = input::read(&mut fields, &mut unsaid)?;
    system.extend(first);
    let (thinking, show_thoughts) =
        fields.object("reasoning", |reasoning| thinking(reasoning, &mut unsaid))?.unwrap_or_default();
    let user = fields.text("user")?;
    let request = chat::Request {
        system,
        turns,
        tools: tools::read(&mut fields, &mut unsaid)?,
        tool_choice: choice(&mut fields, &mut unsaid)?,
        parallel_tools: fields.flag("parallel_tool_calls")?,
        max_output: fields.count("max_output_tokens")?.map(TokenCount),
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        thinking,
        show_thoughts,
        format: fields.object("text", |text| shape(text, &mut unsaid))?.unwrap_or_default(),
        user: fields.text("safety_identifier")?.or(user),
        cache_key: fields.text("prompt_cache_key")?,
        ..chat::Request::default()
    };
    leave(&mut fields, &mut unsaid)?;
    Ok((Asked { model, is_streamed, wants_usage: true, request, unsaid }, kept))
}

fn refuse(fields: &mut Fields<'_>) -> Result<(), Invalid> {
    for (name, rule) in ELSEWHERE {
        if fields.take(name).is_some_and(|value| value != false) {
            return Err(fields.must(name, rule));
        }
    }
    Ok(())
}

fn instructions(fields: &mut Fields<'_>, unsaid: &mut Vec<String>) -> Result<Vec<Part>, Invalid> {
    const NAME: &str = "instructions";
    match fields.take(NAME) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::Text { text }]),
        Some(list @ Value::Array(_)) => {
            let (system, turns) = input::items(&At::Field(fields.at(), NAME), list, unsaid)?;
            if !turns.is_empty() {
                return Err(fields.must(NAME, "must be a string, or messages of a developer"));
            }
            Ok(system)
        }
        Some(_) => Err(fields.must(NAME, "must be a string, or messages of a developer")),
    }
}

/// How much to think, and whether thoughts are to be shown.
fn thinking(
    reasoning: &mut Fields<'_>,
    unsaid: &mut Vec<String>,
) -> Result<(Option<Thinking>, Option<bool>), Invalid> {
    let effort = effort(reasoning, "effort", unsaid)?;
    let old = reasoning.text("generate_summary")?;
    let summary = reasoning.text("summary")?.or(old);
    reasoning.unread("reasoning.", unsaid);
    Ok((effort, summary.map(|word| word != "none")))
}

fn shape(text: &mut Fields<'_>, unsaid: &mut Vec<String>) -> Result<Format, Invalid> {
    let format = text.object("format", |format| {
        let kind = format.needed_text("type")?;
        Ok(match kind.as_str() {
            "text" => Format::Text,
            "json_object" => Format::Json,
            "json_schema" => schema(format)?,
            _ => {
                note(unsaid, format!("text.format.{kind}"));
                Format::Text
            }
        })
    })?;
    usual(text, "verbosity", |value| value == "medium");
    text.unread("text.", unsaid);
    Ok(format.unwrap_or_default())
}

/// Names what is left, but for what says only what is so anyway.
fn leave(fields: &mut Fields<'_>, unsaid: &mut Vec<String>) -> Result<(), Invalid> {
    for value in fields.list("include", MAX_INCLUDE)?.into_iter().flatten() {
        match value.as_str() {
            Some("reasoning.encrypted_content") => {}
            Some(name) if name.len() <= MAX_ID => note(unsaid, format!("include.{name}")),
            Some(_) | None => return Err(fields.must("include", "must be a list of names")),
        }
    }
    fields.pass_by(&HARMLESS);
    usual(fields, "service_tier", |value| value == "auto" || value == "default");
    usual(fields, "truncation", |value| value == "disabled");
    usual(fields, "top_logprobs", |value| value == 0);
    fields.unread("", unsaid);
    Ok(())
}

#[cfg(test)]
mod tests;
