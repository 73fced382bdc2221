//! The loop of the database's one writing thread: it owns the only connection that writes.
//!
//! It promises: what waits goes into one transaction, in order; no write is answered before its COMMIT; a write that
//! the database refuses hurts no other. It never retries after the database itself has failed: all who wait are told,
//! the loop ends, and its owner opens a fresh writer. It holds nothing that a restart would lose.

use std::slice;

use diesel::prelude::*;
use tokio::sync::mpsc;

use crate::connection::Connection;
use crate::error::{Error, Failure, WriteError, is_constraint};
use crate::write::{Applied, Committed, Write};
use crate::{Database, appends, keys, records, responses, workflows};

/// The most writes in one transaction.
pub const MAX_BATCH_WRITES: usize = 256;
/// A transaction takes no further write once it has this many bytes.
pub const MAX_BATCH_BYTES: usize = 16 << 20;

/// The one writer of a database.
pub struct Writer {
    connection: Connection,
    database: Database,
    watcher: Option<Watcher>,
}

/// What a transaction comes to, for whoever counts and times them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// It begins.
    Begins {
        /// How many writes are in it.
        writes: usize,
    },
    /// It is durable.
    Committed,
    /// It was rolled back; what in it was right is tried again, write by write.
    Failed,
}

type Watcher = Box<dyn FnMut(Transaction) + Send>;

type Outcome = Result<Applied, WriteError>;

/// Why a transaction was rolled back.
enum Fault {
    /// A statement failed: it may be the fault of its write alone.
    Statement(diesel::result::Error),
    /// The transaction itself failed: it did not begin, not commit, or the database ended it by itself.
    Transaction(diesel::result::Error),
}

impl Writer {
    /// Opens the database and migrates it. A file is made where there is none (mode 0600, in a folder that exists), and
    /// so is a schema.
    ///
    /// # Errors
    /// [`Error::NewerSchema`]. For a file [`Error::File`], [`Error::NotADatabase`] and [`Error::Open`], for a server
    /// [`Error::Unreachable`], [`Error::InUse`] and [`Error::Certificates`]; all name what it is and the remedy.
    pub fn open(database: &Database) -> Result<Self, Error> {
        let mut connection = database.open_for_writing()?;
        database.hold(&mut connection)?;
        Ok(Self { connection, database: database.clone(), watcher: None })
    }

    /// Tells `watcher` of each transaction, on the writing thread: it must be quick.
    #[must_use]
    pub fn watched(self, watcher: impl FnMut(Transaction) + Send + 'static) -> Self {
        Self { watcher: Some(Box::new(watcher)), ..self }
    }

    pub(crate) fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Writes what comes until all senders are gone, and then folds a file's log back into it; blocks its thread, which is not one of an event loop.
    ///
    /// After each COMMIT it first tells `on_commit` which histories have grown, then answers; `on_commit` must be quick.
    ///
    /// # Errors
    /// [`Error::WriterFailed`] when the database fails; everything that waits has been answered by then.
    pub fn run(
        mut self,
        mut inbox: mpsc::Receiver<Write>,
        mut on_commit: impl FnMut(&[Committed]),
    ) -> Result<(), Error> {
        while let Some(batch) = next_batch(&mut inbox) {
            if let Err(failure) = self.write(batch, &mut on_commit) {
                inbox.close();
                while let Ok(write) = inbox.try_recv() {
                    write.answer(Err(WriteError::Database(failure.clone())));
                }
                return Err(Error::WriterFailed { database: self.database, failure });
            }
        }
        match self.connection.fold() {
            Ok(true) => {}
            Ok(false) => tracing::debug!("a reader kept the write-ahead log from being emptied"),
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log was not emptied; the next start does it")
            }
        }
        Ok(())
    }

    fn write(&mut self, batch: Vec<Write>, on_commit: &mut impl FnMut(&[Committed])) -> Result<(), Failure> {
        match self.attempt(&batch) {
            Ok(outcomes) => {
                settle(batch, outcomes, on_commit);
                Ok(())
            }
            Err(Fault::Statement(_)) => self.write_one_by_one(batch, on_commit),
            Err(Fault::Transaction(error)) => Err(fail(batch, error)),
        }
    }

    fn write_one_by_one(
        &mut self,
        batch: Vec<Write>,
        on_commit: &mut impl FnMut(&[Committed]),
    ) -> Result<(), Failure> {
        let mut batch = batch.into_iter();
        while let Some(write) = batch.next() {
            match self.attempt(slice::from_ref(&write)) {
                Ok(outcomes) => settle(vec![write], outcomes, on_commit),
                Err(Fault::Statement(error)) if is_constraint(&error) => {
                    write.answer(Err(WriteError::Refused(Failure::new(error))));
                }
                Err(Fault::Statement(error) | Fault::Transaction(error)) => {
                    return Err(fail(std::iter::once(write).chain(batch), error));
                }
            }
        }
        Ok(())
    }

    fn attempt(&mut self, writes: &[Write]) -> Result<Vec<Outcome>, Fault> {
        self.tell(Transaction::Begins { writes: writes.len() });
        let outcomes = self.transact(writes);
        self.tell(if outcomes.is_ok() { Transaction::Committed } else { Transaction::Failed });
        outcomes
    }

    fn tell(&mut self, transaction: Transaction) {
        if let Some(watcher) = &mut self.watcher {
            watcher(transaction);
        }
    }

    /// All writes in one transaction.
    fn transact(&mut self, writes: &[Write]) -> Result<Vec<Outcome>, Fault> {
        let connection = &mut self.connection;
        if let [Write::Record { records, .. }] = writes
            && records.check().is_ok()
        {
            match records::write_alone(connection, records) {
                Ok(true) => return Ok(vec![Ok(Applied::default())]),
                Ok(false) => {}
                Err(cause) if connection.is_cut() => return Err(Fault::Transaction(cause)),
                Err(cause) => return Err(Fault::Statement(cause)),
            }
        }
        connection.begin().map_err(Fault::Transaction)?;
        match apply(connection, writes) {
            Ok(outcomes) => {
                connection.commit().map_err(Fault::Transaction)?;
                Ok(outcomes)
            }
            // On a full disk SQLite rolls back by itself, and on a cut connection nobody listens: the ROLLBACK fails
            // too, and the first error tells why.
            Err(cause) => Err(match connection.roll_back() {
                Ok(()) => Fault::Statement(cause),
                Err(_) => Fault::Transaction(cause),
            }),
        }
    }
}

