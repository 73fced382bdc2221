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
mod mailbox;
mod registry;
mod runner;
mod slot;
mod supervisor;
mod threads;
mod view;

pub use backoff::Backoff;
pub use cell::Cell;
pub use child::{ActorSpec, ChildSpec, Life, Restart, Role, Shutdown, Start, WhileDown, actor};
pub use end::{End, Failure};
pub use intensity::Intensity;
pub use mailbox::{AskError, Mailbox, Refused};
pub use registry::Registry;
pub use supervisor::{ChildError, Handle, Limit, Strategy, SupervisorSpec, Tree};
pub use view::{Node, State};
