//! The chain: whatever is changed, dropped, added or moved is found, and the place is named.

use diesel::prelude::*;
use proptest::prelude::*;
use proptest::sample::Index;

use super::chain::{Ends, GENESIS, Walk, link};
use super::*;
use crate::fixture::{Place, Running, execute};
use crate::{Record as Row, Records, Write};

fn node() -> NodeId {
    NodeId::from_random(7)
}

fn entry(number: i64) -> AuditEntry {
    AuditEntry {
        at: UnixMillis(1_000 + number),
        who: if number % 2 == 0 { "socket" } else { "key/ci" }.to_owned(),
        action: if number % 3 == 0 { "workflow.start" } else { "workflow.abort" }.to_owned(),
        subject: format!("workflow {number}"),
        outcome: "ok".to_owned(),
        detail: (number % 2 == 0).then(|| format!("detail {number}")),
        times: 1,
    }
}

fn chain(entries: impl IntoIterator<Item = AuditEntry>) -> (Vec<AuditRow>, Ends) {
    let mut rows: Vec<AuditRow> = Vec::new();
    for (entry, seq) in entries.into_iter().zip(1..) {
        let prev = rows.last().map_or(GENESIS.to_owned(), |row| row.hash.clone());
        rows.push(link(&node(), Seq(seq), entry, prev));
    }
    let ends = Ends {
        first_seq: 1,
        first_prev: GENESIS.to_owned(),
        last_seq: rows.len() as i64,
        last_hash: rows.last().map_or(GENESIS.to_owned(), |row| row.hash.clone()),
    };
    (rows, ends)
}

/// As the database would be read: in the order of places.
fn broken(rows: &[AuditRow], ends: &Ends) -> Option<Broken> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| row.seq);
    let mut walk = Walk::begin(ends);
    for row in &rows {
        if let Err(broken) = walk.step(row) {
            return Some(broken);
        }
    }
    match walk.arrive(ends) {
        Some(end) => end.err(),
        None => Some(Broken { seq: Seq(rows.len() as u64 + 1), how: Break::Missing }),
    }
}

#[derive(Clone, Debug)]
enum Tampering {
    Time,
    Who,
    Action,
    Subject,
    Outcome,
    Detail,
    Times,
    PrevHash,
    Hash,
    /// A letter goes from the end of one text to the beginning of the next.
    Shift,
    Drop,
    Double,
    Swap(Index),
    /// The entry is changed and given a hash that fits.
    Rehash,
    /// All from there on are made anew.
    Remake,
}

fn any_tampering() -> impl Strategy<Value = Tampering> {
    use Tampering::*;
    prop_oneof![
        prop::sample::select(vec![
            Time, Who, Action, Subject, Outcome, Detail, Times, PrevHash, Hash, Shift, Drop, Double, Rehash,
            Remake,
        ]),
        any::<Index>().prop_map(Swap),
    ]
}

fn any_entry() -> impl Strategy<Value = AuditEntry> {
    let name = "[a-z.]{1,6}";
    (0i64..9, name, name, name, name, prop::option::of(name), 1u64..4).prop_map(
        |(at, who, action, subject, outcome, detail, times)| AuditEntry {
            at: UnixMillis(at),
            who,
            action,
            subject,
            outcome,
            detail,
            times,
        },
    )
}

