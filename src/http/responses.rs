//! Answers of OpenAI's Responses that are kept here: going on from one, keeping one, and what its owner may ask of it.
//!
//! Whoever answers is asked to keep nothing, and is told the whole conversation. A row is durable before its client is told
//! that the answer is whole: what a client goes on from is there. What it holds is told to its owner alone, and to no log.

mod keeper;

use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use actors::writer::{self, Pen};
use clock::Clock;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{MAX_RESPONSE_BYTES, Readers, ResponseChange, ResponseRoom, ResponseRow, Write};
use units::UnixMillis;
use wire::Dialect;
use wire::hot::Hot;
use wire::openai_responses::{Before, Mark, go_on};

use super::auditing::Who;
use super::changes::carried_out;
use super::identity::Caller;
use super::{Desk, Refusal, blocking, request_id};
use access::Principal;
pub(super) use keeper::{Keeper, Unkept};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The items of one answer, unless the request says otherwise, and the most.
const PAGE: usize = 20;
const MAX_PAGE: usize = 100;
/// The longest id that is looked up.
const MAX_ID_BYTES: usize = 256;

/// What one owner has kept, and how more is.
#[derive(Clone)]
pub(super) struct Shelf {
    readers: Readers,
    pen: Pen,
    clock: Clock,
    owner: String,
    /// What is older is gone, though it may still stand there.
    lifetime: Option<Duration>,
    room: ResponseRoom,
    /// Whether anything is kept at all.
    is_open: bool,
}

/// A request that has to do with kept answers.
pub(super) struct Prepared {
    /// Its body: it says all by itself, and has nothing kept by whoever answers.
    pub(super) body: Vec<u8>,
    /// What of the conversation is lost.
    pub(super) unsaid: Option<&'static str>,
    mark: Mark,
    given: String,
}

/// Why a request is not asked.
pub(super) enum Unprepared {
    Invalid(wire::Invalid),
    Refused(Refusal),
}

impl Shelf {
    /// Of whoever asks.
    pub(super) fn of(request: &HttpRequest, desk: &Desk) -> Self {
        let settings = &desk.gateway.responses;
        let rule = desk.rules.iter().find(|(table, _)| *table == "responses");
        let days = rule.and_then(|(_, limits)| limits.days);
        Self {
            readers: desk.doors.readers.clone(),
            pen: desk.doors.pen.clone(),
            clock: desk.clock.clone(),
            owner: owner(&Caller::of(request)),
            lifetime: days.map(|days| DAY.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX))),
            room: settings.room(),
            is_open: settings.store,
        }
    }

    /// Whether a request goes on from a kept answer, or has its own kept.
    pub(super) fn concerns(&self, hot: &Hot<'_>) -> bool {
        hot.previous.is_some() || self.keeps(hot)
    }

    fn keeps(&self, hot: &Hot<'_>) -> bool {
        self.is_open && hot.store != Some(false)
    }

    /// Makes a request say all by itself. Asks the database, also where nothing is to be found in it: while it is down nobody
    /// is asked for an answer that could not be kept.
    pub(super) async fn prepare(&self, body: &[u8], hot: &Hot<'_>) -> Result<Prepared, Unprepared> {
        let previous = hot.previous.as_deref().map(str::to_owned);
        let found = self.find(previous.clone().unwrap_or_default()).await.map_err(Unprepared::Refused)?;
        let found = match (&previous, found.filter(|_| self.is_open)) {
            (Some(id), None) => {
                return Err(Unprepared::Refused(Refusal::NoPreviousResponse { id: id.clone() }));
            }
            (_, found) => found,
        };
        let before = found.as_ref().map(|row| Before {
            given: &row.given,
            answer: &row.answer,
            issuer: &row.deployment,
        });
        let whole = go_on(body, hot, before).map_err(Unprepared::Invalid)?;
        if whole.given.len() > self.most_bytes() {
            let field = if before.is_some() { "previous_response_id" } else { "input" };
            let rule = format!("must be of a conversation of at most {} bytes", self.most_bytes());
            return Err(Unprepared::Invalid(wire::Invalid::new(field, rule)));
        }
        let keeps = self.keeps(hot);
        // What clients call an answer is no vendor's to choose: two of them may choose the same.
        let id = keeps.then(|| format!("resp_{}{}", request_id::fresh(), request_id::fresh()));
        let unsaid = whole.lost_thoughts.then_some("thoughts");
        Ok(Prepared { body: whole.body, unsaid, mark: Mark { id, previous }, given: whole.given })
    }

    /// The answer of this name, if it is this owner's and has not had its time.
    async fn find(&self, id: String) -> Result<Option<ResponseRow>, Refusal> {
        if id.len() > MAX_ID_BYTES {
            return Ok(None);
        }
        let (readers, owner) = (self.readers.clone(), self.owner.clone());
        let since = self.lifetime.map(|lifetime| {
            let lifetime = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
            UnixMillis(self.clock.wall().0.saturating_sub(lifetime))
        });
        blocking(move || readers.response(&id, &owner, since).map_err(unread)).await
    }

    /// Keeps an answer; it is durable then.
    async fn keep(&self, id: &str, deployment: String, given: &str, answer: String) -> Result<(), Refusal> {
        if given.len() + answer.len() > self.most_bytes() {
            let most = self.most_bytes();
            let message = format!("the answer cannot be kept: its conversation has more than {most} bytes");
            return Err(Refusal::Unprocessable(message));
        }
        let row = Box::new(ResponseRow {
            id: id.to_owned(),
            owner: self.owner.clone(),
            at: self.clock.wall(),
            deployment,
            given: given.to_owned(),
            answer,
        });
        let change = ResponseChange::Keep { row, room: self.room };
        self.pen.write(|reply| Write::Responses { change, reply }).await.map(drop).map_err(unwritten)
    }

    fn most_bytes(&self) -> usize {
        usize::try_from(self.room.bytes).unwrap_or(usize::MAX).min(MAX_RESPONSE_BYTES)
    }
}

