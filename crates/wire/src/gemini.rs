//! Gemini's `generateContent`. Source: the API reference of `/v1beta/models`.

mod decode;
mod encode;

pub use decode::Decoder;
pub use encode::encode;

use serde::Deserialize;

use crate::{Error, decode::parse};

const DIALECT: &str = "Gemini";

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

#[cfg(test)]
mod tests;
