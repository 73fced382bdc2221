//! Copies of a database that somebody writes to, and putting them back.
//!
//! A copy is always a file of SQLite with the same tables, from whichever database it comes, and goes back into
//! either. It holds what one transaction sees: all that was acknowledged before it began, and nothing by half. A copy
//! counts as made only after it was opened and found whole; until then it has another name.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;

use crate::Database;
use crate::columns;
use crate::connection::Connection;
use crate::database::sqlite;
use crate::error::Error;
use crate::tables::TABLES;
use crate::templates;
use crate::writer::Writer;

mod rows;

/// What a copy holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The size of the file, in bytes.
    pub bytes: u64,
    /// The last migration that its tables have had.
    pub migration: String,
    /// Each table and how many rows it has.
    pub tables: Vec<(&'static str, u64)>,
}

#[derive(QueryableByName)]
struct Said {
    #[diesel(sql_type = Text)]
    said: String,
}

/// A file that goes when it is not kept.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        // One that was kept has another name by now.
        let _ = remove(&self.0);
    }
}

/// Copies the database into a new file of SQLite, which only this user may read. The server may run and write.
///
/// # Errors
/// [`Error::Exists`] when there is a file of that name; as for [`Readers::open`](crate::Readers::open); and
/// [`Error::BadCopy`] when what was written does not hold.
pub fn backup(database: &Database, target: &Path) -> Result<Summary, Error> {
    refuse_existing(target)?;
    let draft = draft(target, "partial")?;
    match database.open_for_reading()? {
        Connection::Sqlite(mut one) => copy_file(&mut one, &draft.0)?,
        Connection::Postgres(mut session) => rows::from_postgres(&mut session.connection, &draft.0)?,
    }
    let summary = verify(&draft.0)?;
    keep(&draft, target)?;
    Ok(summary)
}

/// Opens a copy and says what it holds, if it is whole.
///
/// # Errors
/// [`Error::BadCopy`] with what is wrong with it, or that there is none.
pub fn verify(copy: &Path) -> Result<Summary, Error> {
    let bad = |reason: String| Error::BadCopy { path: copy.to_owned(), reason };
    let bytes = fs::metadata(copy).map_err(|error| bad(error.to_string()))?.len();
    let failed = |error: diesel::result::Error| bad(error.to_string());
    let mut one = Connection::Sqlite(Box::new(sqlite::open_copy(copy)?));
    let Connection::Sqlite(file) = &mut one else { return Err(bad("it is no file".to_owned())) };
    let said =
        says(file, "SELECT integrity_check AS said FROM pragma_integrity_check LIMIT 1").map_err(failed)?;
    if said != "ok" {
        return Err(bad(said));
    }
    let strangers = "SELECT COUNT(*) AS number FROM pragma_foreign_key_check";
    let torn = "SELECT COUNT(*) AS number FROM workflows WHERE last_seq <> \
                (SELECT COUNT(*) FROM workflow_events WHERE workflow_id = workflows.id)";
    for (sql, fault) in [(strangers, "rows refer to what is not there"), (torn, "a history has gaps")] {
        if columns::number(&mut one, sql).map_err(failed)? != 0 {
            return Err(bad(fault.to_owned()));
        }
    }
    let mut tables = Vec::new();
    for table in &TABLES {
        let present = format!("SELECT COUNT(*) AS number FROM pragma_table_info('{}')", table.name);
        // One from before a table was made has none of its rows.
        if columns::number(&mut one, &present).map_err(failed)? > 0 {
            tables.push((table.name, columns::rows(&mut one, table.name).map_err(failed)?));
        }
    }
    let Connection::Sqlite(file) = &mut one else { return Err(bad("it is no file".to_owned())) };
    let migration =
        says(file, "SELECT MAX(version) AS said FROM __diesel_schema_migrations").map_err(failed)?;
    Ok(Summary { bytes, migration, tables })
}