/// The place from which on the chain is no longer what it was.
fn tamper(rows: &mut Vec<AuditRow>, at: usize, how: &Tampering) -> usize {
    let entry = &mut rows[at].entry;
    match how {
        Tampering::Time => entry.at.0 += 1,
        Tampering::Who => entry.who.push('x'),
        Tampering::Action => entry.action.push('x'),
        Tampering::Subject => entry.subject.push('x'),
        Tampering::Outcome => entry.outcome.push('x'),
        Tampering::Detail => entry.detail = entry.detail.take().map_or(Some(String::new()), |_| None),
        Tampering::Times => entry.times += 1,
        Tampering::PrevHash => rows[at].prev_hash.replace_range(0..1, "x"),
        Tampering::Hash => rows[at].hash.replace_range(0..1, "x"),
        Tampering::Shift => {
            let letter = entry.who.pop().unwrap();
            entry.action.insert(0, letter);
        }
        Tampering::Drop => drop(rows.remove(at)),
        Tampering::Double => {
            let double = rows[at].clone();
            rows.insert(at, double);
        }
        Tampering::Swap(other) => {
            let other = other.index(rows.len());
            if other == at {
                rows[at].entry.times += 1;
                return at;
            }
            let places = (rows[at].seq, rows[other].seq);
            rows.swap(at, other);
            (rows[at].seq, rows[other].seq) = places;
            return at.min(other);
        }
        Tampering::Rehash => {
            entry.times += 1;
            rows[at] = link(&node(), rows[at].seq, rows[at].entry.clone(), rows[at].prev_hash.clone());
        }
        Tampering::Remake => {
            entry.times += 1;
            for place in at..rows.len() {
                let prev = if place == 0 { GENESIS.to_owned() } else { rows[place - 1].hash.clone() };
                rows[place] = link(&node(), rows[place].seq, rows[place].entry.clone(), prev);
            }
        }
    }
    at
}

proptest! {
    #[test]
    fn whatever_is_tampered_with_is_found_and_never_before_its_place(
        entries in prop::collection::vec(any_entry(), 1..12),
        at in any::<Index>(),
        how in any_tampering(),
    ) {
        let (mut rows, ends) = chain(entries);
        prop_assert_eq!(broken(&rows, &ends), None);
        let at = at.index(rows.len());
        let first = tamper(&mut rows, at, &how) as u64 + 1;
        let found = broken(&rows, &ends);
        prop_assert!(found.is_some(), "{:?} at {} was not found", how, at);
        let found = found.unwrap().seq.0;
        prop_assert!(found >= first, "{} was blamed for {:?} at {}", found, how, at);
        // What fits its own hash shows at the next entry, and what was made anew to the end shows there.
        let late = if matches!(how, Tampering::Rehash | Tampering::Double) {
            1
        } else if matches!(how, Tampering::Remake) {
            u64::MAX
        } else {
            0
        };
        prop_assert!(found - first <= late, "{} was blamed for {:?} at {}", found, how, at);
    }

    #[test]
    fn an_end_that_is_cut_off_is_found(entries in prop::collection::vec(any_entry(), 1..12), keep in any::<Index>()) {
        let (mut rows, ends) = chain(entries);
        let keep = keep.index(rows.len());
        rows.truncate(keep);
        prop_assert_eq!(broken(&rows, &ends), Some(Broken { seq: Seq(keep as u64 + 1), how: Break::Missing }));
    }
}

fn record(running: &Running, after: u64, entries: impl IntoIterator<Item = AuditEntry>) -> u64 {
    let rows: Vec<Row> = entries.into_iter().map(Row::Audit).collect();
    let upto = after + rows.len() as u64;
    let records = Records { node: node(), after, upto, rows };
    running.ask(|reply| Write::Record { records, reply }).unwrap();
    upto
}

/// More than two pages of them.
fn written(place: &Place) -> u64 {
    let running = place.start();
    let mut upto = 0;
    while upto < 2_300 {
        let next = upto as i64;
        upto = record(&running, upto, (next..next + 460).map(entry));
    }
    running.stop().unwrap();
    upto
}

