//! The cast: who lives in the server, in reading order; `tree` says who restarts whom.

pub mod tree;

mod archive;
mod branches;
mod keeping;

pub mod agent;
pub mod captures;
pub mod catalogue;
pub mod deployment;
pub mod disk;
pub mod feed;
pub mod herald;
pub mod instance;
pub mod keyring;
pub mod metrics;
pub mod provider;
pub mod recorder;
pub mod resumption;
pub mod retention;
pub mod router;
pub mod statistics;
pub mod workflows;
pub mod writer;

mod checks;
pub mod compensation;
mod editor;
mod planner;
pub mod reviewer;
mod roster;
mod tools;
pub mod workbench;

/// Runs work that blocks where it stops nobody: on a thread of the runtime's blocking pool.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime goes down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}
