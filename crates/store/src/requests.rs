//! Table `requests`: who asked what of this server and how it was answered; never what was in it.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use serde::{Deserialize, Serialize};
use units::{NodeId, UnixMillis};

use crate::connection::{Connection, each};
use crate::error::{Error, WriteError};
use crate::readers::{MAX_PAGE_ROWS, Readers};
use crate::schema::requests;
use crate::write::{MAX_NAME_BYTES, storable, text, within};

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    /// When it came.
    pub at: UnixMillis,
    /// What the answer calls it (`x-request-id`).
    pub request_id: String,
    /// Who asked.
    pub principal: String,
    /// Where it came in.
    pub door: String,
    /// Its method.
    pub method: String,
    /// The route's template, never the path.
    pub route: String,
    /// The answer's status.
    pub status: u16,
    /// From the request's head to the answer's, in milliseconds.
    pub duration_ms: u64,
    /// Bytes of the request's body, where its head told them.
    pub bytes_in: Option<u64>,
    /// Bytes of the answer's body; none for a stream.
    pub bytes_out: Option<u64>,
}

/// A request as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredRequest {
    /// Its place there: who reads on names the last one that was read.
    pub id: u64,
    /// Which server answered.
    pub node: String,
    /// The request and its answer.
    #[serde(flatten)]
    pub row: RequestRow,
}

/// Which requests are wanted; the default are the newest of all.
#[derive(Clone, Debug, Default)]
pub struct RequestQuery {
    /// From this time on.
    pub since: Option<UnixMillis>,
    /// Of this principal alone.
    pub principal: Option<String>,
    /// By this route, as its template.
    pub route: Option<String>,
    /// With this status.
    pub status: Option<u16>,
    /// Only what was recorded before this one.
    pub before: Option<u64>,
    /// At most so many; as many as a page holds where none is given.
    pub limit: Option<usize>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = requests)]
struct Record {
    id: i64,
    node: String,
    at: i64,
    request_id: String,
    principal: String,
    door: String,
    method: String,
    route: String,
    status: i64,
    duration_ms: i64,
    bytes_in: Option<i64>,
    bytes_out: Option<i64>,
}

impl From<Record> for AnsweredRequest {
    fn from(record: Record) -> Self {
        let row = RequestRow {
            at: UnixMillis(record.at),
            request_id: record.request_id,
            principal: record.principal,
            door: record.door,
            method: record.method,
            route: record.route,
            status: u16::try_from(record.status).unwrap_or_default(),
            duration_ms: record.duration_ms.cast_unsigned(),
            bytes_in: record.bytes_in.map(i64::cast_unsigned),
            bytes_out: record.bytes_out.map(i64::cast_unsigned),
        };
        Self { id: record.id.cast_unsigned(), node: record.node, row }
    }
}

impl Readers {
    /// The requests that a query asks for, those first that were recorded last; at most its limit and [`MAX_PAGE_ROWS`].
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn requests(&self, query: &RequestQuery) -> Result<Vec<AnsweredRequest>, Error> {
        self.read(|connection| list(connection, query))
    }
}

fn list(connection: &mut Connection, query: &RequestQuery) -> Result<Vec<AnsweredRequest>, Error> {
    let limit = query.limit.unwrap_or(MAX_PAGE_ROWS).min(MAX_PAGE_ROWS);
    let records: Vec<Record> = each!(connection, one => {
        let mut found = requests::table
            .select(Record::as_select())
            .order(requests::id.desc())
            .limit(limit as i64)
            .into_boxed();
        if let Some(since) = query.since {
            found = found.filter(requests::at.ge(since.0));
        }
        if let Some(principal) = &query.principal {
            found = found.filter(requests::principal.eq(principal));
        }
        if let Some(route) = &query.route {
            found = found.filter(requests::route.eq(route));
        }
        if let Some(status) = query.status {
            found = found.filter(requests::status.eq(i64::from(status)));
        }
        if let Some(before) = query.before {
            found = found.filter(requests::id.lt(i64::try_from(before).unwrap_or(i64::MAX)));
        }
        found.load(one)
    })?;
    Ok(records.into_iter().map(AnsweredRequest::from).collect())
}

#[derive(Insertable)]
#[diesel(table_name = requests)]
struct NewRecord<'a> {
    at: i64,
    node: &'a str,
    request_id: &'a str,
    principal: &'a str,
    door: &'a str,
    method: &'a str,
    route: &'a str,
    status: i64,
    duration_ms: i64,
    bytes_in: Option<i64>,
    bytes_out: Option<i64>,
}

impl RequestRow {
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        let texts = [
            ("a request's id", &self.request_id),
            ("a request's principal", &self.principal),
            ("a request's door", &self.door),
            ("a request's method", &self.method),
            ("a request's route", &self.route),
        ];
        for (what, found) in texts {
            within(what, found.len(), MAX_NAME_BYTES)?;
            text(what, found)?;
        }
        storable("milliseconds of a request", self.duration_ms)?;
        storable("bytes of a request", self.bytes_in.unwrap_or_default())?;
        storable("bytes of an answer", self.bytes_out.unwrap_or_default())
    }
}

/// One row in a statement that SQLite's connection prepares once: Diesel's own is put together anew for each.
struct Single<'a>(NewRecord<'a>);

impl QueryFragment<Sqlite> for Single<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let Self(row) = self;
        out.push_sql("INSERT INTO requests (at, node, request_id, principal, door, method, route, ");
        out.push_sql("status, duration_ms, bytes_in, bytes_out) VALUES (");
        out.push_bind_param::<BigInt, _>(&row.at)?;
        for text in [&row.node, &row.request_id, &row.principal, &row.door, &row.method, &row.route] {
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(text)?;
        }
        for number in [&row.status, &row.duration_ms] {
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(number)?;
        }
        for bytes in [&row.bytes_in, &row.bytes_out] {
            out.push_sql(", ");
            out.push_bind_param::<Nullable<BigInt>, _>(bytes)?;
        }
        out.push_sql(")");
        Ok(())
    }
}

impl QueryId for Single<'_> {
    type QueryId = Single<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<SqliteConnection> for Single<'_> {}

/// Writes the rows. The numbers have been checked to fit.
pub(crate) fn insert(connection: &mut Connection, node: &NodeId, rows: &[&RequestRow]) -> QueryResult<()> {
    let mut records = rows.iter().map(|row| new(node, row));
    match connection {
        Connection::Sqlite(one) => records.try_for_each(|row| Single(row).execute(&mut **one).map(drop)),
        Connection::Postgres(one) => {
            let records: Vec<NewRecord<'_>> = records.collect();
            let insert = diesel::insert_into(requests::table).values(&records);
            insert.execute(&mut one.connection).map(drop)
        }
    }
}

fn new<'a>(node: &'a NodeId, row: &'a RequestRow) -> NewRecord<'a> {
    NewRecord {
        at: row.at.0,
        node: node.as_str(),
        request_id: &row.request_id,
        principal: &row.principal,
        door: &row.door,
        method: &row.method,
        route: &row.route,
        status: row.status.into(),
        duration_ms: row.duration_ms.cast_signed(),
        bytes_in: row.bytes_in.map(u64::cast_signed),
        bytes_out: row.bytes_out.map(u64::cast_signed),
    }
}
