//! What is shown of a workflow that has ended: its diff, its cost, its outcome, and where to look further.

use units::WorkflowId;

use super::screen::Screen;
use super::story::{Line, Mark};
use super::{End, costs};
use crate::client::Client;

/// Shows it, `further` being where to look for more, and says how the workflow ended.
///
/// # Errors
/// When the server does not answer, or nobody reads.
pub(crate) async fn report(
    screen: &Screen,
    client: &Client,
    id: &WorkflowId,
    further: &str,
) -> anyhow::Result<End> {
    let view = client.workflow(id).await?;
    match client.diff(id).await {
        Ok(diff) if diff.is_empty() => {}
        Ok(diff) => {
            screen.heading("Changes")?;
            screen.diff(&diff)?;
        }
        Err(error) => {
            screen.line(&Line::new(Mark::Attention, format!("the changes cannot be shown: {error}")))?
        }
    }
    let table = costs::table(&view.totals);
    if !table.is_empty() {
        screen.heading("Cost")?;
    }
    for line in table {
        screen.say(&line)?;
    }
    screen.heading("Outcome")?;
    let end = End::of(&view.line.status);
    let mark = match view.line.status.as_str() {
        "done" | "planned" => Mark::Done,
        "needs_attention" => Mark::Attention,
        _ => Mark::Failed,
    };
    let outcome = view.line.outcome.unwrap_or(view.line.status);
    let details = vec![format!("workflow {id} in {}", view.line.root), further.to_owned()];
    screen.line(&Line::new(mark, outcome).with(details))?;
    Ok(end)
}
