//! Appends that are written together: what a run of them comes to is what they would come to one after the other.
//!
//! A run has one append of each workflow at most, so that none of them hangs on another. Their statements have one text
//! each and are prepared once on a connection: Diesel would prepare each `UPDATE` anew. A file takes them one by one, a
//! server a whole run in one statement, for each statement is a way there and back.

use std::collections::HashSet;

use diesel::prelude::*;
use units::Seq;

use crate::connection::{Connection, each};
use crate::error::WriteError;
use crate::schema::workflows;
use crate::write::{Append, Claimed, Write};
use crate::{projection, usage};

mod postgres;
mod sqlite;

/// The appends that `writes` begins with, as far as they are within their bounds and each is to another workflow.
pub(crate) fn leading(writes: &[Write]) -> Vec<&Append> {
    let mut workflows = HashSet::new();
    let mut run = Vec::new();
    for write in writes {
        let Write::Append { append, .. } = write else { break };
        if append.check().is_err() || !workflows.insert(&append.workflow) {
            break;
        }
        run.push(append);
    }
    run
}

/// Writes a run. An append that is refused leaves nothing behind, and hurts none beside it.
pub(crate) fn write(
    connection: &mut Connection,
    run: &[&Append],
) -> QueryResult<Vec<Result<Claimed, WriteError>>> {
    let moved = match connection {
        Connection::Sqlite(one) => sqlite::advance(one, run)?,
        Connection::Postgres(one) => postgres::advance(&mut one.connection, run)?,
    };
    let written = || run.iter().zip(&moved).filter(|(_, moved)| **moved).map(|(append, _)| *append);
    usage::insert::<usage::Refused>(connection, written().flat_map(|append| &append.usage))?;
    for append in written() {
        if let Some(rows) = &append.projection {
            projection::insert(connection, &append.workflow, rows)?;
        }
    }
    let outcome = |(append, moved): (&&Append, &bool)| match moved {
        true => Ok(Ok(Claimed { fence: append.fence, last_seq: end(append) })),
        false => refusal(connection, append).map(Err),
    };
    run.iter().zip(&moved).map(outcome).collect()
}

/// Why the history could not be moved on.
fn refusal(connection: &mut Connection, append: &Append) -> QueryResult<WriteError> {
    let query =
        workflows::table.find(append.workflow.as_str()).select((workflows::fence, workflows::last_seq));
    let standing: Option<(i64, i64)> = each!(connection, one => query.first(one).optional())?;
    Ok(match standing.map(crate::workflows::claimed) {
        None => WriteError::NotFound(append.workflow.clone()),
        Some(standing) if standing.fence != append.fence => WriteError::Fenced { current: standing.fence },
        Some(standing) => WriteError::OutOfSequence { last: standing.last_seq },
    })
}

/// Where the history ends after an append.
fn end(append: &Append) -> Seq {
    Seq(append.after.0.saturating_add(append.events.len() as u64))
}

/// Up to which event agents and tasks are told after an append; `None` leaves that.
fn projected(append: &Append) -> Option<i64> {
    append.projection.as_ref().map(|_| end(append).0.cast_signed())
}

/// What an append adds to the weight of its history, in bytes.
fn weight(append: &Append) -> i64 {
    i64::try_from(append.bytes()).unwrap_or(i64::MAX)
}
