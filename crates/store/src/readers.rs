//! A few connections that only read: they see what is committed and never wait for the writer.
//!
//! All functions block; call them on a blocking thread. When all connections are out, a caller waits for one.

use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use units::{NodeId, Seq, WorkflowId};

use crate::audit::{self, AuditQuery, AuditRow, Chain};
use crate::connection::Connection;
use crate::error::Error;
use crate::events::{EventId, EventRow};
use crate::usage::{ModelTotals, UsageRow};
use crate::workflows::WorkflowRow;
use crate::{Database, events, keys, records, size, usage, workflows};

/// The most rows of one page.
pub const MAX_PAGE_ROWS: usize = 1000;
/// A page of events ends with the one that fills this many bytes of payload.
pub const MAX_PAGE_BYTES: usize = 8 << 20;
/// The most rows of an answer that has no pages.
pub const MAX_LISTED: usize = 10_000;

/// A pool of read-only connections; cloning shares it.
#[derive(Clone)]
pub struct Readers(Arc<Pool>);

struct Pool {
    database: Database,
    idle: Mutex<Vec<Idle>>,
    returned: Condvar,
}

/// A place in the pool: `None` where the connection was cut and has to be made anew.
type Idle = Option<Connection>;

/// A place that goes back to the pool however its use ends.
struct Lease<'a> {
    pool: &'a Pool,
    place: Idle,
}

impl Readers {
    /// Opens `count` connections to a database that a [`Writer`](crate::Writer) of this version has opened before.
    ///
    /// # Errors
    /// As for the writer, and [`Error::OlderSchema`]: readers do not migrate.
    pub fn open(database: &Database, count: NonZeroUsize) -> Result<Self, Error> {
        let idle =
            (0..count.get()).map(|_| database.open_for_reading().map(Some)).collect::<Result<_, _>>()?;
        let database = database.clone();
        Ok(Self(Arc::new(Pool { database, idle: Mutex::new(idle), returned: Condvar::new() })))
    }

    /// A workflow as it stands; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Damaged`], as in all functions below.
    pub fn workflow(&self, id: &WorkflowId) -> Result<Option<WorkflowRow>, Error> {
        self.read(|connection| workflows::get(connection, id))
    }

    /// Whether the database answers: asks it for next to nothing.
    ///
    /// # Errors
    /// Why it does not.
    pub fn answers(&self) -> Result<(), Error> {
        self.workflows(1, None).map(drop)
    }

    /// Workflows, newest first, from the one that follows `before` on; at most `limit` and [`MAX_PAGE_ROWS`].
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no workflow `before`.
    pub fn workflows(&self, limit: usize, before: Option<&WorkflowId>) -> Result<Vec<WorkflowRow>, Error> {
        self.read(|connection| workflows::list(connection, limit.min(MAX_PAGE_ROWS), before, None))
    }

    /// As [`Readers::workflows`], of those alone whose workspace is one of these folders or lies beneath one.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no workflow `before` among them.
    pub fn workflows_beneath(
        &self,
        folders: &[String],
        limit: usize,
        before: Option<&WorkflowId>,
    ) -> Result<Vec<WorkflowRow>, Error> {
        let limit = limit.min(MAX_PAGE_ROWS);
        self.read(|connection| workflows::list(connection, limit, before, Some(folders)))
    }

    /// The workflows that have no outcome yet, oldest first.
    ///
    /// # Errors
    /// [`Error::TooMany`] beyond [`MAX_LISTED`].
    pub fn unfinished(&self) -> Result<Vec<WorkflowId>, Error> {
        self.read(|connection| workflows::unfinished(connection, MAX_LISTED))
    }

    /// The events after `seq`, in order: at most `limit` and [`MAX_PAGE_ROWS`], and about [`MAX_PAGE_BYTES`].
    /// A page may be short; only an empty one is the history's end.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn events_after(&self, id: &WorkflowId, seq: Seq, limit: usize) -> Result<Vec<EventRow>, Error> {
        let limit = limit.min(MAX_PAGE_ROWS);
        self.read(|connection| events::after(connection, id, seq, limit, MAX_PAGE_BYTES))
    }

    /// Which event stands at a position: how a writer whose acknowledgement got lost learns whether it was written.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn event_id_at(&self, id: &WorkflowId, seq: Seq) -> Result<Option<EventId>, Error> {
        self.read(|connection| events::id_at(connection, id, seq))
    }

    /// The calls of a workflow, in the order of their recording.
    ///
    /// # Errors
    /// [`Error::TooMany`] beyond [`MAX_LISTED`].
    pub fn usage_of(&self, workflow: &WorkflowId) -> Result<Vec<UsageRow>, Error> {
        self.read(|connection| usage::of(connection, workflow, MAX_LISTED))
    }

    /// What a workflow used of each model, by provider and model.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Damaged`].
    pub fn usage_by_model(&self, workflow: &WorkflowId) -> Result<Vec<ModelTotals>, Error> {
        self.read(|connection| usage::by_model(connection, workflow))
    }

    /// How far the records of a server are written; 0 where it has written none.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn recorded(&self, node: &NodeId) -> Result<u64, Error> {
        self.read(|connection| records::recorded(connection, node))
    }

    /// The newest audit entries that a query asks for, oldest first; at most its limit and [`MAX_PAGE_ROWS`].
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Damaged`].
    pub fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, Error> {
        self.read(|connection| audit::list(connection, query, MAX_PAGE_ROWS))
    }

    /// Checks every chain of the audit log from its first entry to its last, while others may be added.
    ///
    /// # Errors
    /// [`Error::Read`]; and [`Error::Damaged`] where the id of a server is none.
    pub fn verify_audit(&self) -> Result<Vec<Chain>, Error> {
        self.read(audit::verify)
    }

    /// All keys, those that are over among them.
    ///
    /// # Errors
    /// [`Error::DamagedKey`], and [`Error::TooMany`] beyond [`access::MAX_KEYS`].
    pub fn keys(&self) -> Result<Vec<access::Record>, Error> {
        self.read(|connection| keys::all(connection, access::MAX_KEYS))
    }

    /// How many bytes the database takes, without the log that a file has beside it.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn size(&self) -> Result<u64, Error> {
        self.read(size::get)
    }

    /// Once more on a fresh connection when the first was cut: it may have been idle when the server was restarted.
    pub(crate) fn read<T>(&self, read: impl Fn(&mut Connection) -> Result<T, Error>) -> Result<T, Error> {
        let mut lease = self.0.lease();
        let first = read(lease.connection()?);
        match first {
            Err(Error::Read(_)) if lease.is_cut() => read(lease.connection()?),
            done => done,
        }
    }
}

impl Pool {
    fn lease(&self) -> Lease<'_> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(place) = idle.pop() {
                return Lease { pool: self, place };
            }
            idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Lease<'_> {
    fn connection(&mut self) -> Result<&mut Connection, Error> {
        match &mut self.place {
            Some(connection) => Ok(connection),
            empty @ None => Ok(empty.insert(self.pool.database.open_for_reading()?)),
        }
    }

    /// Lets go of a connection that was cut.
    fn is_cut(&mut self) -> bool {
        let cut = self.place.as_mut().is_some_and(Connection::is_cut);
        if cut {
            self.place = None;
        }
        cut
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.place.take());
        self.pool.returned.notify_one();
    }
}

#[cfg(test)]
mod tests;
