//! Anthropic Messages. Source: the API reference of `/v1/messages`, its page on streaming, and the types of the
//! vendor's SDK for Python, 2.12.

mod answer;
mod count;
mod decode;
mod encode;
mod model;
mod request;
mod stream;
mod whole;

pub use answer::answer;
pub use count::{count_answer, counted, encode_count};
pub use decode::Decoder;
pub use encode::encode;
pub use request::request;
pub use stream::Encoder;
pub use whole::whole;

use chat::{Effort, StopReason};
use serde::Deserialize;
use serde_json::json;
use units::TokenCount;

use crate::{Error, Failure, decode::parse};

/// Goes with each request: the header's name and the version that this module speaks.
pub const VERSION_HEADER: (&str, &str) = ("anthropic-version", "2023-06-01");

const DIALECT: &str = "Anthropic";
/// How it begins to say that an account has no credit left.
const SPENT: &str = "Your credit balance is too low";

/// The status that the documentation pairs with each type of error.
const ERRORS: [(u16, &str); 9] = [
    (400, "invalid_request_error"),
    (401, "authentication_error"),
    (402, "billing_error"),
    (403, "permission_error"),
    (404, "not_found_error"),
    (413, "request_too_large"),
    (429, "rate_limit_error"),
    (504, "timeout_error"),
    (529, "overloaded_error"),
];

#[derive(Deserialize)]
struct Reported {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    message: String,
}

impl Reported {
    fn status(&self) -> u16 {
        ERRORS.iter().find(|(_, kind)| *kind == self.r#type).map_or(500, |(status, _)| *status)
    }
}

impl From<Reported> for Error {
    fn from(reported: Reported) -> Self {
        Self::Reported { status: reported.status(), message: reported.message }
    }
}

/// The vendor's words in the body of an error.
pub fn error_message(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        error: Reported,
    }
    let body: Body = serde_json::from_slice(body).ok()?;
    Some(body.error.message).filter(|message| !message.is_empty())
}

/// Whether an error says that the account has no credit left, which Anthropic does with the status of a bad request and a
/// sentence of its own. It has to begin so: errors can repeat what a client said.
pub fn is_spent(status: u16, body: &[u8]) -> bool {
    status == 400 && error_message(body).is_some_and(|message| message.starts_with(SPENT))
}

/// The body of an error.
pub fn error(failure: &Failure<'_>) -> Vec<u8> {
    let Failure { status, message, param, request_id, .. } = *failure;
    let kind = match ERRORS.iter().find(|(known, _)| *known == status) {
        Some((_, kind)) => kind,
        None if status == 503 => "overloaded_error",
        None if (400..500).contains(&status) => "invalid_request_error",
        None => "api_error",
    };
    // The dialect has no field for it; the vendor, too, begins its sentence with it.
    let message = match param {
        Some(param) if !message.starts_with(param) => format!("{param}: {message}"),
        Some(_) | None => message.to_owned(),
    };
    let error = json!({"type": kind, "message": message});
    json!({"type": "error", "error": error, "request_id": request_id}).to_string().into_bytes()
}

/// The names in a list of models.
///
/// # Errors
/// When the body is no such list.
pub fn models(body: &[u8]) -> Result<Vec<String>, Error> {
    #[derive(Deserialize)]
    struct List {
        data: Vec<Model>,
    }
    #[derive(Deserialize)]
    struct Model {
        id: String,
    }
    let list: List = parse(DIALECT, "a list of models", body)?;
    Ok(list.data.into_iter().map(|model| model.id).collect())
}

/// What `/v1/models` answers: all names, on one page.
pub fn models_list<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let data: Vec<serde_json::Value> = names.into_iter().map(model_json).collect();
    let id = |model: Option<&serde_json::Value>| model.map(|model| model["id"].clone());
    let (first, last) = (id(data.first()), id(data.last()));
    json!({"data": data, "has_more": false, "first_id": first, "last_id": last}).to_string().into_bytes()
}

/// What `/v1/models/{name}` answers.
pub fn model(name: &str) -> Vec<u8> {
    model_json(name).to_string().into_bytes()
}

