//! What the writer can be asked, what it answers, and the bounds of both.

use tokio::sync::oneshot;
use units::{Fence, Seq, UnixMillis, WorkflowId};

use crate::error::WriteError;
use crate::events::NewEvent;
use crate::keys::KeyChange;
use crate::projection::Projection;
use crate::records::Records;
use crate::responses::ResponseChange;
use crate::upkeep::Upkeep;
use crate::usage::{Client, UsageRow};
use crate::workflows::NewWorkflow;

/// The most bytes of one event's payload.
pub const MAX_PAYLOAD_BYTES: usize = 4 << 20;
/// The most bytes of payload in one append.
pub const MAX_APPEND_BYTES: usize = 16 << 20;
/// The most events in one append.
pub const MAX_APPEND_EVENTS: usize = 256;
/// The most usage rows in one write.
pub const MAX_USAGE_ROWS: usize = 1024;
/// The most bytes of a workflow's goal.
pub const MAX_GOAL_BYTES: usize = 64 << 10;
/// The most bytes of a workspace's path.
pub const MAX_ROOT_BYTES: usize = 4096;
/// The most bytes of a workflow's outcome.
pub const MAX_OUTCOME_BYTES: usize = 64 << 10;
/// The most bytes of a kind, a status, a role, a call's key or its outcome.
pub const MAX_NAME_BYTES: usize = 512;

/// Where an answer goes. It comes after the COMMIT; a writer that dies drops it, and then the outcome is unknown.
pub type Reply<T> = oneshot::Sender<Result<T, WriteError>>;

/// A message to the writer.
#[derive(Debug)]
pub enum Write {
    /// Records a workflow, with an empty history and no owner.
    Create {
        /// The workflow.
        new: NewWorkflow,
        /// Told when it is durable, or that it [`Exists`](WriteError::Exists).
        reply: Reply<()>,
    },
    /// Appends to a history.
    Append {
        /// What is appended.
        append: Append,
        /// Told the last event's position when it is durable.
        reply: Reply<Seq>,
    },
    /// Makes the sender the workflow's owner: all owners before it are fenced off.
    Claim {
        /// The workflow.
        workflow: WorkflowId,
        /// The time of the claim.
        at: UnixMillis,
        /// Told the new token and where the history ends.
        reply: Reply<Claimed>,
    },
    /// Writes what a server has recorded, and how far that is.
    Record {
        /// The records.
        records: Records,
        /// Told when they are durable, also where they have been all along.
        reply: Reply<()>,
    },
    /// Changes what is kept of keys.
    Keys {
        /// What happens.
        change: KeyChange,
        /// Told when it is durable.
        reply: Reply<()>,
    },
    /// Changes which answers are kept for clients.
    Responses {
        /// What happens.
        change: ResponseChange,
        /// Told when it is durable, and how many it was done to.
        reply: Reply<u64>,
    },
    /// Keeps house: what is no part of a workflow's own history.
    Upkeep {
        /// What is to be done.
        upkeep: Upkeep,
        /// Told how many rows were written or removed, when that is durable.
        reply: Reply<u64>,
    },
    /// Writes nothing.
    Flush {
        /// Told when all that was sent before is durable or refused.
        reply: Reply<()>,
    },
}

/// Events, usage and a new status that are written together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The workflow.
    pub workflow: WorkflowId,
    /// The sender's token; another owner's claim makes it [`Fenced`](WriteError::Fenced).
    pub fence: Fence,
    /// Where the sender knows the history to end; else it is [`OutOfSequence`](WriteError::OutOfSequence).
    pub after: Seq,
    /// In order; the first gets the position after `after`.
    pub events: Vec<NewEvent>,
    /// What the calls behind these events used; those of known keys are left out.
    pub usage: Vec<UsageRow>,
    /// What these events change of the workflow's agents and tasks; `None` leaves them to be made anew later.
    pub projection: Option<Projection>,
    /// The workflow's new status; `None` leaves it.
    pub status: Option<String>,
    /// How the workflow ended; `None` leaves it.
    pub outcome: Option<String>,
}

/// What an owner holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// The owner's token.
    pub fence: Fence,
    /// Where the history ends.
    pub last_seq: Seq,
}

/// What a write came to, as far as somebody is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) standing: Claimed,
    pub(crate) rows: u64,
}

impl From<Claimed> for Applied {
    fn from(standing: Claimed) -> Self {
        Self { standing, rows: 0 }
    }
}

/// A hint that a history has grown; it is durable and readers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The workflow.
    pub workflow: WorkflowId,
    /// The last event's position.
    pub seq: Seq,
}

