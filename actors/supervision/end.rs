//! How a child ended, typed: what decides over its restart, and what monitors are told.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

/// How one generation of a child ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum End {
    /// It had nothing left to do.
    Normal,
    /// It was told to stop.
    Shutdown,
    /// It was idle and sleeps; the next message starts it again.
    Passivated,
    /// The world failed it: an upstream, a disk, a database. Waits out the backoff, counts against no intensity.
    Failed(Failure),
    /// A bug: a handler, a spawned future or a lifecycle method panicked.
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// It did not stop in time, or was killed on purpose.
    Killed,
    /// The factory gave no child, or the child ended before its start was acknowledged.
    StartFailed {
        /// The factory's error or panic.
        reason: String,
    },
    /// A supervisor had more restarts than it may have and stopped all its children.
    GaveUp {
        /// The child that was restarted too often.
        child: String,
    },
    /// Its thread does not answer any more; the generation was left behind there.
    Stuck,
    /// A child it was linked to ended.
    Linked {
        /// Whose end it was.
        path: String,
        /// How that one ended.
        end: Box<End>,
    },
}

/// Why the world failed a child, and when to try again at the earliest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What went wrong.
    pub reason: String,
    /// The backoff waits at least this long.
    pub retry_after: Option<Duration>,
}

/// What a monitor is told: a generation has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Down {
    /// Where it lived.
    pub path: Arc<str>,
    /// Which of its lives ended.
    pub generation: u64,
    /// How.
    pub end: End,
    /// What its supervisor does next.
    pub follows: Follows,
}

/// What follows from an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// It is started again.
    Restart {
        /// After this time.
        after: Duration,
    },
    /// It was restarted too often and is started once more to undo what it did.
    Compensation,
    /// It sleeps until a message comes.
    Sleep,
    /// It was restarted too often: it is parked, or its supervisor ends.
    GivenUp,
    /// It is over.
    Nothing,
}

impl Failure {
    /// A failure without a hint when to try again.
    pub fn new(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), retry_after: None }
    }
}

impl End {
    /// Whether a `transient` child is started again after it.
    pub(crate) fn is_abnormal(&self) -> bool {
        match self {
            Self::Normal | Self::Shutdown | Self::Passivated => false,
            Self::Linked { end, .. } => end.is_abnormal(),
            Self::Failed(_)
            | Self::Panicked { .. }
            | Self::Killed
            | Self::StartFailed { .. }
            | Self::GaveUp { .. }
            | Self::Stuck => true,
        }
    }

    /// Whether it speaks of a bug, which the intensity guards against, and not of the world.
    pub(crate) fn counts(&self) -> bool {
        match self {
            Self::Failed(_) | Self::Passivated => false,
            Self::Linked { end, .. } => end.counts(),
            Self::Normal
            | Self::Shutdown
            | Self::Panicked { .. }
            | Self::Killed
            | Self::StartFailed { .. }
            | Self::GaveUp { .. }
            | Self::Stuck => true,
        }
    }

    /// Whether it ends those that are linked to it.
    pub(crate) fn travels(&self) -> bool {
        !matches!(self, Self::Normal | Self::Passivated)
    }

    /// The word for it in logs, metrics and the tree.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Shutdown => "shutdown",
            Self::Passivated => "passivated",
            Self::Failed(_) => "failed",
            Self::Panicked { .. } => "panicked",
            Self::Killed => "killed",
            Self::StartFailed { .. } => "start_failed",
            Self::GaveUp { .. } => "gave_up",
            Self::Stuck => "stuck",
            Self::Linked { .. } => "linked",
        }
    }
}

/// What a panic said, for people.
pub(crate) fn panic_message(payload: Box<dyn Any + Send>) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned());
    discard(payload);
    text
}

/// Drops what a person wrote: its panic is the last that is heard of it.
pub(crate) fn discard<T>(what: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(move || drop(what))) {
        // What it panicked with might panic in its own drop, and so on.
        std::mem::forget(panic);
    }
}
