//! What is recorded of requests: each answer as a row, and each denial as an entry of the audit log.
//!
//! A denial is in the audit log alone: a flood of them is a few entries with a count, and fills no table. What becomes of
//! changes is recorded where they are made.

use std::fmt::Display;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::time::Instant;

use access::Principal;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use actors::recorder::{Entry, Source, Standing};
use units::UnixMillis;

use super::asker::{Asker, Neighbours};
use super::door::{Arrival, Door, is_loopback};
use super::gate::Rooms;
use super::identity::Caller;
use super::traced::METHODS;
use super::{Desk, Refusal, needs, template};

/// What stands for a path that is no route's.
const NO_ROUTE: &str = "none";
/// The status of a request whose client did not wait for its answer, as nginx has it.
pub(super) const CLIENT_LEFT: u16 = 499;

/// Who asks, and the room that he holds for as long as that is about him.
pub(crate) struct Who {
    name: String,
    from: Option<IpAddr>,
    source: Source,
    _rooms: Option<Rooms>,
}

/// What a request's own handler records is recorded there, its denials among it.
struct RecordsItself;

/// A request before it is answered.
#[derive(Clone)]
pub(super) struct Asked {
    id: String,
    at: UnixMillis,
    began: Instant,
    method: &'static str,
    bytes_in: Option<u64>,
}

impl FromRequest for Who {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    /// For a handler that makes a change, and makes it by [`super::changes::carried_out`] alone.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        request.extensions_mut().insert(RecordsItself);
        ready(Ok(Self::of(request)))
    }
}

impl Who {
    /// The principal; the door of whoever was turned away before that was known.
    pub(super) fn of(request: &HttpRequest) -> Self {
        let extensions = request.extensions();
        let principal = extensions.get::<Caller>().map(|caller| &caller.principal);
        let name = principal.map_or_else(|| door(request), |principal| principal.name()).to_owned();
        let from = address(request);
        let source = match principal {
            Some(Principal::Operator | Principal::Key { .. }) => Source::Known(name.clone()),
            Some(Principal::Anonymous) | None => Source::Stranger(
                from.map_or_else(|| name.clone(), |address| Neighbours::of(address).to_string()),
            ),
        };
        Self { name, from, source, _rooms: extensions.get::<Rooms>().cloned() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// With whose denials his count.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// What is said of him, and from where he asked.
    pub(super) fn located(&self, said: impl Display) -> String {
        match self.from {
            Some(address) => format!("{said} (from {address})"),
            None => said.to_string(),
        }
    }
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

/// From where it was asked; whoever is at the other end, where it was refused before more was known.
fn address(request: &HttpRequest) -> Option<IpAddr> {
    match request.extensions().get::<Asker>() {
        Some(asker) => asker.address,
        None => request.conn_data::<Arrival>()?.peer.map(|peer| peer.to_canonical()),
    }
}

impl Asked {
    /// Looks at a request; refuses it where its answer could not be recorded.
    pub(super) fn of(id: &str, request: &ServiceRequest) -> (Option<Self>, Result<(), Refusal>) {
        let Some(desk) = request.app_data::<Data<Desk>>() else { return (None, Ok(())) };
        let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let known = METHODS.iter().find(|method| *method == request.method());
        let asked = Self {
            id: id.to_owned(),
            at: desk.clock.wall(),
            began: desk.clock.now(),
            method: known.map_or("other", Method::as_str),
            // What the store cannot hold is nobody's length.
            bytes_in: length
                .and_then(|length| length.parse().ok())
                .filter(|length| i64::try_from(*length).is_ok()),
        };
        request.extensions_mut().insert(asked.clone());
        let is_watch = template::of(request.request()).is_some_and(|route| needs::is_watch(&route));
        let is_full = desk.doors.recorder.standing() == Standing::Full && !is_watch;
        (Some(asked), if is_full { Err(Refusal::NoRoomForRecords) } else { Ok(()) })
    }

    /// Records how it was answered.
    pub(super) fn answered<B: MessageBody>(self, response: &ServiceResponse<B>) {
        let request = response.request();
        let Some(desk) = request.app_data::<Data<Desk>>() else { return };
        let route = route_of(request);
        let status = response.status();
        let is_denial = matches!(status.as_u16(), 401 | 403 | 421 | 429);
        // What nobody in particular is refused counts as a denial too: a flood of it fills no table.
        if is_denial
            || (is_nobody(request) && (status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE))
        {
            return refused(desk, self.method, route, response);
        }
        if needs::is_watch(&route) && status.as_u16() < 400 {
            return;
        }
        let bytes_out = match response.response().body().size() {
            BodySize::None => Some(0),
            BodySize::Sized(bytes) => Some(bytes),
            BodySize::Stream => None,
        };
        self.record(desk, request, route, status.as_u16(), bytes_out);
    }

    /// Records that no answer came of it: its client left, or its handler panicked.
    pub(super) fn unanswered(self, request: &HttpRequest, status: u16) {
        let Some(desk) = request.app_data::<Data<Desk>>() else { return };
        let route = route_of(request);
        if status == CLIENT_LEFT && needs::is_watch(&route) {
            return;
        }
        // As with what nobody in particular is refused: asking and hanging up fills no table either.
        if status == CLIENT_LEFT && is_nobody(request) {
            let said = "did not wait for the answer";
            return denied(desk, request, self.method, route, "client_left".to_owned(), said);
        }
        self.record(desk, request, route, status, Some(0));
    }

    fn record(self, desk: &Desk, request: &HttpRequest, route: String, status: u16, bytes_out: Option<u64>) {
        // That there is no room is said in the log; a row of it would need some.
        if desk.doors.recorder.standing() == Standing::Full {
            return;
        }
        let duration = desk.clock.now().saturating_duration_since(self.began);
        desk.doors.recorder.request(store::RequestRow {
            at: self.at,
            request_id: self.id,
            principal: Who::of(request).name,
            door: door(request).to_owned(),
            method: self.method.to_owned(),
            route,
            status,
            duration_ms: duration.as_millis().try_into().unwrap_or(u64::MAX / 2),
            bytes_in: self.bytes_in,
            bytes_out,
        });
    }
}

fn route_of(request: &HttpRequest) -> String {
    template::of(request).map_or_else(|| NO_ROUTE.to_owned(), |route| route.to_string())
}

fn is_nobody(request: &HttpRequest) -> bool {
    let extensions = request.extensions();
    extensions.get::<Caller>().is_none_or(|caller| caller.principal == Principal::Anonymous)
}

/// Records a denial, whoever denied it.
fn refused<B>(desk: &Desk, method: &str, route: String, response: &ServiceResponse<B>) {
    let refusal = response.response().error().and_then(|error| error.as_error::<Refusal>());
    let outcome =
        refusal.map_or_else(|| response.status().as_str().to_owned(), |refusal| refusal.code().to_owned());
    let said = refusal.map_or_else(|| "refused".to_owned(), ToString::to_string);
    denied(desk, response.request(), method, route, outcome, &said);
}

fn denied(desk: &Desk, request: &HttpRequest, method: &str, route: String, outcome: String, said: &str) {
    if request.extensions().get::<RecordsItself>().is_some() {
        return;
    }
    let who = Who::of(request);
    tracing::debug!(who = who.name, method, route, outcome, "denied");
    let detail = who.located(said);
    let entry = Entry {
        who: who.name,
        action: format!("request.{}", method.to_ascii_lowercase()),
        subject: route,
        outcome,
        detail: Some(detail),
    };
    desk.doors.recorder.denied(who.source, entry);
}
