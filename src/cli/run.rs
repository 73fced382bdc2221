//! `run`, `attach` and `abort`: a workflow is started or found, and watched.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use units::{Seq, WorkflowId};
use workflow::Mode;

use super::interrupts::Interrupts;
use super::reach::Reach;
use super::screen::Screen;
use super::story::{Line, Mark};
use super::watching::{Watched, watch};
use super::{End, Global, refuse, report};
use crate::config;
use crate::http::views::NewWorkflow;

/// What a check command has in it that only a shell understands.
const SHELLS: &[char] =
    &['|', '&', ';', '<', '>', '(', ')', '$', '`', '\\', '"', '\'', '*', '?', '[', '#', '~', '='];

/// What `run` is asked for.
#[derive(Debug, Args)]
pub(crate) struct Order {
    /// The folder to work in, on the server's machine; it changes only by commits that passed the check.
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
    /// The command that tells whether the folder is well, such as `cargo test`; found in the folder when left out.
    #[arg(long, value_name = "CMD")]
    check: Option<String>,
    /// Stop when the plan stands; nothing is written.
    #[arg(long)]
    plan_only: bool,
    /// What is wanted, in your own words.
    goal: String,
}

/// Starts a workflow and watches it.
///
/// # Errors
/// Refused ones, and when the server cannot be asked any more.
pub(crate) async fn run(screen: &mut Screen, global: &Global, order: Order) -> anyhow::Result<End> {
    let named = order.workspace.display();
    // Of another server's folders this machine knows nothing.
    let workspace = match config::remote(&global.flags()).map_err(refuse)? {
        Some(_) => std::path::absolute(&order.workspace),
        None => order.workspace.canonicalize(),
    };
    let workspace = workspace.with_context(|| format!("--workspace {named} is no folder")).map_err(refuse)?;
    let mut interrupts = Interrupts::listen()?;
    let reach = Reach::to_run_in(screen, global, &workspace).await?;
    let new = NewWorkflow {
        goal: order.goal,
        workspace,
        check: order.check.as_deref().map(words),
        mode: Some(if order.plan_only { Mode::PlanOnly } else { Mode::Run }),
        ..NewWorkflow::default()
    };
    let outcome = start(screen, global, &reach, &new, &mut interrupts).await;
    finish(reach, outcome, &mut interrupts).await
}

/// Watches a workflow.
///
/// # Errors
/// Refused ones, and when the server cannot be asked any more.
pub(crate) async fn attach(
    screen: &mut Screen,
    global: &Global,
    id: &WorkflowId,
    after: u64,
) -> anyhow::Result<End> {
    let mut interrupts = Interrupts::listen()?;
    let reach = Reach::to_workflow(screen, global, id).await?;
    let outcome = follow(screen, global, &reach, (id, Seq(after)), &mut interrupts).await;
    finish(reach, outcome, &mut interrupts).await
}

/// Asks a workflow to stop and undo; watches it where its server is this process.
///
/// # Errors
/// Refused ones: also when there is nothing to stop.
pub(crate) async fn abort(screen: &mut Screen, global: &Global, id: &WorkflowId) -> anyhow::Result<End> {
    let mut interrupts = Interrupts::listen()?;
    let reach = Reach::to_workflow(screen, global, id).await?;
    let outcome = async {
        reach.client.abort(id, "the command line").await?;
        if reach.server().is_some() {
            // Nobody else is there to undo it, and to be aborted is what was wanted.
            let end = follow(screen, global, &reach, (id, Seq(0)), &mut interrupts).await?;
            return Ok(if end == End::Failed { End::Done } else { end });
        }
        let look = format!("watch it undo: {}", global.again(&format!("attach {id}")));
        screen.line(&Line::new(Mark::Undone, format!("{id} stops and undoes")).with(vec![look]))?;
        Ok(End::Done)
    }
    .await;
    finish(reach, outcome, &mut interrupts).await
}

async fn start(
    screen: &mut Screen,
    global: &Global,
    reach: &Reach,
    new: &NewWorkflow,
    interrupts: &mut Interrupts,
) -> anyhow::Result<End> {
    if let Err(help) = reach.answers().await? {
        return Err(refuse(anyhow::anyhow!(help)));
    }
    let id = reach.client.start(new).await.map_err(refuse)?;
    screen.line(&Line::new(Mark::Said, format!("workflow {id}")))?;
    follow(screen, global, reach, (&id, Seq(0)), interrupts).await
}

async fn follow(
    screen: &mut Screen,
    global: &Global,
    reach: &Reach,
    (id, after): (&WorkflowId, Seq),
    interrupts: &mut Interrupts,
) -> anyhow::Result<End> {
    match watch(screen, &reach.client, id, after, interrupts).await? {
        Watched::ToTheEnd => {
            let further = format!("all of it again: {}", global.again(&format!("attach {id}")));
            report::report(screen, &reach.client, id, &further).await
        }
        Watched::Detached => {
            screen.line(&detached(global, id, reach.server().is_some()))?;
            Ok(End::Detached)
        }
    }
}

fn detached(global: &Global, id: &WorkflowId, own: bool) -> Line {
    let state = match own {
        true => "its server stops with this process: it goes on when you attach again or a server starts",
        false => "its server goes on with it",
    };
    Line::new(Mark::Said, format!("detached from {id}")).with(vec![
        state.to_owned(),
        format!("watch it again: {}", global.again(&format!("attach {id}"))),
        format!("stop and undo it: {}", global.again(&format!("abort {id}"))),
    ])
}

/// The server of this process is stopped also when something failed.
async fn finish(
    reach: Reach,
    outcome: anyhow::Result<End>,
    interrupts: &mut Interrupts,
) -> anyhow::Result<End> {
    match outcome {
        Ok(end) => Ok(reach.close(interrupts, end).await),
        Err(error) => match reach.close(interrupts, End::Failed).await {
            End::Interrupted => Ok(End::Interrupted),
            End::Done
            | End::Failed
            | End::Refused
            | End::Detached
            | End::Taken
            | End::Database
            | End::GaveUp
            | End::Hurried => Err(error),
        },
    }
}

/// A check command word by word; what needs a shell is given to one.
fn words(check: &str) -> Vec<String> {
    if check.contains(SHELLS) {
        return ["sh", "-c", check].map(str::to_owned).to_vec();
    }
    check.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_check_is_run_without_a_shell() {
        assert_eq!(words(" cargo  test --offline "), ["cargo", "test", "--offline"]);
        assert_eq!(words("cd a && make"), ["sh", "-c", "cd a && make"]);
        assert_eq!(words("A=1 make"), ["sh", "-c", "A=1 make"]);
        assert!(words("  ").is_empty());
    }

    #[test]
    fn who_detaches_is_told_how_to_come_back() {
        let id = WorkflowId::from_random(7);
        let global = Global { state_dir: Some("/s".into()), ..Global::default() };
        let line = detached(&global, &id, true);
        assert!(line.details[1].ends_with(&format!("impresario --state-dir /s attach {id}")), "{line:?}");
        assert!(line.details[2].ends_with(&format!("impresario --state-dir /s abort {id}")), "{line:?}");
        assert_ne!(line.details[0], detached(&global, &id, false).details[0]);
    }
}
