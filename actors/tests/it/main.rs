//! The cast on its own: a real tree, a real store, a real workspace, scripted models, no doors.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod following;
mod house;
mod metrics;
mod outage;
mod recording;
mod runs;
mod upkeep;
