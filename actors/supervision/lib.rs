//! Supervision in OTP's words, on actix: whoever dies is replaced by a fresh child, and nobody else notices.
//!
//! Each child has a *slot* that outlives it: the bounded queue, the address, the status and the published cell belong
//! to the slot. A generation is one life of the child: a factory builds a fresh actor, a runner drives it inside a
//! panic guard and pumps the slot's queue into it. So a crash loses the one message that was being handled, whose
//! sender is told, and nothing else. A supervisor is a task that starts, watches, restarts and stops its children.

mod backoff;
mod cell;
mod child;
mod control;
mod end;
mod intensity;
mod life;
mod mailbox;
mod place;
mod registry;
mod runner;
mod slot;
mod summons;
mod supervisor;
mod threads;
mod view;
mod vitals;

pub use backoff::Backoff;
pub use cell::{Cell, Snapshot};
pub use child::{ActorSpec, ChildSpec, NotStarted, Restart, Role, Shutdown, Start, WhileDown, actor};
pub use end::{Down, End, Failure, Follows};
pub use intensity::Intensity;
pub use life::Life;
pub use mailbox::{AskError, Mailbox, Refused};
pub use place::{Place, Watch};
pub use registry::Registry;
pub use supervisor::{
    AutoShutdown, Birth, ChildError, ChildInfo, Counts, Handle, Limit, Strategy, SupervisorSpec, Tree,
};
pub use threads::{Heartbeat, Pool, RollCall};
pub use view::{Kind, Node, State};
