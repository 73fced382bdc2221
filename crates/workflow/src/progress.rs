//! The task graph and how far each task is: what the state says of its tasks, for people and for tables.

use std::collections::BTreeMap;

use plan::{Plan, Task};
use units::TaskId;

use crate::action::{Action, pending};
use crate::state::State;

/// A task and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The task.
    pub task: Task,
    /// Its group, from 1; those of one group may run side by side.
    pub group: usize,
    /// How far it is.
    pub stage: Stage,
    /// The attempt in progress or the one that was committed, from 1; 0 before the first.
    pub attempt: u32,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its turn has not come, or does not come any more.
    Waiting,
    /// An editor is at it, or its commit is open.
    Editing,
    /// It is in the workspace.
    Committed,
    /// It was in the workspace and was undone.
    Undone,
}

impl Stage {
    /// The stage's stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Editing => "editing",
            Self::Committed => "committed",
            Self::Undone => "undone",
        }
    }
}

impl State {
    /// All tasks and how far they are, in the order of their groups, revisions last.
    pub fn progress(&self) -> Vec<Progress> {
        let planned = self.plan().map(Plan::groups).unwrap_or_default();
        let mut groups = BTreeMap::new();
        for (place, group) in planned.iter().enumerate() {
            groups.extend(group.iter().map(|task| (task, place + 1)));
        }
        let mut last_group = planned.len();
        let editing = self.editing();
        let mut tasks = Vec::new();
        for task in self.tasks() {
            // A revision is a group of its own, after all before it.
            let group = groups.get(&task.id).copied().unwrap_or_else(|| {
                last_group += 1;
                last_group
            });
            let (stage, attempt) = self.stage(&editing, &task.id);
            tasks.push(Progress { task: task.clone(), group, stage, attempt });
        }
        tasks
    }

    /// The tasks in progress and their attempts.
    fn editing(&self) -> BTreeMap<TaskId, u32> {
        let at_work = |action| match action {
            Action::Edit { task, attempt, .. } => Some((task.id, attempt)),
            Action::ResolveCommit { task, attempt, .. } => Some((task, attempt)),
            Action::Plan { .. } | Action::Review { .. } | Action::Compensate { .. } | Action::Conclude => {
                None
            }
        };
        pending(self).into_iter().filter_map(at_work).collect()
    }

    fn stage(&self, editing: &BTreeMap<TaskId, u32>, task: &TaskId) -> (Stage, u32) {
        if let Some(commit) = self.commits().iter().rev().find(|commit| commit.task == *task) {
            let reached = if commit.compensated { Stage::Undone } else { Stage::Committed };
            return (reached, commit.attempt);
        }
        match editing.get(task) {
            Some(attempt) => (Stage::Editing, *attempt),
            None => (Stage::Waiting, 0),
        }
    }
}
