//! What is recorded of requests: each answer as a row, each change and each denial as an entry of the audit log.
//!
//! A denial is in the audit log alone: a flood of them is a few entries with a count, and fills no table.

use std::future::{Ready, ready};
use std::time::Instant;

use access::Principal;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest, ResponseError};
use actors::recorder::{Entry, Standing};
use units::UnixMillis;

use super::asker::Asker;
use super::door::{Arrival, Door, is_loopback};
use super::identity::Caller;
use super::traced::METHODS;
use super::{Desk, Refusal};

/// Routes that are asked again and again by programs: a good answer is nothing to remember.
const PROBES: [&str; 4] = ["/healthz", "/livez", "/readyz", "/metrics"];
/// What stands for a path that is no route's.
const NO_ROUTE: &str = "none";

/// Who asks, by name.
pub(crate) struct Who(pub(crate) String);

/// A request before it is answered.
pub(super) struct Asked {
    at: UnixMillis,
    began: Instant,
    method: &'static str,
    bytes_in: Option<u64>,
}

impl FromRequest for Who {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(who(request)))
    }
}

/// The principal; the door of whoever was turned away before that was known.
pub(super) fn who(request: &HttpRequest) -> Who {
    let caller = request.extensions().get::<Caller>().map(|caller| caller.principal.name().to_owned());
    Who(caller.unwrap_or_else(|| door(request).to_owned()))
}

fn door(request: &HttpRequest) -> &'static str {
    let Some(arrival) = request.conn_data::<Arrival>() else { return "elsewhere" };
    match arrival.door {
        Door::Socket => "socket",
        Door::Confined => "confined",
        Door::Tcp { .. } if is_local(request, arrival) => "loopback",
        Door::Tcp { .. } => "network",
    }
}

fn is_local(request: &HttpRequest, arrival: &Arrival) -> bool {
    match request.extensions().get::<Asker>() {
        Some(asker) => !asker.is_proxied && asker.address.is_some_and(is_loopback),
        None => arrival.peer.is_some_and(is_loopback),
    }
}

impl Asked {
    /// Looks at a request; refuses it where its answer could not be recorded.
    pub(super) fn of(request: &ServiceRequest) -> (Option<Self>, Result<(), Refusal>) {
        let Some(desk) = request.app_data::<Data<Desk>>() else { return (None, Ok(())) };
        let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let known = METHODS.iter().find(|method| *method == request.method());
        let asked = Self {
            at: desk.clock.wall(),
            began: desk.clock.now(),
            method: known.map_or("other", Method::as_str),
            // What the store cannot hold is nobody's length.
            bytes_in: length
                .and_then(|length| length.parse().ok())
                .filter(|length| i64::try_from(*length).is_ok()),
        };
        let is_probe = request.match_pattern().is_some_and(|route| PROBES.contains(&route.as_str()));
        let is_full = desk.doors.recorder.standing() == Standing::Full && !is_probe;
        (Some(asked), if is_full { Err(Refusal::NoRoomForRecords) } else { Ok(()) })
    }

    /// Records how it was answered.
    pub(super) fn answered<B: MessageBody>(self, id: &str, response: &ServiceResponse<B>) {
        let request = response.request();
        let Some(desk) = request.app_data::<Data<Desk>>() else { return };
        let route = request.match_pattern().unwrap_or_else(|| NO_ROUTE.to_owned());
        let status = response.status();
        let caller = request.extensions().get::<Caller>().map(|caller| caller.principal.clone());
        let is_nobody = caller.is_none_or(|principal| principal == Principal::Anonymous);
        let is_denial = matches!(status.as_u16(), 401 | 403 | 421 | 429);
        // What nobody in particular is refused counts as a denial too: a flood of it fills no table.
        if is_denial || (is_nobody && (status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE))
        {
            return denied(desk, self.method, route, response);
        }
        let is_quiet_probe = PROBES.contains(&route.as_str()) && status.as_u16() < 400;
        // That there is no room is said in the log; a row of it would need some.
        let has_room = desk.doors.recorder.standing() < Standing::Full;
        if is_quiet_probe || !has_room {
            return;
        }
        let duration = desk.clock.now().saturating_duration_since(self.began);
        desk.doors.recorder.request(store::RequestRow {
            at: self.at,
            request_id: id.to_owned(),
            principal: who(request).0,
            door: door(request).to_owned(),
            method: self.method.to_owned(),
            route,
            status: status.as_u16(),
            duration_ms: duration.as_millis().try_into().unwrap_or(u64::MAX / 2),
            bytes_in: self.bytes_in,
            bytes_out: match response.response().body().size() {
                BodySize::None => Some(0),
                BodySize::Sized(bytes) => Some(bytes),
                BodySize::Stream => None,
            },
        });
    }
}

/// Records a denial, whoever denied it.
fn denied<B>(desk: &Desk, method: &str, route: String, response: &ServiceResponse<B>) {
    let refusal = response.response().error().and_then(|error| error.as_error::<Refusal>());
    let outcome =
        refusal.map_or_else(|| response.status().as_str().to_owned(), |refusal| refusal.code().to_owned());
    let Who(who) = who(response.request());
    tracing::debug!(who, method, route, outcome, "denied");
    desk.doors.recorder.denied(Entry {
        who,
        action: format!("request.{}", method.to_ascii_lowercase()),
        subject: route,
        outcome,
        detail: refusal.map(ToString::to_string),
    });
}

/// Records a change that somebody wanted, and hands on what came of it.
pub(crate) fn audited<T>(
    desk: &Desk,
    Who(who): Who,
    action: &str,
    subject: impl ToString,
    done: Result<T, Refusal>,
) -> Result<T, Refusal> {
    let refusal = done.as_ref().err();
    // Denials are recorded where all of them pass.
    if refusal.is_some_and(|refusal| refusal.status_code().as_u16() == 403) {
        return done;
    }
    desk.doors.recorder.audit(Entry {
        who,
        action: action.to_owned(),
        subject: subject.to_string(),
        outcome: refusal.map_or("ok", Refusal::code).to_owned(),
        // What is wrong inside is told to the log alone, and its message says no more than that.
        detail: refusal.map(ToString::to_string),
    });
    done
}
