//! What goes when it has had its time, and what stays.

use units::{Seq, TokenCount};

use super::*;
use crate::fixture::{Place, Running, append, usage};
use crate::{Append, Upkeep, UsageRow, Write};

fn purge(running: &Running, purge: Purge) -> u64 {
    running.ask(|reply| Write::Upkeep { upkeep: Upkeep::Purge(purge), reply }).unwrap()
}

/// A workflow that was last written to at `at`; finished or not.
fn workflow(running: &Running, number: u64, at: i64, outcome: Option<&str>) -> WorkflowId {
    let (id, claimed) = running.owned(number);
    let mut last = append(&id, claimed.fence, Seq(0), &[1, 2]);
    last.events[1].at = UnixMillis(at);
    running
        .append(Append {
            outcome: outcome.map(str::to_owned),
            usage: vec![usage(id.as_str(), Some(&id))],
            ..last
        })
        .unwrap();
    id
}

#[test]
fn a_finished_workflow_goes_as_a_whole_and_its_costs_stay() {
    let place = Place::new();
    let running = place.start();
    let (done, alive) = (workflow(&running, 1, 100, Some("done")), workflow(&running, 2, 100, None));
    let readers = place.readers();
    let expired = readers.expired(Some(UnixMillis(101)), None, None).unwrap();
    assert_eq!(expired.iter().map(|one| &one.workflow).collect::<Vec<_>>(), [&done]);
    assert_eq!(expired[0].bytes, 2 * "{\"id\":1}".len() as u64);
    assert!(readers.expired(Some(UnixMillis(100)), None, None).unwrap().is_empty());

    assert_eq!(purge(&running, Purge::Workflow(alive.clone())), 0, "one that lives is left alone");
    assert_eq!(purge(&running, Purge::Workflow(done.clone())), 3);
    assert_eq!(purge(&running, Purge::Workflow(done.clone())), 0);
    assert_eq!(readers.workflow(&done).unwrap(), None);
    assert!(readers.events_after(&done, Seq(0), 9).unwrap().is_empty());
    assert_eq!(readers.events_after(&alive, Seq(0), 9).unwrap().len(), 2);
    assert_eq!(readers.usage_of(&alive).unwrap().len(), 1);
    let mut connection = place.connection();
    assert_eq!(columns::rows(&mut connection, "model_usage").unwrap(), 2);
}

#[test]
fn the_oldest_go_until_the_rest_is_light_enough() {
    let place = Place::new();
    let running = place.start();
    let ids: Vec<_> =
        (1..=4).map(|number| workflow(&running, number, 10 * number as i64, Some("done"))).collect();
    let each = 2 * "{\"id\":1}".len() as u64;
    let expired = place.readers().expired(None, Some(2 * each), None).unwrap();
    assert_eq!(expired.into_iter().map(|one| one.workflow).collect::<Vec<_>>(), ids[..2]);
    assert!(place.readers().expired(None, Some(4 * each), None).unwrap().is_empty());
}

#[test]
fn behind_one_that_stays_come_the_younger_ones_and_its_weight_counts_as_gone() {
    let place = Place::new();
    let running = place.start();
    // Two of them at the same time: the name decides.
    let mut ids: Vec<_> = [10, 20, 20, 30]
        .into_iter()
        .zip(1..)
        .map(|(at, number)| workflow(&running, number, at, Some("done")))
        .collect();
    ids[1..3].sort();
    let readers = place.readers();
    let each = 2 * "{\"id\":1}".len() as u64;
    for (before, most) in
        [(Some(UnixMillis(31)), None), (None, Some(0)), (Some(UnixMillis(21)), Some(2 * each))]
    {
        let all = readers.expired(before, most, None).unwrap();
        for (place, one) in all.iter().enumerate() {
            assert_eq!(
                readers.expired(before, most, Some(one)).unwrap(),
                all[place + 1..],
                "{before:?} {most:?}"
            );
        }
    }
    let first = readers.expired(None, Some(2 * each), None).unwrap();
    assert_eq!(first.iter().map(|one| &one.workflow).collect::<Vec<_>>(), [&ids[0], &ids[1]]);
}

#[test]
fn rows_go_by_age_and_by_weight_some_at_a_time() {
    let place = Place::new();
    let running = place.start();
    let row = |at: i64| UsageRow {
        at: UnixMillis(at),
        usage: chat::Usage { input: TokenCount(1), ..chat::Usage::default() },
        ..usage(&format!("call {at}"), None)
    };
    let rows = (1..=100).map(row).collect();
    running.used(rows);
    let (readers, table) = (place.readers(), Table::named("model_usage").unwrap());
    let aging = readers.aging(table, Some(UnixMillis(21)), None).unwrap();
    assert_eq!(aging, Aging { before: UnixMillis(21), rows: 20 });
    let batch = |before, most| Purge::Rows { table, before, most };
    let gone: Vec<u64> = (0..4).map(|_| purge(&running, batch(aging.before, 8))).collect();
    assert_eq!(gone, [8, 8, 4, 0]);

    let none_too_many = readers.aging(table, None, Some(u64::MAX)).unwrap();
    assert_eq!(none_too_many.rows, 0);
    let half = readers.aging(table, None, Some(80 * 115 / 2)).unwrap();
    assert!((30..=50).contains(&half.rows), "{half:?}");
    assert_eq!(readers.aging(table, None, Some(0)).unwrap().rows, 80);
    let far = batch(UnixMillis(i64::MAX), MAX_BATCH + 1);
    let refused = running.ask(|reply| Write::Upkeep { upkeep: Upkeep::Purge(far), reply });
    assert!(matches!(refused, Err(WriteError::TooLarge { .. })));
}

#[test]
fn a_key_goes_when_it_has_long_been_over_and_not_before() {
    let place = Place::new();
    let running = place.start();
    let mut connection = place.connection();
    for (id, expires, revoked) in [
        ("live", "NULL", "NULL"),
        ("later", "90", "NULL"),
        ("expired", "10", "NULL"),
        ("revoked", "90", "20"),
    ] {
        let insert = format!(
            "INSERT INTO api_keys (id, name, digest, scopes, models, roots, tags, created_at, expires_at, revoked_at) \
             VALUES ('{id}', 'n', 'd', 's', 'm', 'r', 't', 1, {expires}, {revoked})"
        );
        crate::fixture::execute(&mut connection, &insert).unwrap();
    }
    let table = Table::named("api_keys").unwrap();
    let gone = |before| {
        let before = UnixMillis(before);
        assert_eq!(place.readers().aging(table, Some(before), None).unwrap().rows, {
            let all = columns::rows(&mut place.connection(), "api_keys").unwrap();
            let went = purge(&running, Purge::Rows { table, before, most: 9 });
            assert_eq!(columns::rows(&mut place.connection(), "api_keys").unwrap(), all - went);
            went
        });
        columns::rows(&mut place.connection(), "api_keys").unwrap()
    };
    let heavy = place.readers().aging(table, None, Some(0)).unwrap();
    assert_eq!(heavy.rows, 0, "one that is in force never goes, whatever they weigh");
    assert_eq!([gone(10), gone(11), gone(21), gone(90)], [4, 3, 2, 2]);
}
