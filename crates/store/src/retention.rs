//! What has had its time: finding it, and removing it in small transactions.
//!
//! A finished workflow goes as a whole, in one transaction: its history, its agents, its tasks. What it used stays, as
//! money is kept by an age of its own, and names it no more. Of other tables the oldest rows go, some at a time; of the audit
//! log the beginning of each chain, which is still verified from where it begins then.
//! Nothing is noted between two transactions: whoever is cut off begins again with what is left.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use units::{UnixMillis, WorkflowId};

use crate::audit;
use crate::columns::{self, Number};
use crate::connection::{Connection, each};
use crate::error::{Error, WriteError};
use crate::projection;
use crate::readers::{MAX_LISTED, Readers};
use crate::schema::{model_usage, workflow_events, workflows};
use crate::tables::{Keeping, Table};
use crate::write::within;

/// The most rows that one transaction removes.
const MAX_BATCH: usize = 10_000;
/// What a number weighs, in bytes.
const NUMBER_BYTES: usize = 8;

/// What is removed in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purge {
    /// A workflow, if it has finished.
    Workflow(WorkflowId),
    /// The oldest rows of a table that goes by age.
    Rows {
        /// The table.
        table: &'static Table,
        /// Only what is older.
        before: UnixMillis,
        /// At most so many.
        most: usize,
    },
}

/// A finished workflow that has had its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// The workflow.
    pub workflow: WorkflowId,
    /// Its workspace.
    pub root: String,
    /// When it was last written to.
    pub at: UnixMillis,
    /// What its history weighs, in bytes.
    pub bytes: u64,
}

/// How much of a table has had its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aging {
    /// Rows that are older go.
    pub before: UnixMillis,
    /// How many they are; of the audit log only those that no newer entry of their chain stands before.
    pub rows: u64,
}

impl Purge {
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        match self {
            Self::Workflow(_) => Ok(()),
            Self::Rows { most, .. } => within("rows that are removed at once", *most, MAX_BATCH),
        }
    }
}

/// How many rows have gone; of a workflow, those of its history and its own.
pub(crate) fn purge(connection: &mut Connection, purge: &Purge) -> QueryResult<u64> {
    match purge {
        Purge::Workflow(id) => workflow(connection, id.as_str()),
        Purge::Rows { table, before, most } => {
            if let Keeping::Chain(_) = table.keeping {
                return audit::forget(connection, *before, *most);
            }
            let Some(age) = table.keeping.age() else { return Ok(0) };
            let (name, key) = (table.name, table.key.join(", "));
            let spared = spared(table);
            let sql = format!(
                "DELETE FROM {name} WHERE ({key}) IN \
                 (SELECT {key} FROM {name} WHERE {age} < $1{spared} ORDER BY {age} LIMIT $2)"
            );
            let gone = each!(connection, one => diesel::sql_query(&sql)
                .bind::<BigInt, _>(before.0)
                .bind::<BigInt, _>(*most as i64)
                .execute(one))?;
            Ok(gone as u64)
        }
    }
}

/// What keeps rows of a table though they are old: what a workflow used is part of it while it lives.
fn spared(table: &Table) -> &'static str {
    if table.name == "model_usage" {
        " AND (workflow_id IS NULL OR workflow_id IN (SELECT id FROM workflows WHERE outcome IS NOT NULL))"
    } else {
        ""
    }
}

fn workflow(connection: &mut Connection, id: &str) -> QueryResult<u64> {
    let finished = workflows::table.find(id).filter(workflows::outcome.is_not_null()).count();
    let finished: i64 = each!(connection, one => finished.get_result(one))?;
    if finished == 0 {
        return Ok(0);
    }
    projection::forget(connection, id)?;
    each!(connection, one => {
        let own = model_usage::table.filter(model_usage::workflow_id.eq(id));
        diesel::update(own).set(model_usage::workflow_id.eq(None::<String>)).execute(one)?;
        let events = diesel::delete(workflow_events::table.filter(workflow_events::workflow_id.eq(id))).execute(one)?;
        let row = diesel::delete(workflows::table.find(id)).execute(one)?;
        Ok((events + row) as u64)
    })
}

