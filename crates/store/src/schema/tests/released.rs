//! Every schema that was ever released becomes today's, and what was in it is kept.
//!
//! A folder of `tests/released` is a database as a release left it, as SQL for each kind; it is named for its last
//! migration. A release adds one, by `freeze` here, as CONTRIBUTING.md says.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use diesel::Connection as _;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;
use units::{Nanodollars, Seq, UnixMillis, WorkflowId};

use super::parity::{Shapes, of_postgres, read_sqlite, workspace};
use super::sqlite;
use crate::connection::Connection;
use crate::database::connect;
use crate::fixture::full::{AllRows, all_rows, fill};
use crate::fixture::{Place, append, server};
use crate::{Append, Database, EventId, TABLES, Unprojected};

/// The folders of all releases, and the SQL of one kind of database.
fn releases(kind: &str) -> Vec<(String, String)> {
    let folder = workspace("crates/store/tests/released");
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<String> = names.collect();
    assert!(!names.is_empty());
    let read = |name: String| {
        let sql = fs::read_to_string(folder.join(&name).join(format!("{kind}.sql"))).unwrap();
        (name, sql)
    };
    names.into_iter().map(read).collect()
}

fn shapes(place: &Place) -> Shapes {
    match place.connection() {
        Connection::Sqlite(mut one) => read_sqlite(&mut one),
        Connection::Postgres(mut session) => of_postgres(&mut session.connection),
    }
}

/// Each row of the old database is there, with the values that it had in the columns that there still are.
fn keeps(old: &AllRows, place: &Place, release: &str) {
    let new = all_rows(&mut place.connection());
    for (table, rows) in old {
        assert_eq!(new[table].len(), rows.len(), "{release}: {table}");
        for (old, new) in rows.iter().zip(&new[table]) {
            for (column, value) in old {
                let kept = new.get(column).is_none_or(|found| found == value);
                assert!(kept, "{release}: {table}.{column} was {value} in {old:?} and is not in {new:?}");
            }
        }
    }
}

fn id(text: &str) -> WorkflowId {
    text.parse().unwrap()
}

/// What every release had, as today's program reads it, and that it goes on from there.
fn look_at(place: &Place, release: &str) {
    let readers = place.readers();
    let finished = readers.workflow(&id("abc123456789")).unwrap().expect(release);
    assert_eq!((finished.goal.as_str(), finished.last_seq), ("make it better", Seq(3)), "{release}");
    assert_eq!((finished.updated_at, finished.outcome.as_deref()), (UnixMillis(3_000), Some("done")));
    let events = readers.events_after(&finished.id, Seq(0), 9).unwrap();
    assert_eq!(events.iter().map(|event| event.seq.0).collect::<Vec<_>>(), [1, 2, 3], "{release}");
    assert_eq!(events[0].id, EventId(i64::MIN.cast_unsigned() + 1));
    assert!(events[1].payload.contains("größer als erlaubt"));
    let usage = readers.usage_of(&finished.id).unwrap();
    assert_eq!((usage.len(), usage[0].cost), (1, Some(Nanodollars(70))), "{release}");
    assert_eq!(readers.unfinished().unwrap(), [id("xyz123456789")]);

    // What its history weighs is known, and what it does not tell of agents and tasks is to be told.
    let weight: usize = events.iter().map(|event| event.payload.len()).sum();
    let expired = readers.expired(Some(UnixMillis(i64::MAX)), None, None).unwrap();
    assert_eq!(expired.iter().map(|one| one.bytes).collect::<Vec<_>>(), [weight as u64], "{release}");
    let of = Unprojected { workflow: finished.id, last_seq: Seq(3) };
    assert_eq!(readers.unprojected().unwrap(), [of]);

    let running = place.start();
    let claimed = running.claim(&id("xyz123456789")).unwrap();
    let paid = crate::fixture::usage("new", Some(&id("xyz123456789")));
    let more = append(&id("xyz123456789"), claimed.fence, claimed.last_seq, &[5]);
    running.append(Append { usage: vec![paid], ..more }).unwrap();
    running.stop().unwrap();
}

#[test]
fn every_released_file_is_upgraded_with_what_is_in_it() {
    for (release, sql) in releases("sqlite") {
        let place = Place::file();
        let mut old = SqliteConnection::establish(place.path.to_str().unwrap()).unwrap();
        old.batch_execute(&sql).unwrap();
        let mut old = Connection::Sqlite(Box::new(old));
        let before = all_rows(&mut old);
        drop(old);
        assert_eq!(shapes(&place), read_sqlite(&mut sqlite(&Place::file())), "{release}");
        keeps(&before, &place, &release);
        look_at(&place, &release);
    }
}

#[test]
fn every_released_schema_of_a_server_is_upgraded_with_what_is_in_it() {
    let Some(server) = server() else { return };
    for (release, sql) in releases("postgres") {
        let place = Place::schema(&server);
        let Database::Postgres(url) = &place.database else { panic!("the place is a schema") };
        let mut old = connect(url).unwrap();
        old.connection.batch_execute(&format!("CREATE SCHEMA {}", url.schema())).unwrap();
        old.connection.batch_execute(&sql).unwrap();
        let mut old = Connection::Postgres(Box::new(old));
        let before = all_rows(&mut old);
        drop(old);
        assert_eq!(shapes(&place), shapes(&Place::schema(&server)), "{release}");
        keeps(&before, &place, &release);
        look_at(&place, &release);
    }
}