#[test]
fn a_chain_in_the_database_is_whole_until_a_row_is_touched() {
    let place = Place::new();
    let last = written(&place);
    let [whole] = place.readers().verify_audit().unwrap().try_into().unwrap();
    assert_eq!((whole.broken, whole.entries, whole.last), (None, last, Seq(last)));

    let mut connection = place.connection();
    let broken = || place.readers().verify_audit().unwrap()[0].broken.clone();
    let found = |seq, how| Some(Broken { seq: Seq(seq), how });
    execute(&mut connection, "UPDATE audit_log SET who = 'nobody' WHERE seq = 1500").unwrap();
    assert_eq!(broken(), found(1500, Break::Changed));
    execute(&mut connection, "DELETE FROM audit_log WHERE seq = 1000").unwrap();
    assert_eq!(broken(), found(1000, Break::Missing));
    let add = "INSERT INTO audit_log SELECT node, 1000, at, who, action, subject, outcome, detail, times, prev_hash, hash \
               FROM audit_log WHERE seq = 999";
    execute(&mut connection, add).unwrap();
    assert_eq!(broken(), found(1000, Break::Changed));
    execute(&mut connection, "DELETE FROM audit_log WHERE seq > 10").unwrap();
    assert_eq!(broken(), found(11, Break::Missing));
    execute(&mut connection, "DELETE FROM audit_log").unwrap();
    assert_eq!(broken(), found(1, Break::Missing));
}

#[test]
fn an_entry_behind_the_end_of_a_chain_is_found() {
    let place = Place::new();
    let last = written(&place);
    let mut connection = place.connection();
    let head = place.readers().verify_audit().unwrap()[0].head.clone();
    let forged = Record::from(link(&node(), Seq(last + 1), entry(0), head));
    let insert = diesel::insert_into(audit_log::table).values(&forged);
    each!(&mut connection, one => insert.execute(one)).unwrap();
    let broken = place.readers().verify_audit().unwrap()[0].broken.clone();
    assert_eq!(broken, Some(Broken { seq: Seq(last + 1), how: Break::Surplus }));
}

#[test]
fn each_server_has_a_chain_of_its_own() {
    let place = Place::new();
    let running = place.start();
    for (number, after) in [(1, 0), (2, 0), (1, 1), (2, 1)] {
        let node = NodeId::from_random(number);
        let records = Records { node, after, upto: after + 1, rows: vec![Row::Audit(entry(after as i64))] };
        running.ask(|reply| Write::Record { records, reply }).unwrap();
    }
    running.stop().unwrap();
    let chains = place.readers().verify_audit().unwrap();
    assert_eq!(
        chains.iter().map(|chain| (chain.last, &chain.broken)).collect::<Vec<_>>(),
        [(Seq(2), &None); 2]
    );
    assert_ne!(chains[0].head, chains[1].head);
}

#[test]
fn shows_the_newest_that_are_wanted_in_their_order() {
    let place = Place::new();
    let running = place.start();
    record(&running, 0, (0..20).map(entry));
    running.stop().unwrap();
    let readers = place.readers();
    let numbers = |query: AuditQuery| -> Vec<i64> {
        readers.audit(&query).unwrap().into_iter().map(|row| row.entry.at.0 - 1_000).collect()
    };
    let all = AuditQuery::default();
    assert_eq!(numbers(all.clone()), (0..20).collect::<Vec<_>>());
    assert_eq!(numbers(AuditQuery { limit: Some(3), ..all.clone() }), [17, 18, 19]);
    assert_eq!(numbers(AuditQuery { since: Some(UnixMillis(1_016)), ..all.clone() }), [16, 17, 18, 19]);
    let who = Some("socket".to_owned());
    assert_eq!(numbers(AuditQuery { who, since: Some(UnixMillis(1_015)), ..all.clone() }), [16, 18]);
    let of = |action: &str| AuditQuery { action: Some(action.to_owned()), ..AuditQuery::default() };
    assert_eq!(numbers(of("workflow.start")), [0, 3, 6, 9, 12, 15, 18]);
    assert_eq!(numbers(of("workflow")).len(), 20);
    assert_eq!(numbers(of("work")), [0; 0]);
    assert_eq!(readers.audit(&all).unwrap()[4].entry, entry(4), "nothing of it is lost");
}

