//! The decision: a command and the state give events, or a typed refusal.

mod editing;
mod ending;
mod planning;
mod reviewing;

use crate::apply::apply;
use crate::bounds;
use crate::bounds::{
    MAX_ANSWER_BYTES, MAX_CHECK_BYTES, MAX_GOAL_BYTES, MAX_NAME_BYTES, MAX_ROOT_BYTES, MAX_TURNS,
};
use crate::command::Command;
use crate::conclusion::{conclusion, needs_attention};
use crate::event::Event;
use crate::refused::Refused;
use crate::settings::Settings;
use crate::state::State;
use crate::step::{CallKey, Step};

/// The events that `command` causes, to be stored together or not at all.
///
/// # Errors
/// [`Refused`], and then nothing has happened.
pub fn decide(state: &State, command: Command) -> Result<Vec<Event>, Refused> {
    if let Some(outcome) = &state.outcome {
        return Err(Refused::Finished { status: outcome.name() });
    }
    if let Some(end) = conclusion(state) {
        let concludes = matches!(command, Command::Conclude);
        return if concludes { Ok(vec![end]) } else { Err(out_of_turn("anything but the end")) };
    }
    let mut events = match &state.run {
        Some(run) => follow(state, run.settings, command)?,
        None => vec![start(command)?],
    };
    let after = events.iter().fold(state.clone(), apply);
    events.extend(conclusion(&after));
    Ok(events)
}

fn start(command: Command) -> Result<Event, Refused> {
    let Command::Start { goal, root, check, settings, requester } = command else {
        return Err(Refused::NotStarted);
    };
    within("goal", &goal, MAX_GOAL_BYTES)?;
    if goal.trim().is_empty() {
        return Err(Refused::Empty { what: "goal" });
    }
    within("root", &root, MAX_ROOT_BYTES)?;
    let found = check.iter().map(String::len).sum();
    if found > MAX_CHECK_BYTES {
        return Err(Refused::TooLarge { what: "check command", found, max: MAX_CHECK_BYTES });
    }
    settings.check()?;
    Ok(Event::Started { goal, root, check, settings, requester })
}

fn follow(state: &State, settings: Settings, command: Command) -> Result<Vec<Event>, Refused> {
    match command {
        Command::Start { .. } => Err(duplicate("the start")),
        Command::RecordAnswer { key, answer, deployment, cost, asked } => {
            check_answer(state, &key, &answer)?;
            if let Some(asked) = &asked {
                within("template's name", &asked.template, MAX_NAME_BYTES)?;
                within("template's version", &asked.version, MAX_NAME_BYTES)?;
            }
            Ok(vec![Event::CallAnswered { key, answer, deployment, cost, asked }])
        }
        Command::PlanAnswered { attempt, text } => planning::answered(state, settings, attempt, &text),
        Command::EditRejected { task, attempt, reason } => {
            editing::rejected(state, settings, task, attempt, reason)
        }
        Command::BeginCommit { task, attempt, transaction, paths } => {
            editing::begin_commit(state, task, attempt, transaction, paths)
        }
        Command::CommitDone { task, attempt, transaction } => {
            editing::commit_done(state, task, attempt, transaction)
        }
        Command::CommitLost { task, attempt, transaction } => {
            editing::commit_lost(state, settings, task, attempt, transaction)
        }
        Command::ReviewAnswered { round, attempt, text } => {
            reviewing::answered(state, settings, round, attempt, &text)
        }
        Command::StepFailed { step, reason } => step_failed(state, settings, step, &reason),
        Command::Abort { by } => ending::abort(state, &by),
        Command::GiveUp { reason } => ending::give_up(state, &reason),
        Command::CompensationDone { transaction, conflicts } => ending::done(state, transaction, conflicts),
        Command::CompensationFailed { transaction, reason } => ending::failed(state, transaction, &reason),
        Command::AbandonCompensation { reason } => ending::abandon(state, &reason),
        Command::Conclude => Err(out_of_turn("the end")),
    }
}

