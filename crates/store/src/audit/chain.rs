//! The chain of hashes: how an entry is linked to the one before it, and how a chain is checked.

use std::collections::BTreeSet;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use units::{NodeId, Seq};

use super::{AuditEntry, AuditRow, Record};
use crate::connection::{Connection, each};
use crate::error::Error;
use crate::schema::{audit_log, nodes};

/// What the first entry of a chain goes on from.
pub(crate) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Says what is hashed, and how: another way gets another word.
const FORM: &[u8] = b"impresario.audit.1";
/// Entries that are read at once.
const PAGE: usize = 1000;

/// One server's chain, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Whose.
    pub node: NodeId,
    /// The place that it begins at: what stood before has had its time.
    pub first: Seq,
    /// How many entries were read, up to the first broken one.
    pub entries: u64,
    /// The place of the newest entry.
    pub last: Seq,
    /// Its hash. Whoever notes it elsewhere can tell later that nothing before it was changed.
    pub head: String,
    /// The first place where it is broken.
    pub broken: Option<Broken>,
}

/// Where a chain is broken, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// The place of the entry.
    pub seq: Seq,
    /// What is wrong there.
    pub how: Break,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Break {
    /// It is not there.
    Missing,
    /// It is not what its hash was made of.
    Changed,
    /// It does not go on from the entry before it.
    NotLinked,
    /// Nobody who keeps the chain has added it.
    Surplus,
}

impl Break {
    /// What is wrong, as the end of a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Missing => "is missing",
            Self::Changed => "was changed",
            Self::NotLinked => "does not go on from the one before it",
            Self::Surplus => "was added by somebody else",
        }
    }
}

/// The ends of a chain, as `nodes` has them.
#[derive(Clone, Debug, Queryable)]
pub(super) struct Ends {
    pub(super) first_seq: i64,
    pub(super) first_prev: String,
    pub(super) last_seq: i64,
    pub(super) last_hash: String,
}

/// Where a check has come to.
pub(super) struct Walk {
    seq: i64,
    hash: String,
    entries: u64,
}

/// An entry at its place.
pub(super) fn link(node: &NodeId, seq: Seq, entry: AuditEntry, prev_hash: String) -> AuditRow {
    let mut row = AuditRow { node: node.clone(), seq, entry, prev_hash, hash: String::new() };
    row.hash = digest(&row);
    row
}

