//! The span of a request: its route, its number and how it was answered; never its path, its query or its body.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::web::Data;
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use super::door::Arrival;
use super::{Desk, gate, identity, request_id, template};
use crate::telemetry::context::{TRACEPARENT, Trust, adopt};

/// Those that everybody knows; what a client invents makes no span, no series and no entry of its own.
pub(super) const METHODS: [Method; 7] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD, Method::OPTIONS];
/// OpenTelemetry's word for a method that nobody knows.
const OTHER: &str = "_OTHER";

/// The middleware that spans a request from its head to the head of its answer.
pub(crate) async fn trace<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let route = template::of(request.request());
    let known = METHODS.iter().find(|method| *method == request.method());
    let method = known.map_or(OTHER, Method::as_str);
    let span = info_span!(
        "request",
        otel.name = route.as_ref().map_or_else(|| method.to_owned(), |route| format!("{method} {route}")),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route.as_deref(),
        http.response.status_code = Empty,
        request.id = request_id::of(&request),
    );
    adopt(&span, request.headers(), trust(&request));
    let answered = next.call(request).instrument(span.clone()).await;
    let status = match &answered {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    answered
}

/// Who reaches the socket may run things here, a proxy's word counts, and the holder of a key is known by name. Of all others
/// a trace is only pointed at: a stranger does not decide what is recorded.
fn trust(request: &ServiceRequest) -> Trust {
    if request.conn_data::<Arrival>().is_some_and(|arrival| gate::of(request).trusts(arrival)) {
        return Trust::Continue;
    }
    // Only whoever sends a trace is looked up here; what he may do is found out later.
    let desk = request.app_data::<Data<Desk>>().filter(|_| request.headers().contains_key(TRACEPARENT));
    if desk.is_some_and(|desk| identity::bears_a_key(request.headers(), &desk.doors.keys)) {
        return Trust::Continue;
    }
    Trust::Link
}
