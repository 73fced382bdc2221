//! Counting a request's tokens: `POST /v1/responses/input_tokens`. What a client asks there, [`super::request`] reads.

use serde::Deserialize;
use serde_json::json;
use units::TokenCount;

use super::{DIALECT, encode};
use crate::{Encoded, Error, To, decode::parse};

/// What has an influence on the count; the route takes nothing else.
const COUNTED: [&str; 8] =
    ["model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text"];

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
    json!({"object": "response.input_tokens", "input_tokens": tokens}).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use chat::{Request, Turn};

    use super::*;

    #[test]
    fn says_what_counts_and_nothing_else() {
        let asked = Request {
            turns: vec![Turn::user("hi")],
            max_output: Some(TokenCount(9)),
            temperature: Some(0.5),
            ..Request::default()
        };
        let Encoded { body, .. } = encode_count(&asked, &crate::transcript::to("gpt-x"));
        let fields: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["model", "input"]);
        let tokens = TokenCount(7);
        assert_eq!(counted(&count_answer(tokens)), Ok(tokens));
        assert!(matches!(counted(b"{}"), Err(Error::Malformed { .. })));
    }
}
