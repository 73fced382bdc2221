//! Answered requests as their operator reads them.

use actix_web::web::{Data, Json, Query};
use serde::Deserialize;
use store::RequestQuery;
use units::UnixMillis;

use super::views::RequestPage;
use super::{Desk, Refusal, blocking};

/// The rows of one answer, unless the request says otherwise.
const PAGE: usize = 100;

/// The query of `GET /admin/requests`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    since: Option<UnixMillis>,
    principal: Option<String>,
    route: Option<String>,
    status: Option<u16>,
    before: Option<u64>,
    limit: Option<usize>,
}

/// `GET /admin/requests`: those that are wanted, the last recorded first; `before` with the last `id` reads on.
pub(super) async fn show(wanted: Query<Wanted>, desk: Data<Desk>) -> Result<Json<RequestPage>, Refusal> {
    let Wanted { since, principal, route, status, before, limit } = wanted.into_inner();
    let limit = limit_of(limit)?;
    for (key, text) in [("principal", &principal), ("route", &route)] {
        refuse_nul(key, text.as_deref())?;
    }
    let query = RequestQuery { since, principal, route, status, before, limit: Some(limit) };
    let readers = desk.doors.readers.clone();
    Ok(Json(RequestPage { requests: blocking(move || Ok(readers.requests(&query)?)).await? }))
}

/// How many rows are wanted.
pub(super) fn limit_of(wanted: Option<usize>) -> Result<usize, Refusal> {
    let limit = wanted.unwrap_or(PAGE);
    if (1..=store::MAX_PAGE_ROWS).contains(&limit) {
        return Ok(limit);
    }
    Err(Refusal::BadRequest(format!("`limit` is {limit}: choose 1 to {}", store::MAX_PAGE_ROWS)))
}

/// What no column can hold finds nothing in a file and is an error at a server: refused, it is the same on both.
pub(super) fn refuse_nul(key: &str, text: Option<&str>) -> Result<(), Refusal> {
    match text {
        Some(text) if text.contains('\0') => {
            Err(Refusal::BadRequest(format!("`{key}` has a NUL in it: leave out `%00`")))
        }
        Some(_) | None => Ok(()),
    }
}
