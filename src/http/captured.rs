//! Captures bodies of the routes that an operator named, while they pass: nothing waits, and nothing is read twice.
//!
//! A route that was not named costs one look. Of a stream, either way, its beginning is kept, and the capture is handed over
//! when the last byte was written or nobody reads any more. What is taken out of it, `actors/captures.rs` decides.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpMessage};
use actors::captures::{Body, Captures, Exchange, Half};
use clock::Clock;
use futures_util::Stream;

use super::Desk;
use super::auditing::Who;
use super::request_id::RequestId;

/// The beginning of a body, written by whoever passes it on.
#[derive(Clone)]
struct Tape {
    body: Rc<RefCell<Body>>,
    most: usize,
}

/// What is captured of a request, handed over when this is dropped, however that comes about.
struct Record {
    exchange: Exchange,
    asked: Tape,
    answered: Tape,
    began: Instant,
    clock: Clock,
    captures: Captures,
}

/// The middleware of the route at `template`.
pub(super) async fn captured(
    template: &'static str,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let desk = request.app_data::<Data<Desk>>().cloned();
    let wanted = desk.and_then(|desk| desk.doors.captures.wants(template).map(|most| (desk, most)));
    let Some((desk, most)) = wanted else { return next.call(request).await };
    let mut record = Record::begin(template, &request, &desk, most);
    let payload = request.take_payload();
    if matches!(payload, Payload::None) {
        record.asked.body.borrow_mut().is_whole = true;
    } else {
        let heard = Heard { payload, tape: record.asked.clone() };
        request.set_payload(Payload::Stream { payload: Box::pin(heard) });
    }
    match next.call(request).await {
        Ok(response) => {
            record.exchange.status = Some(response.status().as_u16());
            record.exchange.answer.headers = headers(response.headers());
            // What comes then is frames of another protocol.
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(response);
            }
            Ok(response.map_body(|_, body| BoxBody::new(Said { body, record })))
        }
        Err(error) => {
            record.exchange.status = Some(error.as_response_error().status_code().as_u16());
            Err(error)
        }
    }
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect()
}

impl Record {
    fn begin(template: &str, request: &ServiceRequest, desk: &Desk, most: usize) -> Self {
        let id = request.extensions().get::<RequestId>().map(|RequestId(id)| id.clone());
        let exchange = Exchange {
            at: desk.clock.wall(),
            request_id: id.unwrap_or_default(),
            who: Who::of(request.request()).name().to_owned(),
            method: request.method().to_string(),
            route: template.to_owned(),
            target: request.uri().to_string(),
            request: Half { headers: headers(request.headers()), body: Body::default() },
            ..Exchange::default()
        };
        Self {
            exchange,
            asked: Tape::new(most),
            answered: Tape::new(most),
            began: desk.clock.now(),
            clock: desk.clock.clone(),
            captures: desk.doors.captures.clone(),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let mut exchange = std::mem::take(&mut self.exchange);
        exchange.request.body = self.asked.body.take();
        exchange.answer.body = self.answered.body.take();
        let took = self.clock.now().saturating_duration_since(self.began);
        exchange.duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.captures.keep(exchange);
    }
}

impl Tape {
    fn new(most: usize) -> Self {
        Self { body: Rc::default(), most }
    }

    fn pass<E>(&self, polled: &Poll<Option<Result<Bytes, E>>>) {
        let mut body = self.body.borrow_mut();
        match polled {
            Poll::Ready(Some(Ok(bytes))) => {
                let room = self.most.saturating_sub(body.first.len()).min(bytes.len());
                body.first.extend_from_slice(&bytes[..room]);
                body.bytes = body.bytes.saturating_add(bytes.len() as u64);
            }
            Poll::Ready(None) => body.is_whole = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
    }
}

/// A request's body on its way to whoever reads it.
struct Heard {
    payload: Payload,
    tape: Tape,
}

impl Stream for Heard {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.payload).poll_next(context);
        self.tape.pass(&polled);
        polled
    }
}

/// An answer's body on its way to whoever asked.
struct Said {
    body: BoxBody,
    record: Record,
}

impl MessageBody for Said {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        let size = this.body.size();
        let polled = Pin::new(&mut this.body).poll_next(context);
        this.record.answered.pass(&polled);
        // One of a known size is not asked for its end.
        let mut body = this.record.answered.body.borrow_mut();
        if matches!(size, BodySize::Sized(all) if all <= body.bytes) || size == BodySize::None {
            body.is_whole = true;
        }
        drop(body);
        polled
    }
}
