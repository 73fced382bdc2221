//! What supervision promises, seen from outside: real actors on real arbiters, time moved by hand.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod administration;
mod admission;
mod bodies;
mod containment;
mod lifecycle;
mod limits;
mod links;
mod nested;
mod panics;
mod passivation;
mod promises;
mod puppet;
mod roll_call;
mod saga;
mod strategies;
mod stuck;
