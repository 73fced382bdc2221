//! How a child ended, typed: what decides over its restart.

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
    /// The world failed it: an upstream, a disk, a database. Waits out the backoff, counts against no intensity.
    Failed(Failure),
    /// A bug: a handler, a spawned future or a lifecycle method panicked.
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// It did not stop in time, or was killed on purpose.
    Killed,
    /// The factory gave no child.
    StartFailed {
        /// The factory's error or panic.
        reason: String,
    },
    /// A supervisor had more restarts than it may have and stopped all its children.
    GaveUp {
        /// The child that was restarted too often.
        child: String,
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
            Self::Normal | Self::Shutdown => false,
            Self::Failed(_)
            | Self::Panicked { .. }
            | Self::Killed
            | Self::StartFailed { .. }
            | Self::GaveUp { .. } => true,
        }
    }

    /// Whether it speaks of a bug, which the intensity guards against, and not of the world.
    pub(crate) fn counts(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }

    /// The word for it in logs, metrics and the tree.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Shutdown => "shutdown",
            Self::Failed(_) => "failed",
            Self::Panicked { .. } => "panicked",
            Self::Killed => "killed",
            Self::StartFailed { .. } => "start_failed",
            Self::GaveUp { .. } => "gave_up",
        }
    }
}

/// What a panic said, for people.
pub(crate) fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
