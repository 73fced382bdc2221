//! What supervision answers, in the model's words.

use supervision::{Birth, ChildError, ChildInfo, Counts, Kind, State};

use crate::model::{Answer, Described};
use crate::puppet::name;

pub(crate) fn answer(result: Result<(), ChildError>) -> Answer {
    result.map_or_else(refusal, |()| Answer::Done)
}

pub(crate) fn lived(result: Result<Birth, ChildError>) -> Answer {
    match result {
        Ok(Birth::Lives) => Answer::Lives,
        Ok(Birth::Ignored) => Answer::Ignored,
        Err(error) => refusal(error),
    }
}

pub(crate) fn counted(result: Result<Counts, ChildError>) -> Answer {
    let of = |Counts { specs, active, supervisors, workers }| Answer::Counts {
        specs,
        active,
        supervisors,
        workers,
    };
    result.map_or_else(refusal, of)
}

pub(crate) fn described(result: Result<Vec<ChildInfo>, ChildError>) -> Answer {
    let describe = |child: ChildInfo| Described {
        is_supervisor: child.kind == Kind::Supervisor,
        state: state(child.state),
        generation: child.generation,
        restart: child.restart,
        significant: child.significant,
        id: child.id,
    };
    result.map_or_else(refusal, |children| Answer::Children(children.into_iter().map(describe).collect()))
}

pub(crate) fn state(state: State) -> &'static str {
    match state {
        // It was stopped or ended, and waits for an elder that did not come back yet.
        State::Waiting => "backing_off",
        State::Starting => "starting",
        State::Running => "running",
        State::BackingOff => "backing_off",
        State::Asleep => "asleep",
        State::Stopping => "stopping",
        State::Parked => "parked",
        State::Ignored => "ignored",
        State::Ended => "ended",
    }
}

fn refusal(error: ChildError) -> Answer {
    match error {
        ChildError::AlreadyStarted(_) => Answer::AlreadyStarted,
        ChildError::AlreadyPresent(_) => Answer::AlreadyPresent,
        ChildError::TooMany(most) => Answer::TooMany(most),
        ChildError::StartFailed(end) => Answer::StartFailed(name(&end)),
        ChildError::NotFound(_) => Answer::NotFound,
        ChildError::Running(_) => Answer::Running,
        ChildError::Restarting(_) => Answer::Restarting,
        ChildError::Dynamic => Answer::Dynamic,
        ChildError::BadCombination { .. } => Answer::BadCombination,
        ChildError::NotAnActor(_) => Answer::NotAnActor,
        ChildError::Busy(_) => Answer::Busy,
        ChildError::Unavailable => Answer::Unavailable,
    }
}
