//! The domain's own words for a conversation with a model: what every dialect is translated into and out of.
//!
//! This crate only names things; it knows no vendor and does no IO.

mod answer;
mod event;
mod request;

pub use answer::{Answer, Assembler, Incomplete};
pub use event::{Event, StopReason, Usage};
pub use request::{Parameter, Part, Request, Role, Tool, ToolCall, ToolResult, Turn};
