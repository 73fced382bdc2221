//! Records: each told once is stored once, in order, over crashes of who writes them, outages and kills of the process.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use actors::recorder::{Entry, Source, Standing, Stuck};
use actors::tree::{Blueprint, House, build};
use actors::workflows;
use store::{AuditQuery, AuditRow, Database};
use supervision::State;
use workflow::Mode;

use crate::house::{Place, end_of};
use crate::outage::behind_a_relay;
use crate::runs::{APPROVES, place};

const SCRIPT: &str = "models: [one]\nrules: [{answer: {text: hi}}]\n";
const LONG: Duration = Duration::from_secs(60);
/// What a process of this test binary is told: the folder of its state, and its database.
const CHILD: [&str; 2] = ["IMPRESARIO_TEST_RECORDS_STATE", "IMPRESARIO_TEST_RECORDS_STORE"];

/// The denials of strangers that are told apart within a minute.
const KINDS: usize = 96;

fn stranger() -> Source {
    Source::Stranger("192.0.2.1".to_owned())
}

fn entry(subject: impl ToString) -> Entry {
    Entry {
        who: "test".to_owned(),
        action: "test.tell".to_owned(),
        subject: subject.to_string(),
        outcome: "ok".to_owned(),
        detail: None,
    }
}

/// The subjects in the order of the chain, which is whole.
fn stored(house: &House) -> Vec<String> {
    let readers = &house.doors().readers;
    assert!(readers.verify_audit().unwrap().iter().all(|chain| chain.broken.is_none()));
    let action = Some("test".to_owned());
    let mut rows: Vec<AuditRow> = readers.audit(&AuditQuery { action, ..AuditQuery::default() }).unwrap();
    rows.sort_by_key(|row| row.seq);
    rows.into_iter().map(|row| row.entry.subject).collect()
}

