//! Gemini's `generateContent`. Source: the API reference of `/v1beta/models`, and the types of Google's SDK for Python,
//! 3.4.

mod answer;
mod chunk;
mod count;
mod decode;
mod embed;
mod encode;
mod model;
mod request;
mod schema;
mod stream;

pub use answer::{answer, whole};
pub use count::{count_answer, counted, encode_count};
pub use decode::Decoder;
pub use embed::{embed_answer, embed_request, embedded, encode_embed};
pub use encode::encode;
pub(crate) use request::NO_SIGNATURE;
pub use request::{count_request, request};
pub use stream::{Encoder, Form};

use serde::Deserialize;
use serde_json::json;

use crate::{Error, Failure, decode::parse};

const DIALECT: &str = "Gemini";

/// Whether a model refuses a call without a signature.
pub(crate) fn wants_signatures(model: &str) -> bool {
    model::Model::of(model).wants_signatures()
}

/// A chunk that says nothing.
pub(crate) const SILENCE: &[u8] =
    b"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},\"index\":0}]}\r\n\r\n";

/// The word that goes with each status. Source: google.rpc.Code.
const STATUSES: [(u16, &str); 11] = [
    (400, "INVALID_ARGUMENT"),
    (401, "UNAUTHENTICATED"),
    (403, "PERMISSION_DENIED"),
    (404, "NOT_FOUND"),
    (409, "ABORTED"),
    (429, "RESOURCE_EXHAUSTED"),
    (499, "CANCELLED"),
    (500, "INTERNAL"),
    (501, "UNIMPLEMENTED"),
    (503, "UNAVAILABLE"),
    (504, "DEADLINE_EXCEEDED"),
];

#[derive(Deserialize)]
struct Reported {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    message: String,
}

impl Reported {
    fn status(&self) -> u16 {
        if (400..600).contains(&self.code) { self.code } else { 500 }
    }
}

impl From<Reported> for Error {
    fn from(reported: Reported) -> Self {
        Self::Reported { status: reported.status(), message: reported.message }
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    error: Reported,
}

/// The vendor's words in the body of an error; some routes wrap it in a list.
pub fn error_message(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Body {
        // First, because serde reads a list as an object, too.
        List([ErrorBody; 1]),
        One(ErrorBody),
    }
    let (Body::One(body) | Body::List([body])) = serde_json::from_slice(body).ok()?;
    Some(body.error.message).filter(|message| !message.is_empty())
}

/// The body of an error. Our own code, the field and the request's name stand in its details, as Google's do.
pub fn error(failure: &Failure<'_>) -> Vec<u8> {
    let Failure { status, message, code, param, request_id } = *failure;
    let word = match STATUSES.iter().find(|(known, _)| *known == status) {
        Some((_, word)) => word,
        None if (400..500).contains(&status) => "FAILED_PRECONDITION",
        None => "INTERNAL",
    };
    let mut details = vec![
        json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code, "domain": "impresario"}),
        json!({"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": request_id}),
    ];
    if let Some(field) = param {
        let violations = [json!({"field": field, "description": message})];
        let kind = "type.googleapis.com/google.rpc.BadRequest";
        details.push(json!({"@type": kind, "fieldViolations": violations}));
    }
    let error = json!({"code": status, "message": message, "status": word, "details": details});
    json!({ "error": error }).to_string().into_bytes()
}

/// The names in a list of models, without their `models/`.
///
/// # Errors
/// When the body is no such list.
pub fn models(body: &[u8]) -> Result<Vec<String>, Error> {
    #[derive(Deserialize)]
    struct List {
        #[serde(default)]
        models: Vec<Model>,
    }
    #[derive(Deserialize)]
    struct Model {
        name: String,
    }
    let list: List = parse(DIALECT, "a list of models", body)?;
    let short = |name: String| name.strip_prefix("models/").map_or(name.clone(), str::to_owned);
    Ok(list.models.into_iter().map(|model| short(model.name)).collect())
}

/// What `/v1beta/models` answers: all names, on one page.
pub fn models_list<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let models: Vec<serde_json::Value> = names.into_iter().map(model_json).collect();
    json!({ "models": models }).to_string().into_bytes()
}

/// What `/v1beta/models/{name}` answers.
pub fn model(name: &str) -> Vec<u8> {
    model_json(name).to_string().into_bytes()
}

fn model_json(name: &str) -> serde_json::Value {
    json!({
        "name": format!("models/{name}"),
        "displayName": name,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    })
}

#[cfg(test)]
mod tests;
