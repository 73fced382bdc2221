//! Table `workflows`: one row each, with the fence and the last position that every append is checked against.

use std::path::Path;

use diesel::prelude::*;
use units::{Fence, Seq, UnixMillis, WorkflowId};

use crate::connection::{Connection, each};
use crate::error::{Error, WriteError};
use crate::schema::workflows;
use crate::write::Claimed;

/// A workflow that is to be recorded. Nobody owns it until it is claimed: its fence is 0, its history is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWorkflow {
    /// Its id.
    pub id: WorkflowId,
    /// What was asked for.
    pub goal: String,
    /// The workspace's folder.
    pub root: String,
    /// What it is doing, in its own word.
    pub status: String,
    /// When it was asked for.
    pub at: UnixMillis,
}

/// A workflow as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowRow {
    /// Its id.
    pub id: WorkflowId,
    /// What was asked for.
    pub goal: String,
    /// The workspace's folder.
    pub root: String,
    /// What it is doing, in its own word.
    pub status: String,
    /// The present owner's token.
    pub fence: Fence,
    /// The last event's position; 0 when there is none.
    pub last_seq: Seq,
    /// When it was asked for.
    pub created_at: UnixMillis,
    /// When it was last written to.
    pub updated_at: UnixMillis,
    /// How it ended, in its own words; `None` while it is unfinished.
    pub outcome: Option<String>,
}

// What is not inserted begins at 0: the position that is projected, and the weight.
#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = workflows)]
struct Record {
    id: String,
    goal: String,
    root: String,
    status: String,
    fence: i64,
    last_seq: i64,
    created_at: i64,
    updated_at: i64,
    outcome: Option<String>,
}

impl TryFrom<Record> for WorkflowRow {
    type Error = Error;

    fn try_from(record: Record) -> Result<Self, Error> {
        Ok(Self {
            id: parse_id(record.id)?,
            goal: record.goal,
            root: record.root,
            status: record.status,
            fence: Fence(record.fence.cast_unsigned()),
            last_seq: Seq(record.last_seq.cast_unsigned()),
            created_at: UnixMillis(record.created_at),
            updated_at: UnixMillis(record.updated_at),
            outcome: record.outcome,
        })
    }
}

fn parse_id(id: String) -> Result<WorkflowId, Error> {
    id.try_into().map_err(|reason| Error::Damaged { table: "workflows", reason })
}

pub(crate) fn create(
    connection: &mut Connection,
    new: &NewWorkflow,
) -> QueryResult<Result<Claimed, WriteError>> {
    let record = Record {
        id: new.id.to_string(),
        goal: new.goal.clone(),
        root: new.root.clone(),
        status: new.status.clone(),
        fence: 0,
        last_seq: 0,
        created_at: new.at.0,
        updated_at: new.at.0,
        outcome: None,
    };
    let insert = diesel::insert_into(workflows::table).values(record).on_conflict(workflows::id).do_nothing();
    let made = each!(connection, one => insert.execute(one))?;
    Ok(if made == 1 { Ok(Claimed::default()) } else { Err(WriteError::Exists(new.id.clone())) })
}

/// Hands the workflow to a new owner, whose token is larger than all before it.
pub(crate) fn claim(
    connection: &mut Connection,
    id: &WorkflowId,
    at: UnixMillis,
) -> QueryResult<Result<Claimed, WriteError>> {
    let update = diesel::update(workflows::table.find(id.as_str()))
        .set((workflows::fence.eq(workflows::fence + 1), workflows::updated_at.eq(at.0)))
        .returning((workflows::fence, workflows::last_seq));
    let standing: Option<(i64, i64)> = each!(connection, one => update.get_result(one).optional())?;
    Ok(standing.map(claimed).ok_or_else(|| WriteError::NotFound(id.clone())))
}

pub(crate) fn claimed((fence, last_seq): (i64, i64)) -> Claimed {
    Claimed { fence: Fence(fence.cast_unsigned()), last_seq: Seq(last_seq.cast_unsigned()) }
}

pub(crate) fn get(connection: &mut Connection, id: &WorkflowId) -> Result<Option<WorkflowRow>, Error> {
    let query = workflows::table.find(id.as_str());
    let record = each!(connection, one => query.select(Record::as_select()).first(one).optional())?;
    record.map(WorkflowRow::try_from).transpose()
}

/// Newest first, from the one after `before` on; where folders are given, only those in or beneath them, and what lies
/// elsewhere is not there for `before` either.
pub(crate) fn list(
    connection: &mut Connection,
    limit: usize,
    before: Option<&WorkflowId>,
    folders: Option<&[String]>,
) -> Result<Vec<WorkflowRow>, Error> {
    let after = before.map(|before| created_at(connection, before, folders)).transpose()?;
    if folders.is_some_and(<[String]>::is_empty) {
        return Ok(Vec::new());
    }
    let records: Vec<Record> = each!(connection, one => {
        let mut query = workflows::table
            .select(Record::as_select())
            .order((workflows::created_at.desc(), workflows::id.desc()))
            .limit(limit as i64)
            .into_boxed();
        for folder in folders.into_iter().flatten() {
            let (first, past) = beneath(folder);
            let is_beneath = workflows::root.ge(first).and(workflows::root.lt(past));
            // Those that were named before stand in brackets with it.
            query = query.or_filter(workflows::root.eq(folder).or(is_beneath));
        }
        if let (Some(created_at), Some(before)) = (after, before) {
            let same_time = workflows::created_at.eq(created_at).and(workflows::id.lt(before.as_str()));
            query = query.filter(workflows::created_at.lt(created_at).or(same_time));
        }
        query.load(one)
    })?;
    records.into_iter().map(WorkflowRow::try_from).collect()
}

fn created_at(
    connection: &mut Connection,
    id: &WorkflowId,
    folders: Option<&[String]>,
) -> Result<i64, Error> {
    let query = workflows::table.find(id.as_str()).select((workflows::created_at, workflows::root));
    let found: Option<(i64, String)> = each!(connection, one => query.first(one).optional())?;
    let is_within = |root: &String| {
        folders.is_none_or(|folders| folders.iter().any(|folder| Path::new(root).starts_with(folder)))
    };
    let found = found.filter(|(_, root)| is_within(root));
    found.map(|(created_at, _)| created_at).ok_or_else(|| Error::NotFound(id.clone()))
}

/// The first path beneath a folder, and the first one past all of them: texts are compared byte by byte, and `0` comes
/// right after `/`.
fn beneath(folder: &str) -> (String, String) {
    let folder = folder.trim_end_matches('/');
    (format!("{folder}/"), format!("{folder}0"))
}

/// Oldest first. One without an event was never acknowledged as started, so that nobody waits for it.
pub(crate) fn unfinished(connection: &mut Connection, most: usize) -> Result<Vec<WorkflowId>, Error> {
    let query = workflows::table
        .filter(workflows::outcome.is_null())
        .filter(workflows::last_seq.gt(0))
        .order((workflows::created_at, workflows::id))
        .limit(most as i64 + 1)
        .select(workflows::id);
    let ids: Vec<String> = each!(connection, one => query.load(one))?;
    if ids.len() > most {
        return Err(Error::TooMany { what: "unfinished workflows", most });
    }
    ids.into_iter().map(parse_id).collect()
}
