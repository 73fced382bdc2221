//! Aborting, giving up, and undoing in reverse.

use super::{duplicate, out_of_turn};
use crate::bounds;
use crate::conclusion::needs_attention;
use crate::event::Event;
use crate::refused::Refused;
use crate::state::State;

pub(super) fn abort(state: &State, by: &str) -> Result<Vec<Event>, Refused> {
    if state.abort_requested {
        return Err(duplicate("the abort"));
    }
    Ok(vec![Event::AbortRequested { by: bounds::cut_end(by, bounds::MAX_NAME_BYTES) }])
}

pub(super) fn give_up(state: &State, reason: &str) -> Result<Vec<Event>, Refused> {
    if state.gave_up {
        return Err(duplicate("giving up"));
    }
    Ok(vec![Event::gave_up(reason)])
}

pub(super) fn done(
    state: &State,
    transaction: String,
    conflicts: Vec<String>,
) -> Result<Vec<Event>, Refused> {
    check_turn(state, &transaction)?;
    Ok(vec![Event::Compensated { transaction, conflicts: bounds::paths(conflicts) }])
}

pub(super) fn failed(state: &State, transaction: String, reason: &str) -> Result<Vec<Event>, Refused> {
    check_turn(state, &transaction)?;
    Ok(vec![Event::CompensationFailed { transaction, reason: bounds::reason(reason) }])
}

pub(super) fn abandon(state: &State, reason: &str) -> Result<Vec<Event>, Refused> {
    if state.ending.is_none() {
        return Err(out_of_turn("undoing"));
    }
    Ok(vec![needs_attention(state, reason)])
}

/// Only the last transaction that stands may be undone, and not before the open one is known to stand or not.
fn check_turn(state: &State, transaction: &str) -> Result<(), Refused> {
    if state.commits.iter().any(|commit| commit.transaction == transaction && commit.compensated) {
        return Err(duplicate(format!("the compensation of `{transaction}`")));
    }
    let next = state.to_compensate().is_some_and(|commit| commit.transaction == transaction);
    if state.ending.is_none() || state.open.is_some() || !next {
        return Err(out_of_turn(format!("the compensation of `{transaction}`")));
    }
    Ok(())
}
