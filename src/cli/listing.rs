//! `workflows` and `tree`: what the running server knows, and who lives in it.

use clock::Clock;
use units::UnixMillis;

use super::reach::Reach;
use super::screen::Screen;
use super::{End, printable, tree};
use crate::config::Flags;
use crate::http::views::WorkflowLine;

/// The most characters of a goal in a list.
const GOAL: usize = 60;

/// Lists the newest workflows.
///
/// # Errors
/// When no server runs, or it does not answer.
pub(crate) async fn workflows(screen: &Screen, flags: &Flags) -> anyhow::Result<End> {
    let reach = Reach::of_running(screen, flags).await?;
    let workflows = reach.client.workflows().await?;
    if workflows.is_empty() {
        screen.say("there are no workflows yet: impresario run --workspace DIR \"goal\" starts one")?;
    }
    let now = Clock::real().wall();
    for workflow in &workflows {
        screen.say(&line(workflow, now))?;
    }
    Ok(End::Done)
}

/// Draws the supervision tree.
///
/// # Errors
/// When no server runs, or it does not answer.
pub(crate) async fn tree(screen: &Screen, flags: &Flags) -> anyhow::Result<End> {
    let reach = Reach::of_running(screen, flags).await?;
    for line in tree::draw(&reach.client.tree().await?) {
        screen.say(&line)?;
    }
    Ok(End::Done)
}

fn line(workflow: &WorkflowLine, now: UnixMillis) -> String {
    let goal = printable::lines(&workflow.goal, 1).into_iter().next().unwrap_or_default();
    let short: String = goal.chars().take(GOAL).collect();
    let more = if short.len() < goal.len() { "…" } else { "" };
    let age = age(now.0.saturating_sub(workflow.created_at.0));
    format!("{}  {:<15}  {age:>8}  {short}{more}", workflow.id, workflow.status)
}

/// A span of time for people.
pub(super) fn age(millis: i64) -> String {
    let seconds = millis.max(0) / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use units::{Seq, WorkflowId};

    use super::*;

    #[test]
    fn a_workflow_is_one_line_however_long_its_goal() {
        let workflow = WorkflowLine {
            id: WorkflowId::from_random(1),
            goal: format!("{}\nsecond line", "word ".repeat(40)),
            root: "/w".to_owned(),
            status: "editing".to_owned(),
            outcome: None,
            created_at: UnixMillis(0),
            updated_at: UnixMillis(0),
            last_seq: Seq(3),
        };
        let shown = line(&workflow, UnixMillis(125_000));
        assert!(shown.contains("editing") && shown.contains("2 min") && shown.ends_with('…'), "{shown}");
        assert!(!shown.contains("second"), "{shown}");
    }

    #[test]
    fn ages_are_told_in_their_own_unit() {
        let ages =
            [(-5, "0 s"), (59_999, "59 s"), (60_000, "1 min"), (7_200_000, "2 h"), (259_200_000, "3 days")];
        for (millis, text) in ages {
            assert_eq!(age(millis), text);
        }
    }
}