impl Readers {
    /// The finished workflows that were last written to before `before`, and the oldest of those whose histories
    /// together weigh more than `most_bytes`; oldest first, and [`MAX_LISTED`] at most. With `behind`, only those that
    /// come after this one; it and whatever is older count as gone.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Damaged`].
    pub fn expired(
        &self,
        before: Option<UnixMillis>,
        most_bytes: Option<u64>,
        behind: Option<&Expired>,
    ) -> Result<Vec<Expired>, Error> {
        let (at, last) = behind.map_or((i64::MIN, ""), |behind| (behind.at.0, behind.workflow.as_str()));
        self.read(|connection| {
            let total = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS number FROM workflows \
                         WHERE outcome IS NOT NULL AND (updated_at > $1 OR (updated_at = $1 AND id > $2))";
            let total: Number = each!(connection, one => diesel::sql_query(total)
                .bind::<BigInt, _>(at)
                .bind::<Text, _>(last)
                .get_result(one))?;
            let mut left = total.number.cast_unsigned();
            let is_behind =
                workflows::updated_at.gt(at).or(workflows::updated_at.eq(at).and(workflows::id.gt(last)));
            let query = workflows::table
                .filter(workflows::outcome.is_not_null())
                .filter(is_behind)
                .order((workflows::updated_at, workflows::id))
                .limit(MAX_LISTED as i64)
                .select((workflows::id, workflows::root, workflows::updated_at, workflows::bytes));
            let oldest: Vec<(String, String, i64, i64)> = each!(connection, one => query.load(one))?;
            let mut expired = Vec::new();
            for (id, root, updated_at, bytes) in oldest {
                let is_old = before.is_some_and(|before| updated_at < before.0);
                let is_too_much = most_bytes.is_some_and(|most| left > most);
                if !is_old && !is_too_much {
                    break;
                }
                let bytes = bytes.cast_unsigned();
                left = left.saturating_sub(bytes);
                let damaged = |reason| Error::Damaged { table: "workflows", reason };
                let workflow = WorkflowId::try_from(id).map_err(damaged)?;
                expired.push(Expired { workflow, root, at: UnixMillis(updated_at), bytes });
            }
            Ok(expired)
        })
    }

    /// How much of a table that goes by age is older than `before`, or is the oldest of what weighs more than
    /// `most_bytes` together; what its rows weigh is their texts and eight bytes for each number.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn aging(
        &self,
        table: &Table,
        before: Option<UnixMillis>,
        most_bytes: Option<u64>,
    ) -> Result<Aging, Error> {
        let Some(age) = table.keeping.age() else { return Ok(Aging { before: UnixMillis(0), rows: 0 }) };
        // What is over is no weight to speak of, and what is not over never goes, however much it weighs.
        let most_bytes = most_bytes.filter(|_| !matches!(table.keeping, Keeping::Over(_)));
        self.read(|connection| {
            let mut limit = before.map_or(i64::MIN, |before| before.0);
            if let Some(most) = most_bytes {
                limit = limit.max(beyond(connection, table, &age, most)?);
            }
            if let Keeping::Chain(_) = table.keeping {
                let rows = audit::forgettable(connection, UnixMillis(limit))?;
                return Ok(Aging { before: UnixMillis(limit), rows });
            }
            let sql =
                format!("SELECT COUNT(*) AS number FROM {} WHERE {age} < $1{}", table.name, spared(table));
            let older: Number =
                each!(connection, one => diesel::sql_query(&sql).bind::<BigInt, _>(limit).get_result(one))?;
            Ok(Aging { before: UnixMillis(limit), rows: older.number.cast_unsigned() })
        })
    }
}

/// The age from which on the rows weigh no more than `most` together, by what a row weighs on the average.
fn beyond(connection: &mut Connection, table: &Table, age: &str, most: u64) -> QueryResult<i64> {
    let name = table.name;
    let columns = columns::of(connection, name)?;
    let numbers = columns.iter().filter(|column| !column.is_text).count() * NUMBER_BYTES;
    let texts = columns.iter().filter(|column| column.is_text);
    let texts: String =
        texts.map(|column| format!(" + COALESCE(octet_length({}), 0)", column.name)).collect();
    let total = columns::number(
        connection,
        &format!("SELECT CAST(COALESCE(SUM({numbers}{texts}), 0) AS BIGINT) AS number FROM {name}"),
    )?
    .cast_unsigned();
    if total <= most {
        return Ok(i64::MIN);
    }
    let rows = columns::rows(connection, name)?;
    let too_many = (u128::from(rows) * u128::from(total - most)).div_ceil(u128::from(total));
    let sql = format!(
        "SELECT {age} AS number FROM {name} WHERE {age} IS NOT NULL ORDER BY {age} LIMIT 1 OFFSET $1"
    );
    let kept: Option<Number> = each!(connection, one => diesel::sql_query(&sql)
        .bind::<BigInt, _>(i64::try_from(too_many).unwrap_or(i64::MAX))
        .get_result(one)
        .optional())?;
    // None is left where all are too many.
    Ok(kept.map_or(i64::MAX, |oldest| oldest.number))
}

#[cfg(test)]
mod tests;
