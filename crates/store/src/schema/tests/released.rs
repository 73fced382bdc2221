//! Every schema that was ever released becomes today's, and what was in it is kept.
//!
//! A folder of `tests/released` is a database as a release left it, as SQL for each kind; it is named for its last
//! migration. A release adds one.

use std::collections::BTreeSet;
use std::fs;

use diesel::Connection as _;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;
use units::{Nanodollars, Seq, UnixMillis, WorkflowId};

use super::parity::{Shapes, of_postgres, read_sqlite, workspace};
use super::sqlite;
use crate::connection::Connection;
use crate::database::connect;
use crate::fixture::{Place, append, server};
use crate::{Append, Database, EventId, Unprojected};

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
        drop(old);
        assert_eq!(shapes(&place), read_sqlite(&mut sqlite(&Place::file())), "{release}");
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
        drop(old);
        assert_eq!(shapes(&place), shapes(&Place::schema(&server)), "{release}");
        look_at(&place, &release);
    }
}

#[test]
fn each_release_begins_with_the_migrations_that_there_are() {
    let known = fs::read_dir(workspace("migrations/sqlite")).unwrap();
    let known: BTreeSet<String> =
        known.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
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