fn next_batch(inbox: &mut mpsc::Receiver<Write>) -> Option<Vec<Write>> {
    let first = inbox.blocking_recv()?;
    let mut bytes = first.bytes();
    let mut batch = vec![first];
    while batch.len() < MAX_BATCH_WRITES && bytes < MAX_BATCH_BYTES {
        let Ok(write) = inbox.try_recv() else { break };
        bytes += write.bytes();
        batch.push(write);
    }
    Some(batch)
}

fn apply(connection: &mut Connection, writes: &[Write]) -> QueryResult<Vec<Outcome>> {
    let mut outcomes = Vec::with_capacity(writes.len());
    while let Some(first) = writes.get(outcomes.len()) {
        match first.check() {
            Ok(()) => outcomes.extend(apply_next(connection, first, &writes[outcomes.len()..])?),
            Err(error) => outcomes.push(Err(error)),
        }
    }
    Ok(outcomes)
}

/// The first of these writes, or several that it begins a run of. An `Ok(Err(_))` has written nothing, so it leaves the
/// batch whole; an `Err` rolls the batch back.
fn apply_next(connection: &mut Connection, first: &Write, writes: &[Write]) -> QueryResult<Vec<Outcome>> {
    let outcome = match first {
        Write::Create { new, .. } => workflows::create(connection, new)?.map(Applied::from),
        Write::Claim { workflow, at, .. } => workflows::claim(connection, workflow, *at)?.map(Applied::from),
        Write::Append { .. } => {
            let outcomes = appends::write(connection, &appends::leading(writes))?;
            return Ok(outcomes.into_iter().map(|outcome| outcome.map(Applied::from)).collect());
        }
        Write::Record { records, .. } => records::write(connection, records)?.map(Applied::from),
        Write::Keys { change, .. } => keys::change(connection, change)?.map(Applied::from),
        Write::Responses { change, .. } => {
            Ok(Applied { rows: responses::change(connection, change)?, ..Applied::default() })
        }
        Write::Upkeep { upkeep, .. } => Ok(Applied { rows: upkeep.apply(connection)?, ..Applied::default() }),
        Write::Flush { .. } => Ok(Applied::default()),
    };
    Ok(vec![outcome])
}

fn settle(batch: Vec<Write>, outcomes: Vec<Outcome>, on_commit: &mut impl FnMut(&[Committed])) {
    let grown: Vec<_> =
        batch.iter().zip(&outcomes).filter_map(|(write, outcome)| growth(write, outcome)).collect();
    if !grown.is_empty() {
        on_commit(&grown);
    }
    for (write, outcome) in batch.into_iter().zip(outcomes) {
        write.answer(outcome);
    }
}

fn growth(write: &Write, outcome: &Outcome) -> Option<Committed> {
    match (write, outcome) {
        (Write::Append { append, .. }, Ok(applied)) => {
            Some(Committed { workflow: append.workflow.clone(), seq: applied.standing.last_seq })
        }
        _ => None,
    }
}

fn fail(writes: impl IntoIterator<Item = Write>, error: diesel::result::Error) -> Failure {
    let failure = Failure::new(error);
    for write in writes {
        write.answer(Err(WriteError::Database(failure.clone())));
    }
    failure
}

#[cfg(test)]
mod tests;
