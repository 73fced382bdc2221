//! What becomes of the planner's answer.

use plan::Plan;

use super::{out_of_turn, said_before, stale};
use crate::bounds::{self, MAX_ANSWER_BYTES};
use crate::event::Event;
use crate::refused::Refused;
use crate::revision;
use crate::settings::Settings;
use crate::state::State;
use crate::step::Step;

pub(super) fn answered(
    state: &State,
    settings: Settings,
    attempt: u32,
    text: &str,
) -> Result<Vec<Event>, Refused> {
    check_turn(state, attempt).map_err(said_before)?;
    let reason = match parse(text) {
        Ok(plan) => return Ok(vec![Event::Planned { attempt, plan }]),
        Err(reason) => reason,
    };
    let last_straw = (attempt >= settings.plan_attempts)
        .then(|| Event::gave_up(&format!("no plan after {attempt} attempts; the last time: {reason}")));
    let rejected = Event::PlanRejected { attempt, reason: bounds::reason(&reason) };
    Ok([rejected].into_iter().chain(last_straw).collect())
}

fn parse(text: &str) -> Result<Plan, String> {
    if text.len() > MAX_ANSWER_BYTES {
        return Err(format!("the answer has {} bytes, at most {MAX_ANSWER_BYTES} are read", text.len()));
    }
    let plan = Plan::parse(text).map_err(|error| error.to_string())?;
    match plan.tasks.iter().find(|task| revision::is_reserved(&task.id)) {
        Some(task) => Err(format!("the task id `{}` is reserved for revisions: choose another", task.id)),
        None => Ok(plan),
    }
}

pub(super) fn check_turn(state: &State, attempt: u32) -> Result<(), Refused> {
    let current = state.planning.attempt();
    let step = format!("`{}`", Step::Plan { attempt });
    if attempt == 0 || attempt > current {
        return Err(out_of_turn(step));
    }
    if state.plan.is_some() || attempt < current {
        return Err(stale(step));
    }
    if state.ending.is_some() {
        return Err(Refused::Ending);
    }
    Ok(())
}
