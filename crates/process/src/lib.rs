//! Child processes with limits: all that a model or a workspace makes run goes through here.
//!
//! It promises: a program gets only the environment, folder and network it was given; its time, output, files and
//! processes are bounded; within namespaces nothing of it outlives the run, the dropped future or a killed server.
//! Network off is never silently on: where no mechanism enforces it, the run is refused. It never reads the
//! environment and never hides the file system: a program reads and writes what the server's user may. The server's
//! binary must call [`launcher::enter`] before all else, because it starts itself anew to put a limited program in its
//! place. Linux only; on other systems every run is refused.

mod command;
mod error;
mod isolation;
mod output;
mod report;

#[cfg(target_os = "linux")]
pub mod launcher;
#[cfg(not(target_os = "linux"))]
#[path = "launcher_elsewhere.rs"]
pub mod launcher;

#[cfg(target_os = "linux")]
mod child;
#[cfg(not(target_os = "linux"))]
#[path = "child_elsewhere.rs"]
mod child;

mod runner;

pub use command::{Command, Limits, Network, inherited_names};
pub use error::Error;
pub use isolation::{Isolation, Mechanism, Mechanisms, NetworkView, Probed};
pub use output::Output;
pub use report::{End, Failure, Step};
pub use runner::{Finished, Runner, probe};
