//! OpenAI Chat Completions, and what is compatible with it: Ollama, vLLM, llama.cpp, OpenRouter and more.
//!
//! Source: the API reference of `/v1/chat/completions`; where servers differ from it, the line says which.

mod decode;
mod encode;

pub use decode::Decoder;
pub use encode::encode;

use serde::Deserialize;
use serde_json::Value;

use crate::{Error, decode::parse};

const DIALECT: &str = "OpenAI Chat";

/// An error as an object, or as a bare text (Ollama, llama.cpp behind a proxy).
#[derive(Deserialize)]
#[serde(untagged)]
enum Reported {
    Full {
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        r#type: Option<String>,
        /// A word, or an HTTP status (OpenRouter, vLLM).
        #[serde(default)]
        code: Option<Value>,
    },
    Text(String),
}

impl Reported {
    fn message(self) -> String {
        match self {
            Self::Full { message, .. } => message.unwrap_or_default(),
            Self::Text(text) => text,
        }
    }

    fn status(&self) -> u16 {
        let Self::Full { r#type, code, .. } = self else { return 500 };
        let number = code.as_ref().and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        if let Some(status) = number.filter(|status| (400..600).contains(status)) {
            return status;
        }
        let words = [code.as_ref().and_then(Value::as_str), r#type.as_deref()];
        words.into_iter().flatten().find_map(status_of).unwrap_or(500)
    }
}

fn status_of(word: &str) -> Option<u16> {
    Some(match word {
        "invalid_request_error" | "context_length_exceeded" | "BadRequestError" => 400,
        "invalid_api_key" | "authentication_error" => 401,
        "insufficient_quota" | "billing_hard_limit_reached" => 402,
        "permission_error" => 403,
        "model_not_found" | "not_found_error" => 404,
        "rate_limit_exceeded" | "rate_limit_error" | "tokens" | "requests" => 429,
        "overloaded" | "overloaded_error" | "engine_overloaded" => 503,
        _ => return None,
    })
}

/// The vendor's words in the body of an error.
pub fn error_message(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        error: Reported,
    }
    let body: Body = serde_json::from_slice(body).ok()?;
    Some(body.error.message()).filter(|message| !message.is_empty())
}

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

#[cfg(test)]
mod tests;
