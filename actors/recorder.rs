//! The recorder owns what happened and is not stored yet: audit entries, answered requests, usage of calls.
//!
//! It promises: rows are stored in the order in which they were told, in batches, each once, over outages and restarts of
//! the writer and of itself. On SQLite a batch goes to the writer; before PostgreSQL it goes into a spool on the local disk,
//! which is drained in order. It never makes a caller wait and never drops what it has room for: whoever begins new work
//! asks for its [`Standing`] first, and is refused before there is no room left.
//! A restart loses nothing: what waits belongs to its place. A killed process loses the rows of one window.
//! Mailbox: none is ever sent; rows wait in a queue of 65,536, and beyond that they are counted as lost and logged.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Running, WrapFuture};
use clock::Clock;
use supervision::{ActorSpec, ChildSpec, Life, Shutdown, Start, WhileDown, actor};
use tracing::warn;
use units::{NodeId, UnixMillis};

use crate::blocking;
use crate::writer::Pen;
use passage::Passage;

mod backlog;
mod denials;
mod node;
mod passage;

use backlog::Backlog;

/// How long the last rows may take when the server stops.
const LAST_WITHIN: Duration = Duration::from_secs(8);
/// How long its supervisor waits for that.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// How often denials that were repeated are summed up.
const SUM_UP_EVERY: Duration = Duration::from_secs(60);

/// How records are kept on their way.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file that holds this server's name; made where there is none.
    pub node: PathBuf,
    /// How long rows may gather before they are written.
    pub window: Duration,
    /// The folder of the spool, which is made only where one is needed.
    pub spool: PathBuf,
    /// So many bytes may wait in the spool before new work is refused.
    pub spool_bytes: u64,
}

/// Takes what is to be recorded. Cloning is cheap.
#[derive(Clone)]
pub struct Recorder {
    backlog: Arc<Backlog>,
    passage: Arc<Passage>,
    clock: Clock,
}

/// The actor that writes what waits.
pub struct Clerk {
    backlog: Arc<Backlog>,
    passage: Arc<Passage>,
    window: Duration,
    life: Life,
    is_done: bool,
}

/// Somebody did something, or was denied it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub who: String,
    /// What, as `thing.verb`.
    pub action: String,
    /// On what.
    pub subject: String,
    /// How it ended: `ok`, or the stable name of a refusal.
    pub outcome: String,
    /// What else there is to say; never a secret.
    pub detail: Option<String>,
}

/// With whose denials one counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Somebody who has proved who he is, by name.
    Known(String),
    /// Whoever asks from there: an address, or the door where there is none.
    Stranger(String),
}

/// How much room there is for records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Enough.
    Room,
    /// What is left is for work that is under way: nobody begins any.
    Tight,
    /// None: whatever would be recorded is refused.
    Full,
}

/// Where records are not taken now; they wait, and are tried on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stuck {
    /// The database takes none.
    pub database: bool,
    /// The spool takes or gives none.
    pub disk: bool,
}

/// What is not in the database yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Rows in memory.
    pub rows: usize,
    /// Rows that had no room in memory since the process began, which are gone, and those that its start found in the spool
    /// of another database and set aside.
    pub lost: u64,
    /// Bytes in the spool; 0 where there is none.
    pub spool_bytes: u64,
    /// So many of them may wait before new work is refused; 0 where there is no spool.
    pub spool_bytes_max: u64,
    /// Where they are not taken.
    pub stuck: Stuck,
}

