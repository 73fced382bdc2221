//! The store's own writer, as the server has it: its loop in a thread, asked through its channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use store::{Append, Database, NewWorkflow, Reply, Write, WriteError, Writer};
use tokio::sync::{mpsc, oneshot};
use units::{Fence, Seq, UnixMillis};

use crate::load::{INBOX, Sink, What};

const AT: UnixMillis = UnixMillis(0);

pub(crate) fn open(database: &Database) -> Sink {
    let writer = Writer::open(database).expect("the store opens a fresh database");
    let (inbox, waiting) = mpsc::channel(INBOX);
    let commits = Arc::new(AtomicU64::new(0));
    let counted = commits.clone();
    std::thread::spawn(move || {
        // Told of commits that have grown a history: of usage rows nobody hears.
        let count = |_: &[store::Committed]| {
            counted.fetch_add(1, Ordering::Relaxed);
        };
        writer.run(waiting, count).expect("the database does not fail");
    });
    let write = move |what| -> BoxFuture<'static, ()> {
        let inbox = inbox.clone();
        Box::pin(async move { write(&inbox, what).await.expect("the store takes it") })
    };
    Sink::new(write, commits)
}

async fn write(inbox: &mpsc::Sender<Write>, what: What) -> Result<(), WriteError> {
    match what {
        What::Workflow(id) => {
            let empty = String::new;
            let new = NewWorkflow { id: id.clone(), goal: empty(), root: empty(), status: empty(), at: AT };
            ask(inbox, |reply| Write::Create { new, reply }).await?;
            ask(inbox, |reply| Write::Claim { workflow: id, at: AT, reply }).await.map(drop)
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
            ask(inbox, |reply| Write::Append { append, reply }).await.map(drop)
        }
        What::Usage(row) => ask(inbox, |reply| Write::Usage { rows: vec![row], reply: Some(reply) }).await,
    }
}

async fn ask<T>(inbox: &mpsc::Sender<Write>, write: impl FnOnce(Reply<T>) -> Write) -> Result<T, WriteError> {
    let (reply, answer) = oneshot::channel();
    inbox.send(write(reply)).await.expect("the writer lives");
    answer.await.expect("the writer answers")
}
