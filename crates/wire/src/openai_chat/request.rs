//! A client's request to `/v1/chat/completions`, understood.

use chat::{Effort, Format, Thinking};
use serde_json::Value;
use units::TokenCount;

use super::{messages, tools};
use crate::fields::{self, Fields, note};
use crate::{Asked, Invalid};

/// The most bytes of a model's name.
pub(crate) const MAX_MODEL: usize = 512;
/// The most texts before which an answer ends.
const MAX_STOPS: usize = 64;
/// Fields that change nothing in an answer, or only how it is paid for and kept.
const HARMLESS: [&str; 3] = ["metadata", "prompt_cache_retention", "system_fingerprint"];

/// Understands the body of `POST /v1/chat/completions`.
///
/// # Errors
/// When a field is missing, of a wrong type or out of its range, when a key stands twice, or when the request asks for
/// several answers or in the ways that were there before tools.
pub fn request(body: &[u8]) -> Result<Asked, Invalid> {
    let mut fields = fields::body(body)?;
    let mut unsaid = Vec::new();
    let model = fields.name("model", MAX_MODEL)?;
    let is_streamed = fields.flag("stream")?.unwrap_or(false);
    let wants_usage = fields.object("stream_options", |options| options.flag("include_usage"))?.flatten();
    refuse(&mut fields)?;
    let (system, turns) = messages::read(&mut fields, &mut unsaid)?;
    let tools = tools::read(&mut fields, &mut unsaid)?;
    let (thinking, show_thoughts) = thinking(&mut fields, &mut unsaid)?;
    let old_limit = fields.count("max_tokens")?;
    let user = fields.text("user")?;
    let request = chat::Request {
        system,
        turns,
        tools,
        tool_choice: tools::choice(&mut fields, &mut unsaid)?,
        parallel_tools: fields.flag("parallel_tool_calls")?,
        max_output: fields.count("max_completion_tokens")?.or(old_limit).map(TokenCount),
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_k: top_k(&mut fields)?,
        frequency_penalty: fields.number("frequency_penalty")?,
        presence_penalty: fields.number("presence_penalty")?,
        seed: fields.integer("seed")?,
        stop: stops(&mut fields)?,
        thinking,
        show_thoughts,
        format: fields.object("response_format", |format| shape(format, &mut unsaid))?.unwrap_or_default(),
        user: fields.text("safety_identifier")?.or(user),
        cache_key: fields.text("prompt_cache_key")?,
    };
    leave(&mut fields, &mut unsaid);
    Ok(Asked { model, is_streamed, wants_usage: wants_usage.unwrap_or(false), request, unsaid })
}

/// What cannot be done, and would change the answer too much to be passed by.
fn refuse(fields: &mut Fields<'_>) -> Result<(), Invalid> {
    if fields.count("n")?.is_some_and(|n| n > 1) {
        return Err(fields.must("n", "must be 1: ask once for each answer"));
    }
    for (name, instead) in [("functions", "tools"), ("function_call", "tool_choice")] {
        if fields.take(name).is_some() {
            return Err(fields.must(name, format!("is the old way; use `{instead}`")));
        }
    }
    Ok(())
}

fn top_k(fields: &mut Fields<'_>) -> Result<Option<u32>, Invalid> {
    let Some(count) = fields.count("top_k")? else { return Ok(None) };
    u32::try_from(count).map(Some).map_err(|_| fields.must("top_k", "must be less than 2^32"))
}

fn stops(fields: &mut Fields<'_>) -> Result<Vec<String>, Invalid> {
    match fields.take("stop") {
        None => Ok(Vec::new()),
        Some(Value::String(stop)) => Ok(vec![stop]),
        Some(Value::Array(list)) if list.len() <= MAX_STOPS => {
            let text = |value| match value {
                Value::String(text) => Some(text),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
            };
            let stops: Option<_> = list.into_iter().map(text).collect();
            stops.ok_or_else(|| fields.must("stop", "must be a string or a list of strings"))
        }
        Some(_) => {
            Err(fields.must("stop", format!("must be a string or a list of at most {MAX_STOPS} strings")))
        }
    }
}

