//! What is asked of a workflow, and what its instance reports to it.

use access::Requester;
use units::{DeploymentId, Nanodollars, TaskId};

use crate::asked::Asked;
use crate::event::Rejection;
use crate::settings::Settings;
use crate::step::{CallKey, Step};

/// One wish or report. Attempts, rounds and turns count from 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Begin the run.
    Start {
        /// What is wanted.
        goal: String,
        /// The workspace's root, absolute.
        root: String,
        /// The workspace's own check command, word by word; none where it is empty.
        check: Vec<String>,
        /// The limits of the run.
        settings: Settings,
        /// Who asks for it with a key; nobody where the server's own user does.
        requester: Option<Box<Requester>>,
    },
    /// A model answered: remember it before anything is made of it.
    RecordAnswer {
        /// Which call.
        key: CallKey,
        /// What it answered.
        answer: chat::Answer,
        /// Who answered.
        deployment: DeploymentId,
        /// What it cost; `None` where no price is known.
        cost: Option<Nanodollars>,
        /// How it was asked.
        asked: Option<Asked>,
    },
    /// The planner has ended with this text.
    PlanAnswered {
        /// Which attempt.
        attempt: u32,
        /// Its last answer.
        text: String,
    },
    /// The editor's answer is of no use; where its commit was open, nothing of it is in the workspace.
    EditRejected {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
        /// What is wrong with it.
        reason: Rejection,
    },
    /// The edit is validated and its transaction is next.
    BeginCommit {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
        /// The transaction's id in the journal.
        transaction: String,
        /// What it will write.
        paths: Vec<String>,
    },
    /// The open commit is in the workspace.
    CommitDone {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
        /// The transaction's id.
        transaction: String,
    },
    /// The open commit was rolled back; nothing of it is in the workspace.
    CommitLost {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
        /// The transaction's id.
        transaction: String,
    },
    /// The reviewer has ended with this text.
    ReviewAnswered {
        /// Which round.
        round: u32,
        /// Which attempt in this round.
        attempt: u32,
        /// Its last answer.
        text: String,
    },
    /// The world failed a pending step.
    StepFailed {
        /// The step.
        step: Step,
        /// What failed.
        reason: String,
    },
    /// Stop and undo.
    Abort {
        /// Who asks.
        by: String,
    },
    /// Supervision gives up: stop and undo.
    GiveUp {
        /// Why.
        reason: String,
    },
    /// The transaction is undone.
    CompensationDone {
        /// The transaction's id.
        transaction: String,
        /// What a person had changed since, and which was left alone.
        conflicts: Vec<String>,
    },
    /// The transaction cannot be undone.
    CompensationFailed {
        /// The transaction's id.
        transaction: String,
        /// Why.
        reason: String,
    },
    /// Supervision gives up on undoing too: a person has to look.
    AbandonCompensation {
        /// Why.
        reason: String,
    },
    /// Nothing is left to do: write the end that the history misses.
    Conclude,
}