/// Whose answers somebody's are.
fn owner(caller: &Caller) -> String {
    match (&caller.principal, caller.account) {
        (Principal::Key { .. }, _) => caller.principal.name().to_owned(),
        (Principal::Operator | Principal::Anonymous, Some(account)) => format!("account/{account}"),
        (Principal::Operator | Principal::Anonymous, None) => caller.principal.name().to_owned(),
    }
}

fn unread(error: store::Error) -> Refusal {
    // The server went away while it was asked.
    if let store::Error::Read(_) = error {
        return Refusal::Busy("the store cannot be read now".to_owned());
    }
    error.into()
}

fn unwritten(error: writer::Error) -> Refusal {
    match error {
        writer::Error::Unavailable(_)
        | writer::Error::Unknown
        | writer::Error::Refused(store::WriteError::Database(_)) => {
            Refusal::Busy("the store takes nothing now".to_owned())
        }
        writer::Error::Refused(_) => Refusal::internal(error),
    }
}

/// `GET /v1/responses/{id}`: as its client was given it.
pub(super) async fn show(
    request: HttpRequest,
    id: Path<String>,
    desk: Data<Desk>,
) -> Result<HttpResponse, Refusal> {
    if request.query_string().split('&').any(|pair| pair == "stream=true") {
        return Err(Refusal::BadRequest("an answer that is kept is not told piece by piece".to_owned()));
    }
    Ok(json_of(kept(&request, &desk, id.into_inner()).await?.answer))
}

/// `DELETE /v1/responses/{id}`
pub(super) async fn forget(
    who: Who,
    request: HttpRequest,
    id: Path<String>,
    desk: Data<Desk>,
) -> Result<HttpResponse, Refusal> {
    // What is not there is refused before its name stands in the audit log, which is no place for any text.
    let id = kept(&request, &desk, id.into_inner()).await?.id;
    let (shelf, subject) = (Shelf::of(&request, &desk), id.clone());
    let forget = async move {
        let change = ResponseChange::Forget { id: id.clone(), owner: shelf.owner };
        let gone = shelf.pen.write(|reply| Write::Responses { change, reply }).await.map_err(unwritten)?;
        if gone == 0 { Err(Refusal::NoResponse { id }) } else { Ok(id) }
    };
    let id = carried_out(&desk, who, "response.delete", subject, forget).await?;
    Ok(json_of(json!({"id": id, "object": "response", "deleted": true}).to_string()))
}

