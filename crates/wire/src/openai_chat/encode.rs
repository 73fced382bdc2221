//! A request in OpenAI's words, and as strict compatible servers take it.

use chat::{Format, Part, Request};
use serde_json::{Value, json};

use super::traits::Model;
use super::{said, tools};
use crate::number::decimal;
use crate::unsaid::Unsaid;
use crate::{Encoded, To};

/// The most bytes of a user's name that OpenAI takes.
pub(crate) const MAX_USER: usize = 64;
/// What a schema without a name is called; OpenAI wants one.
pub(crate) const SCHEMA_NAME: &str = "answer";

/// The body of `POST /v1/chat/completions`, with usage.
pub fn encode(request: &Request, to: &To<'_>) -> Encoded {
    let model = Model::new(to.model);
    let mut unsaid = Unsaid::default();
    let mut messages = Vec::with_capacity(request.turns.len() + 1);
    messages.extend(system(&request.system, &mut unsaid));
    let calls = said::calls(request);
    for turn in &request.turns {
        said::turn(turn, (request, &calls), to, &mut messages, &mut unsaid);
    }
    let mut body = json!({"model": to.model, "stream": to.is_streamed});
    if to.is_streamed {
        body["stream_options"] = json!({"include_usage": true});
    }
    body["messages"] = Value::Array(messages);
    sampling(request, model, &mut body, &mut unsaid);
    tools::write(request, model, &mut body);
    thinking(request, model, &mut body, &mut unsaid);
    shape(&request.format, &mut body);
    whom(request, model, &mut body, &mut unsaid);
    if request.tools.iter().any(|tool| tool.cache.is_some()) {
        unsaid.note("cache_points");
    }
    Encoded { body, unsaid: unsaid.names() }
}

/// One message of plain text: some servers' templates take no second one, and no list of parts.
fn system(parts: &[Part], unsaid: &mut Unsaid) -> Option<Value> {
    let texts = said::instructions(parts, unsaid);
    (!texts.is_empty()).then(|| json!({"role": "system", "content": texts.join("\n\n")}))
}

fn sampling(request: &Request, model: Model<'_>, body: &mut Value, unsaid: &mut Unsaid) {
    // OpenAI's own reasoning models refuse the old name and a temperature; many compatible servers know only the old.
    if let Some(most) = request.max_output {
        body[if model.reasons() { "max_completion_tokens" } else { "max_tokens" }] = json!(most);
    }
    let numbers = [
        ("temperature", request.temperature),
        ("top_p", request.top_p),
        ("frequency_penalty", request.frequency_penalty),
        ("presence_penalty", request.presence_penalty),
    ];
    for (name, number) in numbers {
        match number {
            Some(_) if model.reasons() => unsaid.note(name),
            Some(number) => body[name] = decimal(number),
            None => {}
        }
    }
    if let Some(seed) = request.seed {
        body["seed"] = json!(seed);
    }
    if request.top_k.is_some() {
        unsaid.note("top_k");
    }
    match request.stop.is_empty() {
        true => {}
        false if model.reasons() => unsaid.note("stop"),
        false => body["stop"] = json!(request.stop),
    }
}

fn thinking(request: &Request, model: Model<'_>, body: &mut Value, unsaid: &mut Unsaid) {
    if request.show_thoughts == Some(true) {
        unsaid.note("show_thoughts");
    }
    let Some(thinking) = request.thinking else { return };
    match model.effort(thinking) {
        Some(Ok(word)) => body["reasoning_effort"] = json!(word),
        Some(Err(word)) => {
            body["reasoning_effort"] = json!(word);
            unsaid.note("thinking");
        }
        None if thinking == chat::Thinking::Adaptive => {}
        None => unsaid.note("thinking"),
    }
}

fn shape(format: &Format, body: &mut Value) {
    match format {
        Format::Text => {}
        Format::Json => body["response_format"] = json!({"type": "json_object"}),
        Format::Schema { .. } => {
            body["response_format"] = json!({"type": "json_schema", "json_schema": schema(format)});
        }
    }
}

/// A schema with its name; null for what is none.
pub(crate) fn schema(format: &Format) -> Value {
    let Format::Schema { name, description, schema, strict } = format else { return Value::Null };
    let mut written = json!({"name": name.as_deref().unwrap_or(SCHEMA_NAME), "schema": schema});
    if let Some(description) = description {
        written["description"] = json!(description);
    }
    if let Some(strict) = strict {
        written["strict"] = json!(strict);
    }
    written
}

fn whom(request: &Request, model: Model<'_>, body: &mut Value, unsaid: &mut Unsaid) {
    match &request.user {
        Some(user) if user.len() <= MAX_USER => body["user"] = json!(user),
        Some(_) => unsaid.note("user"),
        None => {}
    }
    match &request.cache_key {
        Some(key) if model.is_openais() => body["prompt_cache_key"] = json!(key),
        Some(_) => unsaid.note("cache_key"),
        None => {}
    }
}
