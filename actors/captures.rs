//! Captures keeps bodies of requests and answers for a while, of routes that an operator named, without secrets.
//!
//! It owns a folder of files that the server's user alone may read: no database and no copy of one ever holds a body, and
//! neither do logs and traces. What a file holds went through a [`Redactor`] before. A capture goes when it has had its time,
//! and the oldest go first when they are too many. It never makes a request wait: what finds no room is left out and
//! counted. A restart loses nothing that was written; a stop may lose the last ones.
//! Mailbox: 64; so many captures may wait to be written, and one more is left out.

mod folder;
mod shown;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use clock::Clock;
use secrets::{Redactor, Secret};
use supervision::{ActorSpec, ChildSpec, Life, Mailbox, Snapshot, Start, WhileDown, actor};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tracing::{info, warn};
use units::UnixMillis;

pub use folder::CaptureId;
pub use shown::{Body, Capture, Exchange, Half, Header, Shown, Summary};

use crate::blocking;
use folder::Folder;

/// Captures that wait to be written.
const CAPACITY: usize = 64;
/// How often those that have had their time are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// How far a capture may be dated in the future before its date means nothing: a clock was set back by more than that.
const AHEAD: Duration = Duration::from_secs(60);

/// What is captured, and for how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder, which is made only where one is needed.
    pub folder: PathBuf,
    /// The templates of the routes.
    pub routes: BTreeSet<String>,
    /// How long a capture is kept.
    pub keep: Duration,
    /// The most bytes of each body.
    pub body_bytes: usize,
    /// The most bytes of all captures together.
    pub max_bytes: u64,
    /// Secrets that are known, and looked for in every form.
    pub known: Vec<Secret>,
}

/// Takes what is captured, and shows it. Cloning is cheap.
#[derive(Clone)]
pub struct Captures {
    cell: Arc<Cell>,
    mailbox: Mailbox<Keeper>,
}

/// The actor that writes captures and lets go of them.
pub struct Keeper {
    life: Life,
    cell: Arc<Cell>,
}

struct Cell {
    options: Options,
    redactor: Snapshot<Redactor>,
    folder: Arc<Mutex<Folder>>,
    room: Arc<Semaphore>,
    is_behind: AtomicBool,
}

/// Keep this.
#[derive(Message)]
#[rtype(result = "()")]
struct Keep {
    exchange: Box<Exchange>,
    _room: OwnedSemaphorePermit,
}

/// Why captures cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be read or written.
    #[error("the captures at `{}` cannot be used: {source}", path.display())]
    Folder {
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

// === Captures ===

impl Captures {
    /// How many bytes of each body are kept of a route; none of most.
    pub fn wants(&self, route: &str) -> Option<usize> {
        let options = &self.cell.options;
        (!options.routes.is_empty() && options.routes.contains(route)).then_some(options.body_bytes)
    }

    /// Hands over what was captured; it is left out where too many wait.
    pub fn keep(&self, exchange: Exchange) {
        let posted = self.cell.room.clone().try_acquire_owned().is_ok_and(|room| {
            let keep = Keep { exchange: Box::new(exchange), _room: room };
            self.mailbox.tell(keep).is_ok()
        });
        if !posted && !self.cell.is_behind.swap(true, Ordering::AcqRel) {
            warn!("captures come faster than they are written: some are left out");
        }
    }

    /// What is known of the newest captures, the newest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn list(&self, most: usize) -> Result<Vec<Summary>, Error> {
        // Beside whoever writes: a list may take a while, and one that is half written is passed by.
        let folder = Folder::new(&self.cell.options.folder);
        blocking(move || folder.list(most)).await
    }

    /// A capture with its bodies; none where it has gone.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub async fn read(&self, id: &CaptureId) -> Result<Option<Capture>, Error> {
        let (folder, id) = (self.cell.folder.clone().lock_owned().await, id.clone());
        blocking(move || folder.read(&id)).await
    }

    /// Looks for these secrets from now on.
    pub(crate) fn know(&self, known: Vec<Secret>) {
        self.cell.redactor.publish(Redactor::new(known));
    }
}

// === Keeper ===

impl Keeper {
    /// The actor as a child, and its cell.
    pub(crate) fn child(options: Options, clock: &Clock) -> (ChildSpec, Captures) {
        let spec = ActorSpec {
            id: "captures".to_owned(),
            capacity: CAPACITY,
            while_down: WhileDown::Keep,
            clock: clock.clone(),
        };
        let cell = Arc::new(Cell {
            redactor: Snapshot::new(Redactor::new(options.known.clone())),
            folder: Arc::new(Mutex::new(Folder::new(&options.folder))),
            room: Arc::new(Semaphore::new(CAPACITY)),
            is_behind: AtomicBool::new(false),
            options,
        });
        let kept = cell.clone();
        let (child, mailbox) = actor(spec, move |start: Start<Self>| {
            let cell = kept.clone();
            async move { Ok(Self { life: start.life, cell }) }
        });
        (child, Captures { cell, mailbox })
    }
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let (cell, clock) = (self.cell.clone(), self.life.clock().clone());
        if !cell.options.routes.is_empty() {
            let (routes, keep) = (&cell.options.routes, cell.options.keep);
            info!(?routes, keep_s = keep.as_secs(), "bodies of these routes are captured");
        }
        self.life.spawn(async move {
            loop {
                cell.sweep(&clock).await;
                clock.sleep(SWEEP_EVERY).await;
            }
        });
    }
}

impl Handler<Keep> for Keeper {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Keep { exchange, _room }: Keep, _: &mut Self::Context) -> Self::Result {
        let (cell, clock) = (self.cell.clone(), self.life.clock().clone());
        Box::pin(async move {
            cell.write(*exchange).await;
            cell.sweep(&clock).await;
            drop(_room);
        })
    }
}

impl Cell {
    async fn write(&self, exchange: Exchange) {
        let (folder, redactor) = (self.folder.clone().lock_owned().await, self.redactor.load_full());
        let written = blocking(move || {
            let mut folder = folder;
            let id = CaptureId::draw(exchange.at);
            folder.write(&shown::shown(id, exchange, &redactor))
        });
        match written.await {
            Ok(()) => self.is_behind.store(false, Ordering::Release),
            Err(error) => warn!(%error, "a capture is lost"),
        }
    }

    /// What has had its time goes, and the oldest beyond what all may take.
    async fn sweep(&self, clock: &Clock) {
        let keep = i64::try_from(self.options.keep.as_millis()).unwrap_or(i64::MAX);
        let (now, ahead) = (clock.wall().0, i64::try_from(AHEAD.as_millis()).unwrap_or(i64::MAX));
        let kept = UnixMillis(now.saturating_sub(keep))..=UnixMillis(now.saturating_add(ahead));
        let (mut folder, most) = (self.folder.clone().lock_owned().await, self.options.max_bytes);
        if let Err(error) = blocking(move || folder.sweep(&kept, most)).await {
            warn!(%error, "captures that have had their time are not all gone yet");
        }
    }
}
