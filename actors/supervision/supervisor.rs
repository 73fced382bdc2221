//! Supervisors: how they are described, reached and rooted; what they do is in `family`.

mod family;
mod member;
mod root;

use std::sync::{Arc, Weak};
use std::time::Instant;

use futures_util::FutureExt;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::child::{Body, ChildSpec, Launch, Shutdown};
use crate::end::{End, panic_message};
use crate::intensity::Intensity;
use crate::registry::Registry;
use crate::view::{NoQueue, QueueLength, Queued, Vitals};

pub use root::Tree;

/// Requests that wait for a supervisor; one more is refused as busy.
const INBOX: usize = 256;

/// How many restarts are put up with, and whose they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Counted over all children; past it the supervisor stops them all and fails upward.
    Shared(Intensity),
    /// Counted child by child; past it that child is parked and nobody else is touched.
    PerChild(Intensity),
}

/// Whom a child's restart takes along. Bystanders are stopped in reverse and started again in order, with their queues
/// kept; a temporary one is not started again, and none of it counts but the child that began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Nobody.
    OneForOne,
    /// All its siblings.
    OneForAll,
    /// Those that were started after it.
    RestForOne,
}

/// A supervisor, with the children it starts with and those that come later.
#[derive(Clone)]
pub struct SupervisorSpec {
    /// Its id among its siblings.
    pub id: String,
    /// Whom a child's restart takes along.
    pub strategy: Strategy,
    /// How many restarts it puts up with.
    pub limit: Limit,
    /// The most children it may have.
    pub max_children: usize,
    /// Started in this order, each start acknowledged before the next; stopped in reverse.
    pub children: Vec<ChildSpec>,
}

/// Reaches a supervisor; good over its restarts. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Handle {
    inbox: mpsc::Sender<Command>,
}

/// Why a supervisor did not do what it was asked to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChildError {
    /// A child of that id is there.
    #[error("there is a child `{0}` already")]
    AlreadyStarted(String),
    /// It has as many children as it may.
    #[error("there are {0} children already, the most there may be")]
    TooMany(usize),
    /// The child's first start failed; it is not kept.
    #[error("the child did not start: {0:?}")]
    StartFailed(End),
    /// No child has that id.
    #[error("there is no child `{0}`")]
    NotFound(String),
    /// Too many requests wait, or the supervisor stops or is gone.
    #[error("the supervisor takes no requests now")]
    Unavailable,
}

enum Command {
    Start(Box<ChildSpec>, oneshot::Sender<Result<(), ChildError>>),
    Terminate(String, oneshot::Sender<Result<(), ChildError>>),
    Kill(String, oneshot::Sender<Result<(), ChildError>>),
}

struct SupervisorBody {
    vitals: Arc<Vitals>,
    spec: SupervisorSpec,
    handle: Handle,
    inbox: Arc<Mutex<mpsc::Receiver<Command>>>,
}

// === SupervisorSpec ===

impl SupervisorSpec {
    /// This supervisor as a child of another, and the handle that reaches it.
    pub fn into_child(self) -> (ChildSpec, Handle) {
        let (sender, receiver) = mpsc::channel(INBOX);
        let queued: Weak<dyn Queued> = Weak::<NoQueue>::new();
        let body = SupervisorBody {
            vitals: Arc::new(Vitals::new(self.id.clone(), "supervisor", INBOX, QueueLength(queued))),
            spec: self,
            handle: Handle { inbox: sender.clone() },
            inbox: Arc::new(Mutex::new(receiver)),
        };
        (ChildSpec::new(Arc::new(body), Shutdown::Infinity), Handle { inbox: sender })
    }
}

// === Handle ===

impl Handle {
    /// Adds a child and waits until it lives.
    pub async fn start_child(&self, spec: ChildSpec) -> Result<(), ChildError> {
        self.request(|reply| Command::Start(Box::new(spec), reply)).await
    }

    /// Stops a child by its shutdown rule, forgets it, and waits until it is gone.
    pub async fn terminate_child(&self, id: &str) -> Result<(), ChildError> {
        self.request(|reply| Command::Terminate(id.to_owned(), reply)).await
    }

    /// Kills a child's generation, as a crash would; its restart rule decides what follows.
    pub async fn kill_child(&self, id: &str) -> Result<(), ChildError> {
        self.request(|reply| Command::Kill(id.to_owned(), reply)).await
    }

    async fn request(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<(), ChildError>>) -> Command,
    ) -> Result<(), ChildError> {
        let (reply, answer) = oneshot::channel();
        self.inbox.try_send(command(reply)).map_err(|_| ChildError::Unavailable)?;
        answer.await.map_err(|_| ChildError::Unavailable)?
    }
}

// === SupervisorBody ===

impl Body for SupervisorBody {
    fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    fn launch(&self, launch: Launch) {
        let spec = self.spec.clone();
        let inbox = self.inbox.clone();
        let handle = self.handle.clone();
        let shown = self.vitals.children().clone();
        let thread = launch.surroundings.placement.supervisors().clone();
        thread.spawn_fn(move || {
            actix_rt::spawn(async move {
                let Launch { path, control, report, surroundings, .. } = launch;
                let started = || report.started();
                let run =
                    family::Family::new(path, spec, handle, surroundings, shown).run(inbox, control, started);
                let end = match std::panic::AssertUnwindSafe(run).catch_unwind().await {
                    Ok(end) => end,
                    Err(panic) => End::Panicked { message: panic_message(panic.as_ref()) },
                };
                report.ended(end).await;
            });
        });
    }

    fn enter(&self, path: &str, registry: &Registry) {
        registry.enter(path.to_owned(), Arc::new(self.handle.clone()));
    }

    fn go_down(&self, _: Option<Instant>) {}

    fn close(&self) {}
}
