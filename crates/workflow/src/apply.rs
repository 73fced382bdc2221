//! The fold: total, for what is stored has happened. What makes no sense where it stands is counted and changes nothing.

use std::sync::Arc;

use plan::Plan;
use review::{Review, Verdict};
use units::TaskId;

use crate::event::Event;
use crate::revision;
use crate::state::{Commit, Ending, Memo, OpenCommit, Run, State, Tries, Work};
use crate::step::Step;

/// The state after `event`.
pub fn apply(mut state: State, event: &Event) -> State {
    state.seq = state.seq.next();
    let starts = matches!(event, Event::Started { .. });
    if state.outcome.is_some() || state.run.is_some() == starts {
        return state;
    }
    match event {
        Event::Started { goal, root, check, settings, requester } => {
            state.run = Some(Run {
                goal: goal.clone(),
                root: root.clone(),
                check: check.clone(),
                settings: *settings,
                requester: requester.clone(),
            });
        }
        Event::CallAnswered { key, answer, deployment, cost, asked: _ } => {
            let memo = || Memo { answer: answer.clone(), deployment: deployment.clone(), cost: *cost };
            state.memos.entry(key.clone()).or_insert_with(|| Arc::new(memo()));
        }
        Event::Planned { attempt: _, plan } => state.take_plan(plan),
        Event::PlanRejected { attempt, reason } => state.planning.reject(*attempt, reason.clone()),
        Event::EditRejected { task, attempt, reason } => {
            state.close(task, *attempt);
            if let Some(work) = state.work_mut(task).filter(|work| !work.committed) {
                work.tries.reject(*attempt, reason.to_string());
            }
        }
        Event::CommitStarted { task, attempt, transaction, paths } => {
            let (task, transaction) = (task.clone(), transaction.clone());
            state.open(OpenCommit { task, attempt: *attempt, transaction, paths: paths.clone() });
        }
        Event::Committed { task, attempt, transaction } => state.commit(task, *attempt, transaction),
        Event::CommitUndone { task, attempt, transaction: _ } => {
            if state.close(task, *attempt).is_some() {
                state.count_failure(Step::Edit { task: task.clone(), attempt: *attempt });
            }
        }
        Event::Reviewed { round, review } => state.take_review(*round, review),
        Event::ReviewRejected { round, attempt, reason } => {
            if *round == state.round() {
                state.reviewing.reject(*attempt, reason.clone());
            }
        }
        Event::StepFailed { step, reason: _ } => state.count_failure(step.clone()),
        Event::AbortRequested { by } => {
            state.abort_requested = true;
            state.end(Ending::Aborted { by: by.clone() });
        }
        Event::GaveUp { reason } => {
            state.gave_up = true;
            state.end(Ending::GaveUp { reason: reason.clone() });
        }
        Event::Compensated { transaction, conflicts } => state.compensate(transaction, conflicts),
        Event::CompensationFailed { transaction, reason } => {
            state.stuck = Some(format!("transaction `{transaction}` could not be undone: {reason}"));
        }
        Event::Finished { outcome } => state.outcome = Some(outcome.clone()),
    }
    state
}

impl State {
    fn take_plan(&mut self, plan: &Plan) {
        if self.plan.is_some() {
            return;
        }
        let task = |id: &TaskId| plan.tasks.iter().find(|task| task.id == *id);
        let works = |ids: &Vec<TaskId>| ids.iter().filter_map(task).cloned().map(Work::new).collect();
        self.groups = plan.groups().iter().map(works).collect();
        self.plan = Some(Arc::new(plan.clone()));
    }

    fn open(&mut self, commit: OpenCommit) {
        let active = |work: &Work| work.task.id == commit.task && work.tries.attempt() == commit.attempt;
        if self.open.is_none() && self.active().any(active) {
            self.open = Some(commit);
        }
    }

    fn close(&mut self, task: &TaskId, attempt: u32) -> Option<OpenCommit> {
        self.open.take_if(|open| open.task == *task && open.attempt == attempt)
    }

    fn commit(&mut self, task: &TaskId, attempt: u32, transaction: &str) {
        if self.open.as_ref().is_none_or(|open| open.transaction != transaction) {
            return;
        }
        let Some(OpenCommit { task, attempt, transaction, paths }) = self.close(task, attempt) else {
            return;
        };
        if let Some(work) = self.work_mut(&task) {
            work.committed = true;
        }
        self.commits.push(Commit { task, attempt, transaction, paths, compensated: false });
    }

    fn take_review(&mut self, round: u32, review: &Review) {
        if round != self.round() || self.approved() {
            return;
        }
        match review.verdict {
            Verdict::Approve => {}
            Verdict::RequestChanges => {
                let task = revision::task(self, round, review);
                self.groups.push(vec![Work::new(task)]);
            }
        }
        self.reviews.push(Arc::new(review.clone()));
        self.reviewing = Tries::default();
    }

    fn count_failure(&mut self, step: Step) {
        let count = self.failures.entry(step).or_default();
        *count = count.saturating_add(1);
    }

    /// The first cause stands. Undoing has failures of its own: those of the work before do not count against it.
    fn end(&mut self, ending: Ending) {
        if self.ending.is_none() {
            self.ending = Some(ending);
            self.failures.clear();
        }
    }

    fn compensate(&mut self, transaction: &str, conflicts: &[String]) {
        if let Some(commit) = self.commits.iter_mut().find(|commit| commit.transaction == transaction) {
            commit.compensated = true;
            self.kept.extend(conflicts.iter().cloned());
        }
    }
}
