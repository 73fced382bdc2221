//! Errors in OpenAI's words, read and written.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Error, Failure};

/// An error as an object, or as a bare text (Ollama, llama.cpp behind a proxy).
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Reported {
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
    pub(crate) fn message(self) -> String {
        match self {
            Self::Full { message, .. } => message.unwrap_or_default(),
            Self::Text(text) => text,
        }
    }

    pub(crate) fn status(&self) -> u16 {
        let Self::Full { r#type, code, .. } = self else { return 500 };
        let number = code.as_ref().and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        if let Some(status) = number.filter(|status| (400..600).contains(status)) {
            return status;
        }
        let words = [code.as_ref().and_then(Value::as_str), r#type.as_deref()];
        words.into_iter().flatten().find_map(status_of).unwrap_or(500)
    }
}

impl From<Reported> for Error {
    fn from(reported: Reported) -> Self {
        Self::Reported { status: reported.status(), message: reported.message() }
    }
}

fn status_of(word: &str) -> Option<u16> {
    Some(match word {
        "invalid_request_error"
        | "context_length_exceeded"
        | "invalid_prompt"
        | "invalid_encrypted_content"
        | "BadRequestError" => 400,
        "invalid_api_key" | "authentication_error" => 401,
        "insufficient_quota" | "billing_hard_limit_reached" => 402,
        "permission_error" => 403,
        "model_not_found" | "not_found_error" => 404,
        "rate_limit_exceeded" | "rate_limit_error" | "tokens" | "requests" => 429,
        "overloaded"
        | "overloaded_error"
        | "engine_overloaded"
        | "server_overloaded"
        | "server_is_overloaded"
        | "slow_down" => 503,
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

/// Whether an error says that the account has no credit left, which OpenAI does with the status of a limit.
/// Source: <https://platform.openai.com/docs/guides/error-codes>.
pub fn is_spent(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Body {
        error: Reported,
    }
    let Ok(Body { error: Reported::Full { r#type, code, .. } }) = serde_json::from_slice(body) else {
        return false;
    };
    let words = [code.as_ref().and_then(Value::as_str), r#type.as_deref()];
    words.into_iter().flatten().any(|word| status_of(word) == Some(402))
}

/// The body of an error. All of OpenAI's APIs answer with the same.
pub fn error(failure: &Failure<'_>) -> Vec<u8> {
    body(failure).to_string().into_bytes()
}

pub(crate) fn body(failure: &Failure<'_>) -> Value {
    let Failure { status, message, code, param, request_id: _ } = failure;
    json!({"error": {"message": message, "type": kind(*status), "param": param, "code": code}})
}

fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "insufficient_quota",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}
