//! What clients' calls used, as their operator reads it.

use actix_web::web::{Data, Json, Query};
use serde::Deserialize;
use store::UsageQuery;
use units::UnixMillis;

use super::requests::{limit_of, refuse_nul};
use super::views::UsagePage;
use super::{Desk, Refusal, blocking};

/// The query of `GET /admin/usage`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    since: Option<UnixMillis>,
    principal: Option<String>,
    before: Option<u64>,
    limit: Option<usize>,
}

/// `GET /admin/usage`: the clients' calls that are wanted, the last recorded first; `before` with the last `id` reads on.
pub(super) async fn show(wanted: Query<Wanted>, desk: Data<Desk>) -> Result<Json<UsagePage>, Refusal> {
    let Wanted { since, principal, before, limit } = wanted.into_inner();
    let limit = Some(limit_of(limit)?);
    refuse_nul("principal", principal.as_deref())?;
    let query = UsageQuery { since, principal, before, limit };
    let readers = desk.doors.readers.clone();
    Ok(Json(UsagePage { usage: blocking(move || Ok(readers.usage_of_clients(&query)?)).await? }))
}