#[test]
fn the_newest_release_has_rows_in_each_of_its_tables() {
    let (release, sql) = releases("sqlite").pop().unwrap();
    let mut old = SqliteConnection::establish(":memory:").unwrap();
    old.batch_execute(&sql).unwrap();
    for (table, rows) in all_rows(&mut Connection::Sqlite(Box::new(old))) {
        assert!(!rows.is_empty(), "{release} has nothing in {table}");
    }
}

/// The migrations as they are now, and every row of a database, as SQL.
fn frozen(kind: &str, place: &Place) -> String {
    let mut sql = format!(
        "-- A database as version {} left it; never changed.\nCREATE TABLE __diesel_schema_migrations (version VARCHAR(50) \
         PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);\n",
        env!("CARGO_PKG_VERSION")
    );
    let folder = workspace(&format!("migrations/{kind}"));
    for name in migrations(kind) {
        let version: String = name.split('_').next().unwrap().split('-').collect();
        sql.push_str(&fs::read_to_string(folder.join(&name).join("up.sql")).unwrap());
        write!(sql, "\nINSERT INTO __diesel_schema_migrations (version) VALUES ('{version}');\n").unwrap();
    }
    let rows = all_rows(&mut place.connection());
    for table in &TABLES {
        for row in &rows[table.name] {
            let columns: Vec<&str> = row.keys().map(String::as_str).collect();
            let values: Vec<String> = row.values().map(|value| literal(value, kind)).collect();
            writeln!(
                sql,
                "INSERT INTO {} ({}) VALUES ({});",
                table.name,
                columns.join(", "),
                values.join(", ")
            )
            .unwrap();
        }
        if kind == "postgres" && table.key == ["id"] && rows[table.name][0]["id"].is_number() {
            let name = table.name;
            writeln!(
                sql,
                "SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT MAX(id) FROM {name}));"
            )
            .unwrap();
        }
    }
    sql
}

/// A value as both databases read it; what is no plain text goes by its escapes at a server.
fn literal(value: &serde_json::Value, kind: &str) -> String {
    match value {
        serde_json::Value::Null => "NULL".to_owned(),
        serde_json::Value::Number(number) => number.to_string(),
        serde_json::Value::String(text) if text.contains(char::is_control) => {
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            if kind == "sqlite" {
                format!("CAST(X'{hex}' AS TEXT)")
            } else {
                format!("convert_from('\\x{hex}'::bytea, 'UTF8')")
            }
        }
        serde_json::Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        serde_json::Value::Bool(_) | serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
            panic!("a column is a text or a number: {value}")
        }
    }
}

/// The names of all migrations of a kind, in order.
fn migrations(kind: &str) -> BTreeSet<String> {
    let found = fs::read_dir(workspace(&format!("migrations/{kind}"))).unwrap();
    found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
#[ignore = "writes tests/released/<last migration>: once for each release, as CONTRIBUTING.md says"]
fn freeze() {
    let server = server().expect("IMPRESARIO_TEST_POSTGRES is the URL of a server");
    let mut all = Vec::new();
    for (kind, place) in [("sqlite", Place::file()), ("postgres", Place::schema(&server))] {
        // The first release's rows, and one of each table that it had not; as both have them, so have all to come.
        let (_, sql) = releases(kind).swap_remove(0);
        match &place.database {
            Database::Sqlite(path) => {
                SqliteConnection::establish(path.to_str().unwrap()).unwrap().batch_execute(&sql).unwrap();
            }
            Database::Postgres(url) => {
                let mut old = connect(url).unwrap();
                let schema = format!("CREATE SCHEMA {}; {sql}", url.schema());
                old.connection.batch_execute(&schema).unwrap();
            }
        }
        let running = place.start();
        fill(&running, &id("xyz123456789"));
        running.stop().unwrap();
        all.push((kind, frozen(kind, &place)));
    }
    let last = migrations("sqlite").pop_last().unwrap();
    let folder = workspace("crates/store/tests/released").join(last.split('_').next().unwrap());
    fs::create_dir(&folder).expect("a folder of that name is frozen: remove it where it was never released");
    for (kind, sql) in all {
        fs::write(folder.join(format!("{kind}.sql")), sql).unwrap();
    }
}

#[test]
fn each_release_begins_with_the_migrations_that_there_are() {
    let known = migrations("sqlite");
    for (release, sql) in releases("sqlite") {
        assert!(
            known.iter().any(|name| name.starts_with(&release)),
            "{release} is the last migration of none"
        );
        for name in known.iter().filter(|name| name[..release.len()] <= release[..]) {
            let version: String = name[..release.len()].split('-').collect();
            assert!(sql.contains(&format!("'{version}'")), "{release} has not had {name}");
        }
    }
}
