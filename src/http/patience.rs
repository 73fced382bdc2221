//! How long an answer may take; and that somebody did not wait for it, which is a row too.
//!
//! A client that hangs up drops what was to answer it. Its request is recorded all the same, with the status 499 that
//! nginx uses for it; one whose handler panicked, with 500. What it wanted changed is changed ([`super::changes`]).

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};

use super::auditing::{Asked, CLIENT_LEFT};
use super::{Refusal, dialects, gate};

/// A request whose answer is awaited.
struct Awaited {
    request: HttpRequest,
    is_answered: bool,
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let asked = self.request.extensions().get::<Asked>().cloned();
        if let Some(asked) = asked {
            asked.unanswered(&self.request, status_of_none());
        }
    }
}

/// The status of a request whose answer is dropped before it is there, for whoever asks while that happens.
pub(super) fn status_of_none() -> u16 {
    // A panic drops it too, and that is nothing that the client did.
    if std::thread::panicking() { 500 } else { CLIENT_LEFT }
}

/// The middleware of a route that answers in time or says that it does not.
///
/// It stands within the route: before a request has found its way there, nobody may hold it twice.
pub(super) async fn answered(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let gate = gate::of(&request);
    let mut awaited = Awaited { request: request.request().clone(), is_answered: false };
    let within = dialects::within(&request).unwrap_or_else(|| gate.rules().limits.answer_s.seconds());
    let answer = gate.clock().timeout(within, next.call(request)).await;
    awaited.is_answered = true;
    match answer {
        Ok(answer) => answer,
        Err(_) => {
            gate.refused(&Refusal::TimedOut);
            let response = HttpResponse::from_error(Refusal::TimedOut);
            Ok(ServiceResponse::new(awaited.request.clone(), response))
        }
    }
}