/// Waits until so many are in the database, and not only on this machine.
async fn stored_in_all(house: &House, count: usize) -> Vec<String> {
    loop {
        let found = stored(house);
        if found.len() >= count {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

fn numbers(upto: usize) -> Vec<String> {
    (0..upto).map(|number| number.to_string()).collect()
}

async fn lives_again(house: &House, path: &str, generation: u64) {
    let child = house.doors().registry.place(path).unwrap();
    while child.generation() <= generation || child.state() != State::Running {
        tokio::task::yield_now().await;
    }
}

#[actix_rt::test]
async fn what_was_told_last_is_stored_before_the_server_stops() {
    let place = Place::new(&[], SCRIPT);
    for round in 1..=3 {
        let house = place.open().await;
        for number in (round - 1) * 100..round * 100 {
            house.doors().recorder.audit(entry(number));
        }
        house.stop().await;
    }
    let house = place.open().await;
    assert_eq!(stored_in_all(&house, 300).await, numbers(300));
    house.stop().await;
}

#[actix_rt::test]
async fn crashes_of_the_recorder_and_of_the_writer_lose_nothing_and_double_nothing() {
    let place = Place::new(&[], SCRIPT);
    let house = place.open().await;
    let root = house.doors().registry.supervisor("root").unwrap();
    for number in 0..600 {
        house.doors().recorder.audit(entry(number));
        if number % 150 == 7 {
            let child = if number % 300 == 7 { "recorder" } else { "writer" };
            let path = format!("root/{child}");
            let generation = house.doors().registry.place(&path).unwrap().generation();
            root.kill_child(child).await.unwrap();
            lives_again(&house, &path, generation).await;
        }
    }
    house.doors().recorder.flush(LONG).await.unwrap();
    assert_eq!(stored_in_all(&house, 600).await, numbers(600));
    house.stop().await;
}

#[actix_rt::test]
async fn no_work_is_begun_that_could_not_be_recorded_and_all_that_waits_is_stored_later() {
    let place = place(APPROVES);
    let house = place.open().await;
    let (doors, recorder) = (house.doors(), &house.doors().recorder);
    let root = doors.registry.supervisor("root").unwrap();
    root.terminate_child("writer").await.unwrap();
    let mut told = 0;
    while recorder.standing() == Standing::Room {
        recorder.denied(Source::Stranger(told.to_string()), entry(told));
        recorder.audit(Entry {
            action: "filler.tell".to_owned(),
            detail: Some("x".repeat(900)),
            ..entry(told)
        });
        told += 1;
        tokio::task::yield_now().await;
    }
    let refused = doors.workflows.start(place.order(Mode::Run)).await.unwrap_err();
    assert!(matches!(refused, workflows::Error::NoRoom), "{refused}");
    assert!(refused.to_string().contains("records.spool_bytes"), "{refused}");

    root.restart_child("writer").await.unwrap();
    recorder.flush(LONG).await.unwrap();
    while recorder.standing() != Standing::Room {
        tokio::task::yield_now().await;
    }
    let id = doors.workflows.start(place.order(Mode::Run)).await.unwrap();
    end_of(&house, &id).await;
    // A denial is an entry only while its kinds are few.
    assert_eq!(stored_in_all(&house, KINDS).await, numbers(KINDS));
    recorder.flush(LONG).await.unwrap();
    let chain = loop {
        let chain = doors.readers.verify_audit().unwrap().remove(0);
        if chain.entries > (told + KINDS) as u64 {
            break chain;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((chain.broken, chain.entries), (None, (told + KINDS) as u64 + 1), "and the workflow's end");
    house.stop().await;
}

#[actix_rt::test]
async fn an_outage_of_the_database_is_outlived_also_by_what_a_restarted_server_finds() {
    let Some((place, relay)) = behind_a_relay() else { return };
    let house = place.open().await;
    let recorder = house.doors().recorder.clone();
    let mut told = 0;
    let mut tell = |count: usize| {
        for _ in 0..count {
            recorder.audit(entry(told));
            told += 1;
        }
    };
    tell(40);
    // Cut while they are written, again and again.
    for _ in 0..6 {
        tell(20);
        relay.cut(1);
        recorder.flush(LONG).await.unwrap();
        tell(5);
    }
    relay.cut(usize::MAX);
    tell(100);
    // On this machine's disk while the database is away.
    recorder.flush(LONG).await.unwrap();
    while !recorder.stuck().database {
        tokio::task::yield_now().await;
    }
    assert!(!recorder.stuck().disk, "what stands still is the database alone");
    let metrics = house.doors().metrics().await.unwrap();
    let shown = |place| format!("impresario_records_stuck{{place=\"{place}\"}}");
    assert!(metrics.contains(&format!("{} 1\n", shown("database"))), "{metrics}");
    assert!(metrics.contains(&format!("{} 0\n", shown("disk"))), "{metrics}");
    assert!(metrics.contains("impresario_records_spool_bytes_max 1048576\n"), "{metrics}");
    assert!(metrics.contains("impresario_records_lost_total 0\n"), "{metrics}");
    tell(10);
    house.stop().await;
    relay.cut(0);

    let house = place.open().await;
    house.doors().recorder.audit(entry(300));
    assert_eq!(stored_in_all(&house, 301).await, numbers(301));
    assert_eq!(house.doors().recorder.stuck(), Stuck::default());
    house.stop().await;
}

#[actix_rt::test]
async fn a_flood_of_denials_is_few_entries() {
    let place = Place::new(&[], SCRIPT);
    let house = place.open().await;
    for _ in 0..10_000 {
        house.doors().recorder.denied(stranger(), entry("same"));
    }
    house.stop().await;
    let house = place.open().await;
    stored_in_all(&house, 2).await;
    let rows = house.doors().readers.audit(&AuditQuery::default()).unwrap();
    assert_eq!(rows.iter().map(|row| row.entry.times).collect::<Vec<_>>(), [1, 9_999]);
    house.stop().await;
}

#[actix_rt::test]
async fn what_a_call_used_that_came_to_nothing_is_stored_and_a_poison_row_stops_nobody() {
    let place = Place::new(&[], SCRIPT);
    let house = place.open().await;
    let recorder = &house.doors().recorder;
    let usage = |role: &str| store::UsageRow {
        at: units::UnixMillis(1),
        call_key: format!("test/{}", role.len()),
        workflow: None,
        role: role.to_owned(),
        deployment: "demo/one".parse().unwrap(),
        usage: chat::Usage::default(),
        cost: None,
        outcome: "failed".to_owned(),
        duration_ms: 1,
        client: None,
    };
    recorder.audit(entry(0));
    recorder.usage(usage("no\0text"));
    recorder.usage(usage("editor"));
    recorder.audit(entry(1));
    assert_eq!(stored_in_all(&house, 2).await, numbers(2));
    house.stop().await;
}

/// A server on the state of another process, in the same database.
fn blueprint(place: &Place, state: &std::path::Path, database: Database) -> Blueprint {
    let mut blueprint = place.blueprint();
    blueprint.records.node = state.join("node");
    blueprint.records.spool = state.join("spool");
    Blueprint { database, ..blueprint }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a process of this test is told is no setting of the program"
)]
fn told_to_be_a_child() -> Option<[String; 2]> {
    let [state, store] = CHILD.map(|name| std::env::var(name).ok());
    Some([state?, store?])
}

fn database(text: &str) -> Database {
    match text.strip_prefix("file:") {
        Some(path) => Database::Sqlite(path.into()),
        None => Database::Postgres(text.parse().unwrap()),
    }
}

/// The process that is killed; run as a test of its own it does nothing.
#[actix_rt::test]
async fn a_process_that_records_until_it_is_killed() {
    let Some([state, store]) = told_to_be_a_child() else { return };
    let place = Place::new(&[], SCRIPT);
    let house = build(blueprint(&place, state.as_ref(), database(&store))).await.unwrap();
    for number in 0.. {
        for part in 0..3 {
            house.doors().recorder.audit(entry(format!("{}/{number}/{part}", std::process::id())));
        }
        house.doors().recorder.flush(LONG).await.unwrap();
        use std::io::Write;
        writeln!(std::io::stdout(), "\ndurable {number}").unwrap();
    }
}

#[actix_rt::test]
async fn a_kill_at_any_moment_loses_nothing_acknowledged_and_doubles_nothing() {
    const KILLS: usize = 8;
    let place = Place::new(&[], SCRIPT);
    let state = place.state.path().to_owned();
    let store = match place.server.clone() {
        None => format!("file:{}", state.join("records.db").display()),
        Some(server) => {
            let name = state.file_name().unwrap().to_string_lossy().to_lowercase().replace('.', "k");
            format!("{server}?schema=t_{name}_{}", std::process::id())
        }
    };
    let mut acknowledged = Vec::new();
    for kill in 0..KILLS {
        let test = "recording::a_process_that_records_until_it_is_killed";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .envs([(CHILD[0], state.to_str().unwrap()), (CHILD[1], &store)])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let wanted = 5 + 3 * kill as u64;
        let mut last = None;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let Some(number) =
                line.unwrap().strip_prefix("durable ").map(|number| number.parse::<u64>().unwrap())
            else {
                continue;
            };
            last = Some(number);
            if number == wanted {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let last = last.expect("it has recorded something");
        assert!(last >= wanted, "it ended by itself after {last}");
        acknowledged.push((child.id(), last));
    }

    let house = build(blueprint(&place, &state, database(&store))).await.unwrap();
    let least: usize = acknowledged.iter().map(|(_, last)| 3 * (*last as usize + 1)).sum();
    stored_in_all(&house, least).await;
    // What was on its way when the process was killed may be there too.
    house.doors().recorder.audit(entry("last"));
    let found = loop {
        let found = stored(&house);
        if found.last().is_some_and(|subject| subject == "last") {
            break found;
        }
        tokio::task::yield_now().await;
    };
    for (process, last) in acknowledged {
        let of: Vec<&String> =
            found.iter().filter(|subject| subject.starts_with(&format!("{process}/"))).collect();
        let told = (0..).flat_map(|number| (0..3).map(move |part| format!("{process}/{number}/{part}")));
        assert!(of.len() as u64 > 3 * last, "{process}: {} of {last}", of.len());
        assert!(of.iter().copied().eq(told.take(of.len()).collect::<Vec<_>>().iter()), "{process}: {of:?}");
    }
    house.stop().await;
}
