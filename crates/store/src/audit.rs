//! Table `audit_log`: who did, or was denied, what, on what, and how it ended; only ever added to.
//!
//! Each entry carries a hash of itself and of the one before it, a chain for each server. The chain's ends stand in
//! `nodes`, where they move in the transaction that adds the entry, so that its order is that of the commits.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use serde::{Deserialize, Serialize};
use units::{NodeId, Seq, UnixMillis};

use crate::columns::Number;
use crate::connection::{Connection, each};
use crate::error::{Error, WriteError};
use crate::schema::{audit_log, nodes};
use crate::write::{MAX_NAME_BYTES, storable, text, within};

mod chain;

pub use chain::{Break, Broken, Chain};
pub(crate) use chain::{GENESIS, verify};

/// The most bytes of an entry's detail.
const MAX_DETAIL_BYTES: usize = 4096;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: UnixMillis,
    /// Who did it, or wanted to.
    pub who: String,
    /// What, as `thing.verb`.
    pub action: String,
    /// On what.
    pub subject: String,
    /// How it ended: `ok`, or the stable name of a refusal.
    pub outcome: String,
    /// What else there is to say.
    pub detail: Option<String>,
    /// How often: more than once only where repeated denials are one entry.
    pub times: u64,
}

/// An entry as it stands in its chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Whose chain it is in.
    pub node: NodeId,
    /// Its place there, from 1.
    pub seq: Seq,
    /// What happened.
    #[serde(flatten)]
    pub entry: AuditEntry,
    /// The hash of the entry before it.
    pub prev_hash: String,
    /// The hash of this one.
    pub hash: String,
}

/// Which entries are wanted; the default are the newest of all.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// From this time on.
    pub since: Option<UnixMillis>,
    /// By him alone.
    pub who: Option<String>,
    /// Of this action, or of all that begin with it and a dot.
    pub action: Option<String>,
    /// At most so many; as many as a page holds where none is given.
    pub limit: Option<usize>,
}

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = audit_log)]
struct Record {
    node: String,
    seq: i64,
    at: i64,
    who: String,
    action: String,
    subject: String,
    outcome: String,
    detail: Option<String>,
    times: i64,
    prev_hash: String,
    hash: String,
}

impl AuditEntry {
    /// The entry with its texts cut to what the log takes: one that is too long is better cut than not there.
    #[must_use]
    pub fn fitted(mut self) -> Self {
        let names = [&mut self.who, &mut self.action, &mut self.subject, &mut self.outcome];
        let texts = names.into_iter().map(|name| (name, MAX_NAME_BYTES));
        for (text, most) in texts.chain(self.detail.as_mut().map(|detail| (detail, MAX_DETAIL_BYTES))) {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{fffd}");
            }
            text.truncate(text.floor_char_boundary(most));
        }
        self
    }

    pub(crate) fn check(&self) -> Result<(), WriteError> {
        let texts = [
            ("who did it", &self.who),
            ("an action", &self.action),
            ("an action's subject", &self.subject),
            ("an action's outcome", &self.outcome),
        ];
        for (what, found) in texts {
            within(what, found.len(), MAX_NAME_BYTES)?;
            text(what, found)?;
        }
        let detail = self.detail.as_deref().unwrap_or_default();
        within("bytes of an action's detail", detail.len(), MAX_DETAIL_BYTES)?;
        text("an action's detail", detail)?;
        storable("times of an action", self.times)
    }
}

impl From<AuditRow> for Record {
    fn from(AuditRow { node, seq, entry, prev_hash, hash }: AuditRow) -> Self {
        Self {
            node: node.into(),
            seq: seq.0.cast_signed(),
            at: entry.at.0,
            who: entry.who,
            action: entry.action,
            subject: entry.subject,
            outcome: entry.outcome,
            detail: entry.detail,
            times: entry.times.cast_signed(),
            prev_hash,
            hash,
        }
    }
}

impl TryFrom<Record> for AuditRow {
    type Error = Error;

    fn try_from(record: Record) -> Result<Self, Error> {
        let damaged = |reason| Error::Damaged { table: "audit_log", reason };
        Ok(Self {
            node: NodeId::try_from(record.node).map_err(damaged)?,
            seq: Seq(record.seq.cast_unsigned()),
            entry: AuditEntry {
                at: UnixMillis(record.at),
                who: record.who,
                action: record.action,
                subject: record.subject,
                outcome: record.outcome,
                detail: record.detail,
                times: record.times.cast_unsigned(),
            },
            prev_hash: record.prev_hash,
            hash: record.hash,
        })
    }
}

