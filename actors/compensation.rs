//! What a workflow does to its workspace besides committing: find out how a commit ended, and undo one.
//!
//! Both hold the workspace's turn, so that a commit that is being made is never taken for one that was cut off.

use std::path::Path;

use supervision::Failure;
use workspace::{Outcome, Recovered, TransactionId, Workspace};

use crate::blocking;
use crate::workbench::Workbench;

/// Finishes or undoes what a crash cut off in a workspace's journal; tells what was found.
///
/// # Errors
/// When the folder is no workspace, or its journal cannot be read.
pub async fn recover(workbench: &Workbench, root: &Path) -> Result<Vec<Recovered>, workspace::Error> {
    let workspace = workbench.open(root)?;
    // Whoever has the turn is at work, for a long time maybe, and nothing is cut off then.
    let Some(_turn) = workbench.turn_now(&workspace) else { return Ok(Vec::new()) };
    let workbench = workbench.clone();
    blocking(move || workbench.journal(&workspace)?.recover()).await
}

/// Whether a transaction whose end nobody saw is in the workspace; where it was cut off it is rolled back first.
pub(crate) async fn resolve(workbench: &Workbench, root: &str, transaction: &str) -> Result<bool, Failure> {
    let (workspace, id) = place(workbench, root, transaction)?;
    let _turn = workbench.turn(&workspace).await;
    let workbench = workbench.clone();
    blocking(move || {
        let journal = workbench.journal(&workspace).map_err(Failure::new)?;
        for Recovered { id: other, outcome } in journal.recover().map_err(Failure::new)? {
            if let Outcome::Failed(error) = outcome
                && other == id
            {
                return Err(Failure::new(error));
            }
        }
        journal.outcome(&id).map(|committed| committed.is_some()).map_err(Failure::new)
    })
    .await
}

/// Undoes a committed transaction; what somebody has changed since is left alone and named.
pub(crate) async fn undo(
    workbench: &Workbench,
    root: &str,
    transaction: &str,
) -> Result<Vec<String>, Failure> {
    let (workspace, id) = place(workbench, root, transaction)?;
    // The same name each time: an undo that was made before a crash is not made twice, and answers the same.
    let undoing: TransactionId = format!("{id}-undo").parse().map_err(Failure::new)?;
    let _turn = workbench.turn(&workspace).await;
    let workbench = workbench.clone();
    blocking(move || {
        let journal = workbench.journal(&workspace).map_err(Failure::new)?;
        journal.recover().map_err(Failure::new)?;
        let reverted = journal.revert(&id, &undoing).map_err(Failure::new)?;
        Ok(reverted.conflicts.iter().map(ToString::to_string).collect())
    })
    .await
}

fn place(
    workbench: &Workbench,
    root: &str,
    transaction: &str,
) -> Result<(Workspace, TransactionId), Failure> {
    let workspace = workbench.open(root.as_ref()).map_err(Failure::new)?;
    Ok((workspace, transaction.parse().map_err(Failure::new)?))
}
