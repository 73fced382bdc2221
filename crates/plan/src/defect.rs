//! What is wrong with a plan, in words that a model can act on.

use std::fmt;

use units::{BadId, TaskId};

/// A plan that cannot be used, with all that is wrong with it. Ask the planner again and show it this text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// At least one, in the plan's order.
    pub defects: Vec<Defect>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        answers::write_defects(f, "the plan cannot be used", &self.defects)
    }
}

/// One thing that is wrong. `task` is the task's id, or `tasks[3]` (from 0) where it has none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// The answer has no JSON to read.
    #[error(transparent)]
    Answer(#[from] answers::Error),
    /// A part of the JSON has another shape than a plan's.
    #[error("{place}: {message}")]
    Shape {
        /// Which part.
        place: String,
        /// What is wrong with it.
        message: String,
    },
    /// Nothing to do.
    #[error("the plan has no tasks; give at least one")]
    NoTasks,
    /// Over the limit of tasks.
    #[error("the plan has {found} tasks; give at most {limit}, larger ones")]
    TooManyTasks {
        /// How many there are.
        found: usize,
        /// How many may be.
        limit: usize,
    },
    /// An id that cannot be one.
    #[error("{task}: {fault}")]
    BadId {
        /// The task's place.
        task: String,
        /// What an id may be.
        fault: BadId,
    },
    /// Two tasks of one name.
    #[error("`{id}`: {count} tasks have this id; give each its own")]
    DuplicateId {
        /// The name.
        id: String,
        /// How many have it.
        count: usize,
    },
    /// A task waits for one that is not there.
    #[error("`{task}` depends on `{dependency}`, which is no task of this plan")]
    UnknownDependency {
        /// The waiting task.
        task: String,
        /// What it waits for.
        dependency: String,
    },
    /// A task waits for itself.
    #[error("`{task}` depends on itself; remove that")]
    SelfDependency {
        /// The task.
        task: String,
    },
    /// Tasks that wait for one another.
    #[error("a cycle of dependencies: {}; remove one of them", arrows(tasks))]
    Cycle {
        /// Each depends on the next, the last on the first.
        tasks: Vec<TaskId>,
    },
    /// A task that may change nothing.
    #[error("`{task}` writes no file; name what it may change in `writes`, or drop the task")]
    NoWrites {
        /// The task.
        task: String,
    },
    /// A path that may not be named.
    #[error("`{task}`, `{list}`: {fault}")]
    BadPath {
        /// The task.
        task: String,
        /// `reads` or `writes`.
        list: &'static str,
        /// What is wrong with the path.
        fault: answers::BadPath,
    },
    /// A text that is empty or too long.
    #[error("{place} {fault}")]
    BadText {
        /// Which text.
        place: String,
        /// What is wrong with it.
        fault: answers::BadText,
    },
    /// A list over its limit.
    #[error("`{task}`, `{list}`: {found} entries; give at most {limit}, or split the task")]
    TooMany {
        /// The task.
        task: String,
        /// Which list.
        list: &'static str,
        /// How many there are.
        found: usize,
        /// How many may be.
        limit: usize,
    },
}

fn arrows(tasks: &[TaskId]) -> String {
    let around: Vec<&str> = tasks.iter().chain(tasks.first()).map(TaskId::as_str).collect();
    around.join(" → ")
}
