//! What the history comes to: the fold of all events so far.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use access::Requester;
use plan::{Plan, Task};
use review::{Review, Verdict};
use units::{DeploymentId, Nanodollars, Seq, TaskId};

use crate::apply::apply;
use crate::event::{Event, Outcome};
use crate::settings::Settings;
use crate::step::{CallKey, Step};

/// A workflow as its history left it. A default state is one without history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub(crate) seq: Seq,
    pub(crate) run: Option<Run>,
    pub(crate) memos: BTreeMap<CallKey, Arc<Memo>>,
    pub(crate) planning: Tries,
    pub(crate) plan: Option<Arc<Plan>>,
    pub(crate) groups: Vec<Vec<Work>>,
    pub(crate) open: Option<OpenCommit>,
    pub(crate) commits: Vec<Commit>,
    pub(crate) reviewing: Tries,
    pub(crate) reviews: Vec<Arc<Review>>,
    pub(crate) failures: BTreeMap<Step, u32>,
    pub(crate) abort_requested: bool,
    pub(crate) gave_up: bool,
    pub(crate) ending: Option<Ending>,
    pub(crate) kept: BTreeSet<String>,
    pub(crate) stuck: Option<String>,
    pub(crate) outcome: Option<Outcome>,
}

/// What the start pinned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) goal: String,
    pub(crate) root: String,
    pub(crate) check: Vec<String>,
    pub(crate) settings: Settings,
    pub(crate) requester: Option<Box<Requester>>,
}

/// Attempts at one thing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tries {
    rejected: u32,
    pub(crate) feedback: Option<String>,
}

impl Tries {
    /// The attempt in progress or, at the end, the one that was taken; counted from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.rejected.saturating_add(1)
    }

    /// Counts `attempt` as rejected, unless it is not the one in progress.
    pub(crate) fn reject(&mut self, attempt: u32, feedback: String) {
        if attempt == self.attempt() {
            self.rejected = attempt;
            self.feedback = Some(feedback);
        }
    }
}

/// A task and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Work {
    pub(crate) task: Arc<Task>,
    pub(crate) tries: Tries,
    pub(crate) committed: bool,
}

impl Work {
    pub(crate) fn new(task: Task) -> Self {
        Self { task: Arc::new(task), tries: Tries::default(), committed: false }
    }
}

/// What began the undoing; the first cause stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ending {
    Aborted { by: String },
    GaveUp { reason: String },
}

/// A model's answer, remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct Memo {
    /// What it answered.
    pub answer: chat::Answer,
    /// Who answered.
    pub deployment: DeploymentId,
    /// What it cost; `None` where no price is known.
    pub cost: Option<Nanodollars>,
}

/// A transaction that was begun and whose end is not in the history yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCommit {
    /// The task.
    pub task: TaskId,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// The transaction's id.
    pub transaction: String,
    /// What it writes.
    pub paths: Vec<String>,
}

/// A transaction that is in the workspace, or was until it was compensated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The task.
    pub task: TaskId,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// The transaction's id.
    pub transaction: String,
    /// What it wrote.
    pub paths: Vec<String>,
    /// Whether it was undone.
    pub compensated: bool,
}

/// Where a workflow stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before its start.
    New,
    /// The plan is being made.
    Planning,
    /// Tasks are being edited and committed.
    Editing,
    /// The result is being reviewed.
    Reviewing,
    /// What was done is being undone.
    Compensating,
    /// Nothing follows.
    Finished(Outcome),
}

