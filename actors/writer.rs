//! The writer owns the store's one writing thread.
//!
//! It promises: what was acknowledged is durable, and acknowledged only then. It never touches the database itself.
//! A restart opens the database anew, once the thread before it has let go; what waited on that thread was told so.
//! Mailbox: 1,024 writes; when it is full the sender is told that it is busy.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, Message};
use supervision::{ActorSpec, ChildSpec, Failure, Life, Mailbox, NotStarted, Start, WhileDown, actor};
use tokio::sync::{Mutex, mpsc, oneshot};
use tracing::error;

use crate::feed::{Feed, Grown};
use crate::metrics::Storage;

/// Writes that wait for the thread, beside those that wait in the mailbox.
const INBOX: usize = 1024;

/// How long a writer may take for one request before its asker gives up.
pub const WITHIN: Duration = Duration::from_secs(30);

/// The actor at the writing thread.
pub struct Writer {
    life: Life,
    inbox: mpsc::Sender<store::Write>,
}

/// Write this; the answer comes through the write's own reply, after the commit.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Persist(pub store::Write);

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The writer takes nothing now.
    #[error("the store's writer takes nothing now: {0}")]
    Unavailable(#[from] supervision::AskError),
    /// The writer ended before it answered; whether it was written has to be read back.
    #[error("the store's writer ended before it answered: read back whether it was written")]
    Unknown,
    /// The store refused it.
    #[error(transparent)]
    Refused(#[from] store::WriteError),
}

/// Sends writes and waits until they are durable. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Pen(Mailbox<Writer>);

/// Held by the thread that has the database open: who has it knows that no such thread is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turn(Arc<Mutex<()>>);

// === Writer ===

impl Writer {
    /// The writer of a database, as a child, and the pen that reaches it.
    pub(crate) fn child(
        database: store::Database,
        feed: Mailbox<Feed>,
        storage: &Storage,
        clock: &clock::Clock,
    ) -> (ChildSpec, Pen, Turn) {
        let spec = ActorSpec {
            id: "writer".to_owned(),
            capacity: 1024,
            while_down: WhileDown::Keep,
            clock: clock.clone(),
        };
        let turn = Turn::default();
        let (held, storage) = (turn.clone(), storage.clone());
        let (child, mailbox) = actor(spec, move |start: Start<Self>| {
            Self::open(database.clone(), feed.clone(), storage.clone(), held.clone(), start.life)
        });
        (child, Pen(mailbox), turn)
    }

    async fn open(
        database: store::Database,
        feed: Mailbox<Feed>,
        storage: Storage,
        turn: Turn,
        life: Life,
    ) -> Result<Self, NotStarted> {
        // The next generation waits for the thread of the one before it.
        let turn = turn.0.lock_owned().await;
        let (inbox, waiting) = mpsc::channel(INBOX);
        let (ready, opened) = oneshot::channel();
        let (done, ended) = oneshot::channel();
        storage.opened(&inbox);
        let watcher = storage.watcher(life.clock().clone());
        let spawned = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            let _turn = turn;
            let writer = match store::Writer::open(&database) {
                Ok(writer) => writer.watched(watcher),
                // The factory that waits for it turns it into a failed start.
                Err(error) => return drop(ready.send(Err(Failure::new(error)))),
            };
            if ready.send(Ok(())).is_err() {
                return;
            }
            let outcome = writer.run(waiting, |committed| announce(&feed, committed));
            let _ = done.send(outcome);
        });
        spawned.map_err(|error| Failure::new(format!("no thread for the store's writer: {error}")))?;
        opened.await.map_err(|_| Failure::new("the store's writer ended while it opened the database"))??;

        let watched = life.clone();
        life.spawn(async move {
            let reason = match ended.await {
                Ok(Err(error)) => error.to_string(),
                Ok(Ok(())) => "the writing thread ended though it was still needed".to_owned(),
                Err(_) => "the writing thread panicked".to_owned(),
            };
            watched.fail(Failure::new(reason));
        });
        Ok(Self { life, inbox })
    }
}

impl Actor for Writer {
    type Context = Context<Self>;
}

impl Handler<Persist> for Writer {
    type Result = ();

    fn handle(&mut self, Persist(write): Persist, _: &mut Self::Context) {
        match self.inbox.try_send(write) {
            Ok(()) => {}
            // Dropped with its reply: its sender learns that the outcome is unknown, and reads back.
            Err(mpsc::error::TrySendError::Full(_)) => {
                error!("the writing thread is behind; a write was dropped")
            }
            Err(mpsc::error::TrySendError::Closed(_)) => {
                self.life.fail(Failure::new("the writing thread is gone"));
            }
        }
    }
}

fn announce(feed: &Mailbox<Feed>, committed: &[store::Committed]) {
    for store::Committed { workflow, seq } in committed {
        let hint = Grown { workflow: workflow.clone(), seq: *seq };
        if let Err(refused) = feed.tell(hint) {
            // Readers tail the store: the next hint, or their next look, fills what this one would have told.
            tracing::debug!(?refused, "a hint was lost");
        }
    }
}

impl Turn {
    /// Waits until no thread has the database open any more; only sensible once the actor has ended for good.
    pub(crate) async fn is_over(&self) {
        drop(self.0.lock().await);
    }
}

// === Pen ===

impl Pen {
    /// Writes and waits for the commit; `build` is given where the answer shall go.
    pub async fn write<T>(&self, build: impl FnOnce(store::Reply<T>) -> store::Write) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.0.ask(Persist(build(reply)), WITHIN).await?;
        Ok(answer.await.map_err(|_| Error::Unknown)??)
    }

    /// Waits until all that was handed over before is durable or refused.
    pub async fn flush(&self) -> Result<(), Error> {
        self.write(|reply| store::Write::Flush { reply }).await
    }
}
