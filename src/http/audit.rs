//! The audit log as its operator reads it.

use actix_web::web::{Data, Json, Query};
use serde::Deserialize;
use store::AuditQuery;
use units::UnixMillis;

use super::requests::refuse_nul;
use super::views::{AuditChains, AuditPage};
use super::{Desk, Refusal, blocking};

/// The entries of one answer, unless the request says otherwise.
const PAGE: usize = 100;

/// The query of `GET /admin/audit`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    since: Option<UnixMillis>,
    who: Option<String>,
    action: Option<String>,
    limit: Option<usize>,
}

/// `GET /admin/audit`: the newest entries that are wanted, oldest first.
pub(super) async fn show(wanted: Query<Wanted>, desk: Data<Desk>) -> Result<Json<AuditPage>, Refusal> {
    let Wanted { since, who, action, limit } = wanted.into_inner();
    let limit = limit.unwrap_or(PAGE);
    if !(1..=store::MAX_PAGE_ROWS).contains(&limit) {
        let message = format!("`limit` is {limit}: choose 1 to {}", store::MAX_PAGE_ROWS);
        return Err(Refusal::BadRequest(message));
    }
    for (key, text) in [("who", &who), ("action", &action)] {
        refuse_nul(key, text.as_deref())?;
    }
    let query = AuditQuery { since, who, action, limit: Some(limit) };
    let readers = desk.doors.readers.clone();
    Ok(Json(AuditPage { entries: blocking(move || Ok(readers.audit(&query)?)).await? }))
}

/// `GET /admin/audit/verify`: every chain, checked from its beginning.
pub(super) async fn verify(desk: Data<Desk>) -> Result<Json<AuditChains>, Refusal> {
    let readers = desk.doors.readers.clone();
    Ok(Json(AuditChains { chains: blocking(move || Ok(readers.verify_audit()?)).await? }))
}
