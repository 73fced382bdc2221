//! Producers that write a row, wait until it is durable, and write the next; and where they write to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::{BoxFuture, join_all};
use store::{NewEvent, UsageRow};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use units::{UnixMillis, WorkflowId};

use crate::rounds::{Sample, Watch};

/// Rows that wait for the writing thread.
pub(crate) const INBOX: usize = 1024;
/// The most rows in one transaction, as in the store.
pub(crate) const MAX_BATCH: usize = store::MAX_BATCH_WRITES;
/// As long as a short answer of a model.
const PAYLOAD_BYTES: usize = 400;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// An event a row, with the compare-and-swap of its workflow: one workflow for each producer.
    Appends,
    /// A usage row, of a key that is new.
    Usage,
}

/// Whether the yardstick keeps how far it is in the transaction of the rows, by compare-and-swap, as it takes to write a
/// batch once whoever sends it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    Moved,
    NotKept,
}

/// One row, and who waits for it.
pub(crate) struct Row {
    pub(crate) what: What,
    pub(crate) done: oneshot::Sender<()>,
}

/// A row's content.
pub(crate) enum What {
    /// The workflow is to be made, and owned with fence 1.
    Workflow(WorkflowId),
    /// The event after this many others.
    Event { workflow: WorkflowId, after: u64, event: NewEvent },
    /// A call.
    Usage(UsageRow),
}

/// Takes rows, and answers when they are durable. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Sink {
    write: Arc<dyn Fn(What) -> BoxFuture<'static, ()>>,
    commits: Arc<AtomicU64>,
}

impl Sink {
    pub(crate) fn new(
        write: impl Fn(What) -> BoxFuture<'static, ()> + 'static,
        commits: Arc<AtomicU64>,
    ) -> Self {
        Self { write: Arc::new(write), commits }
    }

    /// A thread that gathers what waits, as the store's does, and hands each batch to `commit`.
    pub(crate) fn gathering(mut commit: impl FnMut(&[Row]) + Send + 'static) -> Self {
        let (inbox, mut waiting) = mpsc::channel::<Row>(INBOX);
        let commits = Arc::new(AtomicU64::new(0));
        let counted = commits.clone();
        std::thread::spawn(move || {
            while let Some(first) = waiting.blocking_recv() {
                let mut batch = vec![first];
                while batch.len() < MAX_BATCH
                    && let Ok(row) = waiting.try_recv()
                {
                    batch.push(row);
                }
                commit(&batch);
                counted.fetch_add(1, Ordering::Relaxed);
                for row in batch {
                    row.done.send(()).expect("who wrote it waits");
                }
            }
        });
        Self::telling(inbox, commits)
    }

    /// Tells whoever has the other end, and waits for him.
    pub(crate) fn telling(inbox: mpsc::Sender<Row>, commits: Arc<AtomicU64>) -> Self {
        let write = move |what| -> BoxFuture<'static, ()> {
            let inbox = inbox.clone();
            Box::pin(async move {
                let (done, durable) = oneshot::channel();
                let sent = inbox.send(Row { what, done }).await;
                assert!(sent.is_ok(), "the thread takes rows as long as there are producers");
                durable.await.expect("the thread answers");
            })
        };
        Self::new(write, commits)
    }

    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

/// The producers' own thread.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime without timers and sockets needs nothing")
}

/// A round: so many rows by so many producers at once.
pub(crate) async fn push(sink: Sink, rows: Rows, producers: usize, count: u64) -> Sample {
    let workflows: Vec<WorkflowId> = (0..producers).map(|_| WorkflowId::from_random(random())).collect();
    for workflow in &workflows {
        (sink.write)(What::Workflow(workflow.clone())).await;
    }
    let each = count / producers as u64;
    let watch = Watch::start();
    join_all(workflows.iter().map(|workflow| produce(&sink, rows, workflow, each))).await;
    watch.stop(each * producers as u64)
}

async fn produce(sink: &Sink, rows: Rows, workflow: &WorkflowId, count: u64) {
    for after in 0..count {
        let what = match rows {
            Rows::Appends => What::Event { workflow: workflow.clone(), after, event: event() },
            Rows::Usage => What::Usage(usage(workflow, after)),
        };
        (sink.write)(what).await;
    }
}

fn event() -> NewEvent {
    NewEvent {
        id: store::EventId(random()),
        kind: "call_answered".to_owned(),
        payload: "x".repeat(PAYLOAD_BYTES),
        at: UnixMillis(0),
    }
}

fn usage(workflow: &WorkflowId, number: u64) -> UsageRow {
    UsageRow {
        at: UnixMillis(0),
        call_key: format!("{workflow}/{number}"),
        workflow: Some(workflow.clone()),
        role: "editor".to_owned(),
        deployment: "local/model".parse().expect("it is one"),
        usage: chat::Usage::default(),
        cost: None,
        outcome: "done".to_owned(),
        duration_ms: 1_000,
        client: None,
    }
}

fn random() -> u64 {
    getrandom::u64().expect("this machine has randomness")
}
