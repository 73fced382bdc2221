//! What a server records in batches, and table `nodes`: how far the records of each server are written.
//!
//! A batch says from where to where it goes in the stream of its server's records. It is written together with that
//! position, and only where the position is still the batch's start: sent again after an unknown outcome, it is written once.

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Text};
use serde::{Deserialize, Serialize};
use units::NodeId;

use crate::audit::{AuditEntry, GENESIS};
use crate::connection::{Connection, each};
use crate::error::{Error, WriteError};
use crate::requests::RequestRow;
use crate::schema::nodes;
use crate::usage::UsageRow;
use crate::write::{Claimed, check_usage, storable, within};
use crate::{audit, requests, usage};

mod postgres;

/// The most records in one write.
pub const MAX_RECORDS: usize = 512;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// Somebody did, or was denied, something.
    Audit(AuditEntry),
    /// A request was answered.
    Request(RequestRow),
    /// A call to a model ended.
    Usage(UsageRow),
}

/// A batch of records, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// Whose they are.
    pub node: NodeId,
    /// Where the server's records end before these; else they are [`Misplaced`](WriteError::Misplaced).
    pub after: u64,
    /// Where they end with these; larger than `after`.
    pub upto: u64,
    /// The records.
    pub rows: Vec<Record>,
}

impl Record {
    /// The record as bytes that [`Record::decode`] reads back, also in a later version.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record holds texts and numbers alone")
    }

    /// Reads what [`Record::encode`] wrote.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

impl Record {
    fn usage(&self) -> Option<&UsageRow> {
        match self {
            Self::Usage(row) => Some(row),
            Self::Audit(_) | Self::Request(_) => None,
        }
    }
}

impl Records {
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        within("records of a write", self.rows.len(), MAX_RECORDS)?;
        storable("the position of a record", self.upto)?;
        for row in &self.rows {
            match row {
                Record::Audit(entry) => entry.check()?,
                Record::Request(row) => row.check()?,
                Record::Usage(row) => check_usage(std::slice::from_ref(row))?,
            }
        }
        Ok(())
    }
}

/// Writes a batch, or finds that it is written.
pub(crate) fn write(
    connection: &mut Connection,
    records: &Records,
) -> QueryResult<Result<Claimed, WriteError>> {
    let (mut entries, mut answered, mut used) = (Vec::new(), Vec::new(), Vec::new());
    for row in &records.rows {
        match row {
            Record::Audit(entry) => entries.push(entry),
            Record::Request(row) => answered.push(row),
            Record::Usage(row) => used.push(row),
        }
    }
    match advance(connection, records, &used)? {
        Place::Elsewhere(misplaced) => return Ok(Err(misplaced)),
        Place::Behind => return Ok(Ok(Claimed::default())),
        Place::NextWithUsage => used.clear(),
        Place::Next => {}
    }
    if !entries.is_empty() {
        audit::insert(connection, &records.node, &entries)?;
    }
    if !answered.is_empty() {
        requests::insert(connection, &records.node, &answered)?;
    }
    if !used.is_empty() {
        usage::insert::<usage::Nameless>(connection, used)?;
    }
    Ok(Ok(Claimed::default()))
}

/// Writes a batch that one statement can write, outside of any transaction: such a statement is one by itself. `false` where
/// it cannot, or where the batch is not the next one; nothing is written then.
pub(crate) fn write_alone(connection: &mut Connection, records: &Records) -> QueryResult<bool> {
    let Connection::Postgres(one) = connection else { return Ok(false) };
    let used: Option<Vec<&UsageRow>> = records.rows.iter().map(Record::usage).collect();
    match used {
        Some(used) if !used.is_empty() => postgres::write(&mut one.connection, Move::of(records), &used),
        Some(_) | None => Ok(false),
    }
}

/// Moves the position on where it is still right. It is part of each batch: unlike an `UPDATE` of Diesel's it is prepared
/// once on a connection.
struct Move<'a> {
    node: &'a str,
    after: i64,
    upto: i64,
}

impl<'a> Move<'a> {
    fn of(records: &'a Records) -> Self {
        let (after, upto) = (records.after.cast_signed(), records.upto.cast_signed());
        Self { node: records.node.as_str(), after, upto }
    }
}

impl QueryId for Move<'_> {
    type QueryId = Move<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<DB: Backend> QueryFragment<DB> for Move<'_>
where
    str: ToSql<Text, DB>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("UPDATE nodes SET recorded = ");
        out.push_bind_param::<BigInt, _>(&self.upto)?;
        out.push_sql(" WHERE id = ");
        out.push_bind_param::<Text, str>(self.node)?;
        out.push_sql(" AND recorded = ");
        out.push_bind_param::<BigInt, _>(&self.after)
    }
}

impl<C> RunQueryDsl<C> for Move<'_> {}

/// Where a batch belongs.
enum Place {
    /// After what is written; its position is taken now.
    Next,
    /// The same, and its usage is written.
    NextWithUsage,
    /// It is written already.
    Behind,
    /// Neither.
    Elsewhere(WriteError),
}

fn advance(connection: &mut Connection, records: &Records, used: &[&UsageRow]) -> QueryResult<Place> {
    let moved = Move::of(records);
    match connection {
        Connection::Postgres(one) if !used.is_empty() => {
            if postgres::write(&mut one.connection, moved, used)? {
                return Ok(Place::NextWithUsage);
            }
        }
        Connection::Sqlite(_) | Connection::Postgres(_) => {
            if each!(connection, one => moved.execute(one))? == 1 {
                return Ok(Place::Next);
            }
        }
    }
    let (node, after, upto) = (records.node.as_str(), records.after, records.upto.cast_signed());
    match position(connection, &records.node)? {
        None if after == 0 => {
            let first = diesel::insert_into(nodes::table).values((
                nodes::id.eq(node),
                nodes::recorded.eq(upto),
                nodes::audit_first_seq.eq(1),
                nodes::audit_first_prev.eq(GENESIS),
                nodes::audit_last_seq.eq(0),
                nodes::audit_last_hash.eq(GENESIS),
            ));
            each!(connection, one => first.execute(one))?;
            Ok(Place::Next)
        }
        Some(recorded) if recorded == upto => Ok(Place::Behind),
        found => {
            let recorded = found.unwrap_or_default().cast_unsigned();
            Ok(Place::Elsewhere(WriteError::Misplaced { recorded }))
        }
    }
}

/// How far the records of a server are written; 0 where it has written none.
pub(crate) fn recorded(connection: &mut Connection, node: &NodeId) -> Result<u64, Error> {
    Ok(position(connection, node)?.unwrap_or_default().cast_unsigned())
}

fn position(connection: &mut Connection, node: &NodeId) -> QueryResult<Option<i64>> {
    let query = nodes::table.find(node.as_str()).select(nodes::recorded);
    each!(connection, one => query.first(one).optional())
}

#[cfg(test)]
mod tests;