impl State {
    /// The state after a whole history, or the beginning of one.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        events.into_iter().fold(Self::default(), apply)
    }

    /// How many events have been applied; the last one's position.
    pub const fn seq(&self) -> Seq {
        self.seq
    }

    /// Where the workflow stands, for people.
    pub fn phase(&self) -> Phase {
        if self.run.is_none() {
            Phase::New
        } else if let Some(outcome) = &self.outcome {
            Phase::Finished(outcome.clone())
        } else if self.ending.is_some() {
            Phase::Compensating
        } else if self.plan.is_none() {
            Phase::Planning
        } else if self.group().is_some() {
            Phase::Editing
        } else {
            Phase::Reviewing
        }
    }

    /// The phase's stable name, for the store; a finished workflow's is its outcome's.
    pub fn status(&self) -> &'static str {
        match self.phase() {
            Phase::New => "new",
            Phase::Planning => "planning",
            Phase::Editing => "editing",
            Phase::Reviewing => "reviewing",
            Phase::Compensating => "compensating",
            Phase::Finished(outcome) => outcome.name(),
        }
    }

    /// How the workflow ended, once it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// What is wanted; `None` before the start.
    pub fn goal(&self) -> Option<&str> {
        self.run.as_ref().map(|run| run.goal.as_str())
    }

    /// The workspace's root; `None` before the start.
    pub fn root(&self) -> Option<&str> {
        self.run.as_ref().map(|run| run.root.as_str())
    }

    /// The workspace's own check command; empty where there is none.
    pub fn check(&self) -> &[String] {
        self.run.as_ref().map_or(&[], |run| &run.check)
    }

    /// Who asked for it with a key; `None` where the server's own user did.
    pub fn requester(&self) -> Option<&Requester> {
        self.run.as_ref()?.requester.as_deref()
    }

    /// The limits of the run; `None` before the start.
    pub fn settings(&self) -> Option<&Settings> {
        self.run.as_ref().map(|run| &run.settings)
    }

    /// The plan, once it stands.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_deref()
    }

    /// All tasks in the order of their groups, revisions last.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.works().map(|work| work.task.as_ref())
    }

    /// All reviews, oldest first.
    pub fn reviews(&self) -> impl Iterator<Item = &Review> {
        self.reviews.iter().map(AsRef::as_ref)
    }

    /// The remembered answer to a call: who has one does not call again.
    pub fn answer(&self, key: &CallKey) -> Option<&Memo> {
        self.memos.get(key).map(AsRef::as_ref)
    }

    /// The transaction that is open.
    pub fn open_commit(&self) -> Option<&OpenCommit> {
        self.open.as_ref()
    }

    /// All transactions that were committed, oldest first.
    pub fn commits(&self) -> &[Commit] {
        &self.commits
    }

    /// What committed transactions wrote and nothing has undone, sorted.
    pub fn changed(&self) -> BTreeSet<&str> {
        let standing = self.commits.iter().filter(|commit| !commit.compensated);
        standing.flat_map(|commit| commit.paths.iter().map(String::as_str)).collect()
    }

    pub(crate) fn works(&self) -> impl Iterator<Item = &Work> {
        self.groups.iter().flatten()
    }

    pub(crate) fn work(&self, task: &TaskId) -> Option<&Work> {
        self.works().find(|work| work.task.id == *task)
    }

    pub(crate) fn work_mut(&mut self, task: &TaskId) -> Option<&mut Work> {
        self.groups.iter_mut().flatten().find(|work| work.task.id == *task)
    }

    /// The group whose turn it is.
    fn group(&self) -> Option<&Vec<Work>> {
        self.groups.iter().find(|group| group.iter().any(|work| !work.committed))
    }

    /// The tasks that may be edited now. The first of a group stay until they are committed, so that what is
    /// in flight never leaves the window.
    pub(crate) fn active(&self) -> impl Iterator<Item = &Work> {
        let width = self.settings().map_or(0, |settings| settings.parallel_editors.max(1) as usize);
        self.group().into_iter().flatten().filter(|work| !work.committed).take(width)
    }

    /// The round of review in progress or to come, counted from 1.
    pub(crate) fn round(&self) -> u32 {
        u32::try_from(self.reviews.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    pub(crate) fn approved(&self) -> bool {
        self.reviews.last().is_some_and(|review| review.verdict == Verdict::Approve)
    }

    /// The transaction to undo next: the last one that stands.
    pub(crate) fn to_compensate(&self) -> Option<&Commit> {
        self.commits.iter().rev().find(|commit| !commit.compensated)
    }

    pub(crate) fn failures_of(&self, step: &Step) -> u32 {
        self.failures.get(step).copied().unwrap_or(0)
    }

    pub(crate) fn is_open(&self, task: &TaskId, attempt: u32) -> bool {
        self.open.as_ref().is_some_and(|open| open.task == *task && open.attempt == attempt)
    }
}
