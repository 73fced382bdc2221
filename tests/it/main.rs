//! The real binary in real processes: whole runs, kills in every phase, a person's hands in the workspace, the doors.
//!
//! Each test has folders, a server and a provider of its own. The provider is played by the test itself, over
//! loopback, so that it can count what was paid for and hold an answer back while the server is killed.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod commands;
mod config;
mod confined;
mod copies;
mod demo;
mod doctor;
mod doors;
mod failing;
mod flushing;
mod folder;
mod hostile;
mod house;
mod huge;
mod keys;
mod kills;
mod life;
mod logging;
mod outage;
mod people;
mod reload;
mod remote;
mod runs;
mod secrets;
mod several_keys;
mod speech;
mod story;
mod traces;
mod tree;
mod vendor;
