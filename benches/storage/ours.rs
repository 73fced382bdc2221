//! The store's own writer, as the server has it: its loop in a thread, asked through its channel. Usage comes as the
//! server's recorder hands it over: by a task beside the producers, what waits in one write, together with how far this
//! server's records are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use store::{Append, Database, NewWorkflow, Record, Records, Reply, Transaction, Write, WriteError, Writer};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use units::{Fence, NodeId, Seq, UnixMillis};

use crate::load::{INBOX, MAX_BATCH, Row, Rows, Sink, What};

const AT: UnixMillis = UnixMillis(0);

pub(crate) fn open(database: &Database, rows: Rows, runtime: &Runtime) -> Sink {
    let (inbox, waiting) = mpsc::channel(INBOX);
    let commits = Arc::new(AtomicU64::new(0));
    let counted = commits.clone();
    let count = move |transaction| {
        if transaction == Transaction::Committed {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    };
    let writer = Writer::open(database).expect("the store opens a fresh database").watched(count);
    std::thread::spawn(move || writer.run(waiting, |_| ()).expect("the database does not fail"));
    match rows {
        Rows::Appends => Sink::new(move |what| direct(inbox.clone(), what), commits),
        Rows::Usage => {
            let recorder = Recorder { inbox, node: NodeId::from_random(1), recorded: 0 };
            let (told, waiting) = mpsc::channel(INBOX);
            runtime.spawn(recorder.gather(waiting));
            Sink::telling(told, commits)
        }
    }
}

fn direct(inbox: mpsc::Sender<Write>, what: What) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let written = match what {
            What::Workflow(id) => {
                let made = ask(&inbox, |reply| Write::Create { new: new_workflow(id.clone()), reply }).await;
                made.expect("the workflow is new");
                ask(&inbox, |reply| Write::Claim { workflow: id, at: AT, reply }).await.map(drop)
            }
            What::Event { workflow, after, event } => {
                let append = Append {
                    workflow,
                    fence: Fence(1),
                    after: Seq(after),
                    events: vec![event],
                    usage: Vec::new(),
                    projection: None,
                    status: None,
                    outcome: None,
                };
                ask(&inbox, |reply| Write::Append { append, reply }).await.map(drop)
            }
            What::Usage(_) => unreachable!("the recorder takes it"),
        };
        written.expect("the store takes it");
    })
}

fn new_workflow(id: units::WorkflowId) -> NewWorkflow {
    NewWorkflow { id, goal: String::new(), root: String::new(), status: String::new(), at: AT }
}

async fn ask<T>(inbox: &mpsc::Sender<Write>, write: impl FnOnce(Reply<T>) -> Write) -> Result<T, WriteError> {
    let (reply, answer) = oneshot::channel();
    inbox.send(write(reply)).await.expect("the writer lives");
    answer.await.expect("the writer answers")
}

/// As the server's: one batch under way, and a position for each.
struct Recorder {
    inbox: mpsc::Sender<Write>,
    node: NodeId,
    recorded: u64,
}

impl Recorder {
    async fn gather(mut self, mut waiting: mpsc::Receiver<Row>) {
        while let Some(first) = waiting.recv().await {
            let mut batch = vec![first];
            while batch.len() < MAX_BATCH
                && let Ok(row) = waiting.try_recv()
            {
                batch.push(row);
            }
            let told = self.commit(batch).await;
            for done in told {
                done.send(()).expect("who wrote it waits");
            }
        }
    }

    async fn commit(&mut self, batch: Vec<Row>) -> Vec<oneshot::Sender<()>> {
        let (mut rows, mut told) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        for Row { what, done } in batch {
            told.push(done);
            match what {
                What::Usage(row) => rows.push(Record::Usage(row)),
                What::Workflow(id) => {
                    let made = ask(&self.inbox, |reply| Write::Create { new: new_workflow(id), reply }).await;
                    made.expect("the workflow is new");
                }
                What::Event { .. } => unreachable!("the writer takes it"),
            }
        }
        if !rows.is_empty() {
            let (node, after) = (self.node.clone(), self.recorded);
            self.recorded += rows.len() as u64;
            let records = Records { node, after, upto: self.recorded, rows };
            let written = ask(&self.inbox, |reply| Write::Record { records, reply }).await;
            written.expect("the store takes it");
        }
        told
    }
}