/// An answer is taken for every step that was ever pending, also when it comes late: it was paid for.
fn check_answer(state: &State, key: &CallKey, answer: &chat::Answer) -> Result<(), Refused> {
    if state.memos.contains_key(key) {
        return Err(duplicate(format!("the answer to `{key}`")));
    }
    if key.turn() > MAX_TURNS {
        return Err(Refused::TooLarge { what: "turn", found: key.turn() as usize, max: MAX_TURNS as usize });
    }
    let latest = match key.step() {
        Step::Plan { .. } => state.planning.attempt(),
        Step::Edit { task, .. } => state.work(task).map_or(0, |work| work.tries.attempt()),
        Step::Review { round, .. } if *round < state.round() => bounds::REVIEW_ATTEMPTS,
        Step::Review { round, .. } if *round == state.round() => state.reviewing.attempt(),
        Step::Review { .. } => 0,
    };
    let attempt = match key.step() {
        Step::Plan { attempt } | Step::Edit { attempt, .. } | Step::Review { attempt, .. } => *attempt,
    };
    if attempt == 0 || attempt > latest {
        return Err(out_of_turn(format!("`{}`", key.step())));
    }
    let bytes = size(answer);
    if bytes > MAX_ANSWER_BYTES {
        return Err(Refused::TooLarge { what: "answer", found: bytes, max: MAX_ANSWER_BYTES });
    }
    Ok(())
}

fn size(answer: &chat::Answer) -> usize {
    const FIELD_NAMES: usize = 64;
    let call = |call: &chat::ToolCall| FIELD_NAMES + call.id.len() + call.name.len() + call.arguments.len();
    let stop = match &answer.stop {
        chat::StopReason::Other(word) | chat::StopReason::StopSequence { text: Some(word) } => word.len(),
        chat::StopReason::EndOfTurn
        | chat::StopReason::ToolUse
        | chat::StopReason::StopSequence { text: None }
        | chat::StopReason::Paused
        | chat::StopReason::MaxOutput
        | chat::StopReason::Refusal => 0,
    };
    answer.text.len() + stop + answer.tool_calls.iter().map(call).sum::<usize>()
}

fn step_failed(state: &State, settings: Settings, step: Step, reason: &str) -> Result<Vec<Event>, Refused> {
    match &step {
        Step::Plan { attempt } => planning::check_turn(state, *attempt)?,
        Step::Edit { task, attempt } => editing::check_turn(state, task, *attempt)?,
        Step::Review { round, attempt } => reviewing::check_turn(state, *round, *attempt)?,
    }
    let failures = state.failures_of(&step).saturating_add(1);
    let last_straw =
        (failures > settings.step_failures)
            .then(|| format!("`{step}` failed {failures} times; the last time: {reason}"))
            .map(|reason| {
                if state.ending.is_none() { Event::gave_up(&reason) } else { needs_attention(state, &reason) }
            });
    let failed = Event::StepFailed { step, reason: bounds::reason(reason) };
    Ok([failed].into_iter().chain(last_straw).collect())
}

fn within(what: &'static str, text: &str, max: usize) -> Result<(), Refused> {
    match text.len() {
        0 => Err(Refused::Empty { what }),
        found if found > max => Err(Refused::TooLarge { what, found, max }),
        _ => Ok(()),
    }
}

fn duplicate(what: impl Into<String>) -> Refused {
    Refused::Duplicate { what: what.into() }
}

fn out_of_turn(what: impl Into<String>) -> Refused {
    Refused::OutOfTurn { what: what.into() }
}

/// Every attempt at a plan or a review that is over was answered: what comes for it was said before.
fn said_before(refused: Refused) -> Refused {
    if let Refused::Stale { what } = refused { duplicate(format!("the answer of {what}")) } else { refused }
}

fn stale(what: impl Into<String>) -> Refused {
    Refused::Stale { what: what.into() }
}
