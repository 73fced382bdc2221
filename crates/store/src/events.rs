//! Table `workflow_events`: the histories, append only.

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use units::{Fence, Seq, UnixMillis, WorkflowId};

use crate::connection::{Connection, each};
use crate::error::Error;
use crate::schema::workflow_events;
use crate::write::Append;

/// 64 random bits by which a writer whose acknowledgement got lost knows its own event again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventId(pub u64);

/// An event that is to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Drawn by whoever appends.
    pub id: EventId,
    /// The event's kind, in its own word.
    pub kind: String,
    /// The event as JSON.
    pub payload: String,
    /// When it happened.
    pub at: UnixMillis,
}

/// An event of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Its position; the first has 1, and there are no gaps.
    pub seq: Seq,
    /// What its writer drew for it.
    pub id: EventId,
    /// The event's kind, in its own word.
    pub kind: String,
    /// The event as JSON.
    pub payload: String,
    /// The token of the owner who wrote it.
    pub fence: Fence,
    /// When it happened.
    pub at: UnixMillis,
}

#[derive(Insertable)]
#[diesel(table_name = workflow_events)]
pub(crate) struct NewRecord<'a> {
    pub(crate) workflow_id: &'a str,
    pub(crate) seq: i64,
    pub(crate) event_id: i64,
    pub(crate) kind: &'a str,
    pub(crate) payload: &'a str,
    pub(crate) fence: i64,
    pub(crate) at: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = workflow_events)]
struct Record {
    seq: i64,
    event_id: i64,
    kind: String,
    payload: String,
    fence: i64,
    at: i64,
}

impl From<Record> for EventRow {
    fn from(record: Record) -> Self {
        Self {
            seq: Seq(record.seq.cast_unsigned()),
            id: EventId(record.event_id.cast_unsigned()),
            kind: record.kind,
            payload: record.payload,
            fence: Fence(record.fence.cast_unsigned()),
            at: UnixMillis(record.at),
        }
    }
}

/// The events of an append as rows, at the positions that it asks for.
pub(crate) fn records(append: &Append) -> impl Iterator<Item = NewRecord<'_>> {
    let positions = (1..).map(|place: u64| append.after.0.saturating_add(place));
    append.events.iter().zip(positions).map(|(event, seq)| NewRecord {
        workflow_id: append.workflow.as_str(),
        seq: seq.cast_signed(),
        event_id: event.id.0.cast_signed(),
        kind: &event.kind,
        payload: &event.payload,
        fence: append.fence.0.cast_signed(),
        at: event.at.0,
    })
}

/// Writes the events of an append whose positions have been won, to a file.
pub(crate) fn insert(one: &mut SqliteConnection, append: &Append) -> QueryResult<()> {
    for record in records(append) {
        diesel::insert_into(workflow_events::table).values(record).execute(one)?;
    }
    Ok(())
}

/// In order, from the one after `seq` on; ends early once `most_bytes` of payload have been read.
pub(crate) fn after(
    connection: &mut Connection,
    workflow: &WorkflowId,
    seq: Seq,
    limit: usize,
    most_bytes: usize,
) -> Result<Vec<EventRow>, Error> {
    // No position is beyond the largest that the column holds.
    let seq = i64::try_from(seq.0).unwrap_or(i64::MAX);
    let page = workflow_events::table
        .filter(workflow_events::workflow_id.eq(workflow.as_str()))
        .filter(workflow_events::seq.gt(seq))
        .order(workflow_events::seq)
        .limit(limit as i64);
    each!(connection, one => {
        take(page.select(Record::as_select()).load_iter::<Record, DefaultLoadingMode>(one)?, most_bytes)
    })
}

fn take(
    records: impl Iterator<Item = QueryResult<Record>>,
    most_bytes: usize,
) -> Result<Vec<EventRow>, Error> {
    let mut events = Vec::new();
    let mut bytes = 0;
    for record in records {
        let event = EventRow::from(record?);
        bytes += event.payload.len();
        events.push(event);
        if bytes >= most_bytes {
            break;
        }
    }
    Ok(events)
}

pub(crate) fn id_at(
    connection: &mut Connection,
    workflow: &WorkflowId,
    seq: Seq,
) -> Result<Option<EventId>, Error> {
    let Ok(seq) = i64::try_from(seq.0) else { return Ok(None) };
    let query = workflow_events::table.find((workflow.as_str(), seq)).select(workflow_events::event_id);
    let id: Option<i64> = each!(connection, one => query.first(one).optional())?;
    Ok(id.map(|id| EventId(id.cast_unsigned())))
}
