//! When a run has reached its end, and which.

use crate::bounds;
use crate::event::{Event, Outcome};
use crate::settings::Mode;
use crate::state::{Ending, State};

/// The end, when all that leads to it is in the history and only the end itself is not.
pub(crate) fn conclusion(state: &State) -> Option<Event> {
    let run = state.run.as_ref()?;
    if state.outcome.is_some() {
        return None;
    }
    if let Some(reason) = &state.stuck {
        return Some(needs_attention(state, reason));
    }
    let outcome = match &state.ending {
        Some(_) if state.open.is_some() || state.to_compensate().is_some() => return None,
        Some(Ending::Aborted { by }) => Outcome::Aborted { by: by.clone(), kept: kept(state) },
        Some(Ending::GaveUp { reason }) => Outcome::Failed { reason: reason.clone(), kept: kept(state) },
        None => match run.settings.mode {
            Mode::PlanOnly if state.plan.is_some() => Outcome::Planned,
            Mode::Run if state.approved() => Outcome::Done,
            Mode::PlanOnly | Mode::Run => return None,
        },
    };
    Some(Event::Finished { outcome })
}

/// The end that asks for a person.
pub(crate) fn needs_attention(state: &State, reason: &str) -> Event {
    let outcome = Outcome::NeedsAttention { reason: bounds::reason(reason), kept: kept(state) };
    Event::Finished { outcome }
}

fn kept(state: &State) -> Vec<String> {
    bounds::paths(state.kept.iter().cloned().collect())
}
