//! Reading: pages, orders, totals, and what is seen beside a writer.

use std::sync::atomic::{AtomicU64, Ordering};

use chat::Usage;
use units::{Fence, Nanodollars, TokenCount, UnixMillis};

use super::*;
use crate::fixture::{Place, append, event, execute, new_workflow, usage};
use crate::{MAX_PAYLOAD_BYTES, Write};

#[test]
fn a_database_takes_more_room_when_more_is_in_it() {
    let place = Place::new();
    let running = place.start();
    let (id, claimed) = running.owned(1);
    let fresh = place.readers().size().unwrap();
    assert!(fresh > 0);
    let mut large = append(&id, claimed.fence, Seq(0), &[1]);
    // Digits that compress badly.
    large.events[0].payload =
        (0..200_000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string()).collect();
    large.events[0].payload.truncate(MAX_PAYLOAD_BYTES);
    let bytes = large.events[0].payload.len() as u64;
    running.append(large).unwrap();
    assert!(place.readers().size().unwrap() > fresh + bytes / 4);
    running.stop().unwrap();
}

#[test]
fn a_workflow_reads_back_as_it_was_written() {
    let place = Place::new();
    let running = place.start();
    let (id, claimed) = running.owned(1);
    let mut first = append(&id, claimed.fence, claimed.last_seq, &[u64::MAX, 8]);
    first.status = Some("editing".to_owned());
    running.append(first).unwrap();
    let mut second = append(&id, claimed.fence, Seq(2), &[9]);
    second.outcome = Some("done".to_owned());
    running.append(second).unwrap();

    let readers = place.readers();
    let expected = WorkflowRow {
        id: id.clone(),
        goal: "goal 1".to_owned(),
        root: "/somewhere".to_owned(),
        status: "editing".to_owned(),
        fence: Fence(1),
        last_seq: Seq(3),
        created_at: UnixMillis(1),
        updated_at: UnixMillis(3),
        outcome: Some("done".to_owned()),
    };
    assert_eq!(readers.workflow(&id).unwrap(), Some(expected));
    assert_eq!(readers.workflow(&WorkflowId::from_random(2)).unwrap(), None);

    let new = event(u64::MAX);
    let first = EventRow {
        seq: Seq(1),
        id: new.id,
        kind: new.kind,
        payload: new.payload,
        fence: Fence(1),
        at: new.at,
    };
    assert_eq!(readers.events_after(&id, Seq(0), 1).unwrap(), [first]);
    assert_eq!(readers.event_id_at(&id, Seq(1)).unwrap(), Some(EventId(u64::MAX)));
    assert_eq!(readers.event_id_at(&id, Seq(3)).unwrap(), Some(EventId(9)));
    assert_eq!(readers.event_id_at(&id, Seq(4)).unwrap(), None);
    assert_eq!(readers.event_id_at(&id, Seq(u64::MAX)).unwrap(), None);
    running.stop().unwrap();
}

#[test]
fn pages_hold_every_event_once() {
    let place = Place::new();
    let running = place.start();
    let (id, claimed) = running.owned(1);
    running.append(append(&id, claimed.fence, Seq(0), &(1..=250).collect::<Vec<_>>())).unwrap();

    let readers = place.readers();
    let mut seen = Vec::new();
    loop {
        let after = Seq(seen.len() as u64);
        let page = readers.events_after(&id, after, 99).unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page.into_iter().map(|event| (event.seq.0, event.id.0)));
    }
    assert_eq!(seen, (1..=250).map(|n| (n, n)).collect::<Vec<_>>());
    assert_eq!(readers.events_after(&id, Seq(u64::MAX), 1).unwrap(), []);
    running.stop().unwrap();
}

