//! A client's own credential at its vendor, which some operators let through.
//!
//! It stands where the dialect has it, beside `x-impresario-key`, which says who asks here; at the Unix socket nobody has to.
//! Whether it goes anywhere, the gateway decides.

use access::Principal;
use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderName};
use secrets::Secret;
use upstream::{Bearing, Credential};
use wire::Dialect;

use super::identity::{self, Caller};

/// Fewer bytes are what a client says where it has to say something, and more are no credential.
const BYTES: std::ops::RangeInclusive<usize> = 8..=8_192;
/// Headers that say whose account at the vendor it is.
const ALONG: [&str; 4] =
    ["openai-organization", "openai-project", "chatgpt-account-id", "x-goog-user-project"];
/// The most bytes of one of them.
const MAX_ALONG_BYTES: usize = 256;

/// What came with the request, if anything did.
pub(super) fn of(request: &HttpRequest, dialect: Dialect) -> Option<Credential> {
    let is_socket = Caller::of(request).principal == Principal::Operator;
    if !is_socket && !identity::names_itself(request.headers()) {
        return None;
    }
    let text = |name: &HeaderName| request.headers().get(name)?.to_str().ok().map(str::trim);
    let key = match dialect {
        Dialect::Anthropic => text(&HeaderName::from_static("x-api-key")),
        Dialect::Gemini => text(&HeaderName::from_static("x-goog-api-key")),
        Dialect::OpenAiChat | Dialect::OpenAiResponses => None,
    };
    let bearer = text(&AUTHORIZATION).and_then(identity::bearer);
    let found = [(Bearing::Key, key), (Bearing::Bearer, bearer)];
    let mut found = found.into_iter().filter_map(|(bearing, text)| Some((bearing, text?)));
    // One of our own keys is no vendor's business.
    let (bearing, text) =
        found.find(|(_, text)| BYTES.contains(&text.len()) && !access::looks_like_a_key(text))?;
    Some(Credential { bearing, secret: Secret::try_new(text).ok()?, along: along(request) })
}

fn along(request: &HttpRequest) -> Vec<(&'static str, String)> {
    let header = |name: &'static str| {
        let value = request.headers().get(name)?.to_str().ok()?;
        (value.len() <= MAX_ALONG_BYTES).then(|| (name, value.to_owned()))
    };
    ALONG.into_iter().filter_map(header).collect()
}
