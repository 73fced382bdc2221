//! What becomes of editors' answers and of their commits, one commit at a time.

use units::TaskId;

use super::{duplicate, out_of_turn, stale, within};
use crate::bounds::{self, MAX_TRANSACTION_BYTES};
use crate::event::{Event, Rejection};
use crate::refused::Refused;
use crate::settings::Settings;
use crate::state::State;
use crate::step::Step;

pub(super) fn rejected(
    state: &State,
    settings: Settings,
    task: TaskId,
    attempt: u32,
    reason: Rejection,
) -> Result<Vec<Event>, Refused> {
    // Each attempt before the one in progress has been rejected.
    if state.work(&task).is_some_and(|work| (1..work.tries.attempt()).contains(&attempt)) {
        return Err(duplicate(format!("the rejection of `{}`", Step::Edit { task, attempt })));
    }
    check_turn(state, &task, attempt)?;
    let reason = reason.bounded();
    let last_straw = (attempt >= settings.edit_attempts && state.ending.is_none())
        .then(|| Event::gave_up(&format!("task `{task}` failed {attempt} times; the last time: {reason}")));
    Ok([Event::EditRejected { task, attempt, reason }].into_iter().chain(last_straw).collect())
}

pub(super) fn begin_commit(
    state: &State,
    task: TaskId,
    attempt: u32,
    transaction: String,
    mut paths: Vec<String>,
) -> Result<Vec<Event>, Refused> {
    within("transaction's id", &transaction, MAX_TRANSACTION_BYTES)?;
    let open = state.open.as_ref();
    let known = open.is_some_and(|open| open.transaction == transaction && state.is_open(&task, attempt));
    if known || is_committed(state, &transaction) {
        return Err(duplicate(format!("the commit `{transaction}`")));
    }
    check_turn(state, &task, attempt)?;
    if let Some(open) = open {
        return Err(Refused::CommitOpen { transaction: open.transaction.clone() });
    }
    paths.sort_unstable();
    paths.dedup();
    let unclaimed = unclaimed(state, &task, &paths);
    if !unclaimed.is_empty() {
        return Err(Refused::OutsideClaim { task, paths: bounds::paths(unclaimed) });
    }
    Ok(vec![Event::CommitStarted { task, attempt, transaction, paths }])
}

fn unclaimed(state: &State, task: &TaskId, paths: &[String]) -> Vec<String> {
    let claimed = |path: &String| state.work(task).is_some_and(|work| work.task.writes.contains(path));
    paths.iter().filter(|path| !claimed(path)).cloned().collect()
}

pub(super) fn commit_done(
    state: &State,
    task: TaskId,
    attempt: u32,
    transaction: String,
) -> Result<Vec<Event>, Refused> {
    if is_committed(state, &transaction) {
        return Err(duplicate(format!("the commit `{transaction}`")));
    }
    check_open(state, &task, attempt, &transaction)?;
    Ok(vec![Event::Committed { task, attempt, transaction }])
}

/// A lost commit counts as a failure of its attempt: a disk that loses each one would else be asked for ever.
pub(super) fn commit_lost(
    state: &State,
    settings: Settings,
    task: TaskId,
    attempt: u32,
    transaction: String,
) -> Result<Vec<Event>, Refused> {
    check_open(state, &task, attempt, &transaction)?;
    let step = Step::Edit { task: task.clone(), attempt };
    let failures = state.failures_of(&step).saturating_add(1);
    let last_straw = (failures > settings.step_failures && state.ending.is_none()).then(|| {
        Event::gave_up(&format!("`{step}` failed {failures} times; the last time its commit was lost"))
    });
    Ok([Event::CommitUndone { task, attempt, transaction }].into_iter().chain(last_straw).collect())
}

fn is_committed(state: &State, transaction: &str) -> bool {
    state.commits.iter().any(|commit| commit.transaction == transaction)
}

fn check_open(state: &State, task: &TaskId, attempt: u32, transaction: &str) -> Result<(), Refused> {
    let is_open = state.open.as_ref().is_some_and(|open| open.transaction == transaction);
    if is_open && state.is_open(task, attempt) {
        return Ok(());
    }
    match state.work(task) {
        Some(work) if attempt > 0 && attempt <= work.tries.attempt() => {
            Err(stale(format!("the commit `{transaction}`")))
        }
        Some(_) | None => Err(out_of_turn(format!("the commit `{transaction}`"))),
    }
}

/// Whether the attempt is the one in progress; while the workflow is undone only that of the open commit is.
pub(super) fn check_turn(state: &State, task: &TaskId, attempt: u32) -> Result<(), Refused> {
    let step = || format!("`{}`", Step::Edit { task: task.clone(), attempt });
    let Some(work) = state.work(task) else { return Err(out_of_turn(step())) };
    let current = work.tries.attempt();
    if attempt == 0 || attempt > current {
        return Err(out_of_turn(step()));
    }
    if work.committed || attempt < current {
        return Err(stale(step()));
    }
    if state.ending.is_some() {
        return if state.is_open(task, attempt) { Ok(()) } else { Err(Refused::Ending) };
    }
    if state.active().any(|work| work.task.id == *task) { Ok(()) } else { Err(out_of_turn(step())) }
}
