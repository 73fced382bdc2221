//! The planner: from a goal and a workspace to the text of a task graph. It can only read.

use serde_json::json;
use supervision::Failure;
use workflow::Command;

use crate::agent::{Assignment, Attempted};
use crate::{blocking, tools};

pub(crate) async fn plan(
    assignment: &Assignment,
    attempt: u32,
    feedback: Option<&str>,
) -> Result<Attempted, Failure> {
    let workspace = assignment.workspace.clone();
    let files = blocking(move || tools::listing(&workspace)).await.map_err(Failure::new)?;
    let inputs = json!({"goal": assignment.goal, "files": files, "feedback": feedback});
    let rendered = assignment.render("planning/task-graph", inputs)?;
    let asking = assignment.workbench.parts().manners.load().planner;
    let text = assignment.converse(rendered, &assignment.workspace, asking).await?;
    Ok(Some(Command::PlanAnswered { attempt, text }))
}
