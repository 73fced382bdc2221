//! How much each address may ask at once, and for how long an answer may be awaited.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage};

use super::asker::Asker;
use super::door::Arrival;
use super::{Refusal, gate};

/// Whoever watches the server asks these.
const PROBES: [&str; 3] = ["/healthz", "/livez", "/readyz"];

/// The middleware that counts who is in, and turns away who would be too many. A request is in until the last byte of
/// its answer was written.
pub(crate) async fn admitted(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let gate = gate::of(&request);
    let asker = request.extensions().get::<Asker>().cloned();
    let door = request.conn_data::<Arrival>().map(|arrival| arrival.door);
    let (Some(asker), Some(door)) = (asker, door) else {
        return Ok(Refusal::internal("a request came in by no door").answer(request));
    };
    // Who is shut out may still be somebody's prober: a server that lives is not to be started anew for that.
    let is_probe = request.match_pattern().is_some_and(|route| PROBES.contains(&route.as_str()));
    let asker = if is_probe { Asker { address: None, ..asker } } else { asker };
    let place = match gate.admit(door, &asker) {
        Ok(place) => place,
        Err(refusal) => {
            gate.refused(&refusal);
            return Ok(refusal.answer(request));
        }
    };
    let within = gate.rules().limits.answer_s.seconds();
    let Ok(response) = gate.clock().timeout(within, next.call(request)).await else {
        gate.refused(&Refusal::TimedOut);
        // The request went with whoever was to answer it.
        return Err(Refusal::TimedOut.into());
    };
    Ok(response?.map_body(|_, body| holding(body, place)))
}

/// A body that holds something until it has been written, or nobody reads it any more.
pub(super) fn holding<T: 'static>(body: BoxBody, held: T) -> BoxBody {
    BoxBody::new(Holding { body, _held: held })
}

struct Holding<T> {
    body: BoxBody,
    _held: T,
}

impl<T> Unpin for Holding<T> {}

impl<T> MessageBody for Holding<T> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(context)
    }
}
