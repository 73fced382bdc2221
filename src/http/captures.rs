//! Captured bodies, for an operator who named their routes. Whoever reads one is in the audit log.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Json, Path, Query};
use actors::captures::{CaptureId, Error};
use serde::Deserialize;

use super::auditing::Who;
use super::changes::carried_out;
use super::views::CaptureList;
use super::{Desk, Refusal};

/// The captures of one answer, unless the request says otherwise.
const PAGE: usize = 100;
/// The most captures of one answer.
const MAX_PAGE: usize = 1_000;

/// The query of `GET /admin/captures`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    limit: Option<usize>,
}

/// `GET /admin/captures`: what is known of the newest ones, without their bodies.
pub(super) async fn list(wanted: Query<Wanted>, desk: Data<Desk>) -> Result<Json<CaptureList>, Refusal> {
    let limit = wanted.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Refusal::BadRequest(format!("`limit` is {limit}: choose 1 to {MAX_PAGE}")));
    }
    Ok(Json(CaptureList { captures: desk.doors.captures.list(limit).await? }))
}

/// `GET /admin/captures/{id}`
pub(super) async fn show(who: Who, id: Path<CaptureId>, desk: Data<Desk>) -> Result<HttpResponse, Refusal> {
    let (captures, id) = (desk.doors.captures.clone(), id.into_inner());
    let subject = id.to_string();
    // Recorded as a change is: whoever hangs up has seen what was sent by then.
    let read = async move { captures.read(&id).await?.ok_or(Refusal::NoCapture(id)) };
    let capture = carried_out(&desk, who, "capture.read", subject, read).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(capture))
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::internal(error)
    }
}
