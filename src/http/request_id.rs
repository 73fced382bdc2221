//! The number of each request: on its answer, and on every line that the log has of it.
//!
//! Whoever is trusted (the Unix socket, a trusted proxy) may bring a number along, so that its log and this one can be
//! read side by side. An answer to a head that cannot be read is made before there is a request, and has no number.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use tracing::{Level, enabled};

use super::auditing::Asked;
use super::door::Arrival;
use super::{Refusal, dialects, gate, template};

/// The header that carries it, both ways.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest that is taken over.
const MAX_BYTES: usize = 64;

/// A request's number, for whoever answers it.
pub(super) struct RequestId(pub(super) String);

/// The middleware that puts the number on the answer, and logs what failed inside.
pub(crate) async fn named(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = of(&request);
    let method = request.method().clone();
    let (asked, recordable) = Asked::of(&id, &request);
    let answered = match recordable {
        Ok(()) => next.call(request).await,
        Err(refusal) => Ok(refusal.answer(request)),
    };
    let value = HeaderValue::from_str(&id).expect("its letters were chosen for that");
    match answered {
        Ok(response) => {
            report(&id, &method, &response);
            if let Some(asked) = asked {
                asked.answered(&response);
            }
            let mut response = dialects::reworded(response, &id);
            response.headers_mut().insert(REQUEST_ID, value);
            Ok(response)
        }
        Err(error) => {
            tracing::warn!(request.id = %id, %method, %error, "a request was given up");
            let mut response = error.error_response();
            response.headers_mut().insert(REQUEST_ID, value);
            Err(InternalError::from_response(error, response).into())
        }
    }
}

/// The number of this request, which has it from the first look on.
pub(super) fn of(request: &ServiceRequest) -> String {
    if let Some(RequestId(id)) = request.extensions().get::<RequestId>() {
        return id.clone();
    }
    let arrival = request.conn_data::<Arrival>();
    let is_trusted = arrival.is_some_and(|arrival| gate::of(request).trusts(arrival));
    let brought = is_trusted.then(|| brought(request.headers())).flatten();
    let id = brought.unwrap_or_else(fresh);
    request.extensions_mut().insert(RequestId(id.clone()));
    id
}

/// 16 hexadecimal digits; without randomness the request still gets an answer.
pub(super) fn fresh() -> String {
    format!("{:016x}", getrandom::u64().unwrap_or_default())
}

/// The one that was brought along, if it can stand in a log and in a header.
fn brought(headers: &HeaderMap) -> Option<String> {
    let mut all = headers.get_all(REQUEST_ID);
    let (Some(id), None) = (all.next(), all.next()) else { return None };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let id = id.to_str().ok()?;
    ((1..=MAX_BYTES).contains(&id.len()) && id.bytes().all(is_plain)).then(|| id.to_owned())
}

fn report(id: &str, method: &Method, response: &ServiceResponse<BoxBody>) {
    let template = template::of(response.request()).unwrap_or_default();
    let route: &str = &template;
    let status = response.status().as_u16();
    let error = response.response().error();
    if let Some(Refusal::Internal(detail)) = error.and_then(|error| error.as_error::<Refusal>()) {
        tracing::error!(request.id = id, %method, route, detail, "a request failed");
    } else if enabled!(Level::DEBUG) {
        tracing::debug!(request.id = id, %method, route, status, "answered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_stand_in_a_log_is_taken_over() {
        let of = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
            }
            brought(&headers)
        };
        assert_eq!(of(&[b"4bf92f35-77b3.x_1"]).as_deref(), Some("4bf92f35-77b3.x_1"));
        let long = [b'a'; MAX_BYTES + 1];
        let bad: [&[&[u8]]; 7] =
            [&[], &[b""], &[b"a b"], &[b"a\"b"], &[&long], &[b"one", b"two"], &[b"\xff"]];
        for values in bad {
            assert_eq!(of(values), None, "{values:?}");
        }
    }
}
