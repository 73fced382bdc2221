//! An answer whose bytes are handed on as they come.

use std::fmt;

use bytes::Bytes;
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::{Arrived, MAX_ERROR_BYTES, TRACEPARENT, expect_header, network};
use crate::deadlines::Deadlines;
use crate::verbatim::Refusal;
use crate::{Client, Error, HttpEndpoint, Verbatim, body, retry_after};

/// The most bytes of one answer.
const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;
/// What is the caller's business of a provider's headers: its name for the request, and how much it may still ask.
const TOLD: [&str; 3] = ["request-id", "x-request-id", "retry-after"];
const TOLD_BEGINNINGS: [&str; 2] = ["anthropic-ratelimit-", "x-ratelimit-"];
/// The most headers that are told, and the most bytes of one.
const MAX_TOLD: usize = 32;
const MAX_TOLD_BYTES: usize = 256;

/// An answer of a provider, piece by piece. Dropping it closes the call.
pub struct Relayed {
    endpoint: HttpEndpoint,
    response: Response,
    arrived: Arrived,
    deadlines: Deadlines,
    bytes: u64,
    /// The most bytes that it may have.
    most: u64,
}

impl fmt::Debug for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, bytes, .. } = self;
        f.debug_struct("Relayed").field("endpoint", endpoint).field("bytes", bytes).finish_non_exhaustive()
    }
}

/// Sends a call; returns when the provider has accepted it.
pub(crate) async fn relay(
    client: &Client,
    endpoint: &HttpEndpoint,
    call: &Verbatim<'_>,
) -> Result<Relayed, Error> {
    let mut deadlines = Deadlines::start(&client.clock, endpoint.origin(), call.waits);
    if endpoint.base_url.scheme() == "https" && !client.has_roots {
        return Err(Error::NoRoots { origin: endpoint.origin() });
    }
    let mut headers = headers(client, endpoint, call.headers)?;
    if let Some(credential) = call.credential {
        credential.show(&mut headers, endpoint)?;
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let url = endpoint.asked_at(endpoint.way_url(call.way)?);
    let request = client.http.post(url).headers(headers).body(call.body.clone());
    let sent = deadlines.watch(request.send()).await?;
    let response = sent.map_err(|error| network(endpoint, error))?;
    accepted(client, endpoint, response, deadlines, MAX_ANSWER_BYTES).await
}

/// What a call carries beside its body.
pub(super) fn headers(
    client: &Client,
    endpoint: &HttpEndpoint,
    along: &[(&'static str, String)],
) -> Result<HeaderMap, Error> {
    let mut headers = endpoint.headers()?;
    for (name, value) in along {
        // A value that no header can hold came in through one, so that this cannot happen.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if let Some(trace) = client.trace.as_ref().filter(|_| endpoint.is_traced).and_then(|trace| trace())
        && let Ok(trace) = HeaderValue::from_str(&trace)
    {
        headers.insert(TRACEPARENT, trace);
    }
    Ok(headers)
}

/// An answer of at most so many bytes, or why it is none.
pub(super) async fn accepted(
    client: &Client,
    endpoint: &HttpEndpoint,
    response: Response,
    mut deadlines: Deadlines,
    most: u64,
) -> Result<Relayed, Error> {
    let status = response.status();
    if status.is_success() {
        expect_header(endpoint, &response, CONTENT_ENCODING, "identity")?;
        return Ok(Relayed {
            endpoint: endpoint.clone(),
            response,
            arrived: Arrived::default(),
            deadlines,
            bytes: 0,
            most,
        });
    }
    if status.is_redirection() {
        return Err(Error::Redirected { origin: endpoint.origin(), status: status.as_u16() });
    }
    deadlines.watch(refused(client, endpoint, response)).await.and_then(Err)
}

async fn refused(client: &Client, endpoint: &HttpEndpoint, mut response: Response) -> Error {
    let asked = response.headers().get(reqwest::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = asked.and_then(|value| retry_after::parse(value, client.clock.wall()));
    let (status, headers) = (response.status().as_u16(), told(response.headers()));
    let content_type = content_type(&response);
    // The status says enough: a body that breaks off takes only the reason away.
    let (body, whole) = body::read(&mut response, MAX_ERROR_BYTES).await.unwrap_or_default();
    let message = body::reason(endpoint, &body);
    let is_spent = endpoint.dialect.is_spent(status, &body);
    // What was cut is no JSON any more, and what is no JSON is nothing that a client of the dialect could read.
    let is_readable =
        whole && content_type.contains("json") && endpoint.dialect.error_message(&body).is_some();
    let refusal = is_readable.then(|| {
        let body = body::without_secrets(endpoint, body);
        Box::new(Refusal { content_type, headers, body })
    });
    Error::Status { origin: endpoint.origin(), status, retry_after, is_spent, message, refusal }
}

fn content_type(response: &Response) -> String {
    let value = response.headers().get(CONTENT_TYPE);
    value.map_or_else(String::new, |value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase())
}

fn told(headers: &HeaderMap) -> Vec<(String, String)> {
    let is_told = |name: &str| {
        TOLD.contains(&name) || TOLD_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
    };
    let told = headers.iter().filter(|(name, _)| is_told(name.as_str()));
    let told =
        told.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    told.filter(|(_, value)| value.len() <= MAX_TOLD_BYTES).take(MAX_TOLD).collect()
}

impl Relayed {
    /// The HTTP status, a success.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The type of the body in lower case, parameters among it; empty when the provider named none.
    pub fn content_type(&self) -> String {
        content_type(&self.response)
    }

    /// The headers that are the caller's business, by their names in lower case.
    pub fn headers(&self) -> Vec<(String, String)> {
        told(self.response.headers())
    }

    /// The first output has come: from here on only silence between bytes counts.
    pub fn begin(&mut self) {
        self.deadlines.begin();
    }

    /// The next piece, once the first output has come with all that is there; `None` at the end of the body. Safe to drop
    /// while it waits.
    ///
    /// # Errors
    /// When the connection breaks, is silent for too long, or brings more than 64 MiB; of a
    /// vendor's other routes, 1 GiB.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let next = self.arrived.next(&mut self.response, self.deadlines.has_begun());
        let piece = self.deadlines.watch(next).await?;
        let piece = piece.map_err(|error| network(&self.endpoint, error))?;
        self.bytes = self.bytes.saturating_add(piece.as_ref().map_or(0, Bytes::len) as u64);
        if self.bytes > self.most {
            let limit = usize::try_from(self.most).unwrap_or(usize::MAX);
            return Err(Error::TooLarge { origin: self.endpoint.origin(), limit });
        }
        Ok(piece)
    }

    /// What is wrong with the answer's words, as an error of this provider.
    pub fn broken(&self, error: wire::Error) -> Error {
        self.endpoint.broken(error)
    }

    /// The answer is of another type than it should be.
    pub fn unexpected(&self, expected: &'static str) -> Error {
        let found = body::words(&self.endpoint, &self.content_type());
        Error::WrongContent { origin: self.endpoint.origin(), expected, found }
    }
}

#[cfg(test)]
mod tests;
