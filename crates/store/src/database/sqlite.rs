//! SQLite: the file's mode, its pragmas, its migrations, and the refusal of what this program cannot read.
//!
//! The file is never opened but through SQLite: POSIX drops all of a process's locks on a file when it closes any
//! descriptor of it (sqlite.org/howtocorrupt.html, section 2.2), so a look at its header would unlock a live writer.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::SqliteConnection;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

use super::Database;
use super::upgrade::{self, Migration};
use crate::error::{Error, Failure};

const EMBEDDED: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// Both kinds of connection wait this long for a lock that another process holds.
const BUSY_TIMEOUT: &str = "PRAGMA busy_timeout = 5000;";
/// A commit is on the disk when it returns; the log is folded back into the file every 1,000 pages (4 MB).
const WRITER_PRAGMAS: &str =
    "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 1000;";
/// What a reader's cache does not hold the system's does: four of the usual 2 MiB would fill up over an hour and look like
/// a leak.
const READER_PRAGMAS: &str = "PRAGMA query_only = ON; PRAGMA cache_size = -512;";
/// SQLite's text for SQLITE_NOTADB; Diesel does not hand on the code.
const NOT_A_DATABASE: &str = "file is not a database";

#[derive(QueryableByName)]
struct JournalMode {
    #[diesel(sql_type = Text)]
    journal_mode: String,
}

#[derive(QueryableByName)]
struct Folded {
    #[diesel(sql_type = BigInt)]
    busy: i64,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Makes the file where there is none (mode 0600; its log inherits that) and brings its schema up to date.
pub(crate) fn open_for_writing(path: &Path) -> Result<SqliteConnection, Error> {
    create_private(path)?;
    let mut connection = connect(path, "rw")?;
    let failed = |failure| open_failure(path, failure);
    let mode: JournalMode =
        diesel::sql_query("PRAGMA journal_mode = WAL").get_result(&mut connection).map_err(failed)?;
    if mode.journal_mode != "wal" {
        let failure =
            Failure::new(format!("its file system has no write-ahead log, only `{}`", mode.journal_mode));
        return Err(Error::Open { path: path.to_owned(), failure });
    }
    connection.batch_execute(WRITER_PRAGMAS).map_err(failed)?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// The name of this program's schema.
pub(super) fn schema_version() -> String {
    upgrade::newest::<diesel::sqlite::Sqlite>(migrations)
}

/// Folds the write-ahead log back into the file and empties it; whether a reader kept some of it back.
pub(crate) fn fold_log(connection: &mut SqliteConnection) -> QueryResult<bool> {
    let folded: Folded = diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result(connection)?;
    Ok(folded.busy != 0)
}

/// Opens a file that nobody else uses, as it is: of any version, and without a log.
pub(crate) fn open_copy(path: &Path) -> Result<SqliteConnection, Error> {
    let mut connection = connect(path, "rw")?;
    connection.batch_execute(READER_PRAGMAS).map_err(|failure| open_failure(path, failure))?;
    Ok(connection)
}

/// Opens a database that a writer has opened before.
pub(crate) fn open_for_reading(path: &Path) -> Result<SqliteConnection, Error> {
    fs::metadata(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    let mut connection = connect(path, "ro")?;
    connection.batch_execute(READER_PRAGMAS).map_err(|failure| open_failure(path, failure))?;
    let ledger: Count = diesel::sql_query(
        "SELECT COUNT(*) AS count FROM sqlite_master WHERE name = '__diesel_schema_migrations'",
    )
    .get_result(&mut connection)
    .map_err(|failure| open_failure(path, failure))?;
    let name = Database::Sqlite(path.to_owned());
    let current = ledger.count > 0
        && upgrade::pending(&mut connection, migrations, &name)
            .map_err(|migration| refuse(path, migration))?
            .is_empty();
    if !current {
        return Err(Error::OlderSchema { database: name });
    }
    Ok(connection)
}

fn create_private(path: &Path) -> Result<(), Error> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(Error::File { path: path.to_owned(), source }),
    }
}

fn migrations() -> EmbeddedMigrations {
    EMBEDDED
}

fn connect(path: &Path, mode: &str) -> Result<SqliteConnection, Error> {
    let mut connection = SqliteConnection::establish(&uri(path, mode))
        .map_err(|error| Error::Open { path: path.to_owned(), failure: Failure::new(error) })?;
    // Opening is lazy: the first statement that reads the file finds out whether it is one.
    connection
        .batch_execute(&format!("{BUSY_TIMEOUT} PRAGMA schema_version;"))
        .map_err(|failure| open_failure(path, failure))?;
    Ok(connection)
}

/// The path byte by byte, so that no character of it is read as part of the URI.
fn uri(path: &Path, mode: &str) -> String {
    let mut uri = String::from(if path.is_absolute() { "file://" } else { "file:" });
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            write!(uri, "%{byte:02x}").expect("a String takes all that is written to it");
        }
    }
    uri + "?mode=" + mode
}

/// Under the write lock from the first look on: of two programs that start at once, one migrates and one finds it done.
fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), Error> {
    let name = Database::Sqlite(path.to_owned());
    connection
        .immediate_transaction(|connection| upgrade::run(connection, migrations, &name))
        .map_err(|migration| refuse(path, migration))
}

fn refuse(path: &Path, migration: Migration) -> Error {
    match migration {
        Migration::Refused(error) => error,
        Migration::Failed(failure) => Error::Open { path: path.to_owned(), failure },
    }
}

fn open_failure(path: &Path, error: diesel::result::Error) -> Error {
    let path = path.to_owned();
    if let diesel::result::Error::DatabaseError(_, said) = &error
        && said.message() == NOT_A_DATABASE
    {
        return Error::NotADatabase { path };
    }
    Error::Open { path, failure: Failure::new(error) }
}

#[cfg(test)]
mod tests;
