//! Opening a file: what is made, what is refused, and what the refusal says.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use std::num::NonZeroUsize;

use diesel_migrations::MigrationHarness;

use super::*;
use crate::fixture::{Place, append};
use crate::{Readers, Writer};

#[derive(QueryableByName)]
struct Sql {
    #[diesel(sql_type = Text)]
    sql: String,
}

fn schema(connection: &mut SqliteConnection) -> Vec<String> {
    let sql = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name";
    let rows: Vec<Sql> = diesel::sql_query(sql).load(connection).unwrap();
    rows.into_iter().map(|row| row.sql).collect()
}

fn refused(path: &Path) -> (Error, String) {
    let error = Writer::open(&Database::Sqlite(path.to_owned())).err().expect("the database is refused");
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()), "names no file: {text}");
    (error, text)
}

#[test]
fn migrations_go_up_and_down_and_up_again() {
    let place = Place::file();
    let mut connection = open_for_writing(&place.path).unwrap();
    let up = schema(&mut connection);

    connection.revert_all_migrations(migrations()).unwrap();
    let down = schema(&mut connection);
    assert_eq!(down.len(), 1, "something stays behind: {down:?}");
    assert!(matches!(Readers::open(&place.database, NonZeroUsize::MIN), Err(Error::OlderSchema { .. })));

    connection.run_pending_migrations(migrations()).unwrap();
    assert_eq!(schema(&mut connection), up);
}

#[test]
fn the_file_and_its_log_are_the_users_alone() {
    let place = Place::file();
    let running = place.start();
    running.owned(1);
    for suffix in ["", "-wal", "-shm"] {
        let file = format!("{}{suffix}", place.path.display());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    running.stop().unwrap();
}

#[test]
fn opens_with_its_pragmas() {
    #[derive(QueryableByName)]
    struct Pragmas {
        #[diesel(sql_type = Text)]
        journal: String,
        #[diesel(sql_type = BigInt)]
        synchronous: i64,
        #[diesel(sql_type = BigInt)]
        foreign_keys: i64,
        #[diesel(sql_type = BigInt)]
        timeout: i64,
    }
    let place = Place::file();
    let mut connection = open_for_writing(&place.path).unwrap();
    let sql = "SELECT journal_mode AS journal, synchronous, foreign_keys, timeout \
               FROM pragma_journal_mode, pragma_synchronous, pragma_foreign_keys, pragma_busy_timeout";
    let pragmas: Pragmas = diesel::sql_query(sql).get_result(&mut connection).unwrap();
    // 2 is FULL.
    assert_eq!((pragmas.journal.as_str(), pragmas.synchronous), ("wal", 2));
    assert_eq!((pragmas.foreign_keys, pragmas.timeout), (1, 5000));
}

#[test]
fn a_name_full_of_uri_syntax_is_only_a_name() {
    let place = Place::file();
    let odd = place.path.with_file_name("a%20b?mode=memory#c ü.db");
    open_for_writing(&odd).unwrap();
    open_for_reading(&odd).unwrap();
    assert!(fs::metadata(&odd).unwrap().len() > 0);
}

#[test]
fn refuses_the_database_of_a_newer_version_and_leaves_it_alone() {
    let place = Place::file();
    let mut connection = open_for_writing(&place.path).unwrap();
    connection
        .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231235959')")
        .unwrap();
    let before = schema(&mut connection);

    let (error, text) = refused(&place.path);
    assert!(matches!(error, Error::NewerSchema { .. }), "{error:?}");
    assert!(text.contains("29991231235959") && text.contains("run the newer version"), "{text}");
    assert!(matches!(Readers::open(&place.database, NonZeroUsize::MIN), Err(Error::NewerSchema { .. })));
    assert_eq!(schema(&mut connection), before);
}

#[test]
fn refuses_a_file_that_is_no_database_and_leaves_it_alone() {
    for content in [b"short".to_vec(), b"a letter to somebody ".repeat(1000)] {
        let place = Place::file();
        fs::write(&place.path, &content).unwrap();
        let (error, text) = refused(&place.path);
        assert!(matches!(error, Error::NotADatabase { .. }), "{error:?}");
        assert!(text.contains("move it away"), "{text}");
        assert!(matches!(Readers::open(&place.database, NonZeroUsize::MIN), Err(Error::NotADatabase { .. })));
        assert_eq!(fs::read(&place.path).unwrap(), content);
    }
}

#[test]
fn refuses_a_folder_that_cannot_be_written() {
    let place = Place::file();
    // /sys takes new files from nobody, not even from root, whom a mode would not stop.
    let places = [
        Path::new("/sys/history.db").to_owned(),
        place.path.with_file_name("missing").join("history.db"),
        place.path.with_file_name("nul\0.db"),
    ];
    for path in places {
        let database = Database::Sqlite(path.clone());
        let error = Writer::open(&database).err().expect("the folder takes no file");
        assert!(matches!(error, Error::File { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(path.to_str().unwrap()) && text.contains("this user may write"), "{text}");
        assert!(matches!(Readers::open(&database, NonZeroUsize::MIN), Err(Error::File { .. })));
    }
}

#[test]
fn a_reader_makes_no_database() {
    let place = Place::file();
    assert!(matches!(Readers::open(&place.database, NonZeroUsize::MIN), Err(Error::File { .. })));
    assert!(!place.path.exists());
}

#[test]
fn a_reader_cannot_write() {
    let place = Place::file();
    open_for_writing(&place.path).unwrap();
    let mut connection = open_for_reading(&place.path).unwrap();
    assert!(connection.batch_execute("PRAGMA query_only = OFF; DELETE FROM workflows").is_err());
}

#[test]
fn opening_beside_a_live_writer_disturbs_nobody() {
    let place = Place::file();
    let running = place.start();
    let (id, claimed) = running.owned(1);
    for _ in 0..3 {
        open_for_writing(&place.path).unwrap();
        place.readers();
    }
    running.append(append(&id, claimed.fence, claimed.last_seq, &[1])).unwrap();
    running.stop().unwrap();
}