#[test]
fn a_page_ends_when_it_has_grown_heavy() {
    let place = Place::new();
    let running = place.start();
    let (id, claimed) = running.owned(1);
    let mut heavy = append(&id, claimed.fence, Seq(0), &[1, 2, 3, 4]);
    for event in &mut heavy.events {
        event.payload = "x".repeat(MAX_PAYLOAD_BYTES);
    }
    running.append(heavy).unwrap();

    let seqs = |after| -> Vec<_> {
        place.readers().events_after(&id, Seq(after), 100).unwrap().iter().map(|event| event.seq.0).collect()
    };
    assert_eq!(seqs(0), [1, 2]);
    assert_eq!(seqs(2), [3, 4]);
    running.stop().unwrap();
}

#[test]
fn workflows_come_newest_first_page_by_page() {
    let place = Place::new();
    let running = place.start();
    // Two are of the same time, and a page ends between them.
    for (number, at) in [(1, 10), (2, 30), (3, 20), (4, 20), (5, 40)] {
        let mut new = new_workflow(number);
        new.at = UnixMillis(at);
        running.ask(|reply| Write::Create { new, reply }).unwrap();
    }
    let readers = place.readers();
    let mut seen: Vec<WorkflowRow> = Vec::new();
    loop {
        let page = readers.workflows(3, seen.last().map(|row| &row.id)).unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    let times: Vec<_> = seen.iter().map(|row| row.created_at.0).collect();
    assert_eq!(times, [40, 30, 20, 20, 10]);
    assert_ne!(seen[2].id, seen[3].id);

    let unknown = WorkflowId::from_random(99);
    assert!(matches!(readers.workflows(2, Some(&unknown)), Err(Error::NotFound(id)) if id == unknown));
    running.stop().unwrap();
}

#[test]
fn what_has_an_outcome_or_never_began_is_not_unfinished() {
    let place = Place::new();
    let running = place.start();
    let begin = |number| {
        let (id, claimed) = running.owned(number);
        running.append(append(&id, claimed.fence, Seq(0), &[1])).unwrap();
        (id, claimed)
    };
    let (first, _) = begin(1);
    let (second, claimed) = begin(2);
    let (third, _) = begin(3);
    running.owned(4);
    let mut last = append(&second, claimed.fence, Seq(1), &[2]);
    last.outcome = Some("aborted".to_owned());
    running.append(last).unwrap();
    let mut unfinished = place.readers().unfinished().unwrap();
    unfinished.sort();
    let mut expected = vec![first, third];
    expected.sort();
    assert_eq!(unfinished, expected);
    running.stop().unwrap();
}

#[test]
fn an_answer_without_pages_says_when_it_is_too_large() {
    let place = Place::new();
    let running = place.start();
    let (id, claimed) = running.owned(1);
    let (other, others) = running.owned(2);
    running.append(append(&id, claimed.fence, Seq(0), &[1])).unwrap();
    running.append(append(&other, others.fence, Seq(0), &[1])).unwrap();
    let rows = vec![usage("a", Some(&id)), usage("b", Some(&id))];
    running.used(rows);
    running.stop().unwrap();

    let mut connection = place.database.open_for_reading().unwrap();
    assert!(matches!(workflows::unfinished(&mut connection, 1), Err(Error::TooMany { most: 1, .. })));
    assert_eq!(workflows::unfinished(&mut connection, 2).unwrap().len(), 2);
    assert!(matches!(usage::of(&mut connection, &id, 1), Err(Error::TooMany { most: 1, .. })));
    assert_eq!(usage::of(&mut connection, &id, 2).unwrap().len(), 2);
}

#[test]
fn totals_add_up_by_model_and_stay_at_the_end_of_the_scale() {
    let place = Place::new();
    let running = place.start();
    let (id, _) = running.owned(1);
    let most = TokenCount(i64::MAX.cast_unsigned());
    let other = UsageRow { deployment: "away/model".parse().unwrap(), cost: None, ..usage("c", Some(&id)) };
    let huge = UsageRow {
        usage: Usage { reasoning: most, ..Usage::default() },
        cost: Some(Nanodollars(i64::MAX)),
        ..usage("d", Some(&id))
    };
    let huger = UsageRow { call_key: "e".to_owned(), ..huge.clone() };
    let rows = vec![usage("a", Some(&id)), usage("b", Some(&id)), other, huge, huger, usage("f", None)];
    running.used(rows.clone());

    let readers = place.readers();
    assert_eq!(readers.usage_of(&id).unwrap(), rows[..5]);
    let totals = readers.usage_by_model(&id).unwrap();
    let away = &totals[0];
    assert_eq!((away.deployment.to_string().as_str(), away.calls, away.unpriced_calls), ("away/model", 1, 1));
    assert_eq!(away.cost, Nanodollars::ZERO);
    let local = &totals[1];
    assert_eq!((local.calls, local.unpriced_calls, local.cost), (4, 0, Nanodollars(i64::MAX)));
    assert_eq!((local.usage.input, local.usage.output), (TokenCount(20), TokenCount(6)));
    assert_eq!(local.usage.reasoning, TokenCount(2 * most.0));
    assert_eq!(totals.len(), 2);
    running.stop().unwrap();
}

#[test]
fn a_damaged_row_is_an_error_and_no_panic() {
    let place = Place::new();
    place.start().stop().unwrap();
    let damage = "INSERT INTO workflows VALUES ('../../etc', '', '', '', -1, 1, 0, 0, NULL, 0, 0)";
    execute(&mut place.connection(), damage).unwrap();
    let readers = place.readers();
    assert!(matches!(readers.workflows(10, None), Err(Error::Damaged { table: "workflows", .. })));
    assert!(matches!(readers.unfinished(), Err(Error::Damaged { .. })));
}

#[test]
fn what_is_not_committed_is_not_seen_and_holds_up_no_reader() {
    let place = Place::new();
    let running = place.start();
    let (id, _) = running.owned(1);
    let readers = place.readers();
    let mut other = place.connection();
    other.begin().unwrap();
    execute(&mut other, "UPDATE workflows SET last_seq = 7").unwrap();
    assert_eq!(readers.workflow(&id).unwrap().unwrap().last_seq, Seq(0));
    other.commit().unwrap();
    assert_eq!(readers.workflow(&id).unwrap().unwrap().last_seq, Seq(7));
    running.stop().unwrap();
}

#[test]
fn readers_see_whole_appends_and_all_that_was_acknowledged_while_the_writer_writes() {
    const ROUNDS: u64 = 60;
    let place = Place::new();
    let running = place.start();
    let (id, claimed) = running.owned(1);
    let acknowledged = AtomicU64::new(0);
    let readers = place.readers();
    // Falls with the thread that writes, however that ends.
    let writing = Arc::new(());
    let written = Arc::downgrade(&writing);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut last_look = false;
                while !last_look {
                    last_look = written.upgrade().is_none();
                    let known = acknowledged.load(Ordering::SeqCst);
                    let seen = readers.events_after(&id, Seq(0), MAX_PAGE_ROWS).unwrap();
                    let length = seen.len() as u64;
                    assert!(length >= known, "{known} were acknowledged, {length} are seen");
                    assert_eq!(length % 5, 0, "half an append is seen");
                    assert!(seen.iter().zip(1..).all(|(event, seq)| event.seq == Seq(seq)));
                }
            });
        }
        scope.spawn(|| {
            let _writing = writing;
            for round in 0..ROUNDS {
                let after = Seq(round * 5);
                let last = running.append(append(&id, claimed.fence, after, &[1, 2, 3, 4, 5])).unwrap();
                acknowledged.store(last.0, Ordering::SeqCst);
            }
        });
    });
    assert_eq!(acknowledged.into_inner(), ROUNDS * 5);
    running.stop().unwrap();
}

#[test]
fn a_reader_that_panics_gives_its_connection_back() {
    let place = Place::new();
    place.start().stop().unwrap();
    let readers = Readers::open(&place.database, NonZeroUsize::MIN).unwrap();
    let panicking = readers.clone();
    let end = std::thread::spawn(move || panicking.read::<()>(|_| panic!("while reading"))).join();
    assert!(end.is_err());
    assert_eq!(readers.unfinished().unwrap(), []);
}
