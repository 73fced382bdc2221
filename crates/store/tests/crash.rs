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

const ROUNDS: u64 = 32;
const WORKFLOWS: u64 = 3;
const MOST_ACKNOWLEDGED: u64 = 120;
const DATABASE: &str = "history.db";
/// Stands in the folder where the child finds its work, so that it does nothing when it is started by anyone else; holds
/// the URL of the database, or nothing where it is the file.
const MARKER: &str = "killed-while-appending";
/// A child that nobody kills ends by itself.
const MOST_APPENDS: u64 = 1_000_000;

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
    };
    Append {
        workflow: workflow.clone(),
        fence,
        after,
        events: (0..events).map(new_event).collect(),
        usage: vec![usage],
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
fn run_and_kill(folder: &Path) -> Vec<(u64, u64, u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed_while_appending", "--ignored", "--nocapture"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let enough = random() % MOST_ACKNOWLEDGED;
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

fn assert_kept(readers: &Readers, number: u64, acknowledged: &BTreeMap<u64, u64>) {
    let id = WorkflowId::from_random(number);
    let mut seqs = 0;
    loop {
        let page = readers.events_after(&id, Seq(seqs), 1000).unwrap();
        if page.is_empty() {
            break;
        }
        for event in page {
            seqs += 1;
            assert_eq!(event.seq, Seq(seqs), "a gap in {id}");
        }
    }
    let row = readers.workflow(&id).unwrap();
    assert_eq!(row.map_or(0, |row| row.last_seq.0), seqs, "{id} ends elsewhere than its events");
    for (&seq, &event) in acknowledged {
        assert_eq!(readers.event_id_at(&id, Seq(seq)).unwrap(), Some(EventId(event)), "lost: {id} {seq}");
    }
    // The last position of each append has its usage row, written in the same transaction.
    let usage = readers.usage_of(&id).unwrap();
    let keys: Vec<u64> =
        usage.iter().map(|row| row.call_key.split_once('/').unwrap().1.parse().unwrap()).collect();
    assert!(keys.is_sorted());
    assert_eq!(keys.last().copied().unwrap_or(0), seqs, "{id}: usage and events part");
    assert!(acknowledged.keys().all(|seq| keys.binary_search(seq).is_ok()), "{id}: usage is lost");
}

#[test]
fn a_kill_at_any_moment_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let url = own_url();
    std::fs::write(folder.path().join(MARKER), &url).unwrap();
    let file = folder.path().join(DATABASE);
    let database = database(&url, &file);
    let mut acknowledged: BTreeMap<u64, BTreeMap<u64, u64>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (number, seq, event) in run_and_kill(folder.path()) {
            let earlier = acknowledged.entry(number).or_default().insert(seq, event);
            assert_eq!(earlier, None, "position {seq} was acknowledged twice");
        }
        if matches!(database, Database::Sqlite(_)) {
            assert_sound(&file);
        }
        drop(Writer::open(&database).unwrap());
        let readers = Readers::open(&database, NonZeroUsize::MIN).unwrap();
        for (&number, events) in &acknowledged {
            assert_kept(&readers, number, events);
        }
    }
    let total: usize = acknowledged.values().map(BTreeMap::len).sum();
    assert!(total as u64 >= ROUNDS, "only {total} appends were acknowledged: this has tested nothing");
}
