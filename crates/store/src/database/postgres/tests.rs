//! Opening a schema: what is made, what is refused, and that a cut connection is told and survived.
//!
//! All of it needs a server: without `IMPRESARIO_TEST_POSTGRES` these tests have nothing to look at.

use std::num::NonZeroUsize;

use diesel_migrations::MigrationHarness;
use tokio::sync::{mpsc, oneshot};
use units::{Fence, Seq};

use super::*;
use crate::connection::Connection;
use crate::fixture::{Place, Running, append, execute, server};
use crate::{Readers, Write, WriteError, Writer};

fn place() -> Option<Place> {
    Some(Place::schema(&server()?))
}

fn connection(place: &Place) -> Session {
    match place.connection() {
        Connection::Postgres(one) => *one,
        Connection::Sqlite(_) => panic!("the place is a schema"),
    }
}

fn url(place: &Place) -> &PostgresUrl {
    match &place.database {
        Database::Postgres(url) => url,
        Database::Sqlite(_) => panic!("the place is a schema"),
    }
}

fn tables(connection: &mut PgConnection, schema: &str) -> i64 {
    let sql = "SELECT COUNT(*) AS count FROM pg_catalog.pg_tables WHERE schemaname = $1";
    let found: Count = diesel::sql_query(sql).bind::<Text, _>(schema).get_result(connection).unwrap();
    found.count
}

/// Ends a session from outside, as a restart of the server or an administrator would.
fn cut(place: &Place, session: i64) {
    let sql = "SELECT COUNT(*) FILTER (WHERE pg_terminate_backend($1::int, 10000)) AS count";
    let cut: Count = diesel::sql_query(sql)
        .bind::<BigInt, _>(session)
        .get_result(&mut connection(place).connection)
        .unwrap();
    assert_eq!(cut.count, 1, "there is no session {session}");
}

fn session(connection: &mut Connection) -> i64 {
    let Connection::Postgres(one) = connection else { panic!("the place is a schema") };
    let sql = "SELECT pg_backend_pid()::bigint AS count";
    diesel::sql_query(sql).get_result::<Count>(&mut one.connection).unwrap().count
}

#[test]
fn migrations_go_up_and_down_and_up_again() {
    let Some(place) = place() else { return };
    let mut session = connection(&place);
    let connection = &mut session.connection;
    let up = tables(connection, url(&place).schema());

    connection.revert_all_migrations(migrations()).unwrap();
    assert_eq!(tables(connection, url(&place).schema()), 1, "only the ledger stays");
    assert!(matches!(Readers::open(&place.database, NonZeroUsize::MIN), Err(Error::OlderSchema { .. })));

    connection.run_pending_migrations(migrations()).unwrap();
    assert_eq!(tables(connection, url(&place).schema()), up);
}

#[test]
fn a_reader_makes_nothing_and_cannot_write() {
    let Some(place) = place() else { return };
    let refused = Readers::open(&place.database, NonZeroUsize::MIN);
    assert!(matches!(refused, Err(Error::OlderSchema { .. })));
    let mut writer = connection(&Place::schema(&server().unwrap()));
    assert_eq!(tables(&mut writer.connection, url(&place).schema()), 0);

    drop(place.connection());
    let mut reader = place.database.open_for_reading().unwrap();
    let refused = execute(&mut reader, "DELETE FROM workflows").unwrap_err();
    assert!(refused.to_string().contains("read-only"), "{refused}");
}

