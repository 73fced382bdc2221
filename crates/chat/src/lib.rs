//! The domain's own words for a conversation with a model: what every dialect is translated into and out of.
//!
//! This crate only names things; it knows no vendor and does no IO.

mod answer;
mod citation;
mod event;
mod media;
mod part;
mod request;
mod thinking;
mod tool;

pub use answer::{Answer, Assembler, Incomplete, Message};
pub use citation::Citation;
pub use event::{Event, StopReason, Usage};
pub use media::{Media, Source};
pub use part::{Lifetime, Part, Role, Seal, Thought, ToolCall, ToolResult, Turn};
pub use request::{Format, Parameter, Request};
pub use thinking::{Effort, Thinking};
pub use tool::{Tool, ToolChoice, ToolInput};
