//! Kills a process that appends, again and again, wherever it happens to be: what it acknowledged must be there.
//!
//! This shows that no answer precedes its COMMIT; what a power cut does to the disk's own cache it cannot show.

#![expect(clippy::unwrap_used, reason = "a test's own functions fail the test")]

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader, Write as _};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};

use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use store::{Append, Database, EventId, NewEvent, NewWorkflow, Readers, UsageRow, Write, Writer};
use tokio::sync::{mpsc, oneshot};
use units::{Seq, UnixMillis, WorkflowId};

const WORKFLOWS: u64 = 3;
const DATABASE: &str = "history.db";
/// Stands in the folder where the child finds its work, so that it does nothing when it is started by anyone else; holds
/// the URL of the database, or nothing where it is the file.
const MARKER: &str = "killed-while-appending";
/// A child that nobody kills ends by itself.
const MOST_APPENDS: u64 = 1_000_000;

/// How often a process is killed, and after how many acknowledgements at most.
struct Campaign {
    kills: u64,
    most_acknowledged: u64,
}

/// What is known of one history: its acknowledged positions with their events, and how far it has been looked at.
#[derive(Default)]
struct Known {
    acknowledged: BTreeMap<u64, u64>,
    seen: u64,
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The file, or where tests are to run against a server, a schema there.
fn database(url: &str, file: &Path) -> Database {
    if url.is_empty() { Database::Sqlite(file.to_owned()) } else { Database::Postgres(url.parse().unwrap()) }
}

#[expect(clippy::disallowed_methods, reason = "which database a test runs on is no setting of the program")]
fn own_url() -> String {
    let server = std::env::var("IMPRESARIO_TEST_POSTGRES").unwrap_or_default();
    if server.is_empty() { server } else { format!("{server}?schema=t_{:016x}", random()) }
}

fn ask<T>(
    inbox: &mpsc::Sender<Write>,
    write: impl FnOnce(store::Reply<T>) -> Write,
) -> Result<T, store::WriteError> {
    let (reply, answer) = oneshot::channel();
    inbox.blocking_send(write(reply)).unwrap();
    answer.blocking_recv().unwrap()
}

/// An append of one or two events, with a usage row that names the position it belongs to.
fn next_append(workflow: &WorkflowId, fence: units::Fence, after: Seq) -> Append {
    let events = 1 + random() % 2;
    let new_event = |_| {
        let id = random();
        NewEvent {
            id: EventId(id),
            kind: "noted".to_owned(),
            payload: format!("{{\"id\":{id}}}"),
            at: UnixMillis(0),
        }
    };
    let usage = UsageRow {
        at: UnixMillis(0),
        call_key: format!("{workflow}/{}", after.0 + events),
        workflow: Some(workflow.clone()),
        role: "editor".to_owned(),
        deployment: "local/model".parse().unwrap(),
        usage: chat::Usage::default(),
        cost: None,
        outcome: "done".to_owned(),
        duration_ms: 0,
        client: None,
    };
    Append {
        workflow: workflow.clone(),
        fence,
        after,
        events: (0..events).map(new_event).collect(),
        usage: vec![usage],
        projection: None,
        status: None,
        outcome: None,
    }
}

/// Appends to a workflow for ever and says what was acknowledged: position and id of the last event.
fn append_for_ever(inbox: &mpsc::Sender<Write>, number: u64) {
    let id = WorkflowId::from_random(number);
    let new = NewWorkflow {
        id: id.clone(),
        goal: String::new(),
        root: String::new(),
        status: String::new(),
        at: UnixMillis(0),
    };
    // It is there already in all rounds but the first.
    let _ = ask(inbox, |reply| Write::Create { new, reply });
    let at = UnixMillis(0);
    let claimed = ask(inbox, |reply| Write::Claim { workflow: id.clone(), at, reply }).unwrap();
    let mut last = claimed.last_seq;
    for _ in 0..MOST_APPENDS {
        let append = next_append(&id, claimed.fence, last);
        let event = append.events.last().unwrap().id.0;
        last = ask(inbox, |reply| Write::Append { append, reply }).unwrap();
        let line = format!("acknowledged {number} {} {event}\n", last.0);
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}

#[test]
#[ignore = "the process that the test below kills; alone it does nothing"]
fn killed_while_appending() {
    let Ok(url) = std::fs::read_to_string(MARKER) else { return };
    let (inbox, writes) = mpsc::channel(16);
    let writer = Writer::open(&database(&url, DATABASE.as_ref())).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || writer.run(writes, |_| ()).unwrap());
        for number in 0..WORKFLOWS {
            let inbox = inbox.clone();
            scope.spawn(move || append_for_ever(&inbox, number));
        }
        drop(inbox);
    });
}