/// The query of `GET /v1/responses/{id}/input_items`.
#[derive(Deserialize)]
pub(super) struct Wanted {
    after: Option<String>,
    limit: Option<usize>,
    order: Option<Order>,
}

/// The newest first, as OpenAI has it, or the oldest.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    Asc,
    #[default]
    Desc,
}

/// `GET /v1/responses/{id}/input_items`: all that the model was given.
pub(super) async fn input_items(
    request: HttpRequest,
    id: Path<String>,
    wanted: Query<Wanted>,
    desk: Data<Desk>,
) -> Result<HttpResponse, Refusal> {
    let row = kept(&request, &desk, id.into_inner()).await?;
    Ok(json_of(page(&row, &wanted)?.to_string()))
}

fn page(row: &ResponseRow, wanted: &Wanted) -> Result<Value, Refusal> {
    let limit = wanted.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Refusal::BadRequest(format!("`limit` is {limit}: choose 1 to {MAX_PAGE}")));
    }
    let mut items: Vec<Value> = serde_json::from_str(&row.given).map_err(Refusal::internal)?;
    for (place, item) in items.iter_mut().enumerate() {
        if let Some(item) = item.as_object_mut().filter(|item| !item.contains_key("id")) {
            let own = row.id.strip_prefix("resp_").unwrap_or(&row.id);
            item.insert("id".to_owned(), json!(format!("item_{own}_{place}")));
        }
    }
    if let Order::Desc = wanted.order.unwrap_or_default() {
        items.reverse();
    }
    if let Some(after) = &wanted.after {
        let place = items.iter().position(|item| item["id"] == after.as_str());
        let place =
            place.ok_or_else(|| Refusal::BadRequest("`after` is no item of this answer".to_owned()))?;
        items.drain(..=place);
    }
    let has_more = items.len() > limit;
    items.truncate(limit);
    let end = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    let (first, last) = (end(items.first()), end(items.last()));
    Ok(json!({"object": "list", "data": items, "first_id": first, "last_id": last, "has_more": has_more}))
}

async fn kept(request: &HttpRequest, desk: &Desk, id: String) -> Result<ResponseRow, Refusal> {
    Shelf::of(request, desk).find(id.clone()).await?.ok_or(Refusal::NoResponse { id })
}

fn json_of(body: String) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "application/json"));
    response.insert_header((CACHE_CONTROL, "no-store"));
    response.body(body)
}

/// The dialect whose answers are kept.
pub(super) const DIALECT: Dialect = Dialect::OpenAiResponses;

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> ResponseRow {
        ResponseRow {
            id: "resp_1".to_owned(),
            owner: "key/1".to_owned(),
            at: UnixMillis(1),
            deployment: "o/m".to_owned(),
            given: r#"[{"a":0},{"id":"own"},{"a":2}]"#.to_owned(),
            answer: "{}".to_owned(),
        }
    }

    #[test]
    fn items_come_in_pages_and_each_has_a_name_to_go_on_from() {
        let ids = |page: &Value| -> Vec<String> {
            let items = page["data"].as_array().unwrap().iter();
            items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
        };
        let wanted =
            |after: Option<&str>, limit, order| Wanted { after: after.map(str::to_owned), limit, order };
        let all = page(&row(), &wanted(None, None, None)).unwrap();
        assert_eq!(ids(&all), ["item_1_2", "own", "item_1_0"]);
        assert_eq!((&all["first_id"], &all["last_id"]), (&json!("item_1_2"), &json!("item_1_0")));
        let first = page(&row(), &wanted(None, Some(2), Some(Order::Asc))).unwrap();
        assert_eq!(
            (ids(&first), &first["has_more"]),
            (vec!["item_1_0".to_owned(), "own".to_owned()], &json!(true))
        );
        let rest = page(&row(), &wanted(Some("own"), Some(2), Some(Order::Asc))).unwrap();
        assert_eq!((ids(&rest), &rest["has_more"]), (vec!["item_1_2".to_owned()], &json!(false)));
        for bad in [wanted(None, Some(0), None), wanted(None, Some(101), None), wanted(Some("x"), None, None)]
        {
            assert!(matches!(page(&row(), &bad), Err(Refusal::BadRequest(_))));
        }
    }
}
