//! Bodies that are read whole, and the words that errors take from them.

use reqwest::Response;

use crate::HttpEndpoint;

/// The most characters of a provider's own words in an error.
const MAX_WORDS: usize = 500;

/// At most `limit` bytes of a body, and whether that was all of it.
pub(crate) async fn read(response: &mut Response, limit: usize) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        let room = limit - body.len();
        body.extend_from_slice(&piece[..piece.len().min(room)]);
        if piece.len() > room {
            return Ok((body, false));
        }
    }
    Ok((body, true))
}

/// A provider's words as errors show them: on one line, short, and without the secrets that were sent, which some repeat.
pub(crate) fn words(endpoint: &HttpEndpoint, text: &str) -> String {
    // The secrets go first: a cut in the middle of one would hide it from the search.
    let text = endpoint.redact(text.to_owned());
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().take(MAX_WORDS).map(printable).collect()
}

/// The provider's reason in the body of an error.
pub(crate) fn reason(endpoint: &HttpEndpoint, body: &[u8]) -> String {
    match endpoint.dialect.error_message(body) {
        Some(message) => words(endpoint, &message),
        None => "it gave no reason".to_owned(),
    }
}

/// A body without the secrets that were sent, which some providers repeat.
pub(crate) fn without_secrets(endpoint: &HttpEndpoint, body: Vec<u8>) -> Vec<u8> {
    // Read as JSON before, so that it is UTF-8.
    String::from_utf8(body).map(|text| endpoint.redact(text).into_bytes()).unwrap_or_default()
}