#[test]
fn refuses_the_schema_of_a_newer_version_and_leaves_it_alone() {
    let Some(place) = place() else { return };
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231235959')";
    execute(&mut place.connection(), newer).unwrap();
    let error = Writer::open(&place.database).err().expect("the schema is refused");
    assert!(matches!(error, Error::NewerSchema { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("29991231235959") && text.contains(url(&place).schema()), "{text}");
    assert!(matches!(Readers::open(&place.database, NonZeroUsize::MIN), Err(Error::NewerSchema { .. })));
}

#[test]
fn of_many_programs_that_start_at_once_one_migrates() {
    let Some(place) = place() else { return };
    std::thread::scope(|scope| {
        let opening: Vec<_> =
            (0..6).map(|_| scope.spawn(|| Writer::open(&place.database).map(drop))).collect();
        for opened in opening {
            opened.join().unwrap().unwrap();
        }
    });
    place.readers();
}

#[test]
fn a_second_writer_waits_for_the_first_to_end_and_is_refused_while_it_works() {
    let Some(place) = place() else { return };
    let running = place.start();
    let (id, _) = running.owned(1);
    let error = Writer::open(&place.database).err().expect("there is a writer");
    assert!(matches!(error, Error::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("a schema of its own"), "{error}");
    running.append(append(&id, Fence(1), Seq(0), &[1])).unwrap();

    let held = Writer::open(&Place::schema(&server().unwrap()).database).map(drop);
    assert!(held.is_ok(), "another schema is another database");
    std::thread::scope(|scope| {
        let second = scope.spawn(|| Writer::open(&place.database).map(drop));
        running.stop().unwrap();
        second.join().unwrap().unwrap();
    });
}

#[test]
fn says_what_is_wrong_where_the_server_cannot_be_used() {
    let Some(good) = server() else { return };
    let base: url::Url = good.parse().unwrap();
    let mut missing = base.clone();
    missing.set_path("/no_such_database");
    let mut closed = base.clone();
    // Nobody serves the discard port.
    closed.set_port(Some(9)).unwrap();
    let mut plain = base;
    plain.query_pairs_mut().append_pair("sslmode", "require");
    for (url, cause) in
        [(missing, "no_such_database"), (closed, "refused"), (plain, "server does not support TLS")]
    {
        let database = Database::Postgres(url.as_str().parse().unwrap());
        let error = Writer::open(&database).err().expect("the server cannot be used");
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(cause) && text.contains("check that the server runs"), "{text}");
    }
}

#[test]
fn a_cut_connection_is_told_to_all_who_wait_and_loses_nothing_acknowledged() {
    let Some(place) = place() else { return };
    let running = place.start();
    let (id, _) = running.owned(1);
    running.append(append(&id, Fence(1), Seq(0), &[1])).unwrap();
    running.stop().unwrap();

    let mut writer = Writer::open(&place.database).unwrap();
    let session = session(writer.connection_mut());
    cut(&place, session);
    let (inbox, waiting) = mpsc::channel(2);
    let answers: Vec<_> = [append(&id, Fence(1), Seq(1), &[2]), append(&id, Fence(1), Seq(2), &[3])]
        .into_iter()
        .map(|append| {
            let (reply, answer) = oneshot::channel();
            inbox.try_send(Write::Append { append, reply }).unwrap();
            answer
        })
        .collect();
    let error = writer.run(waiting, |_| ()).unwrap_err();
    assert!(matches!(error, Error::WriterFailed { .. }), "{error:?}");
    for answer in answers {
        let told = answer.blocking_recv().unwrap();
        assert!(matches!(told, Err(WriteError::Database(_))), "{told:?}");
    }
    assert!(inbox.is_closed());

    // What it says: read back, then go on from what is there.
    let last = place.readers().workflow(&id).unwrap().unwrap().last_seq;
    assert_eq!(last, Seq(1));
    let fresh = place.start();
    assert_eq!(fresh.append(append(&id, Fence(1), last, &[2])).unwrap(), Seq(2));
    fresh.stop().unwrap();
}

#[test]
fn a_writer_that_is_cut_in_the_middle_of_its_work_ends_and_what_it_acknowledged_is_there() {
    const CUTS: usize = 5;
    let Some(place) = place() else { return };
    let running = place.start();
    let (id, _) = running.owned(1);
    running.stop().unwrap();
    let mut acknowledged = Seq(0);
    for _ in 0..CUTS {
        let mut writer = Writer::open(&place.database).unwrap();
        let session = session(writer.connection_mut());
        let running = Running::start(writer);
        let last = std::thread::scope(|scope| {
            let appending = scope.spawn(|| {
                let mut last = acknowledged;
                loop {
                    match running.try_append(append(&id, Fence(1), last, &[last.0 + 1])) {
                        Some(Ok(seq)) => last = seq,
                        Some(Err(WriteError::Database(_))) | None => return last,
                        Some(Err(error)) => panic!("{error}"),
                    }
                }
            });
            cut(&place, session);
            appending.join().unwrap()
        });
        assert!(matches!(running.stop(), Err(Error::WriterFailed { .. })));
        let there = place.readers().workflow(&id).unwrap().unwrap().last_seq;
        // The one whose acknowledgement got lost may have been written.
        assert!(there == last || there == last.next(), "{last:?} was acknowledged, {there:?} is there");
        acknowledged = there;
    }
    let events = place.readers().events_after(&id, Seq(0), 1000).unwrap();
    assert!(events.iter().zip(1..).all(|(event, seq)| event.seq == Seq(seq) && event.id.0 == seq));
}

#[test]
fn a_reader_whose_connection_was_cut_while_it_was_idle_reads_on() {
    let Some(place) = place() else { return };
    let running = place.start();
    let (id, _) = running.owned(1);
    let readers = Readers::open(&place.database, NonZeroUsize::MIN).unwrap();
    for _ in 0..2 {
        cut(&place, readers.read(|connection| Ok(session(connection))).unwrap());
        assert_eq!(readers.workflow(&id).unwrap().unwrap().fence, Fence(1));
    }
    running.stop().unwrap();
}

#[test]
fn a_connection_may_be_used_and_dropped_on_an_event_loop() {
    let Some(place) = place() else { return };
    let readers = (drop(place.connection()), place.readers()).1;
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async move {
        // More often than a runtime lets one task go on.
        for _ in 0..300 {
            assert_eq!(readers.unfinished().unwrap(), []);
        }
        let again = Readers::open(&place.database, NonZeroUsize::MIN);
        drop((readers, again.unwrap()));
    });
}
