//! Reaching a supervisor: OTP's administration of children, with its error cases.

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::INBOX;
use crate::child::{ChildSpec, Restart, Shutdown};
use crate::end::End;
use crate::place::Place;
use crate::view::{Kind, State};

/// Reaches a supervisor; good over its restarts. Cloning is cheap.
///
/// A request that waits while the supervisor is being restarted is served by its next life; one whose future is dropped
/// before its turn is not carried out.
#[derive(Clone, Debug)]
pub struct Handle {
    inbox: mpsc::Sender<Command>,
    place: Place,
}

/// How a start went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birth {
    /// The child lives.
    Lives,
    /// Its factory had nothing to start.
    Ignored,
}

/// A child as its supervisor knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildInfo {
    /// Its id among its siblings.
    pub id: String,
    /// What lives there.
    pub kind: Kind,
    /// What it does now.
    pub state: State,
    /// How many lives it has had.
    pub generation: u64,
    /// When it is started again.
    pub restart: Restart,
    /// How long it has to stop.
    pub shutdown: Shutdown,
    /// Whether its supervisor may be done when it is.
    pub significant: bool,
}

/// How many children a supervisor has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All it knows, living or not.
    pub specs: usize,
    /// Those that live.
    pub active: usize,
    /// Those that are supervisors, living or not.
    pub supervisors: usize,
    /// Those that are actors, living or not.
    pub workers: usize,
}

/// Why a supervisor did not do what it was asked to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChildError {
    /// A child of that id lives, or is being restarted.
    #[error("there is a child `{0}` already")]
    AlreadyStarted(String),
    /// A child of that id is known but does not live: restart or delete it.
    #[error("the child `{0}` is known already and does not live: restart it, or delete it first")]
    AlreadyPresent(String),
    /// It has as many children as it may.
    #[error("there are {0} children already, the most there may be")]
    TooMany(usize),
    /// The child did not start; what was new is not kept.
    #[error("the child did not start: {0:?}")]
    StartFailed(End),
    /// No child has that id.
    #[error("there is no child `{0}`")]
    NotFound(String),
    /// It lives; terminate it first.
    #[error("the child `{0}` lives: terminate it first")]
    Running(String),
    /// It is about to be started again.
    #[error("the child `{0}` is being restarted")]
    Restarting(String),
    /// Its children are dynamic: one that is over is forgotten, so there is nothing to restart or delete.
    #[error("the supervisor's children are dynamic: what is over is forgotten")]
    Dynamic,
    /// The child contradicts itself or its supervisor.
    #[error("the child `{id}` cannot be: {why}")]
    BadCombination {
        /// The child.
        id: String,
        /// What contradicts what.
        why: &'static str,
    },
    /// Only an actor can be suspended.
    #[error("`{0}` is a supervisor; only actors can be suspended")]
    NotAnActor(String),
    /// Too many requests wait.
    #[error("the supervisor is busy: {0} requests wait already")]
    Busy(usize),
    /// The supervisor stops or is over.
    #[error("the supervisor takes no requests any more")]
    Unavailable,
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, ChildError>>;

/// What a supervisor can be asked.
pub(super) enum Command {
    Start(Box<ChildSpec>, Reply<Birth>),
    Restart(String, Reply<Birth>),
    Terminate(String, Reply<()>),
    Delete(String, Reply<()>),
    Kill(String, Reply<()>),
    Suspend(String, bool, Reply<()>),
    Child(String, Reply<ChildInfo>),
    Which(Reply<Vec<ChildInfo>>),
    Count(Reply<Counts>),
}

impl Handle {
    pub(super) fn new(inbox: mpsc::Sender<Command>, place: Place) -> Self {
        Self { inbox, place }
    }

    /// The supervisor's own place in the tree.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Adds a child and waits until it lives.
    ///
    /// # Errors
    /// When its id is taken, there are too many, it contradicts itself, or it does not start; then it is not kept.
    pub async fn start_child(&self, spec: ChildSpec) -> Result<Birth, ChildError> {
        self.request(|reply| Command::Start(Box::new(spec), reply)).await
    }

    /// Starts a child again that is known and does not live, and waits until it does.
    ///
    /// # Errors
    /// When it lives, is being restarted, is not known, does not start, or the children are dynamic.
    pub async fn restart_child(&self, id: &str) -> Result<Birth, ChildError> {
        self.request(|reply| Command::Restart(id.to_owned(), reply)).await
    }

    /// Stops a child by its shutdown rule and waits until it is gone. It stays known, unless it is temporary or dynamic.
    ///
    /// # Errors
    /// When it is not known.
    pub async fn terminate_child(&self, id: &str) -> Result<(), ChildError> {
        self.request(|reply| Command::Terminate(id.to_owned(), reply)).await
    }

    /// Forgets a child that does not live.
    ///
    /// # Errors
    /// When it lives, is being restarted, is not known, or the children are dynamic.
    pub async fn delete_child(&self, id: &str) -> Result<(), ChildError> {
        self.request(|reply| Command::Delete(id.to_owned(), reply)).await
    }

    /// Kills a child's generation, as a crash would; its restart rule decides what follows.
    ///
    /// # Errors
    /// When it is not known.
    pub async fn kill_child(&self, id: &str) -> Result<(), ChildError> {
        self.request(|reply| Command::Kill(id.to_owned(), reply)).await
    }

    /// Lets a child live on but handle nothing, over its restarts, until it is resumed; its queue stays bounded.
    ///
    /// # Errors
    /// When it is not known, or a supervisor.
    pub async fn suspend_child(&self, id: &str) -> Result<(), ChildError> {
        self.request(|reply| Command::Suspend(id.to_owned(), true, reply)).await
    }

    /// Ends a suspension; without one nothing happens.
    ///
    /// # Errors
    /// When it is not known, or a supervisor.
    pub async fn resume_child(&self, id: &str) -> Result<(), ChildError> {
        self.request(|reply| Command::Suspend(id.to_owned(), false, reply)).await
    }

    /// One child as its supervisor knows it.
    ///
    /// # Errors
    /// When it is not known.
    pub async fn child(&self, id: &str) -> Result<ChildInfo, ChildError> {
        self.request(|reply| Command::Child(id.to_owned(), reply)).await
    }

    /// All children in the order of their start.
    ///
    /// # Errors
    /// When the supervisor does not answer requests.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, ChildError> {
        self.request(Command::Which).await
    }

    /// How many children there are, and of what sort.
    ///
    /// # Errors
    /// When the supervisor does not answer requests.
    pub async fn count_children(&self) -> Result<Counts, ChildError> {
        self.request(Command::Count).await
    }

    async fn request<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, ChildError> {
        let (reply, mut answer) = oneshot::channel();
        self.inbox.try_send(command(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ChildError::Busy(INBOX),
            mpsc::error::TrySendError::Closed(_) => ChildError::Unavailable,
        })?;
        // Asked after the request is in: from here on either a life answers it, or who ends the place lets it go.
        if self.place.state().is_over() {
            return answer.try_recv().unwrap_or(Err(ChildError::Unavailable));
        }
        answer.await.map_err(|_| ChildError::Unavailable)?
    }
}

impl Command {
    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::Start(_, reply) | Self::Restart(_, reply) => reply.is_closed(),
            Self::Terminate(_, reply)
            | Self::Delete(_, reply)
            | Self::Kill(_, reply)
            | Self::Suspend(_, _, reply) => reply.is_closed(),
            Self::Child(_, reply) => reply.is_closed(),
            Self::Which(reply) => reply.is_closed(),
            Self::Count(reply) => reply.is_closed(),
        }
    }
}
