//! For this crate's tests: a database of its own, and a writer that runs on its thread.
//!
//! The database is a file; where `IMPRESARIO_TEST_POSTGRES` is the URL of a server, it is a schema there.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use chat::Usage;
use diesel::QueryResult;
use diesel::connection::{Instrumentation, InstrumentationEvent, SimpleConnection};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use units::{Fence, Nanodollars, NodeId, Seq, TokenCount, UnixMillis, WorkflowId};

use crate::connection::{Connection, each};
use crate::{
    Append, Claimed, Committed, Database, Error, EventId, NewEvent, NewWorkflow, Readers, Record, Records,
    Reply, UsageRow, Write, WriteError, Writer,
};

pub(crate) mod full;

/// A place for a database that does not exist yet, and an empty folder beside it.
pub(crate) struct Place {
    pub(crate) database: Database,
    pub(crate) path: PathBuf,
    _folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        match server() {
            Some(url) => Self::schema(&url),
            None => Self::file(),
        }
    }

    pub(crate) fn file() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("history.db");
        Self { database: Database::Sqlite(path.clone()), path, _folder: folder }
    }

    /// A schema of its own at this server.
    pub(crate) fn schema(url: &str) -> Self {
        let with = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{with}schema=t_{:016x}", RandomState::new().build_hasher().finish());
        Self { database: Database::Postgres(url.parse().unwrap()), ..Self::file() }
    }

    pub(crate) fn readers(&self) -> Readers {
        Readers::open(&self.database, 2.try_into().unwrap()).unwrap()
    }

    pub(crate) fn start(&self) -> Running {
        Running::start(Writer::open(&self.database).unwrap())
    }

    /// A connection that writes, for what only a test does.
    pub(crate) fn connection(&self) -> Connection {
        self.database.open_for_writing().unwrap()
    }
}

/// The server that the tests run against, if it is not to be SQLite.
#[expect(clippy::disallowed_methods, reason = "which database a test runs on is no setting of the program")]
pub(crate) fn server() -> Option<String> {
    std::env::var("IMPRESARIO_TEST_POSTGRES").ok().filter(|url| !url.is_empty())
}

/// SQL that only a test needs, on either database.
pub(crate) fn execute(connection: &mut Connection, sql: &str) -> QueryResult<()> {
    each!(connection, one => one.batch_execute(sql))
}

/// A writer at work.
pub(crate) struct Running {
    pub(crate) inbox: mpsc::Sender<Write>,
    pub(crate) hints: Arc<Mutex<Vec<Vec<Committed>>>>,
    thread: JoinHandle<Result<(), Error>>,
}

impl Running {
    pub(crate) fn start(writer: Writer) -> Self {
        let (inbox, writes) = mpsc::channel(64);
        let hints = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&hints);
        let thread =
            std::thread::spawn(move || writer.run(writes, |grown| sink.lock().unwrap().push(grown.to_vec())));
        Self { inbox, hints, thread }
    }

    pub(crate) fn ask<T>(&self, write: impl FnOnce(Reply<T>) -> Write) -> Result<T, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.inbox.blocking_send(write(reply)).unwrap();
        answer.blocking_recv().expect("the writer answers all that it takes")
    }

    /// A new workflow and its first owner.
    pub(crate) fn owned(&self, number: u64) -> (WorkflowId, Claimed) {
        let new = new_workflow(number);
        let id = new.id.clone();
        self.ask(|reply| Write::Create { new, reply }).unwrap();
        let claimed = self.claim(&id).unwrap();
        (id, claimed)
    }

    pub(crate) fn claim(&self, id: &WorkflowId) -> Result<Claimed, WriteError> {
        let at = UnixMillis(2);
        self.ask(|reply| Write::Claim { workflow: id.clone(), at, reply })
    }

    pub(crate) fn append(&self, append: Append) -> Result<Seq, WriteError> {
        self.ask(|reply| Write::Append { append, reply })
    }

    /// `None` where the writer is gone.
    pub(crate) fn try_append(&self, append: Append) -> Option<Result<Seq, WriteError>> {
        let (reply, answer) = oneshot::channel();
        self.inbox.blocking_send(Write::Append { append, reply }).ok()?;
        answer.blocking_recv().ok()
    }

    /// Writes usage rows as a server that has written nothing before.
    pub(crate) fn used(&self, rows: Vec<UsageRow>) {
        let node = NodeId::from_random(RandomState::new().build_hasher().finish());
        let rows: Vec<_> = rows.into_iter().map(Record::Usage).collect();
        let records = Records { node, after: 0, upto: rows.len() as u64, rows };
        self.ask(|reply| Write::Record { records, reply }).unwrap();
    }

    /// Ends the loop as the last sender does.
    pub(crate) fn stop(self) -> Result<(), Error> {
        drop(self.inbox);
        self.thread.join().unwrap()
    }
}

pub(crate) fn new_workflow(number: u64) -> NewWorkflow {
    NewWorkflow {
        id: WorkflowId::from_random(number),
        goal: format!("goal {number}"),
        root: "/somewhere".to_owned(),
        status: "planning".to_owned(),
        at: UnixMillis(1),
    }
}

pub(crate) fn event(id: u64) -> NewEvent {
    NewEvent {
        id: EventId(id),
        kind: "noted".to_owned(),
        payload: format!("{{\"id\":{id}}}"),
        at: UnixMillis(3),
    }
}

/// An append of events with these ids.
pub(crate) fn append(id: &WorkflowId, fence: Fence, after: Seq, events: &[u64]) -> Append {
    Append {
        workflow: id.clone(),
        fence,
        after,
        events: events.iter().copied().map(event).collect(),
        usage: Vec::new(),
        projection: None,
        status: None,
        outcome: None,
    }
}

pub(crate) fn usage(key: &str, workflow: Option<&WorkflowId>) -> UsageRow {
    UsageRow {
        at: UnixMillis(4),
        call_key: key.to_owned(),
        workflow: workflow.cloned(),
        role: "editor".to_owned(),
        deployment: "local/some/model".parse().unwrap(),
        usage: Usage { input: TokenCount(10), output: TokenCount(3), ..Usage::default() },
        cost: Some(Nanodollars(70)),
        outcome: "done".to_owned(),
        duration_ms: 12,
        client: None,
    }
}

/// Counts the COMMITs that really run.
#[derive(Clone, Default)]
pub(crate) struct CommitCount(Arc<AtomicU64>);

impl CommitCount {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Instrumentation for CommitCount {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if matches!(event, InstrumentationEvent::CommitTransaction { .. }) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}