/// Puts a copy into a database that holds nothing, bringing it up to date first; `workshop` is a folder for the file
/// while that is done. `seeded` are names and versions of the prompts that a server stores by itself when it starts: these
/// alone may stand there before, and the copy's take their place.
///
/// # Errors
/// [`Error::BadCopy`] and [`Error::NewerSchema`] for the copy; [`Error::NotEmpty`], [`Error::InUse`] and whatever keeps
/// a writer from opening for the database. Nothing has changed then.
pub fn restore(
    copy: &Path,
    database: &Database,
    workshop: &Path,
    seeded: &[(String, String)],
) -> Result<Summary, Error> {
    verify(copy)?;
    let target = match database {
        Database::Sqlite(file) => file.clone(),
        Database::Postgres(_) => workshop.join("restored.db"),
    };
    if let Database::Sqlite(file) = database {
        refuse_filled(file, database, seeded)?;
    }
    let draft = draft(&target, "restoring")?;
    fs::copy(copy, &draft.0).map_err(|source| Error::File { path: draft.0.clone(), source })?;
    let mut migrated = sqlite::open_for_writing(&draft.0)?;
    fold_log(&mut migrated, &draft.0)?;
    drop(migrated);
    let summary = verify(&draft.0)?;
    match database {
        Database::Sqlite(file) => {
            for part in [file.clone(), beside(file, "-wal"), beside(file, "-shm")] {
                remove(&part)?;
            }
            keep(&draft, file)?;
        }
        Database::Postgres(_) => {
            // Who holds the pen is the only one that writes: a running server keeps it from being taken.
            let mut writer = Writer::open(database)?;
            refuse_rows(writer.connection_mut(), database, seeded)?;
            rows::into_postgres(&draft.0, writer.connection_mut(), &summary)?;
        }
    }
    Ok(summary)
}

/// By SQLite itself, in one transaction that keeps nobody from writing.
fn copy_file(one: &mut SqliteConnection, draft: &Path) -> Result<(), Error> {
    let failed = |error: diesel::result::Error| bad(draft, &error);
    // It writes to the new file alone.
    one.batch_execute("PRAGMA query_only = OFF").map_err(failed)?;
    let path = draft.to_str().ok_or_else(|| bad(draft, "its path is no UTF-8"))?;
    diesel::sql_query("VACUUM INTO $1").bind::<Text, _>(path).execute(one).map_err(failed)?;
    Ok(())
}

/// Makes one file of the database and its log.
fn fold_log(one: &mut SqliteConnection, file: &Path) -> Result<(), Error> {
    one.batch_execute("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;")
        .map_err(|error| bad(file, &error))
}

fn says(one: &mut SqliteConnection, sql: &str) -> QueryResult<String> {
    diesel::sql_query(sql).get_result::<Said>(one).map(|found| found.said)
}

fn refuse_existing(target: &Path) -> Result<(), Error> {
    match target.symlink_metadata() {
        Ok(_) => Err(Error::Exists { path: target.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::File { path: target.to_owned(), source }),
    }
}

/// A database that was made and never used may be replaced.
fn refuse_filled(file: &Path, database: &Database, seeded: &[(String, String)]) -> Result<(), Error> {
    if file.symlink_metadata().is_err() {
        return Ok(());
    }
    let mut one = Connection::Sqlite(Box::new(sqlite::open_for_writing(file)?));
    refuse_rows(&mut one, database, seeded)
}

fn refuse_rows(
    connection: &mut Connection,
    database: &Database,
    seeded: &[(String, String)],
) -> Result<(), Error> {
    for table in &TABLES {
        let rows = columns::rows(connection, table.name)?;
        let is_in_use = match table.name {
            "prompts" if rows > 0 => {
                let versions = templates::versions(connection)?;
                versions.iter().any(|version| !seeded.contains(version))
            }
            _ => rows > 0,
        };
        if is_in_use {
            return Err(Error::NotEmpty { database: database.clone(), table: table.name });
        }
    }
    Ok(())
}

/// An empty file of this user's own beside `target`, under a name that says what it is.
fn draft(target: &Path, ending: &str) -> Result<Draft, Error> {
    let path = beside(target, &format!(".{ending}"));
    let draft = Draft(path.clone());
    for part in [path.clone(), beside(&path, "-wal"), beside(&path, "-shm"), beside(&path, "-journal")] {
        remove(&part)?;
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    made.map_err(|source| Error::File { path, source })?;
    Ok(draft)
}

/// Makes the draft durable, under its last name.
fn keep(draft: &Draft, target: &Path) -> Result<(), Error> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    File::open(&draft.0).and_then(|file| file.sync_all()).map_err(at(&draft.0))?;
    fs::rename(&draft.0, target).map_err(at(target))?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::File { path: path.to_owned(), source: error })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn bad(path: &Path, reason: impl ToString) -> Error {
    Error::BadCopy { path: path.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests;
