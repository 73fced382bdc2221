//! What the request path reads and compare-and-swaps instead of asking an actor: a breaker, a load, and whose turn it is.
//!
//! Std only and no async. An actor owns and tunes its cell; callers only step through it.
#![expect(unexpected_cfgs, reason = "`--cfg loom` is passed by hand when every interleaving is explored")]

mod breaker;
mod load;
mod rotation;
mod sync;

pub use breaker::{Breaker, MAX_PROBES, Open, Override, Permit, Probation, Probes, State, Thresholds};
pub use load::{InFlight, Load};
pub use rotation::{Rotation, Turn};
