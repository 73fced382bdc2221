//! Why a command changes nothing, by what its sender can do about it.

use units::TaskId;

/// Why a command was refused; the state is as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing but a start can come first.
    #[error("the workflow has not started: send its start first")]
    NotStarted,
    /// The history has its end. Nothing is to be done.
    #[error("the workflow has ended as `{status}`: nothing can follow")]
    Finished {
        /// The outcome's name.
        status: &'static str,
    },
    /// The history says this already. The sender may go on as if it had been accepted.
    #[error("{what} is already in the history")]
    Duplicate {
        /// What was said twice.
        what: String,
    },
    /// It belongs to an attempt, round or transaction that is over. Drop it.
    #[error("{what} is over: drop this result")]
    Stale {
        /// What is over.
        what: String,
    },
    /// The workflow is being undone and begins nothing new. Drop it.
    #[error("the workflow is being undone: drop this result")]
    Ending,
    /// Nothing pending asks for it: a fault of the sender's.
    #[error("{what} is not pending: ask for the pending actions and do those")]
    OutOfTurn {
        /// What nobody asked for.
        what: String,
    },
    /// Commits are serial. Wait for the open one.
    #[error("the commit `{transaction}` is still open: begin this one after it")]
    CommitOpen {
        /// The open transaction's id.
        transaction: String,
    },
    /// The commit would write what its task did not claim. Reject the edit.
    #[error("task `{task}` did not claim {}: reject the edit instead", .paths.join(", "))]
    OutsideClaim {
        /// The task.
        task: TaskId,
        /// The paths that are not claimed, cut.
        paths: Vec<String>,
    },
    /// A text or a count is past its bound.
    #[error("the {what} is {found}, at most {max} is taken: make it smaller")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size, in bytes or pieces.
        found: usize,
        /// The bound.
        max: usize,
    },
    /// A text that has to be there is empty.
    #[error("the {what} is empty: give one")]
    Empty {
        /// What is empty.
        what: &'static str,
    },
    /// A limit of the run is out of its range.
    #[error("`{setting}` is {found}: choose {least} to {most}")]
    BadSetting {
        /// The setting.
        setting: &'static str,
        /// What was found.
        found: u32,
        /// The least.
        least: u32,
        /// The most.
        most: u32,
    },
}
