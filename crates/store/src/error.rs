//! What can go wrong with the database as a whole, and why a single write is refused.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use diesel::result::DatabaseErrorKind;
use units::{Fence, KeyId, Seq, WorkflowId};

use crate::Database;

/// What the database itself said; carries no row's content.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(Arc<dyn std::error::Error + Send + Sync>);

impl Failure {
    pub(crate) fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Arc::from(cause.into()))
    }
}

/// Why a database could not be opened, read or kept running.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be made or found.
    #[error(
        "the database `{path}` cannot be opened: {source}; the first start of a server makes it, in a folder that is there and \
         that this user may write to"
    )]
    File {
        /// The database.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("`{path}` is no database; move it away, or name another file for the database")]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// A newer program has migrated this database: an older one would misread it.
    #[error(
        "the database `{database}` was written by a newer version (this one does not know its migration {migration}); \
         run the newer version, or put back a backup from before the upgrade"
    )]
    NewerSchema {
        /// The database.
        database: Database,
        /// The first migration that is unknown here.
        migration: String,
    },
    /// Readers do not migrate: the writer has to open the database first.
    #[error(
        "the database `{database}` is not yet migrated to this version; start the server once, it does that"
    )]
    OlderSchema {
        /// The database.
        database: Database,
    },
    /// The database does not open: a lock, a read-only folder, a full disk or damage.
    #[error(
        "the database `{path}` does not open: {failure}; check that no other program holds it, that this user may \
         write to the file and to its folder, and that the disk has room"
    )]
    Open {
        /// The database.
        path: PathBuf,
        /// What the database said.
        failure: Failure,
    },
    /// The server cannot be reached, refuses the login or does not encrypt; it may be back later.
    #[error(
        "the database `{database}` does not open: {failure}; check that the server runs, that its name, the user and \
         the password are right, and that this user may use the database"
    )]
    Unreachable {
        /// The database.
        database: Database,
        /// What the server or the network said.
        failure: Failure,
    },
    /// Another writer is at work in this schema.
    #[error(
        "another server works on the database `{database}`; stop it, or give this one a schema of its own"
    )]
    InUse {
        /// The database.
        database: Database,
    },
    /// The certificates that shall vouch for the server cannot be read.
    #[error("the certificates in `{path}`, named by `sslrootcert`, cannot be used: {reason}")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The writer cannot go on; what it was asked meanwhile got [`WriteError::Database`]. Open a fresh one.
    #[error("the writer of `{database}` cannot go on: {failure}")]
    WriterFailed {
        /// The database.
        database: Database,
        /// What the database said.
        failure: Failure,
    },
    /// A read failed; it may be tried again.
    #[error("the database cannot be read: {0}")]
    Read(Failure),
    /// There is no such workflow.
    #[error("there is no workflow {0}")]
    NotFound(WorkflowId),
    /// More rows than one answer may hold.
    #[error("there are more than {most} {what}: this answer would be too large")]
    TooMany {
        /// Which rows, in the plural.
        what: &'static str,
        /// The most that one answer holds.
        most: usize,
    },
    /// A copy is not written over what is there.
    #[error("`{path}` is there already; name a file that is not")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A copy goes only into a database that holds nothing.
    #[error(
        "the database `{database}` is not empty: its table `{table}` has rows; move the database away first, or name \
         another one"
    )]
    NotEmpty {
        /// The database.
        database: Database,
        /// A table that has rows.
        table: &'static str,
    },
    /// A copy that cannot be put back.
    #[error("`{path}` is no copy that can be put back: {reason}")]
    BadCopy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A row holds what this program never wrote.
    #[error("a row of table `{table}` is damaged: {reason}; put back a backup")]
    Damaged {
        /// Where the row is.
        table: &'static str,
        /// What does not parse.
        reason: units::BadId,
    },
    /// A key's row holds what this program never wrote.
    #[error("the key {id} is damaged in table `api_keys`: {reason}; put back a backup, or remove its row")]
    DamagedKey {
        /// Which.
        id: KeyId,
        /// What does not parse.
        reason: access::Error,
    },
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        Self::Read(Failure::new(error))
    }
}

/// Why a write did not happen.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// There is no such workflow.
    #[error("there is no workflow {0}")]
    NotFound(WorkflowId),
    /// A workflow of this id is there already; it was left alone.
    #[error("there is a workflow {0} already")]
    Exists(WorkflowId),
    /// There is no such key.
    #[error("there is no key {id}; `impresario keys list` shows those that there are")]
    NoKey {
        /// Which.
        id: KeyId,
    },
    /// A key of this id is there already; it was left alone.
    #[error("there is a key {id} already")]
    KeyExists {
        /// Which.
        id: KeyId,
    },
    /// No key may grant this.
    #[error("{reason}")]
    BadGrant {
        /// What is wrong with it.
        reason: access::Error,
    },
    /// Another owner has claimed the workflow: the sender is a leftover and must stop.
    #[error("the workflow has another owner by now, whose fence is {}", .current.0)]
    Fenced {
        /// The present owner's token.
        current: Fence,
    },
    /// The history does not end where the sender thought: read what is there, then decide anew.
    #[error("the workflow's last event is number {}", .last.0)]
    OutOfSequence {
        /// The last event's position.
        last: Seq,
    },
    /// The server's records do not end where the sender thought: go on from there.
    #[error("the server's records are written up to {recorded}")]
    Misplaced {
        /// How far they are written.
        recorded: u64,
    },
    /// A text holds a NUL character, which PostgreSQL cannot hold and SQLite reads differently; nothing was written.
    #[error("{what} holds a NUL character, which no database takes")]
    NotText {
        /// Which text.
        what: &'static str,
    },
    /// Part of the write is beyond its bound; nothing was written.
    #[error("{what}: {size} is too much, the most is {most}")]
    TooLarge {
        /// Which part, and its unit.
        what: &'static str,
        /// What was sent.
        size: u64,
        /// What is allowed.
        most: u64,
    },
    /// A constraint of the database refuses this write, and would again; nothing of it was written.
    #[error("the database refuses this write: {0}")]
    Refused(Failure),
    /// The database failed: whether this was written is unknown. Read back what is there before trying again.
    #[error("the database failed, it is unknown whether this was written: {0}")]
    Database(Failure),
}

/// Whether the row is at fault, and not the database.
pub(crate) fn is_constraint(error: &diesel::result::Error) -> bool {
    let diesel::result::Error::DatabaseError(kind, _) = error else { return false };
    matches!(
        kind,
        DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::ForeignKeyViolation
            | DatabaseErrorKind::NotNullViolation
            | DatabaseErrorKind::CheckViolation
    )
}
