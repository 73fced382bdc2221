//! The editor: does one task in a working copy of its own, validates it there, and commits it when its turn comes.
//!
//! The workspace itself changes only by the commit, one journaled transaction; when the base has moved since the
//! validation, the edit is made and validated again on what is there now.

use serde_json::json;
use supervision::Failure;
use tokio::sync::OwnedMutexGuard;
use workflow::{Command, Refused, Rejection};
use workspace::{Overlay, RelPath, TransactionId};

use crate::agent::{Assignment, Attempted};
use crate::{blocking, checks, tools};

/// How often the base may move under a validated edit before the attempt is given back as conflicting.
const MAX_MOVES: usize = 3;
/// The most bytes of files that a prompt holds.
const MAX_PROMPT_BYTES: usize = 256 * 1024;

/// What an edit came to in the working copy.
enum Tried {
    Passed(Overlay),
    Rejected(Rejection),
}

pub(crate) async fn edit(
    assignment: &Assignment,
    task: &plan::Task,
    attempt: u32,
    feedback: Option<&str>,
) -> Result<Attempted, Failure> {
    // Taken before the model is shown anything: what changes after that is a conflict, and is said to be one.
    let overlay = assignment.workbench.overlay(&assignment.workspace).await.map_err(Failure::new)?;
    let text = ask(assignment, task, feedback).await?;
    let reject = |reason| Ok(Some(Command::EditRejected { task: task.id.clone(), attempt, reason }));

    let edits = match edits::parse(&text) {
        Ok(edits) => edits,
        Err(error) => return reject(Rejection::Unparseable { detail: error.to_string() }),
    };
    let outside: Vec<String> =
        edits.iter().map(|edit| edit.path.clone()).filter(|path| !task.writes.contains(path)).collect();
    if !outside.is_empty() {
        return reject(Rejection::OutsideClaim { paths: outside });
    }

    let mut overlay = match attempt_in(assignment, overlay, edits.clone()).await? {
        Tried::Passed(overlay) => overlay,
        Tried::Rejected(reason) => return reject(reason),
    };
    assignment.note("waits for its turn to commit");
    let turn = assignment.workbench.turn(&assignment.workspace).await;
    for _ in 0..MAX_MOVES {
        let (workspace, base) = (assignment.workspace.clone(), overlay.base().fingerprint());
        let now = blocking(move || workspace.fingerprint()).await.map_err(Failure::new)?;
        if now == base {
            return commit(assignment, task, attempt, overlay, turn).await;
        }
        assignment.note("the workspace has moved: edits and validates again");
        let workspace = assignment.workspace.clone();
        overlay = blocking(move || overlay.sync(&workspace).map(|()| overlay)).await.map_err(Failure::new)?;
        overlay = match attempt_in(assignment, overlay, edits.clone()).await? {
            Tried::Passed(overlay) => overlay,
            Tried::Rejected(Rejection::DoesNotApply { .. }) => {
                return reject(Rejection::Conflict { paths: task.writes.clone() });
            }
            Tried::Rejected(reason) => return reject(reason),
        };
    }
    reject(Rejection::Conflict { paths: task.writes.clone() })
}

async fn ask(assignment: &Assignment, task: &plan::Task, feedback: Option<&str>) -> Result<String, Failure> {
    let (workspace, paths) = (assignment.workspace.clone(), task.writes.iter().chain(&task.reads).cloned());
    let paths: Vec<String> = paths.collect();
    let files = blocking(move || {
        let mut bytes = 0;
        let mut files = Vec::new();
        for path in paths {
            let text = match tools::content(&workspace, &path) {
                Ok(Some(text)) if bytes + text.len() <= MAX_PROMPT_BYTES => text,
                Ok(Some(_)) => "(left out here: read it with read_file)".to_owned(),
                Ok(None) => continue,
                Err(reason) => format!("({reason})"),
            };
            bytes += text.len();
            files.push(json!({"path": path, "text": text}));
        }
        files
    })
    .await;
    let inputs = json!({
        "goal": assignment.goal,
        "title": task.title,
        "detail": task.detail,
        "writes": task.writes,
        "files": files,
        "feedback": feedback,
    });
    let rendered = assignment.render("editing/search-replace", inputs)?;
    let asking = assignment.workbench.parts().manners.load().editor;
    assignment.converse(rendered, &assignment.workspace, asking).await
}

