//! What should be in progress now; the instance knows what of it already is.

use plan::Task;
use units::TaskId;

use crate::conclusion::conclusion;
use crate::state::{Phase, State};
use crate::step::Step;

/// Something to do. Each is safe to begin again after a restart.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Ask the planner, answer with `PlanAnswered`.
    Plan {
        /// Which attempt.
        attempt: u32,
        /// What was wrong with the attempt before.
        feedback: Option<String>,
    },
    /// Do a task in an overlay and validate it there, answer with `BeginCommit` or `EditRejected`.
    Edit {
        /// The task.
        task: Task,
        /// Which attempt.
        attempt: u32,
        /// What was wrong with the attempt before.
        feedback: Option<String>,
    },
    /// Bring the open commit to its end, answer with `CommitDone`, `CommitLost` or `EditRejected`. Who has just begun
    /// it commits; who finds it after a restart asks the journal, rolls it back where it has no commit record, and says so.
    ResolveCommit {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
        /// The transaction's id.
        transaction: String,
    },
    /// Ask the reviewer, answer with `ReviewAnswered`.
    Review {
        /// Which round.
        round: u32,
        /// Which attempt in this round.
        attempt: u32,
        /// What was wrong with the attempt before.
        feedback: Option<String>,
    },
    /// Undo a transaction, answer with `CompensationDone` or `CompensationFailed`.
    Compensate {
        /// The transaction's id.
        transaction: String,
    },
    /// Send `Conclude`: the history was cut before its end.
    Conclude,
}

impl Action {
    /// A name that tells this action from all others of the run: what is in flight is kept by it.
    pub fn name(&self) -> String {
        match self {
            Self::Plan { .. } | Self::Edit { .. } | Self::Review { .. } => {
                self.step().map(|step| step.to_string()).unwrap_or_default()
            }
            Self::ResolveCommit { task, attempt, transaction } => {
                format!("commit/{task}/{attempt}/{transaction}")
            }
            Self::Compensate { transaction } => format!("compensate/{transaction}"),
            Self::Conclude => "conclude".to_owned(),
        }
    }

    /// The step that a failure of the world is counted against: `StepFailed` names it.
    pub fn step(&self) -> Option<Step> {
        match self {
            Self::Plan { attempt, .. } => Some(Step::Plan { attempt: *attempt }),
            Self::Edit { task, attempt, .. } => Some(Step::Edit { task: task.id.clone(), attempt: *attempt }),
            Self::ResolveCommit { task, attempt, .. } => {
                Some(Step::Edit { task: task.clone(), attempt: *attempt })
            }
            Self::Review { round, attempt, .. } => Some(Step::Review { round: *round, attempt: *attempt }),
            Self::Compensate { .. } | Self::Conclude => None,
        }
    }
}

/// Everything that should be in progress now, in a fixed order. Only a finished or unstarted workflow has nothing.
pub fn pending(state: &State) -> Vec<Action> {
    if conclusion(state).is_some() {
        return vec![Action::Conclude];
    }
    match state.phase() {
        Phase::New | Phase::Finished(_) => Vec::new(),
        Phase::Planning => {
            vec![Action::Plan {
                attempt: state.planning.attempt(),
                feedback: state.planning.feedback.clone(),
            }]
        }
        Phase::Editing => edits(state),
        Phase::Reviewing => {
            let attempt = state.reviewing.attempt();
            vec![Action::Review { round: state.round(), attempt, feedback: state.reviewing.feedback.clone() }]
        }
        Phase::Compensating => undoing(state).into_iter().collect(),
    }
}

fn edits(state: &State) -> Vec<Action> {
    let action = |work: &crate::state::Work| {
        let attempt = work.tries.attempt();
        if state.is_open(&work.task.id, attempt) {
            return resolve(state);
        }
        let (task, feedback) = (work.task.as_ref().clone(), work.tries.feedback.clone());
        Some(Action::Edit { task, attempt, feedback })
    };
    state.active().filter_map(action).collect()
}

/// An open commit is resolved first: it may turn out to be one more to undo.
fn undoing(state: &State) -> Option<Action> {
    let compensate = || {
        let transaction = state.to_compensate()?.transaction.clone();
        Some(Action::Compensate { transaction })
    };
    resolve(state).or_else(compensate)
}

fn resolve(state: &State) -> Option<Action> {
    let open = state.open.as_ref()?;
    let (task, transaction) = (open.task.clone(), open.transaction.clone());
    Some(Action::ResolveCommit { task, attempt: open.attempt, transaction })
}
