//! The store's own writer, as the server has it: its loop in a thread, asked through its channel. Usage comes as the
//! server's recorder hands it over: what waits in one write, together with how far this server's records are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use store::{Append, Database, NewWorkflow, Record, Records, Reply, Transaction, Write, WriteError, Writer};
use tokio::sync::{mpsc, oneshot};
use units::{Fence, NodeId, Seq, UnixMillis};

use crate::load::{INBOX, Row, Rows, Sink, What};

const AT: UnixMillis = UnixMillis(0);

pub(crate) fn open(database: &Database, rows: Rows) -> Sink {
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
            let mut recorder = Recorder { inbox, node: NodeId::from_random(1), recorded: 0 };
            Sink::gathering(move |batch| recorder.commit(batch)).counting(commits)
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
    fn commit(&mut self, batch: &[Row]) {
        let mut rows = Vec::with_capacity(batch.len());
        for row in batch {
            match &row.what {
                What::Usage(row) => rows.push(Record::Usage(row.clone())),
                What::Workflow(id) => {
                    self.ask(|reply| Write::Create { new: new_workflow(id.clone()), reply });
                }
                What::Event { .. } => unreachable!("the writer takes it"),
            }
        }
        if rows.is_empty() {
            return;
        }
        let (node, after) = (self.node.clone(), self.recorded);
        self.recorded += rows.len() as u64;
        let records = Records { node, after, upto: self.recorded, rows };
        self.ask(|reply| Write::Record { records, reply });
    }

    fn ask(&self, write: impl FnOnce(Reply<()>) -> Write) {
        let (reply, answer) = oneshot::channel();
        assert!(self.inbox.blocking_send(write(reply)).is_ok(), "the writer lives");
        answer.blocking_recv().expect("the writer answers").expect("the store takes it");
    }
}