/// Why records cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The spool does not open.
    #[error(transparent)]
    Spool(#[from] spool::Error),
    /// The server's name is not to be had.
    #[error("the file `{}`, which holds this server's name for its records, cannot be used: {reason}", path.display())]
    Node {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// How far the records are written is not to be had.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What was told is not durable yet.
    #[error("records are not durable within {0:?}; they are tried again")]
    Behind(Duration),
}

// === Recorder ===

impl Recorder {
    /// What is needed before anybody can live: this server's name, how far its records are written, its spool.
    ///
    /// # Errors
    /// When one of them is not to be had.
    pub(crate) async fn open(
        options: &Options,
        database: &store::Database,
        readers: &store::Readers,
        pen: Pen,
        clock: &Clock,
    ) -> Result<Self, Error> {
        let (options, readers) = (options.clone(), readers.clone());
        let needs_spool = matches!(database, store::Database::Postgres(_));
        let opened = blocking(move || -> Result<_, Error> {
            let node = node::find(&options.node)?;
            let recorded = readers.recorded(&node)?;
            let spool = needs_spool.then(|| Way::open(&options.spool, options.spool_bytes, recorded));
            Ok((node, recorded, spool.transpose()?))
        });
        let (node, recorded, spool) = opened.await?;
        let backlog = Arc::<Backlog>::default();
        if let Some(aside) = spool.as_ref().and_then(|way| way.spool.aside()) {
            backlog.lose(aside.records);
        }
        let passage = Passage::new(node, recorded, pen, spool, clock.clone());
        Ok(Self { backlog, passage: Arc::new(passage), clock: clock.clone() })
    }

    /// The actor as a child.
    pub(crate) fn child(&self, window: Duration) -> ChildSpec {
        let spec = ActorSpec {
            id: "recorder".to_owned(),
            capacity: 1,
            while_down: WhileDown::Keep,
            clock: self.clock.clone(),
        };
        let this = self.clone();
        let (child, _) = actor(spec, move |start: Start<Clerk>| {
            let Self { backlog, passage, .. } = this.clone();
            async move { Ok(Clerk { backlog, passage, window, life: start.life, is_done: false }) }
        });
        child.shutdown(Shutdown::Timeout(STOP_WITHIN))
    }

    /// This server's name among those that write to its database.
    pub fn node(&self) -> &NodeId {
        self.passage.node()
    }

    /// Records that somebody did something.
    pub fn audit(&self, entry: Entry) {
        self.backlog.push(store::Record::Audit(entry.at(self.clock.wall())));
    }

    /// Records a denial. The first of its kind is an entry at once; those that repeat it within a minute become one
    /// entry together, and so do those of kinds beyond the 8th of one source and the 128th of all: a flood of them
    /// cannot fill a disk, and one flooder pushes out nobody else's.
    pub fn denied(&self, source: Source, entry: Entry) {
        self.backlog.deny(source, entry.at(self.clock.wall()));
    }

    /// Records an answered request.
    pub fn request(&self, row: store::RequestRow) {
        self.backlog.push(store::Record::Request(row));
    }

    /// Records what a call used.
    pub fn usage(&self, row: store::UsageRow) {
        self.backlog.push(store::Record::Usage(row));
    }

    /// How much room there is: whoever begins new work looks first.
    pub fn standing(&self) -> Standing {
        self.backlog.standing().max(self.passage.standing())
    }

    /// Where records are not taken now.
    pub fn stuck(&self) -> Stuck {
        self.passage.stuck()
    }

    /// How it is with what waits.
    pub(crate) fn backlog(&self) -> Behind {
        Behind {
            rows: self.backlog.len(),
            lost: self.backlog.lost(),
            spool_bytes: self.passage.waiting(),
            spool_bytes_max: self.passage.room(),
            stuck: self.stuck(),
        }
    }

    /// Waits until all that was told before is durable, on this machine at least; for ever, where it does not become so.
    pub async fn flushed(&self) {
        self.backlog.flushed().await;
    }

    /// As [`Recorder::flushed`], for so long.
    ///
    /// # Errors
    /// [`Error::Behind`] when it takes too long; it is tried on.
    pub async fn flush(&self, within: Duration) -> Result<(), Error> {
        let durable = self.backlog.flushed();
        self.clock.timeout(within, durable).await.map_err(|_| Error::Behind(within))
    }
}

impl Entry {
    fn at(self, at: UnixMillis) -> store::AuditEntry {
        let Self { who, action, subject, outcome, detail } = self;
        store::AuditEntry { at, who, action, subject, outcome, detail, times: 1 }.fitted()
    }
}

/// The spool and its bounds.
pub(crate) struct Way {
    spool: spool::Spool,
    /// New work is refused from here on.
    tight: u64,
    /// Everything is refused from here on.
    full: u64,
}

impl Way {
    /// What is under way when the spool becomes tight has a quarter more; before that is used up, all is refused.
    fn open(folder: &Path, bytes: u64, recorded: u64) -> Result<Self, Error> {
        let reserve = bytes / 4;
        let spool = spool::Spool::open(folder, bytes.saturating_add(reserve), recorded)?;
        Ok(Self { spool, tight: bytes, full: bytes.saturating_add(reserve / 2) })
    }
}

// === Clerk ===

impl Actor for Clerk {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let (backlog, passage, window) = (self.backlog.clone(), self.passage.clone(), self.window);
        self.life.spawn(async move { passage.gather(&backlog, window).await });
        let passage = self.passage.clone();
        self.life.spawn(async move { passage.drain().await });
        let (backlog, clock) = (self.backlog.clone(), self.life.clock().clone());
        self.life.spawn(async move {
            loop {
                clock.sleep(SUM_UP_EVERY).await;
                backlog.sum_up(clock.wall());
            }
        });
    }

    /// The last rows first.
    fn stopping(&mut self, context: &mut Self::Context) -> Running {
        if self.is_done {
            return Running::Stop;
        }
        self.is_done = true;
        self.backlog.sum_up(self.life.clock().wall());
        let (backlog, passage) = (self.backlog.clone(), self.passage.clone());
        let clock = self.life.clock().clone();
        let last = async move {
            let stored = async {
                backlog.flushed().await;
                // Whoever looks into the database after the stop finds all, unless it is away.
                passage.drained().await;
            };
            if clock.timeout(LAST_WITHIN, stored).await.is_err() {
                warn!(
                    rows = backlog.len(),
                    "the last records were not all written before the server stopped"
                );
            }
        };
        context.spawn(last.into_actor(self).map(|(), _, context| context.stop()));
        Running::Continue
    }
}