/// How much to think, in OpenAI's field or in OpenRouter's.
fn thinking(
    fields: &mut Fields<'_>,
    unsaid: &mut Vec<String>,
) -> Result<(Option<Thinking>, Option<bool>), Invalid> {
    let own = effort(fields, "reasoning_effort", unsaid)?;
    let theirs = fields.object("reasoning", |reasoning| {
        let budget = reasoning.count("max_tokens")?.map(|tokens| Thinking::Budget(TokenCount(tokens)));
        let effort = effort(reasoning, "effort", unsaid)?;
        let switch = reasoning.flag("enabled")?.map(|on| if on { Thinking::Adaptive } else { Thinking::Off });
        let hidden = reasoning.flag("exclude")?;
        Ok((budget.or(effort).or(switch), hidden.map(|hidden| !hidden)))
    })?;
    let (theirs, shown) = theirs.unwrap_or_default();
    Ok((own.or(theirs), shown))
}

/// OpenAI's words for how much to think.
pub(crate) fn effort(
    fields: &mut Fields<'_>,
    name: &str,
    unsaid: &mut Vec<String>,
) -> Result<Option<Thinking>, Invalid> {
    let Some(word) = fields.text(name)? else { return Ok(None) };
    Ok(Some(match word.as_str() {
        "none" => Thinking::Off,
        "minimal" => Thinking::Effort(Effort::Minimal),
        "low" => Thinking::Effort(Effort::Low),
        "medium" => Thinking::Effort(Effort::Medium),
        "high" => Thinking::Effort(Effort::High),
        "xhigh" => Thinking::Effort(Effort::Higher),
        "max" => Thinking::Effort(Effort::Max),
        _ => {
            note(unsaid, name);
            return Ok(None);
        }
    }))
}

fn shape(format: &mut Fields<'_>, unsaid: &mut Vec<String>) -> Result<Format, Invalid> {
    let kind = format.needed_text("type")?;
    Ok(match kind.as_str() {
        "text" => Format::Text,
        "json_object" => Format::Json,
        "json_schema" => format.needed_object("json_schema", schema)?,
        _ => {
            note(unsaid, format!("response_format.{kind}"));
            Format::Text
        }
    })
}

/// A schema with its name. Both of OpenAI's APIs have the same fields here.
pub(crate) fn schema(fields: &mut Fields<'_>) -> Result<Format, Invalid> {
    let schema = match fields.take("schema") {
        Some(schema @ Value::Object(_)) => schema,
        Some(_) | None => return Err(fields.must("schema", "is needed, and must be a JSON Schema")),
    };
    let name = fields.text("name")?;
    let description = fields.text("description")?;
    Ok(Format::Schema { name, description, schema, strict: fields.flag("strict")? })
}

/// Names what is left, but for what says only what is so anyway.
fn leave(fields: &mut Fields<'_>, unsaid: &mut Vec<String>) {
    fields.pass_by(&HARMLESS);
    usual(fields, "store", |value| value == false);
    usual(fields, "logprobs", |value| value == false);
    usual(fields, "service_tier", |value| value == "auto" || value == "default");
    usual(fields, "verbosity", |value| value == "medium");
    usual(fields, "modalities", |value| {
        value.as_array().is_some_and(|list| list.iter().all(|kind| kind == "text"))
    });
    usual(fields, "logit_bias", |value| value.as_object().is_some_and(serde_json::Map::is_empty));
    fields.unread("", unsaid);
}

/// Passes a field by when it asks for what is done anyway.
pub(crate) fn usual(fields: &mut Fields<'_>, name: &str, is_so: impl Fn(&Value) -> bool) {
    if let Some(value) = fields.take(name).filter(|value| !is_so(value)) {
        fields.put_back(name, value);
    }
}

#[cfg(test)]
mod tests;
