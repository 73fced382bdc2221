//! Keys over HTTP: make one, list them, take one back, put a new one in the place of another.

use std::time::Duration;

use access::{Key, Record};
use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Json, Path};
use actors::keyring::{self, Keys, NewKey};
use units::KeyId;

use super::auditing::Who;
use super::changes::{Subject, carried_out};
use super::views::{KeyList, KeyOrder, KeyView, MadeKey, RotateOrder, ShownOnce};
use super::{Desk, Refusal};

/// The longest life and the longest overlap: a hundred years.
const MAX_SECONDS: u64 = 100 * 366 * 24 * 60 * 60;

/// `GET /admin/keys`
pub(super) async fn list(desk: Data<Desk>) -> Json<KeyList> {
    let now = desk.clock.wall();
    let records = desk.doors.keys.records().into_iter();
    Json(KeyList { keys: records.map(|record| KeyView::new(record, now)).collect() })
}

/// `POST /admin/keys`
pub(super) async fn create(
    who: Who,
    order: Json<KeyOrder>,
    desk: Data<Desk>,
) -> Result<HttpResponse, Refusal> {
    let made = |(_, record): &(Key, Record)| record.grant.id.to_string();
    let (subject, keys) = (Subject::Made { wanted: order.name.clone(), made }, desk.doors.keys.clone());
    let (key, record) = carried_out(&desk, who, "key.create", subject, make(order, keys)).await?;
    Ok(shown(&desk, &key, record))
}

async fn make(order: Json<KeyOrder>, keys: Keys) -> Result<(Key, Record), Refusal> {
    let KeyOrder { name, scopes, expires_in_s, models, roots, tags } = order.into_inner();
    let lifetime = expires_in_s.map(|seconds| within("expires_in_s", 1, seconds)).transpose()?;
    let new = NewKey { name, scopes: scopes.into_iter().collect(), lifetime, models, roots, tags };
    Ok(keys.create(new).await?)
}

/// `POST /admin/keys/{id}/revoke`
pub(super) async fn revoke(who: Who, id: Path<KeyId>, desk: Data<Desk>) -> Result<Json<KeyView>, Refusal> {
    let (keys, subject) = (desk.doors.keys.clone(), id.to_string());
    let revoke = async move { Ok(keys.revoke(&id).await?) };
    let record = carried_out(&desk, who, "key.revoke", subject, revoke).await?;
    Ok(Json(KeyView::new(record, desk.clock.wall())))
}

/// `POST /admin/keys/{id}/rotate`
pub(super) async fn rotate(
    who: Who,
    id: Path<KeyId>,
    order: Json<RotateOrder>,
    desk: Data<Desk>,
) -> Result<HttpResponse, Refusal> {
    let (keys, subject) = (desk.doors.keys.clone(), id.to_string());
    let rotate = async move {
        let overlap = within("overlap_s", 0, order.overlap_s)?;
        Ok(keys.rotate(&id, overlap).await?)
    };
    let (key, record) = carried_out(&desk, who, "key.rotate", subject, rotate).await?;
    Ok(shown(&desk, &key, record))
}

fn shown(desk: &Desk, key: &Key, record: Record) -> HttpResponse {
    let view = KeyView::new(record, desk.clock.wall());
    let made = MadeKey { key: ShownOnce(key.text.expose().to_owned()), view };
    HttpResponse::Created().insert_header((CACHE_CONTROL, "no-store")).json(made)
}

fn within(what: &str, least: u64, seconds: u64) -> Result<Duration, Refusal> {
    if (least..=MAX_SECONDS).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err(Refusal::Unprocessable(format!("`{what}` is {seconds}: choose {least} to {MAX_SECONDS} seconds")))
}

impl From<keyring::Error> for Refusal {
    fn from(error: keyring::Error) -> Self {
        match error {
            keyring::Error::BadGrant(_) => Self::Unprocessable(error.to_string()),
            keyring::Error::NoKey(id) => Self::NoKey(id),
            keyring::Error::Over(_) | keyring::Error::TooMany { .. } => Self::Conflict(error.to_string()),
            keyring::Error::Writer(actors::writer::Error::Refused(store::WriteError::NoKey { id })) => {
                Self::NoKey(id)
            }
            keyring::Error::Writer(actors::writer::Error::Unavailable(_))
            | keyring::Error::Unreachable(_) => Self::Busy("the store takes nothing now".to_owned()),
            // Whether it was done is unknown; the list tells.
            keyring::Error::Writer(actors::writer::Error::Unknown)
            | keyring::Error::Writer(actors::writer::Error::Refused(store::WriteError::Database(_))) => {
                Self::Busy(
                    "the store did not say whether it was done: look at `impresario keys list`".to_owned(),
                )
            }
            keyring::Error::Writer(_) | keyring::Error::Randomness(_) => Self::internal(error),
        }
    }
}
