//! What supervision promises, seen from outside: real actors on real arbiters, time moved by hand.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod admission;
mod bodies;
mod lifecycle;
mod limits;
mod panics;
mod strategies;
