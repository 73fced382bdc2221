//! Records: written once whoever sends them again, together with their position, and never half.

use units::{Seq, UnixMillis, WorkflowId};

use super::*;
use crate::fixture::{Place, Running, execute, usage};
use crate::{AuditQuery, Write};

fn node() -> NodeId {
    NodeId::from_random(3)
}

fn entry(subject: &str) -> Record {
    Record::Audit(AuditEntry {
        at: UnixMillis(5),
        who: "socket".to_owned(),
        action: "tree.kill".to_owned(),
        subject: subject.to_owned(),
        outcome: "ok".to_owned(),
        detail: None,
        times: 1,
    })
}

fn request(number: u64) -> Record {
    Record::Request(RequestRow {
        at: UnixMillis(6),
        request_id: format!("{number:016x}"),
        principal: "socket".to_owned(),
        door: "socket".to_owned(),
        method: "GET".to_owned(),
        route: "/v1/workflows/{id}".to_owned(),
        status: 200,
        duration_ms: 3,
        bytes_in: None,
        bytes_out: number.is_multiple_of(2).then_some(number),
    })
}

fn write(running: &Running, after: u64, upto: u64, rows: Vec<Record>) -> Result<(), WriteError> {
    let records = Records { node: node(), after, upto, rows };
    running.ask(|reply| Write::Record { records, reply })
}

fn count(place: &Place, table: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let sql = format!("SELECT COUNT(*) AS count FROM {table}");
    let found: Count =
        each!(&mut place.connection(), one => diesel::sql_query(&sql).get_result(one)).unwrap();
    found.count
}

#[test]
fn a_batch_of_all_kinds_is_written_and_its_position_with_it() {
    let place = Place::new();
    let running = place.start();
    assert_eq!(place.readers().recorded(&node()).unwrap(), 0);
    let rows = vec![
        entry("one"),
        request(1),
        Record::Usage(usage("call/1", None)),
        request(2),
        entry("two"),
        request(3),
    ];
    write(&running, 0, 6, rows).unwrap();
    write(&running, 6, 7, vec![Record::Usage(usage("call/1", None))]).unwrap();
    running.stop().unwrap();

    assert_eq!(place.readers().recorded(&node()).unwrap(), 7);
    let subjects: Vec<_> = place
        .readers()
        .audit(&AuditQuery::default())
        .unwrap()
        .into_iter()
        .map(|row| (row.seq, row.entry.subject))
        .collect();
    assert_eq!(subjects, [(Seq(1), "one".to_owned()), (Seq(2), "two".to_owned())]);
    assert_eq!((count(&place, "requests"), count(&place, "model_usage")), (3, 1));
}

#[test]
fn what_is_sent_again_is_written_once() {
    let place = Place::new();
    let running = place.start();
    for _ in 0..3 {
        write(&running, 0, 40, vec![entry("one"), request(1)]).unwrap();
    }
    for _ in 0..2 {
        write(&running, 40, 90, vec![entry("two")]).unwrap();
    }
    for (after, upto) in [(0, 40), (0, 91), (40, 91), (41, 100), (91, 92)] {
        let refused = write(&running, after, upto, vec![entry("never")]);
        assert!(matches!(refused, Err(WriteError::Misplaced { recorded: 90 })), "{after}: {refused:?}");
    }
    running.stop().unwrap();
    assert_eq!((count(&place, "audit_log"), count(&place, "requests")), (2, 1));
}

#[test]
fn usage_alone_goes_with_its_position_or_not_at_all() {
    let place = Place::new();
    let running = place.start();
    let used = |key: &str| vec![Record::Usage(usage(key, None))];
    for _ in 0..2 {
        write(&running, 0, 2, [used("a"), used("b")].concat()).unwrap();
    }
    for _ in 0..2 {
        write(&running, 2, 4, [used("b"), used("c")].concat()).unwrap();
    }
    for (after, upto) in [(0, 2), (2, 5), (5, 6)] {
        let refused = write(&running, after, upto, used("never"));
        assert!(matches!(refused, Err(WriteError::Misplaced { recorded: 4 })), "{after}: {refused:?}");
    }
    write(&running, 4, 6, [used("d"), vec![request(1)], used("a")].concat()).unwrap();
    let mut found = usage("e", None);
    found.role = "x\0".to_owned();
    let refused = write(&running, 6, 7, vec![Record::Usage(found)]);
    assert!(matches!(refused, Err(WriteError::NotText { .. })), "{refused:?}");
    running.stop().unwrap();
    assert_eq!((count(&place, "model_usage"), count(&place, "requests")), (4, 1));
    assert_eq!(place.readers().recorded(&node()).unwrap(), 6);
}

