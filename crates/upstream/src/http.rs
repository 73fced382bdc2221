//! A call over HTTP: from the request to the head of the answer.

mod arrived;
mod passed;
mod relayed;
mod stream;
mod whole;

pub(crate) use arrived::Arrived;
pub(crate) use passed::pass;
pub use relayed::Relayed;
pub(crate) use relayed::relay;
pub(crate) use stream::HttpStream;
pub(crate) use whole::HttpWhole;

use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use units::ModelName;
use wire::Encoded;

use crate::deadlines::Deadlines;
use crate::{Call, Client, Error, EventStream, HttpEndpoint, body, retry_after};

/// The most bytes that are read of the body of an error.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// The most bytes of a list of models.
const MAX_MODELS_BYTES: usize = 4 * 1024 * 1024;
/// The most models of one endpoint.
const MAX_MODELS: usize = 1_000;
const EVENT_STREAM: &str = "text/event-stream";
const JSON: &str = "application/json";
/// Of W3C's trace context.
const TRACEPARENT: &str = "traceparent";

/// Sends a call; returns when the provider has accepted it.
pub(crate) async fn call(
    client: &Client,
    endpoint: &HttpEndpoint,
    call: &Call<'_>,
) -> Result<EventStream, Error> {
    let mut deadlines = Deadlines::start(&client.clock, endpoint.origin(), call.waits);
    let url = endpoint.asked_at(endpoint.call_url(call)?);
    let Encoded { body, unsaid } = endpoint.dialect.encode(call);
    let request = client.http.post(url).json(&body);
    // A vendor learns nothing of who else takes part.
    let trace = client.trace.as_ref().filter(|_| endpoint.is_traced).and_then(|trace| trace());
    let request = match trace {
        Some(trace) => request.header(TRACEPARENT, trace),
        None => request,
    };
    let response = deadlines.watch(send(client, endpoint, request)).await??;
    if !call.is_streamed {
        expect_header(endpoint, &response, CONTENT_TYPE, JSON)?;
        return Ok(EventStream::whole(HttpWhole::new(endpoint, response, deadlines), unsaid));
    }
    expect_header(endpoint, &response, CONTENT_TYPE, EVENT_STREAM)?;
    Ok(EventStream::http(HttpStream::new(endpoint, response, deadlines), unsaid))
}

/// Asks for the endpoint's models.
pub(crate) async fn models(client: &Client, endpoint: &HttpEndpoint) -> Result<Vec<ModelName>, Error> {
    let request = client.http.get(endpoint.asked_at(endpoint.models_url()?));
    let mut response = send(client, endpoint, request).await?;
    let (list, whole) =
        body::read(&mut response, MAX_MODELS_BYTES).await.map_err(|error| network(endpoint, error))?;
    if !whole {
        return Err(Error::TooLarge { origin: endpoint.origin(), limit: MAX_MODELS_BYTES });
    }
    let names = endpoint
        .dialect
        .models(&list)
        .map_err(|source| Error::Malformed { origin: endpoint.origin(), source })?;
    Ok(names.into_iter().filter_map(|name| name.parse().ok()).take(MAX_MODELS).collect())
}

/// Sends a request and refuses every answer but a success in plain bytes.
async fn send(
    client: &Client,
    endpoint: &HttpEndpoint,
    request: reqwest::RequestBuilder,
) -> Result<Response, Error> {
    if endpoint.base_url.scheme() == "https" && !client.has_roots {
        return Err(Error::NoRoots { origin: endpoint.origin() });
    }
    let sent = request.headers(endpoint.headers()?).send().await;
    let mut response = sent.map_err(|error| network(endpoint, error))?;
    let status = response.status();
    if status.is_success() {
        expect_header(endpoint, &response, CONTENT_ENCODING, "identity")?;
        return Ok(response);
    }
    if status.is_redirection() {
        return Err(Error::Redirected { origin: endpoint.origin(), status: status.as_u16() });
    }
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = asked.and_then(|value| retry_after::parse(value, client.clock.wall()));
    // The status says enough: a body that breaks off takes only the reason away.
    let body = body::read(&mut response, MAX_ERROR_BYTES).await.map(|(body, _)| body).unwrap_or_default();
    let message = body::reason(endpoint, &body);
    let status = status.as_u16();
    let is_spent = endpoint.dialect.is_spent(status, &body);
    Err(Error::Status { origin: endpoint.origin(), status, retry_after, is_spent, message, refusal: None })
}

/// Refuses a header with another value than `expected`, parameters aside. A missing `Content-Encoding` is `identity`.
fn expect_header(
    endpoint: &HttpEndpoint,
    response: &Response,
    name: HeaderName,
    expected: &'static str,
) -> Result<(), Error> {
    let missing = if name == CONTENT_ENCODING { "identity" } else { "nothing" };
    let value = response.headers().get(name);
    let found = value.map_or(missing.into(), |value| String::from_utf8_lossy(value.as_bytes()));
    let kind = found.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let found = body::words(endpoint, &found);
    Err(Error::WrongContent { origin: endpoint.origin(), expected, found })
}

/// The library's error and its causes, without the URL.
fn network(endpoint: &HttpEndpoint, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        reason.push_str(": ");
        reason.push_str(&inner.to_string());
        cause = inner.source();
    }
    let reason = body::words(endpoint, &reason);
    Error::Network { origin: endpoint.origin(), reason }
}

#[cfg(test)]
mod tests;
