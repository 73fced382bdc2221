//! What has happened: the only truth of a workflow, stored before it is shown.

use std::fmt;

use access::Requester;
use plan::Plan;
use review::Review;
use serde::{Deserialize, Serialize};
use units::{DeploymentId, Nanodollars, TaskId};

use crate::asked::Asked;
use crate::bounds;
use crate::settings::Settings;
use crate::step::{CallKey, Step};

/// One thing that has happened. Attempts, rounds and turns count from 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The run began.
    Started {
        /// What is wanted.
        goal: String,
        /// The workspace's root, absolute.
        root: String,
        /// The workspace's own check command, word by word; none where it is empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        check: Vec<String>,
        /// The limits in force for the whole run.
        settings: Settings,
        /// Who asked for it with a key; nobody where the server's own user did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requester: Option<Box<Requester>>,
    },
    /// A model answered; a restart asks for this call no more.
    CallAnswered {
        /// Which call.
        key: CallKey,
        /// What it answered.
        answer: chat::Answer,
        /// Who answered.
        deployment: DeploymentId,
        /// What it cost; `None` where no price is known.
        cost: Option<Nanodollars>,
        /// How it was asked; histories from before this was noted have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<Asked>,
    },
    /// The plan stands.
    Planned {
        /// The attempt that made it.
        attempt: u32,
        /// The plan.
        plan: Plan,
    },
    /// The planner's answer was no plan.
    PlanRejected {
        /// Which attempt.
        attempt: u32,
        /// What was wrong with it, for the next attempt.
        reason: String,
    },
    /// An editor's answer was of no use; a commit of this attempt that was open is not made.
    EditRejected {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
        /// What was wrong with it, for the next attempt.
        reason: Rejection,
    },
    /// A transaction is about to write to the workspace.
    CommitStarted {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
        /// The transaction's id in the journal.
        transaction: String,
        /// What it writes, sorted.
        paths: Vec<String>,
    },
    /// The transaction has written; the task is done.
    Committed {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
        /// The transaction's id.
        transaction: String,
    },
    /// The transaction was found rolled back: the same attempt again, from its remembered answers.
    CommitUndone {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
        /// The transaction's id.
        transaction: String,
    },
    /// A review was given.
    Reviewed {
        /// Which round.
        round: u32,
        /// The review.
        review: Review,
    },
    /// The reviewer's answer was no review.
    ReviewRejected {
        /// Which round.
        round: u32,
        /// Which attempt in this round.
        attempt: u32,
        /// What was wrong with it, for the next attempt.
        reason: String,
    },
    /// The world failed a step; it is tried again.
    StepFailed {
        /// The step.
        step: Step,
        /// What failed.
        reason: String,
    },
    /// Somebody asked to stop and undo.
    AbortRequested {
        /// Who.
        by: String,
    },
    /// A limit was met, or supervision gave up: what was done is undone.
    GaveUp {
        /// Why.
        reason: String,
    },
    /// A committed transaction was undone.
    Compensated {
        /// The transaction's id.
        transaction: String,
        /// What a person had changed since, and which was therefore left alone.
        conflicts: Vec<String>,
    },
    /// A committed transaction cannot be undone.
    CompensationFailed {
        /// The transaction's id.
        transaction: String,
        /// Why.
        reason: String,
    },
    /// The end; nothing follows.
    Finished {
        /// How it ended.
        outcome: Outcome,
    },
}

/// Why an editor's answer was of no use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Rejection {
    /// It held no edits that can be read.
    Unparseable {
        /// What was wrong.
        detail: String,
    },
    /// Its edits do not fit the files.
    DoesNotApply {
        /// Which, and why.
        detail: String,
    },
    /// It writes what the task did not claim.
    OutsideClaim {
        /// The paths that are not claimed.
        paths: Vec<String>,
    },
    /// The changed workspace does not pass its checks.
    ValidationFailed {
        /// What the checks printed.
        output: String,
    },
    /// Somebody changed these files meanwhile.
    Conflict {
        /// The files.
        paths: Vec<String>,
    },
}