impl Write {
    /// Refuses what is beyond a bound.
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        match self {
            Self::Create { new, .. } => {
                within("bytes of the goal", new.goal.len(), MAX_GOAL_BYTES)?;
                within("bytes of the workspace's path", new.root.len(), MAX_ROOT_BYTES)?;
                within("bytes of the status", new.status.len(), MAX_NAME_BYTES)?;
                text("the goal", &new.goal)?;
                text("the workspace's path", &new.root)?;
                text("the status", &new.status)
            }
            Self::Append { append, .. } => append.check(),
            Self::Record { records, .. } => records.check(),
            Self::Keys { change, .. } => change.check(),
            Self::Responses { change, .. } => change.check(),
            Self::Upkeep { upkeep, .. } => upkeep.check(),
            Self::Claim { .. } | Self::Flush { .. } => Ok(()),
        }
    }

    /// About how many bytes the write brings into a transaction.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Create { new, .. } => new.goal.len() + new.root.len(),
            Self::Append { append, .. } => append.weight(),
            Self::Responses { change, .. } => change.bytes(),
            Self::Upkeep { upkeep, .. } => upkeep.bytes(),
            Self::Record { records, .. } => records.rows.len() * MAX_NAME_BYTES,
            Self::Claim { .. } | Self::Keys { .. } | Self::Flush { .. } => 0,
        }
    }

    /// Answers; a caller that is gone needs none.
    pub(crate) fn answer(self, outcome: Result<Applied, WriteError>) {
        match self {
            Self::Create { reply, .. }
            | Self::Record { reply, .. }
            | Self::Keys { reply, .. }
            | Self::Flush { reply } => {
                drop(reply.send(outcome.map(|_| ())));
            }
            Self::Append { reply, .. } => drop(reply.send(outcome.map(|applied| applied.standing.last_seq))),
            Self::Claim { reply, .. } => drop(reply.send(outcome.map(|applied| applied.standing))),
            Self::Responses { reply, .. } | Self::Upkeep { reply, .. } => {
                drop(reply.send(outcome.map(|applied| applied.rows)));
            }
        }
    }
}

impl Append {
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        within("events of an append", self.events.len(), MAX_APPEND_EVENTS)?;
        for event in &self.events {
            within("bytes of an event's kind", event.kind.len(), MAX_NAME_BYTES)?;
            within("bytes of an event's payload", event.payload.len(), MAX_PAYLOAD_BYTES)?;
            text("an event's kind", &event.kind)?;
            text("an event's payload", &event.payload)?;
        }
        within("bytes of payload in an append", self.bytes(), MAX_APPEND_BYTES)?;
        within("bytes of the status", self.status.as_ref().map_or(0, String::len), MAX_NAME_BYTES)?;
        within("bytes of the outcome", self.outcome.as_ref().map_or(0, String::len), MAX_OUTCOME_BYTES)?;
        text("the status", self.status.as_deref().unwrap_or_default())?;
        text("the outcome", self.outcome.as_deref().unwrap_or_default())?;
        self.projection.as_ref().map_or(Ok(()), Projection::check)?;
        check_usage(&self.usage)
    }

    /// What it brings into a transaction.
    fn weight(&self) -> usize {
        let projected = self.projection.as_ref().map_or(0, Projection::bytes);
        self.bytes() + self.usage.len() * MAX_NAME_BYTES + projected
    }

    /// Of its events' payloads.
    pub(crate) fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.payload.len()).sum()
    }
}

pub(crate) fn check_usage(rows: &[UsageRow]) -> Result<(), WriteError> {
    within("usage rows of a write", rows.len(), MAX_USAGE_ROWS)?;
    for row in rows {
        within("bytes of a call's key", row.call_key.len(), MAX_NAME_BYTES)?;
        within("bytes of a call's role", row.role.len(), MAX_NAME_BYTES)?;
        within("bytes of a call's outcome", row.outcome.len(), MAX_NAME_BYTES)?;
        text("a call's key", &row.call_key)?;
        text("a call's role", &row.role)?;
        text("a call's outcome", &row.outcome)?;
        let usage = &row.usage;
        for tokens in [usage.input, usage.cached_input, usage.cache_written, usage.output, usage.reasoning] {
            storable("tokens of a call", tokens.0)?;
        }
        storable("milliseconds of a call", row.duration_ms)?;
        row.client.as_ref().map_or(Ok(()), Client::check)?;
    }
    Ok(())
}

pub(crate) fn within(what: &'static str, size: usize, most: usize) -> Result<(), WriteError> {
    if size <= most {
        return Ok(());
    }
    Err(WriteError::TooLarge { what, size: size as u64, most: most as u64 })
}

/// Both databases take what one of them cannot hold for the same: a fault of the write, not of the database.
pub(crate) fn text(what: &'static str, text: &str) -> Result<(), WriteError> {
    if text.contains('\0') { Err(WriteError::NotText { what }) } else { Ok(()) }
}

/// A column holds a signed number.
pub(crate) fn storable(what: &'static str, number: u64) -> Result<(), WriteError> {
    const MOST: u64 = i64::MAX.cast_unsigned();
    if number <= MOST { Ok(()) } else { Err(WriteError::TooLarge { what, size: number, most: MOST }) }
}
