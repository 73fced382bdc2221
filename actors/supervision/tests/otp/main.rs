//! The suite of Erlang/OTP's own supervisor, case by case and by meaning; docs/supervision.md maps each case to its test.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod administration;
mod bodies;
mod dynamic;
mod ends;
mod loops;
mod records;
mod significant;
mod specs;
mod start;
mod stop;
mod strategies;
mod trees;
