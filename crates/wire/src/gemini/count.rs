//! Counting a request's tokens: `countTokens`.

use serde::Deserialize;
use serde_json::json;
use units::TokenCount;

use super::{DIALECT, encode};
use crate::{Encoded, Error, To, decode::parse};

/// The body of a request that only wants to be counted, the whole of it.
pub fn encode_count(request: &chat::Request, to: &To<'_>) -> Encoded {
    let Encoded { mut body, unsaid } = encode(request, to);
    body["model"] = json!(format!("models/{}", to.model));
    Encoded { body: json!({ "generateContentRequest": body }), unsaid }
}

/// What the provider counted.
///
/// # Errors
/// When the body is no such answer.
pub fn counted(body: &[u8]) -> Result<TokenCount, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        /// Left out where it is 0.
        #[serde(default)]
        total_tokens: u64,
    }
    let body: Body = parse(DIALECT, "a count of tokens", body)?;
    Ok(TokenCount(body.total_tokens))
}

/// A client's answer.
pub fn count_answer(tokens: TokenCount) -> Vec<u8> {
    json!({"totalTokens": tokens}).to_string().into_bytes()
}
