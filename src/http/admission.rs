//! How much each address and each account may ask at once.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage};

use super::asker::Asker;
use super::door::Arrival;
use super::gate::{Rooms, Whence};
use super::{Refusal, gate, needs, template};

/// The middleware that counts who is in, and turns away who would be too many. A request is in until the last byte of
/// its answer was written and what it changes is done.
pub(crate) async fn admitted(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let gate = gate::of(&request);
    let asker = request.extensions().get::<Asker>().cloned();
    let arrival = request.conn_data::<Arrival>().map(|arrival| (arrival.door, arrival.account));
    let (Some(asker), Some((door, account))) = (asker, arrival) else {
        return Ok(Refusal::internal("a request came in by no door").answer(request));
    };
    // Who is shut out may still be somebody's prober: a server that lives is not to be started anew for that.
    let is_probe = template::of(request.request()).is_some_and(|route| needs::is_probe(&route));
    let whence = if is_probe { None } else { Whence::of(asker.address, account) };
    let place = match gate.admit(door, whence) {
        Ok(place) => place,
        Err(refusal) => {
            gate.refused(&refusal);
            return Ok(refusal.answer(request));
        }
    };
    let rooms = Rooms::with(place);
    request.extensions_mut().insert(rooms.clone());
    Ok(next.call(request).await?.map_body(|_, body| holding(body, rooms)))
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
