//! OpenAI Chat Completions, and what is compatible with it: Ollama, vLLM, llama.cpp, OpenRouter and more.
//!
//! Source: the API reference of `/v1/chat/completions`; where servers differ from it, the line says which.

mod chunk;
mod decode;
pub(crate) mod details;
pub(crate) mod encode;
pub(crate) mod failure;
pub(crate) mod media;
pub(crate) mod messages;
pub(crate) mod request;
pub(crate) mod said;
mod stream;
pub(crate) mod tools;
pub(crate) mod traits;
pub(crate) mod usage;
mod whole;

pub use decode::{Decoder, answer};
pub use encode::encode;
pub use failure::{error, error_message, is_spent};
pub use request::request;
pub use stream::Encoder;
pub use whole::whole;

use serde::Deserialize;
use serde_json::json;

use crate::{Error, decode::parse};

const DIALECT: &str = "OpenAI Chat";

/// The names in a list of models.
///
/// # Errors
/// When the body is no such list.
pub fn models(body: &[u8]) -> Result<Vec<String>, Error> {
    #[derive(Deserialize)]
    struct List {
        /// Null where no model is loaded (Ollama).
        data: Option<Vec<Model>>,
    }
    #[derive(Deserialize)]
    struct Model {
        id: String,
    }
    let list: List = parse(DIALECT, "a list of models", body)?;
    Ok(list.data.unwrap_or_default().into_iter().map(|model| model.id).collect())
}

/// What `/v1/models/{name}` answers.
pub fn model(name: &str, created_s: i64) -> Vec<u8> {
    entry(name, created_s).to_string().into_bytes()
}

fn entry(name: &str, created_s: i64) -> serde_json::Value {
    json!({"id": name, "object": "model", "created": created_s, "owned_by": "impresario"})
}

/// What `/v1/models` answers; all were there from `created_s` on, in seconds since 1970.
pub fn models_list<'a>(names: impl IntoIterator<Item = &'a str>, created_s: i64) -> Vec<u8> {
    let models: Vec<_> = names.into_iter().map(|name| entry(name, created_s)).collect();
    json!({"object": "list", "data": models}).to_string().into_bytes()
}

#[cfg(test)]
mod tests;
