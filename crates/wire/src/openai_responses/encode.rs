//! A request in the words of Responses.

use chat::{Format, Request};
use serde_json::{Value, json};

use super::{said, tools};
use crate::number::decimal;
use crate::openai_chat::encode::{MAX_USER, schema};
use crate::openai_chat::said::instructions;
use crate::openai_chat::traits::Model;
use crate::unsaid::Unsaid;
use crate::{Encoded, To};

/// The least that can be asked for. Source: the API's message "Expected a value >= 16".
const LEAST_OUTPUT: u64 = 16;

/// The body of `POST /v1/responses`. Nothing is kept by the provider: thoughts come back sealed, and go with the next
/// request.
pub fn encode(request: &Request, to: &To<'_>) -> Encoded {
    let model = Model::new(to.model);
    let mut unsaid = Unsaid::default();
    let instructions = instructions(&request.system, &mut unsaid);
    let mut body = json!({"model": to.model, "stream": to.is_streamed, "store": false});
    if !instructions.is_empty() {
        body["instructions"] = json!(instructions.join("\n\n"));
    }
    body["input"] = Value::Array(said::items(request, to, &mut unsaid));
    sampling(request, model, &mut body, &mut unsaid);
    tools::write(request, model, &mut body);
    thinking(request, model, &mut body, &mut unsaid);
    shape(&request.format, &mut body);
    whom(request, &mut body, &mut unsaid);
    if request.tools.iter().any(|tool| tool.cache.is_some()) {
        unsaid.note("cache_points");
    }
    Encoded { body, unsaid: unsaid.names() }
}

fn sampling(request: &Request, model: Model<'_>, body: &mut Value, unsaid: &mut Unsaid) {
    if let Some(most) = request.max_output {
        body["max_output_tokens"] = json!(most.0.max(LEAST_OUTPUT));
    }
    for (name, number) in [("temperature", request.temperature), ("top_p", request.top_p)] {
        match number {
            Some(_) if model.reasons() => unsaid.note(name),
            Some(number) => body[name] = decimal(number),
            None => {}
        }
    }
    let others = [
        ("top_k", request.top_k.is_some()),
        ("frequency_penalty", request.frequency_penalty.is_some()),
        ("presence_penalty", request.presence_penalty.is_some()),
        ("seed", request.seed.is_some()),
        ("stop", !request.stop.is_empty()),
    ];
    for (name, _) in others.into_iter().filter(|(_, is_asked)| *is_asked) {
        unsaid.note(name);
    }
}

fn thinking(request: &Request, model: Model<'_>, body: &mut Value, unsaid: &mut Unsaid) {
    if model.reasons() {
        body["include"] = json!(["reasoning.encrypted_content"]);
    }
    let mut reasoning = json!({});
    match request.thinking.map(|thinking| (thinking, model.effort(thinking))) {
        None | Some((chat::Thinking::Adaptive, None)) => {}
        Some((_, Some(Ok(word)))) => reasoning["effort"] = json!(word),
        Some((_, Some(Err(word)))) => {
            reasoning["effort"] = json!(word);
            unsaid.note("thinking");
        }
        Some((_, None)) => unsaid.note("thinking"),
    }
    match request.show_thoughts {
        Some(true) if model.reasons() => reasoning["summary"] = json!("auto"),
        Some(true) => unsaid.note("show_thoughts"),
        Some(false) | None => {}
    }
    if reasoning != json!({}) {
        body["reasoning"] = reasoning;
    }
}

fn shape(format: &Format, body: &mut Value) {
    match format {
        Format::Text => {}
        Format::Json | Format::Schema { .. } => body["text"] = json!({"format": written(format)}),
    }
}

/// A format as a provider and a client read it.
pub(super) fn written(format: &Format) -> Value {
    match format {
        Format::Text => json!({"type": "text"}),
        Format::Json => json!({"type": "json_object"}),
        Format::Schema { .. } => {
            let mut schema = schema(format);
            schema["type"] = json!("json_schema");
            schema
        }
    }
}

fn whom(request: &Request, body: &mut Value, unsaid: &mut Unsaid) {
    match &request.user {
        Some(user) if user.len() <= MAX_USER => body["safety_identifier"] = json!(user),
        Some(_) => unsaid.note("user"),
        None => {}
    }
    if let Some(key) = &request.cache_key {
        body["prompt_cache_key"] = json!(key);
    }
}