/// The hash of all that the entry says, its place and the hash before it; each text with its length before it, so that
/// no two entries are the same bytes.
fn digest(row: &AuditRow) -> String {
    let AuditRow { node, seq, entry, prev_hash, hash: _ } = row;
    let AuditEntry { at, who, action, subject, outcome, detail, times } = entry;
    let mut hasher = blake3::Hasher::new();
    let mut text = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    for part in [node.as_str(), who, action, subject, outcome, prev_hash] {
        text(part);
    }
    if let Some(detail) = detail {
        text(detail);
    }
    hasher.update(&[u8::from(detail.is_some())]);
    for number in [seq.0, at.0.cast_unsigned(), *times] {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(FORM);
    hasher.finalize().to_hex().to_string()
}

impl Walk {
    pub(super) fn begin(ends: &Ends) -> Self {
        Self { seq: ends.first_seq - 1, hash: ends.first_prev.clone(), entries: 0 }
    }

    /// Goes on to the next entry that is there, in the order of places.
    pub(super) fn step(&mut self, row: &AuditRow) -> Result<(), Broken> {
        let expected = self.seq + 1;
        let found = row.seq.0.cast_signed();
        let broken = |seq: i64, how| Err(Broken { seq: Seq(seq.cast_unsigned()), how });
        if found > expected {
            return broken(expected, Break::Missing);
        }
        if found < expected {
            return broken(found, Break::Surplus);
        }
        if digest(row) != row.hash {
            return broken(found, Break::Changed);
        }
        if row.prev_hash != self.hash {
            return broken(found, Break::NotLinked);
        }
        (self.seq, self.hash, self.entries) = (found, row.hash.clone(), self.entries + 1);
        Ok(())
    }

    /// What the end of the chain says to where the entries end; `None` while there have to be more.
    pub(super) fn arrive(&self, ends: &Ends) -> Option<Result<(), Broken>> {
        let broken = |seq: i64, how| Some(Err(Broken { seq: Seq(seq.cast_unsigned()), how }));
        if self.seq < ends.last_seq {
            None
        } else if self.seq > ends.last_seq {
            broken(ends.last_seq + 1, Break::Surplus)
        } else if self.hash != ends.last_hash {
            broken(self.seq, Break::NotLinked)
        } else {
            Some(Ok(()))
        }
    }
}

/// Checks the chain of each server.
pub(crate) fn verify(connection: &mut Connection) -> Result<Vec<Chain>, Error> {
    let known = nodes::table.select(nodes::id).order(nodes::id);
    let known: Vec<String> = each!(connection, one => known.load(one))?;
    let found = audit_log::table.select(audit_log::node).distinct();
    let found: Vec<String> = each!(connection, one => found.load(one))?;
    let ids: BTreeSet<String> = known.into_iter().chain(found).collect();
    let damaged = |reason| Error::Damaged { table: "nodes", reason };
    ids.into_iter().map(|id| verify_one(connection, NodeId::try_from(id).map_err(damaged)?)).collect()
}

/// How often a chain is looked at anew because its beginning went while it was read.
const MAX_LOOKS: usize = 5;

fn verify_one(connection: &mut Connection, node: NodeId) -> Result<Chain, Error> {
    let mut looks = 0;
    loop {
        let chain = look(connection, &node)?;
        looks += 1;
        let is_broken = chain.broken.is_some() && looks < MAX_LOOKS;
        let first = if is_broken { ends(connection, &node)?.map(|ends| ends.first_seq) } else { None };
        if first.is_none_or(|first| first == chain.first.0.cast_signed()) {
            return Ok(chain);
        }
    }
}

fn look(connection: &mut Connection, node: &NodeId) -> Result<Chain, Error> {
    let nobody =
        Ends { first_seq: 1, first_prev: GENESIS.to_owned(), last_seq: 0, last_hash: GENESIS.to_owned() };
    let begin = ends(connection, node)?.unwrap_or_else(|| nobody.clone());
    let chain = |walk: &Walk, broken| Chain {
        node: node.clone(),
        first: Seq(begin.first_seq.cast_unsigned()),
        entries: walk.entries,
        last: Seq(walk.seq.cast_unsigned()),
        head: walk.hash.clone(),
        broken,
    };
    let mut walk = Walk::begin(&begin);
    let mut after = i64::MIN;
    loop {
        let page = page(connection, node, after)?;
        for row in &page {
            after = row.seq.0.cast_signed();
            if let Err(broken) = walk.step(row) {
                return Ok(chain(&walk, Some(broken)));
            }
        }
        if page.len() == PAGE {
            continue;
        }
        // Read after the entries, and written with them: it may only be ahead of what was read.
        let ends = ends(connection, node)?.unwrap_or_else(|| nobody.clone());
        match walk.arrive(&ends) {
            Some(end) => return Ok(chain(&walk, end.err())),
            None if page.is_empty() => {
                let missing = Broken { seq: Seq((walk.seq + 1).cast_unsigned()), how: Break::Missing };
                return Ok(chain(&walk, Some(missing)));
            }
            None => {}
        }
    }
}

fn ends(connection: &mut Connection, node: &NodeId) -> Result<Option<Ends>, Error> {
    let query = nodes::table.find(node.as_str()).select((
        nodes::audit_first_seq,
        nodes::audit_first_prev,
        nodes::audit_last_seq,
        nodes::audit_last_hash,
    ));
    Ok(each!(connection, one => query.first(one).optional())?)
}

fn page(connection: &mut Connection, node: &NodeId, after: i64) -> Result<Vec<AuditRow>, Error> {
    let query = audit_log::table
        .filter(audit_log::node.eq(node.as_str()))
        .filter(audit_log::seq.gt(after))
        .order(audit_log::seq)
        .limit(PAGE as i64);
    let records: Vec<Record> = each!(connection, one => query.select(Record::as_select()).load(one))?;
    records.into_iter().map(AuditRow::try_from).collect()
}
