//! Bodies: JSON and nothing else, of a bounded size and depth, within a bounded time; read before a route looks at them.
//! Forms go where they are taken ([`passages`]), and pass piece by piece.
//!
//! A page can send a form or a plain text anywhere without asking first; JSON it cannot.

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING, UPGRADE};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{Error, HttpMessage};
use futures_util::StreamExt;

use super::gate::{self, Gate};
use super::{Refusal, dialects, nesting, passages};

/// The middleware that reads the body.
pub(crate) async fn taken(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let gate = gate::of(&request);
    let read = match takes_a_body(request.method()) {
        true if passages::brings_form(&request) => passages::admitted(&request),
        true => read(&mut request, &gate).await,
        false => none(&request),
    };
    match read {
        Ok(()) => next.call(request).await,
        Err(refusal) => {
            gate.refused(&refusal);
            Ok(refusal.answer(request))
        }
    }
}

fn takes_a_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// One that nobody would read is refused: what is left over of it might be read as the next request.
fn none(request: &ServiceRequest) -> Result<(), Refusal> {
    let length = request.headers().get(CONTENT_LENGTH);
    let has_length = length.is_some_and(|length| length.as_bytes() != b"0");
    if has_length || request.headers().contains_key(TRANSFER_ENCODING) {
        return Err(Refusal::BadRequest(format!("a {} has no body", request.method())));
    }
    Ok(())
}

async fn read(request: &mut ServiceRequest, gate: &Gate) -> Result<(), Refusal> {
    let limits = &gate.rules().limits;
    is_json(request)?;
    let of_vendor = dialects::most_bytes(request);
    let most = of_vendor.unwrap_or_else(|| limits.body_bytes.size());
    let declared =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > most as u64) {
        return Err(Refusal::BodyTooLarge { most });
    }
    let mut payload = request.take_payload();
    let whole = gate.clock().timeout(limits.body_s.seconds(), whole(&mut payload, most)).await;
    let bytes = match whole.unwrap_or(Err(Refusal::BodyTooSlow)) {
        Ok(bytes) => bytes,
        Err(refusal) => {
            // It is put back half read, so that the connection is closed after the answer.
            request.set_payload(payload);
            return Err(refusal);
        }
    };
    let most = limits.body_depth.size();
    // How deep a vendor's client may nest is found where its body is read.
    if of_vendor.is_none() && !nesting::is_within(&bytes, most) {
        return Err(Refusal::TooDeep { most });
    }
    request.set_payload(Payload::from(bytes));
    Ok(())
}

fn is_json(request: &ServiceRequest) -> Result<(), Refusal> {
    let headers = request.headers();
    let mut types = headers.get_all(CONTENT_TYPE);
    let (Some(kind), None) = (types.next(), types.next()) else { return Err(Refusal::NotJson) };
    let essence = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    // Nothing is unpacked: a small body that becomes a large one does not exist here.
    let is_packed =
        headers.get_all(CONTENT_ENCODING).any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let is_json = essence.trim().eq_ignore_ascii_case("application/json");
    if is_json && !is_packed && !headers.contains_key(UPGRADE) { Ok(()) } else { Err(Refusal::NotJson) }
}

async fn whole(payload: &mut Payload, most: usize) -> Result<Bytes, Refusal> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| broken(&error))?;
        if bytes.len() + chunk.len() > most {
            return Err(Refusal::BodyTooLarge { most });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn broken(error: &PayloadError) -> Refusal {
    Refusal::BadRequest(format!("the body cannot be read to its end: {error}"))
}
