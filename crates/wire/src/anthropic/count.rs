//! Counting a request's tokens: `POST /v1/messages/count_tokens`. What a client asks there, [`super::request`] reads.

use serde::Deserialize;
use serde_json::json;
use units::TokenCount;

use super::{DIALECT, encode};
use crate::{Encoded, Error, To, decode::parse};

/// What has an influence on the count; the route refuses all else.
const COUNTED: [&str; 7] =
    ["model", "messages", "system", "tools", "tool_choice", "thinking", "output_config"];

/// The body of a request that only wants to be counted.
pub fn encode_count(request: &chat::Request, to: &To<'_>) -> Encoded {
    let mut encoded = encode(request, to);
    if let Some(body) = encoded.body.as_object_mut() {
        body.retain(|field, _| COUNTED.contains(&field.as_str()));
    }
    encoded
}

/// What the provider counted.
///
/// # Errors
/// When the body is no such answer.
pub fn counted(body: &[u8]) -> Result<TokenCount, Error> {
    #[derive(Deserialize)]
    struct Body {
        input_tokens: u64,
    }
    let body: Body = parse(DIALECT, "a count of tokens", body)?;
    Ok(TokenCount(body.input_tokens))
}

/// A client's answer.
pub fn count_answer(tokens: TokenCount) -> Vec<u8> {
    json!({"input_tokens": tokens}).to_string().into_bytes()
}