/// How a run ended. `kept` names what was not undone because a person had changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// The review approved.
    Done,
    /// The plan was all that was wanted.
    Planned,
    /// The run gave up; all is undone but `kept`.
    Failed {
        /// Why.
        reason: String,
        /// Paths that stay as a person left them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kept: Vec<String>,
    },
    /// Somebody aborted; all is undone but `kept`.
    Aborted {
        /// Who.
        by: String,
        /// Paths that stay as a person left them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kept: Vec<String>,
    },
    /// Undoing failed: a person has to look at the workspace.
    NeedsAttention {
        /// Why.
        reason: String,
        /// Paths that stay as a person left them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kept: Vec<String>,
    },
}

impl Event {
    /// All kinds, in the order of a run.
    pub(crate) const KINDS: [&'static str; 16] = [
        "started",
        "call_answered",
        "planned",
        "plan_rejected",
        "edit_rejected",
        "commit_started",
        "committed",
        "commit_undone",
        "reviewed",
        "review_rejected",
        "step_failed",
        "abort_requested",
        "gave_up",
        "compensated",
        "compensation_failed",
        "finished",
    ];

    /// The event's stable name, as it stands in its JSON.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::CallAnswered { .. } => "call_answered",
            Self::Planned { .. } => "planned",
            Self::PlanRejected { .. } => "plan_rejected",
            Self::EditRejected { .. } => "edit_rejected",
            Self::CommitStarted { .. } => "commit_started",
            Self::Committed { .. } => "committed",
            Self::CommitUndone { .. } => "commit_undone",
            Self::Reviewed { .. } => "reviewed",
            Self::ReviewRejected { .. } => "review_rejected",
            Self::StepFailed { .. } => "step_failed",
            Self::AbortRequested { .. } => "abort_requested",
            Self::GaveUp { .. } => "gave_up",
            Self::Compensated { .. } => "compensated",
            Self::CompensationFailed { .. } => "compensation_failed",
            Self::Finished { .. } => "finished",
        }
    }

    pub(crate) fn gave_up(reason: &str) -> Self {
        Self::GaveUp { reason: bounds::reason(reason) }
    }
}

impl Rejection {
    /// The same, its texts within their bounds.
    pub(crate) fn bounded(self) -> Self {
        match self {
            Self::Unparseable { detail } => Self::Unparseable { detail: bounds::reason(&detail) },
            Self::DoesNotApply { detail } => Self::DoesNotApply { detail: bounds::reason(&detail) },
            Self::OutsideClaim { paths } => Self::OutsideClaim { paths: bounds::paths(paths) },
            Self::ValidationFailed { output } => {
                Self::ValidationFailed { output: bounds::cut_middle(&output, bounds::MAX_OUTPUT_BYTES) }
            }
            Self::Conflict { paths } => Self::Conflict { paths: bounds::paths(paths) },
        }
    }
}

/// What the next attempt is told.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unparseable { detail } => write!(f, "The answer could not be read: {detail}"),
            Self::DoesNotApply { detail } => write!(f, "The edits do not apply: {detail}"),
            Self::OutsideClaim { paths } => {
                write!(f, "The edits write files that the task may not write: {}", paths.join(", "))
            }
            Self::ValidationFailed { output } => write!(f, "The change did not pass its checks:\n{output}"),
            Self::Conflict { paths } => {
                let paths = paths.join(", ");
                write!(
                    f,
                    "These files were changed by somebody else meanwhile; edit their present content: {paths}"
                )
            }
        }
    }
}

impl Outcome {
    /// The outcome's stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Planned => "planned",
            Self::Failed { .. } => "failed",
            Self::Aborted { .. } => "aborted",
            Self::NeedsAttention { .. } => "needs_attention",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = match self {
            Self::Done => return f.write_str("done"),
            Self::Planned => return f.write_str("planned"),
            Self::Failed { reason, kept } => {
                write!(f, "failed: {reason}")?;
                kept
            }
            Self::Aborted { by, kept } => {
                write!(f, "aborted by {by}")?;
                kept
            }
            Self::NeedsAttention { reason, kept } => {
                write!(f, "needs attention: {reason}")?;
                kept
            }
        };
        if kept.is_empty() {
            return Ok(());
        }
        write!(f, "; not undone, because they were changed since: {}", kept.join(", "))
    }
}