/// Applies the edits to a fresh working copy and runs the workspace's own check there.
async fn attempt_in(
    assignment: &Assignment,
    overlay: Overlay,
    edits: Vec<edits::Edit>,
) -> Result<Tried, Failure> {
    let applied = blocking(move || apply(overlay, edits)).await?;
    let overlay = match applied {
        Ok(overlay) => overlay,
        Err(detail) => return Ok(Tried::Rejected(Rejection::DoesNotApply { detail })),
    };
    assignment.note(format!("validates: {}", assignment.check.join(" ")));
    let running = &assignment.workbench.parts().running;
    let checked = checks::run(running, &assignment.check, overlay.path()).await?;
    if checked.passed {
        return Ok(Tried::Passed(overlay));
    }
    Ok(Tried::Rejected(Rejection::ValidationFailed { output: checked.report }))
}

fn apply(mut overlay: Overlay, edits: Vec<edits::Edit>) -> Result<Result<Overlay, String>, Failure> {
    for (path, edits) in edits::by_path(edits) {
        let path: RelPath = match path.parse() {
            Ok(path) => path,
            Err(error) => return Ok(Err(format!("{error}"))),
        };
        let text = match overlay.read(&path).map_err(Failure::new)?.map(String::from_utf8).transpose() {
            Ok(text) => text,
            Err(_) => return Ok(Err(format!("`{path}` is no UTF-8 text and cannot be edited"))),
        };
        match edits::apply(text.as_deref(), &edits) {
            Ok(after) => overlay.write(&path, after.as_deref().map(str::as_bytes)).map_err(Failure::new)?,
            Err(mismatch) => return Ok(Err(mismatch.to_string())),
        }
    }
    Ok(Ok(overlay))
}

/// Stored before it is done, done as one transaction, and stored again; the turn is held from the first to the last.
async fn commit(
    assignment: &Assignment,
    task: &plan::Task,
    attempt: u32,
    overlay: Overlay,
    turn: OwnedMutexGuard<()>,
) -> Result<Attempted, Failure> {
    // Only what the task claims: what its checks wrote beside it (a lock file, a report) stays in the working copy.
    let claimed: Vec<RelPath> = task.writes.iter().filter_map(|path| path.parse().ok()).collect();
    let changes = blocking(move || overlay.changes_in(claimed)).await.map_err(Failure::new)?;
    let transaction = transaction_id(assignment)?;
    let task = task.id.clone();
    let begin = Command::BeginCommit {
        task: task.clone(),
        attempt,
        transaction: transaction.to_string(),
        paths: changes.iter().map(|change| change.path.to_string()).collect(),
    };
    match assignment.tell(begin, None).await? {
        Ok(()) => {}
        // An abort came first, or another generation has gone on: nothing was written and nothing is to be said.
        Err(
            Refused::Ending | Refused::Stale { .. } | Refused::Finished { .. } | Refused::CommitOpen { .. },
        ) => {
            return Ok(None);
        }
        Err(refused) => return Err(Failure::new(refused)),
    }

    let (workbench, workspace, id) =
        (assignment.workbench.clone(), assignment.workspace.clone(), transaction.clone());
    let committed = blocking(move || workbench.journal(&workspace)?.commit(&id, &changes)).await;
    let transaction = transaction.to_string();
    let command = match committed {
        Ok(_) => Command::CommitDone { task, attempt, transaction },
        Err(workspace::Error::Conflict { paths }) => {
            let paths = paths.iter().map(ToString::to_string).collect();
            Command::EditRejected { task, attempt, reason: Rejection::Conflict { paths } }
        }
        // How it ended only the journal knows: the instance asks it, and what is half done is rolled back then.
        Err(error) => return Err(Failure::new(error)),
    };
    match assignment.tell(command, None).await? {
        // The instance may have found out by itself, from the journal, after a restart of its own.
        Ok(()) | Err(Refused::Duplicate { .. } | Refused::Stale { .. }) => {}
        Err(refused) => return Err(Failure::new(refused)),
    }
    drop(turn);
    Ok(None)
}

fn transaction_id(assignment: &Assignment) -> Result<TransactionId, Failure> {
    let random = getrandom::u64().map_err(|error| Failure::new(format!("no randomness: {error}")))?;
    format!("{}-{random:016x}", assignment.workflow).parse().map_err(Failure::new)
}
