//! The words that every floor shares: ids as newtypes, money in nanodollars, token counts, wall-clock time.
//!
//! Nothing here reads a clock or draws a random number: both come in as arguments.

mod ids;
mod money;
mod time;

pub use ids::{BadId, DeploymentId, KeyId, ModelName, NodeId, ProviderId, TaskId, WorkflowId};
pub use money::{Nanodollars, TokenCount};
pub use time::UnixMillis;

use serde::{Deserialize, Serialize};

/// The position of an event in its workflow's history; the first event has 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The position after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A fencing token: each owner of a workflow holds a larger one than the owner before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub u64);