#[test]
fn a_text_that_is_too_long_is_cut_and_taken() {
    let long = AuditEntry {
        who: "é".repeat(400),
        subject: "a\0b".to_owned(),
        detail: Some("x".repeat(5_000)),
        ..entry(1)
    };
    assert!(long.check().is_err());
    let fitted = long.fitted();
    fitted.check().unwrap();
    assert_eq!((fitted.who.len(), fitted.subject.as_str()), (512, "a\u{fffd}b"));
}

fn purge(running: &Running, before: i64, most: usize) -> u64 {
    let table = crate::Table::named("audit_log").unwrap();
    let purge = crate::Purge::Rows { table, before: UnixMillis(before), most };
    running.ask(|reply| Write::Upkeep { upkeep: crate::Upkeep::Purge(purge), reply }).unwrap()
}

#[test]
fn what_has_had_its_time_goes_and_the_rest_is_whole_and_still_tells_on_whoever_touches_it() {
    let place = Place::new();
    let running = place.start();
    record(&running, 0, (0..20).map(entry));
    assert_eq!(purge(&running, 1_008, 5), 5);
    assert_eq!(purge(&running, 1_008, 5), 3);
    assert_eq!(purge(&running, 1_008, 5), 0);
    let verified = || -> Chain { place.readers().verify_audit().unwrap().remove(0) };
    let chain = verified();
    assert_eq!((chain.broken, chain.first, chain.entries, chain.last), (None, Seq(9), 12, Seq(20)));

    record(&running, 20, (20..22).map(entry));
    assert_eq!(verified().last, Seq(22), "the chain goes on");
    let mut connection = place.connection();
    execute(&mut connection, "DELETE FROM audit_log WHERE seq = 9").unwrap();
    let missing = Some(Broken { seq: Seq(9), how: Break::Missing });
    assert_eq!(verified().broken, missing, "more went than had had its time");
}

#[test]
fn all_of_a_chain_may_go_and_it_goes_on_where_it_was() {
    let place = Place::new();
    let running = place.start();
    record(&running, 0, (0..4).map(entry));
    assert_eq!(purge(&running, i64::MAX, 100), 4);
    record(&running, 4, (4..6).map(entry));
    let chain = place.readers().verify_audit().unwrap().remove(0);
    assert_eq!((chain.broken, chain.first, chain.entries, chain.last), (None, Seq(5), 2, Seq(6)));
}

#[test]
fn a_clock_that_went_back_makes_no_hole() {
    let place = Place::new();
    let running = place.start();
    let at = |at: i64| AuditEntry { at: UnixMillis(at), ..entry(1) };
    record(&running, 0, [1, 2, 9, 3, 4].map(at));
    let table = crate::Table::named("audit_log").unwrap();
    let would = |before| place.readers().aging(table, Some(UnixMillis(before)), None).unwrap().rows;
    assert_eq!((would(0), would(5), would(10)), (0, 2, 5), "as many are told of as go");
    assert_eq!(purge(&running, 5, 100), 2, "what stands behind a newer entry waits for that one");
    let chain = place.readers().verify_audit().unwrap().remove(0);
    assert_eq!((chain.broken, chain.first), (None, Seq(3)));
    assert_eq!(purge(&running, 10, 100), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_chain_stays_whole_wherever_its_beginning_goes(
        entries in prop::collection::vec(any_entry(), 1..30),
        purges in prop::collection::vec((0i64..10, 1usize..20), 1..4),
    ) {
        let place = Place::file();
        let running = place.start();
        let upto = record(&running, 0, entries.clone());
        let mut gone = 0;
        for (before, most) in purges {
            let went = purge(&running, before, most);
            prop_assert!(went <= most as u64);
            gone += went;
            let chain = place.readers().verify_audit().unwrap().remove(0);
            prop_assert_eq!((chain.broken, chain.entries), (None, upto - gone));
            prop_assert_eq!((chain.first, chain.last), (Seq(gone + 1), Seq(upto)));
        }
    }
}
