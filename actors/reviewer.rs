//! The reviewer: looks at what the workflow has changed so far and at what the checks say. It can only read.

use std::collections::BTreeMap;

use serde_json::json;
use similar::TextDiff;
use supervision::Failure;
use workflow::Command;
use workspace::{RelPath, Workspace};

use crate::agent::{Assignment, Attempted};
use crate::workbench::Workbench;
use crate::{blocking, checks};

/// The most bytes of a diff that a reviewer is shown.
const MAX_DIFF_BYTES: usize = 256 * 1024;

pub(crate) async fn review(
    assignment: &Assignment,
    round: u32,
    attempt: u32,
    feedback: Option<&str>,
) -> Result<Attempted, Failure> {
    let (workbench, workspace, committed) =
        (assignment.workbench.clone(), assignment.workspace.clone(), assignment.committed.clone());
    let diff = blocking(move || diff(&workbench, &workspace, &committed)).await.map_err(Failure::new)?;
    let overlay = assignment.workbench.overlay(&assignment.workspace).await.map_err(Failure::new)?;
    assignment.note(format!("checks the whole: {}", assignment.check.join(" ")));
    let checked =
        checks::run(&assignment.workbench.parts().running, &assignment.check, overlay.path()).await?;
    drop(overlay);

    let inputs = json!({
        "goal": assignment.goal,
        "diff": shortened(diff),
        "plan": assignment.plan,
        "tests": checked.report,
        "feedback": feedback,
    });
    let rendered = assignment.render("review/diff", inputs)?;
    let asking = assignment.workbench.parts().manners.load().reviewer;
    let text = assignment.converse(rendered, &assignment.workspace, asking).await?;
    Ok(Some(Command::ReviewAnswered { round, attempt, text }))
}

fn shortened(mut diff: String) -> String {
    if diff.len() > MAX_DIFF_BYTES {
        diff.truncate(diff.floor_char_boundary(MAX_DIFF_BYTES));
        diff.push_str("\n(the diff goes on: read the files themselves)\n");
    }
    diff
}

/// What the transactions changed together, as a unified diff from before the first to what is there now. Blocks.
///
/// # Errors
/// When the journal or the workspace cannot be read.
pub fn diff(
    workbench: &Workbench,
    workspace: &Workspace,
    transactions: &[String],
) -> Result<String, workspace::Error> {
    let journal = workbench.journal(workspace)?;
    let mut before: BTreeMap<RelPath, Option<Vec<u8>>> = BTreeMap::new();
    for transaction in transactions {
        let Ok(id) = transaction.parse() else { continue };
        for (path, content) in journal.replaced(&id)? {
            before.entry(path).or_insert(content);
        }
    }
    let mut text = String::new();
    for (path, old) in before {
        let new = workspace.read(&path)?;
        if old == new {
            continue;
        }
        let name = |side, content: &Option<Vec<u8>>| {
            content.as_ref().map_or_else(|| "/dev/null".to_owned(), |_| format!("{side}/{path}"))
        };
        let (from, to) = (name("a", &old), name("b", &new));
        let readable = |content: Option<Vec<u8>>| String::from_utf8(content.unwrap_or_default());
        match (readable(old), readable(new)) {
            (Ok(old), Ok(new)) => {
                let diff = TextDiff::from_lines(&old, &new);
                text.push_str(&diff.unified_diff().context_radius(3).header(&from, &to).to_string());
            }
            _ => text.push_str(&format!("--- {from}\n+++ {to}\n(binary files differ)\n")),
        }
    }
    Ok(text)
}
