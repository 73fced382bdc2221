//! Anthropic Messages. Source: the API reference of `/v1/messages` and its page on streaming.

mod decode;
mod encode;

pub use decode::Decoder;
pub use encode::encode;

use serde::Deserialize;

use crate::{Error, decode::parse};

/// Goes with each request: the header's name and the version that this module speaks.
pub const VERSION_HEADER: (&str, &str) = ("anthropic-version", "2023-06-01");

const DIALECT: &str = "Anthropic";

#[derive(Deserialize)]
struct Reported {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    message: String,
}

impl Reported {
    /// The status that the documentation pairs with each type of error.
    fn status(&self) -> u16 {
        match self.r#type.as_str() {
            "invalid_request_error" => 400,
            "authentication_error" => 401,
            "billing_error" => 402,
            "permission_error" => 403,
            "not_found_error" => 404,
            "request_too_large" => 413,
            "rate_limit_error" => 429,
            "timeout_error" => 504,
            "overloaded_error" => 529,
            _ => 500,
        }
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

#[cfg(test)]
mod tests;
