//! A workflow as three pure functions: [`decide`] turns a command into events, [`apply`] folds an event into the
//! state, [`pending`] says what should be in progress now.
//!
//! Plan → edit, group by group → review → done, or revise, or undo everything in reverse. Recovery is: fold the
//! history, then do what is pending. Nothing here does IO, reads a clock or draws an id.

mod action;
mod apply;
mod asked;
mod bounds;
mod codec;
mod command;
mod conclusion;
mod crew;
mod decide;
mod event;
mod progress;
mod refused;
mod revision;
mod settings;
mod spent;
mod state;
mod step;

pub use action::{Action, pending};
pub use apply::apply;
pub use asked::Asked;
pub use bounds::{
    MAX_ANSWER_BYTES, MAX_CHECK_BYTES, MAX_EVENT_BYTES, MAX_GOAL_BYTES, MAX_LIMIT, MAX_OUTPUT_BYTES,
    MAX_REASON_BYTES, MAX_TURNS, REVIEW_ATTEMPTS,
};
pub use codec::{Error, VERSION};
pub use command::Command;
pub use crew::{Crew, Member, Yield};
pub use decide::decide;
pub use event::{Event, Outcome, Rejection};
pub use progress::{Progress, Stage};
pub use refused::Refused;
pub use settings::{Mode, Settings};
pub use spent::Spent;
pub use state::{Commit, Memo, OpenCommit, Phase, State};
pub use step::{CallKey, Role, Step};
