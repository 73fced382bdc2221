//! A request in Anthropic's words.

mod cache;
mod media;
mod thinking;
mod tools;
mod turns;

use chat::{Format, Request};
use serde_json::{Value, json};

use super::model::Model;
use crate::number::decimal;
use crate::unsaid::Unsaid;
use crate::{Encoded, To};

/// The most characters of the client's name for its user.
const MAX_USER: usize = 256;

/// The body of `POST /v1/messages`.
pub fn encode(request: &Request, to: &To<'_>) -> Encoded {
    let mut left = Unsaid::default();
    let model = Model::of(to.model);
    let asked = thinking::ask(request, model, to.issuer, &mut left);
    let turns::Written { system, messages } = turns::write(request, model, to.issuer, &mut left);
    let mut body = json!({"model": to.model, "max_tokens": asked.max_tokens, "stream": to.is_streamed});
    if let Some(tools) = tools::tools(request) {
        if let Some(choice) = tools::choice(request) {
            body["tool_choice"] = choice;
        }
        body["tools"] = tools;
    }
    if let Some(system) = system {
        body["system"] = system;
    }
    body["messages"] = messages;
    let is_thinking = asked.is_on();
    if let Some(thinking) = asked.thinking {
        body["thinking"] = thinking;
    }
    if let Some(effort) = asked.effort {
        body["output_config"] = json!({"effort": effort});
    }
    match &request.format {
        Format::Text => {}
        Format::Json => left.note("format"),
        Format::Schema { schema, .. } => {
            body["output_config"]["format"] = json!({"type": "json_schema", "schema": closed(schema)});
        }
    }
    sampling(request, model, is_thinking, &mut body, &mut left);
    rest(request, &mut body, &mut left);
    cache::limit(&mut body, &mut left);
    Encoded { body, unsaid: left.names() }
}

/// A model that thinks takes none of it but a `top_p` near 1, one from 4.7 on none at all, and nobody more than 1.
fn sampling(request: &Request, model: Model, is_thinking: bool, body: &mut Value, left: &mut Unsaid) {
    let is_free = model.samples() && !is_thinking;
    if let Some(temperature) = request.temperature {
        if !is_free || temperature > 1.0 {
            left.note("temperature");
        }
        if is_free {
            body["temperature"] = decimal(temperature.min(1.0));
        }
    }
    if let Some(top_p) = request.top_p {
        let is_alone = request.temperature.is_none() || model.samples_both();
        if (is_free && is_alone) || (model.samples() && is_thinking && (0.95..=1.0).contains(&top_p)) {
            body["top_p"] = decimal(top_p);
        } else {
            left.note("top_p");
        }
    }
    if let Some(top_k) = request.top_k {
        if is_free {
            body["top_k"] = json!(top_k);
        } else {
            left.note("top_k");
        }
    }
}

fn rest(request: &Request, body: &mut Value, left: &mut Unsaid) {
    // The API refuses a sequence of nothing but white space.
    let (stop, blank): (Vec<&String>, Vec<&String>) =
        request.stop.iter().partition(|sequence| !sequence.trim().is_empty());
    if !blank.is_empty() {
        left.note("stop");
    }
    if !stop.is_empty() {
        body["stop_sequences"] = json!(stop);
    }
    if let Some(user) = &request.user {
        if user.chars().count() <= MAX_USER {
            body["metadata"] = json!({"user_id": user});
        } else {
            left.note("user");
        }
    }
    if request.frequency_penalty.is_some() {
        left.note("frequency_penalty");
    }
    if request.presence_penalty.is_some() {
        left.note("presence_penalty");
    }
    if request.seed.is_some() {
        left.note("seed");
    }
    if request.cache_key.is_some() {
        left.note("cache_key");
    }
}

/// The schema with every object closed: the API refuses one that is open.
fn closed(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut fields: serde_json::Map<String, Value> =
                fields.iter().map(|(name, value)| (name.clone(), closed(value))).collect();
            if fields.get("type").is_some_and(|kind| kind == "object") {
                fields.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            Value::Object(fields)
        }
        Value::Array(entries) => entries.iter().map(closed).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

#[cfg(test)]
mod tests;
