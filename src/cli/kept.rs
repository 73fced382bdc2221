//! `workflows ID`, `models`, `prompts` and `purge`: what a server keeps beside the histories, and what is to go of it.

use clap::{Args, Subcommand};
use clock::Clock;
use units::{UnixMillis, WorkflowId};

use super::reach::Reach;
use super::screen::Screen;
use super::story::{Line, Mark};
use super::{End, printable, refuse};
use crate::config::Flags;
use crate::http::views::kept::{
    AgentView, ModelView, Percentiles, PromptView, PurgeOrder, Purged, PurgedTable, TaskLine,
};

/// The most characters of a title or a description in a list.
const TITLE: usize = 60;
/// The characters of a version that tell it from all others.
const VERSION: usize = 12;

/// What is asked about prompts.
#[derive(Debug, Subcommand)]
pub(crate) enum Prompts {
    /// List every version of every template that the server had.
    List,
    /// Show the texts of a template, its newest version first.
    Show {
        /// The template, such as planning/task-graph.
        name: String,
        /// Only the version whose hash begins so.
        #[arg(long, value_name = "HASH")]
        version: Option<String>,
    },
}

/// What is to go.
#[derive(Debug, Args)]
pub(crate) struct Purge {
    /// What is older than so many days goes; left out, the rules of `retention` in the configuration decide.
    #[arg(long, value_name = "DAYS")]
    older_than: Option<u64>,
    /// Only of this table: workflows (with all that belongs to finished ones), model_usage, model_metrics, requests, api_keys, responses
    /// or audit_log, which goes only where it is named.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Only tell what would go.
    #[arg(long)]
    dry_run: bool,
}

/// Shows the tasks and the agents of a workflow.
///
/// # Errors
/// When no server runs, or there is no such workflow.
pub(crate) async fn workflow(screen: &Screen, flags: &Flags, id: &WorkflowId) -> anyhow::Result<End> {
    let reach = Reach::of_running(screen, flags).await?;
    let tasks = reach.client.tasks(id).await.map_err(refuse)?;
    let agents = reach.client.agents(id).await.map_err(refuse)?;
    for line in tasks.iter().map(task).chain(agents.iter().map(|one| agent(one, Clock::real().wall()))) {
        screen.say(&line)?;
    }
    if tasks.is_empty() && agents.is_empty() {
        screen.say("nobody has answered yet: it has neither agents nor tasks")?;
    }
    Ok(End::Done)
}

/// Tells how each model did in the last hours.
///
/// # Errors
/// When no server runs, or so many hours are not told of.
pub(crate) async fn models(screen: &Screen, flags: &Flags, hours: u32) -> anyhow::Result<End> {
    let reach = Reach::of_running(screen, flags).await?;
    let models = reach.client.models(hours).await.map_err(refuse)?;
    if models.is_empty() {
        screen.say(&format!("no model was called in the last {hours} hours"))?;
    }
    for model in &models {
        for line in lines(model) {
            screen.say(&line)?;
        }
    }
    Ok(End::Done)
}

/// Lists prompts, or shows one.
///
/// # Errors
/// When no server runs, or there is no such template or version.
pub(crate) async fn prompts(screen: &Screen, flags: &Flags, order: Prompts) -> anyhow::Result<End> {
    let reach = Reach::of_running(screen, flags).await?;
    match order {
        Prompts::List => {
            for prompt in reach.client.prompts(None).await.map_err(refuse)? {
                screen.say(&line(&prompt))?;
            }
        }
        Prompts::Show { name, version } => {
            let mut prompts = reach.client.prompts(Some(&name)).await.map_err(refuse)?;
            prompts.retain(|prompt| version.as_ref().is_none_or(|begin| prompt.version.starts_with(begin)));
            if prompts.is_empty() {
                return Err(refuse(anyhow::anyhow!(
                    "`{name}` has no such version; `impresario prompts list` shows all"
                )));
            }
            for prompt in prompts.iter().rev() {
                screen.say(&line(prompt))?;
                for (part, text) in [("system", &prompt.system), ("user", &prompt.user)] {
                    screen.say(&format!("--- {part}"))?;
                    for row in printable::lines(text.as_deref().unwrap_or_default(), usize::MAX) {
                        screen.say(&row)?;
                    }
                }
            }
        }
    }
    Ok(End::Done)
}

/// Removes what has had its time, or tells what that would be.
///
/// # Errors
/// When no server runs, or the table is none that can be purged.
pub(crate) async fn purge(screen: &Screen, flags: &Flags, purge: Purge) -> anyhow::Result<End> {
    let reach = Reach::of_running(screen, flags).await?;
    let Purge { older_than, table, dry_run } = purge;
    let order = PurgeOrder { older_than_days: older_than, table, dry_run };
    let purged = reach.client.purge(&order).await.map_err(refuse)?;
    screen.line(&told(&purged))?;
    Ok(End::Done)
}

