//! A plan: tasks, what each waits for, and the files that each may read and write.
//!
//! [`Plan::parse`] takes a planner's answer or names all of its defects at once, so that a model can mend them in
//! one go; [`Plan::groups`] says which tasks may run side by side.

mod defect;
mod graph;
mod parse;

pub use defect::{Defect, Error};
pub use parse::{MAX_DETAIL_BYTES, MAX_LIST, MAX_SUMMARY_BYTES, MAX_TASKS, MAX_TITLE_BYTES};

use serde::{Deserialize, Serialize};
use units::TaskId;

/// A validated plan, if it came from [`Plan::parse`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What will be done, in a few sentences.
    pub summary: String,
    /// The tasks, in the planner's order.
    pub tasks: Vec<Task>,
}

/// One editor's work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its name, unique within the plan.
    pub id: TaskId,
    /// One line for people.
    pub title: String,
    /// What exactly to do, for the editor.
    pub detail: String,
    /// The tasks that must be committed before this one starts.
    #[serde(default)]
    pub depends_on: Vec<TaskId>,
    /// Files that the editor is shown and must not change; paths relative to the workspace's root.
    #[serde(default)]
    pub reads: Vec<String>,
    /// Files that the editor may create, change or delete; paths relative to the workspace's root.
    pub writes: Vec<String>,
}

impl Plan {
    /// Reads a planner's answer: one JSON object, bare or in the first ```` ```json ```` block.
    ///
    /// # Errors
    /// Names every defect: no JSON, a wrong shape, no task or over [`MAX_TASKS`], bad or repeated ids, unknown
    /// dependencies, cycles, tasks that write nothing, bad paths, texts and lists over their limits.
    pub fn parse(answer: &str) -> Result<Self, Error> {
        parse::plan(answer)
    }

    /// The tasks in groups to be done one after another; those of one group may run side by side.
    ///
    /// Every task comes after what it depends on. Two tasks whose claims overlap (one writes what the other reads
    /// or writes) never share a group: where nothing orders them, the later declared waits for the earlier. Within
    /// a group the order is that of the plan.
    ///
    /// Total also for what [`Plan::parse`] would refuse: unknown dependencies are passed over, and a cycle is cut
    /// before its first declared task.
    pub fn groups(&self) -> Vec<Vec<TaskId>> {
        graph::groups(&self.tasks)
    }
}

#[cfg(test)]
mod tests;