/// Adds entries to the end of a server's chain; its row in `nodes` is there.
pub(crate) fn insert(connection: &mut Connection, node: &NodeId, entries: &[&AuditEntry]) -> QueryResult<()> {
    let end = nodes::table.find(node.as_str()).select((nodes::audit_last_seq, nodes::audit_last_hash));
    let (last_seq, mut last_hash): (i64, String) = each!(connection, one => end.first(one))?;
    let mut seq = Seq(last_seq.cast_unsigned());
    let mut records = Vec::with_capacity(entries.len());
    for entry in entries {
        seq = seq.next();
        let row = chain::link(node, seq, (*entry).clone(), last_hash);
        last_hash = row.hash.clone();
        records.push(Record::from(row));
    }
    each!(connection, one => diesel::insert_into(audit_log::table).values(&records).execute(one))?;
    let moved = diesel::update(nodes::table.find(node.as_str()))
        .set((nodes::audit_last_seq.eq(seq.0.cast_signed()), nodes::audit_last_hash.eq(last_hash)));
    each!(connection, one => moved.execute(one))?;
    Ok(())
}

/// Removes the beginning of each server's chain, as far as it is older than `before` and `most` entries of all together; the
/// chain's beginning moves along in the same transaction. How many have gone.
pub(crate) fn forget(connection: &mut Connection, before: UnixMillis, most: usize) -> QueryResult<u64> {
    let chains = nodes::table.select((nodes::id, nodes::audit_first_seq)).order(nodes::id);
    let chains: Vec<(String, i64)> = each!(connection, one => chains.load(one))?;
    let mut left = most;
    for (node, first) in chains {
        left -= forget_of(connection, &node, first, before, left)?;
    }
    Ok((most - left) as u64)
}

/// How many entries [`forget`] would remove, were there no bound to them.
pub(crate) fn forgettable(connection: &mut Connection, before: UnixMillis) -> QueryResult<u64> {
    let sql = "SELECT COUNT(*) AS number FROM audit_log LEFT JOIN (SELECT node, MIN(seq) AS seq FROM audit_log \
               WHERE at >= $1 GROUP BY node) AS kept ON kept.node = audit_log.node \
               WHERE kept.seq IS NULL OR audit_log.seq < kept.seq";
    let found: Number =
        each!(connection, one => diesel::sql_query(sql).bind::<BigInt, _>(before.0).get_result(one))?;
    Ok(found.number.cast_unsigned())
}

fn forget_of(
    connection: &mut Connection,
    node: &str,
    first: i64,
    before: UnixMillis,
    most: usize,
) -> QueryResult<usize> {
    // A clock that went back makes no hole: what stands behind a newer entry waits for that one.
    let window = first.saturating_add_unsigned(most as u64);
    let next = audit_log::table
        .filter(audit_log::node.eq(node))
        .filter(audit_log::seq.ge(first))
        .filter(audit_log::seq.lt(window));
    let kept = next.filter(audit_log::at.ge(before.0)).select(diesel::dsl::min(audit_log::seq));
    let kept: Option<i64> = each!(connection, one => kept.first(one))?;
    let end = kept.unwrap_or(window);
    let last = next
        .filter(audit_log::seq.lt(end))
        .order(audit_log::seq.desc())
        .select((audit_log::seq, audit_log::hash));
    let last: Option<(i64, String)> = each!(connection, one => last.first(one).optional())?;
    let Some((last, hash)) = last else { return Ok(0) };
    let gone = audit_log::table.filter(audit_log::node.eq(node)).filter(audit_log::seq.le(last));
    let gone = each!(connection, one => diesel::delete(gone).execute(one))?;
    let moved = diesel::update(nodes::table.find(node))
        .set((nodes::audit_first_seq.eq(last + 1), nodes::audit_first_prev.eq(hash)));
    each!(connection, one => moved.execute(one))?;
    Ok(gone.min(most))
}

/// The newest that are wanted, oldest first.
pub(crate) fn list(
    connection: &mut Connection,
    query: &AuditQuery,
    most: usize,
) -> Result<Vec<AuditRow>, Error> {
    let limit = query.limit.unwrap_or(most).min(most);
    let records: Vec<Record> = each!(connection, one => {
        let mut found = audit_log::table
            .select(Record::as_select())
            .order((audit_log::at.desc(), audit_log::node.desc(), audit_log::seq.desc()))
            .limit(limit as i64)
            .into_boxed();
        if let Some(since) = query.since {
            found = found.filter(audit_log::at.ge(since.0));
        }
        if let Some(who) = &query.who {
            found = found.filter(audit_log::who.eq(who));
        }
        if let Some(action) = &query.action {
            // `/` comes right after `.` in the order of bytes, which both databases use.
            let beneath = audit_log::action.ge(format!("{action}.")).and(audit_log::action.lt(format!("{action}/")));
            found = found.filter(audit_log::action.eq(action).or(beneath));
        }
        found.load(one)
    })?;
    records.into_iter().rev().map(AuditRow::try_from).collect()
}

#[cfg(test)]
mod tests;