#[test]
fn who_has_written_nothing_begins_at_nothing() {
    let place = Place::new();
    let running = place.start();
    let refused = write(&running, 5, 6, vec![entry("never")]);
    assert!(matches!(refused, Err(WriteError::Misplaced { recorded: 0 })), "{refused:?}");
    // A stream may begin anywhere: what was before it is elsewhere.
    write(&running, 0, 1_000, vec![entry("first")]).unwrap();
    running.stop().unwrap();
    assert_eq!(count(&place, "audit_log"), 1);
}

#[test]
fn a_batch_that_the_database_refuses_leaves_nothing_behind() {
    let place = Place::new();
    let running = place.start();
    write(&running, 0, 1, vec![entry("first")]).unwrap();
    // Somebody has taken the place of the next entry.
    let forged = format!(
        "INSERT INTO audit_log (node, seq, at, who, action, subject, outcome, times, prev_hash, hash) \
         VALUES ('{}', 2, 0, '', '', '', '', 1, '', '')",
        node()
    );
    execute(&mut place.connection(), &forged).unwrap();
    let refused = write(&running, 1, 3, vec![request(1), entry("one")]);
    assert!(matches!(refused, Err(WriteError::Refused(_))), "{refused:?}");
    assert_eq!(place.readers().recorded(&node()).unwrap(), 1);
    assert_eq!(count(&place, "requests"), 0);
    // The chain goes on where it was.
    execute(&mut place.connection(), "DELETE FROM audit_log WHERE seq = 2").unwrap();
    write(&running, 1, 3, vec![request(1), entry("one")]).unwrap();
    running.stop().unwrap();
    assert_eq!(place.readers().verify_audit().unwrap()[0].broken, None);
}

#[test]
fn what_was_used_by_a_workflow_that_has_gone_is_kept_without_its_name() {
    let place = Place::new();
    let running = place.start();
    let gone = WorkflowId::from_random(9);
    write(&running, 0, 1, vec![Record::Usage(usage("late", Some(&gone)))]).unwrap();
    running.stop().unwrap();
    assert_eq!(count(&place, "model_usage"), 1);
    assert_eq!(place.readers().usage_of(&gone).unwrap(), []);
}

#[test]
fn refuses_what_is_beyond_a_bound() {
    let place = Place::new();
    let running = place.start();
    let too_many = vec![request(1); MAX_RECORDS + 1];
    let Record::Request(row) = request(1) else { panic!("it is a request") };
    let long = Record::Request(RequestRow { route: "x".repeat(513), ..row.clone() });
    let huge = Record::Request(RequestRow { bytes_out: Some(u64::MAX), ..row.clone() });
    for rows in [too_many, vec![long], vec![huge], vec![entry(&"x".repeat(513))]] {
        assert!(matches!(write(&running, 0, 1, rows), Err(WriteError::TooLarge { .. })));
    }
    let no_text = Record::Request(RequestRow { method: "\0".to_owned(), ..row });
    assert!(matches!(write(&running, 0, 1, vec![no_text]), Err(WriteError::NotText { .. })));
    running.stop().unwrap();
    assert_eq!(count(&place, "requests"), 0);
}

#[test]
fn a_record_is_read_back_as_it_was() {
    for record in [entry("a \"quoted\" one"), request(1), request(2), Record::Usage(usage("k", None))] {
        assert_eq!(Record::decode(&record.encode()).unwrap(), record);
    }
    assert!(Record::decode(b"{}").is_err());
}

#[test]
fn a_full_batch_fits_into_one_write() {
    let place = Place::new();
    let running = place.start();
    let rows = (0..MAX_RECORDS as u64).map(|number| match number % 3 {
        0 => entry("x"),
        1 => request(number),
        _ => Record::Usage(usage(&number.to_string(), None)),
    });
    write(&running, 0, 512, rows.collect()).unwrap();
    running.stop().unwrap();
    execute(&mut place.connection(), "DELETE FROM requests").unwrap();
}