fn task(task: &TaskLine) -> String {
    let title = short(&task.title);
    let TaskLine { id, group, status, attempt, writes, .. } = task;
    format!(
        "task   {group:>3}  {id:<24}  {status:<9}  attempt {attempt}  {title} ({})",
        shown(&writes.join(", "))
    )
}

fn agent(agent: &AgentView, now: UnixMillis) -> String {
    let AgentView { step, calls, failures, started_at, ended_at, .. } = agent;
    let seconds = ended_at.unwrap_or(now).0.saturating_sub(started_at.0).max(0) / 1_000;
    let outcome = agent.outcome.as_deref().unwrap_or("at work");
    let version: String =
        agent.template_version.iter().flat_map(|version| version.chars()).take(VERSION).collect();
    let template = agent.template.as_deref().unwrap_or("-");
    let model = agent.deployment.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    format!(
        "agent  {step:<29}  {outcome:<9}  {calls} calls, {failures} failures, {seconds} s  {model}  {template}@{version}"
    )
}

fn lines(model: &ModelView) -> Vec<String> {
    let failed = &model.failed;
    let percentiles = |name: &str, found: &Percentiles| {
        let ms = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
        format!("  {name:<13} p50 {}, p95 {}, p99 {}", ms(found.p50_ms), ms(found.p95_ms), ms(found.p99_ms))
    };
    let unpriced = if model.unpriced_calls > 0 {
        format!(", {} calls not priced", model.unpriced_calls)
    } else {
        String::new()
    };
    vec![
        format!(
            "{}  {} calls: {} answered, {} interrupted, {} cancelled, {} failed",
            model.deployment,
            model.calls,
            model.answered,
            model.interrupted,
            model.cancelled,
            failed.caller + failed.policy + failed.provider + failed.own,
        ),
        format!(
            "  failures      caller {}, policy {}, provider {}, own {}",
            failed.caller, failed.policy, failed.provider, failed.own
        ),
        format!(
            "  tokens        {} in, {} out; {}{unpriced}",
            model.input.0, model.output.0, model.cost_nanodollars
        ),
        percentiles("latency", &model.latency),
        percentiles("first output", &model.first_output),
    ]
}

fn line(prompt: &PromptView) -> String {
    let version: String = prompt.version.chars().take(VERSION).collect();
    format!(
        "{:<24}  {version}  version {:<3}  {}",
        shown(&prompt.name),
        prompt.number,
        short(&prompt.description)
    )
}

fn told(purged: &Purged) -> Line {
    let went = if purged.dry_run { "would go" } else { "went" };
    let table = |table: &PurgedTable| {
        let weight =
            if table.bytes > 0 { format!(", {} MB of history", table.bytes >> 20) } else { String::new() };
        format!("{}: {} {went}{weight}", table.table, table.count)
    };
    let total: u64 = purged.tables.iter().map(|table| table.count).sum();
    let text = if total == 0 {
        "nothing has had its time".to_owned()
    } else {
        format!("what has had its time {went}")
    };
    Line::new(Mark::Done, text).with(purged.tables.iter().map(table).collect())
}

fn short(text: &str) -> String {
    shown(text).chars().take(TITLE).collect()
}

fn shown(text: &str) -> String {
    printable::lines(text, 1).into_iter().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_says_what_went_and_a_dry_one_what_would() {
        let tables = vec![PurgedTable { table: "workflows".to_owned(), count: 3, bytes: 5 << 20 }];
        let line = told(&Purged { dry_run: true, tables: tables.clone() });
        assert_eq!(line.details, ["workflows: 3 would go, 5 MB of history"]);
        let line = told(&Purged { dry_run: false, tables });
        assert_eq!(line.text, "what has had its time went");
        let line = told(&Purged { dry_run: false, tables: Vec::new() });
        assert_eq!(line.text, "nothing has had its time");
    }

    #[test]
    fn an_agent_that_is_at_work_is_one_line() {
        let agent = AgentView {
            step: "edit/one/2".to_owned(),
            role: "editor".to_owned(),
            attempt: 2,
            template: Some("editing/search-replace".to_owned()),
            template_version: Some("0123456789abcdef".to_owned()),
            deployment: Some("demo/one".parse().unwrap()),
            calls: 1,
            failures: 0,
            started_at: UnixMillis(1_000),
            ended_at: None,
            outcome: None,
        };
        let shown = super::agent(&agent, UnixMillis(9_999));
        assert!(
            shown.contains("at work") && shown.contains("8 s") && shown.ends_with("@0123456789ab"),
            "{shown}"
        );
    }
}