/// What a child acknowledged before it was killed, after a random number of acknowledgements.
fn run_and_kill(folder: &Path, most_acknowledged: u64) -> Vec<(u64, u64, u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed_while_appending", "--ignored", "--nocapture"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let enough = random() % most_acknowledged;
    let mut acknowledged = Vec::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    // On past the kill to the pipe's end: what was written there before had been acknowledged too.
    while output.read_line(&mut line).unwrap() > 0 {
        if let Some(rest) = line.strip_suffix('\n').and_then(|line| line.split_once("acknowledged ")) {
            let numbers: Vec<u64> = rest.1.split(' ').map(|number| number.parse().unwrap()).collect();
            acknowledged.push((numbers[0], numbers[1], numbers[2]));
        }
        if acknowledged.len() as u64 == enough + 1 {
            child.kill().unwrap();
        }
        line.clear();
    }
    let end = child.wait().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&end),
        Some(9),
        "the child ended by itself: {end}"
    );
    acknowledged
}

#[derive(QueryableByName)]
struct Verdict {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

fn assert_sound(database: &Path) {
    let mut connection = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    let verdict: Verdict = diesel::sql_query("PRAGMA integrity_check").get_result(&mut connection).unwrap();
    assert_eq!(verdict.integrity_check, "ok");
}

/// Looks at what is new in a history since the last look: no gap, and all that was acknowledged.
fn assert_kept(readers: &Readers, number: u64, known: &mut Known) {
    let id = WorkflowId::from_random(number);
    let mut found = BTreeMap::new();
    let mut last = known.seen;
    loop {
        let page = readers.events_after(&id, Seq(last), 1000).unwrap();
        if page.is_empty() {
            break;
        }
        for event in page {
            last += 1;
            assert_eq!(event.seq, Seq(last), "a gap in {id}");
            found.insert(last, event.id.0);
        }
    }
    let row = readers.workflow(&id).unwrap();
    assert_eq!(row.map_or(0, |row| row.last_seq.0), last, "{id} ends elsewhere than its events");
    for (seq, event) in known.acknowledged.range(known.seen + 1..) {
        assert_eq!(found.get(seq), Some(event), "lost: {id} {seq}");
    }
    known.seen = last;
}

/// The last position of each append has its usage row, written in the same transaction.
fn assert_usage_is_kept(readers: &Readers, number: u64, known: &Known) {
    let id = WorkflowId::from_random(number);
    let usage = match readers.usage_of(&id) {
        Ok(usage) => usage,
        // Too long to be read at once: counted then. An append has one event or two, and one row.
        Err(store::Error::TooMany { .. }) => {
            let rows: u64 = readers.usage_by_model(&id).unwrap().iter().map(|total| total.calls).sum();
            assert!(rows >= known.seen.div_ceil(2) && rows <= known.seen, "{id}: usage and events part");
            assert!(rows >= known.acknowledged.len() as u64, "{id}: usage is lost");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let keys: Vec<u64> =
        usage.iter().map(|row| row.call_key.split_once('/').unwrap().1.parse().unwrap()).collect();
    assert!(keys.is_sorted());
    assert_eq!(keys.last().copied().unwrap_or(0), known.seen, "{id}: usage and events part");
    assert!(known.acknowledged.keys().all(|seq| keys.binary_search(seq).is_ok()), "{id}: usage is lost");
}

impl Campaign {
    fn run(&self) {
        let folder = tempfile::tempdir().unwrap();
        let url = own_url();
        std::fs::write(folder.path().join(MARKER), &url).unwrap();
        let file = folder.path().join(DATABASE);
        let database = database(&url, &file);
        let mut histories: BTreeMap<u64, Known> = BTreeMap::new();
        for kill in 1..=self.kills {
            for (number, seq, event) in run_and_kill(folder.path(), self.most_acknowledged) {
                let earlier = histories.entry(number).or_default().acknowledged.insert(seq, event);
                assert_eq!(earlier, None, "position {seq} was acknowledged twice");
            }
            if matches!(database, Database::Sqlite(_)) && (kill % 10 == 0 || kill == self.kills) {
                assert_sound(&file);
            }
            drop(Writer::open(&database).unwrap());
            let readers = Readers::open(&database, NonZeroUsize::MIN).unwrap();
            for (&number, known) in &mut histories {
                assert_kept(&readers, number, known);
            }
        }
        let readers = Readers::open(&database, NonZeroUsize::MIN).unwrap();
        for (&number, known) in &mut histories {
            // From the first event on: no kill has touched what was there before it.
            known.seen = 0;
            assert_kept(&readers, number, known);
            assert_usage_is_kept(&readers, number, known);
        }
        let total: usize = histories.values().map(|known| known.acknowledged.len()).sum();
        assert!(
            total as u64 >= self.kills,
            "only {total} appends were acknowledged: this has tested nothing"
        );
        let mut out = std::io::stdout().lock();
        writeln!(out, "{} kills, {total} acknowledged appends, none lost", self.kills).unwrap();
    }
}

#[test]
fn a_kill_at_any_moment_loses_nothing_that_was_acknowledged() {
    Campaign { kills: 32, most_acknowledged: 120 }.run();
}

#[test]
#[ignore = "takes minutes; .ci/full runs it"]
fn two_hundred_kills_over_a_hundred_thousand_appends_lose_none() {
    Campaign { kills: 200, most_acknowledged: 1_400 }.run();
}