/// Source of the date: where the day of a release is not known, the vendor says 1970.
fn model_json(name: &str) -> serde_json::Value {
    json!({
        "type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z", "lifecycle": "active",
    })
}

/// The dialect's words for how much to think.
const EFFORTS: [(&str, Effort); 5] = [
    ("low", Effort::Low),
    ("medium", Effort::Medium),
    ("high", Effort::High),
    ("xhigh", Effort::Higher),
    ("max", Effort::Max),
];

fn effort(word: &str) -> Option<Effort> {
    EFFORTS.iter().find(|(known, _)| *known == word).map(|(_, effort)| *effort)
}

fn stop_reason(word: String, sequence: Option<String>) -> StopReason {
    match word.as_str() {
        "end_turn" => StopReason::EndOfTurn,
        "stop_sequence" => StopReason::StopSequence { text: sequence },
        "tool_use" => StopReason::ToolUse,
        "max_tokens" | "model_context_window_exceeded" => StopReason::MaxOutput,
        "pause_turn" => StopReason::Paused,
        "refusal" => StopReason::Refusal,
        _ => StopReason::Other(word),
    }
}

/// The dialect's word, and the sequence that it met. A vendor's word that is not of this dialect is the end of a turn;
/// a turn that ends with calls waits for them, whatever the server called it.
fn stop_word(reason: &StopReason, has_calls: bool) -> (&'static str, Option<&str>) {
    match reason {
        StopReason::EndOfTurn | StopReason::Other(_) if has_calls => ("tool_use", None),
        StopReason::EndOfTurn | StopReason::Other(_) => ("end_turn", None),
        StopReason::StopSequence { text } => ("stop_sequence", text.as_deref()),
        StopReason::Paused => ("pause_turn", None),
        StopReason::ToolUse => ("tool_use", None),
        StopReason::MaxOutput => ("max_tokens", None),
        StopReason::Refusal => ("refusal", None),
    }
}

/// All counts are cumulative; a later message may leave out what has not changed.
#[derive(Default, Deserialize)]
struct Usage {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

impl Usage {
    fn put_into(self, usage: &mut chat::Usage) {
        let set = |count: &mut TokenCount, new: Option<u64>| *count = new.map_or(*count, TokenCount);
        set(&mut usage.input, self.input_tokens);
        set(&mut usage.cached_input, self.cache_read_input_tokens);
        set(&mut usage.cache_written, self.cache_creation_input_tokens);
        set(&mut usage.output, self.output_tokens);
        set(&mut usage.reasoning, self.output_tokens_details.and_then(|details| details.thinking_tokens));
    }
}

/// Usage in the dialect's words, which do not overlap either.
fn usage_json(usage: &chat::Usage) -> serde_json::Value {
    let chat::Usage { input, cached_input, cache_written, output, reasoning } = usage;
    let mut json = json!({
        "input_tokens": input,
        "cache_creation_input_tokens": cache_written,
        "cache_read_input_tokens": cached_input,
        "output_tokens": output,
    });
    if reasoning.0 > 0 {
        json["output_tokens_details"] = json!({"thinking_tokens": reasoning});
    }
    json
}

/// The id of an answer: the provider's own if it is of this dialect.
fn message_id(own: Option<&str>, id: &str) -> String {
    own.filter(|own| own.starts_with("msg_")).map_or_else(|| format!("msg_{id}"), str::to_owned)
}

/// A picture or a sound of the model's making, which this dialect has no block for: that there was one is said.
fn media_words(part: &chat::Part) -> String {
    let (what, media) = match part {
        chat::Part::Image(media) => ("a picture", Some(media)),
        chat::Part::Audio(media) => ("a sound", Some(media)),
        chat::Part::Document(media) => ("a document", Some(media)),
        chat::Part::Text { .. }
        | chat::Part::Thought(_)
        | chat::Part::Refusal { .. }
        | chat::Part::ToolCall(_)
        | chat::Part::ToolResult(_)
        | chat::Part::CachePoint { .. } => ("something", None),
    };
    let mime = media.and_then(|media| media.mime.as_deref()).unwrap_or("unknown");
    format!("[The model made {what} (type {mime}), which this API cannot carry.]")
}

#[cfg(test)]
mod tests;
