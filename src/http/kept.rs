//! What is kept beside the histories: a workflow's agents and tasks, prompts, how models did; and what is to go.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path, Query};
use actors::retention::{self, Order, Rules};
use chat::Usage;
use histogram::Histogram;
use serde::Deserialize;
use store::{AgentRow, Calls, MetricsRow, PromptRow, TABLES, TaskRow};
use units::{DeploymentId, Nanodollars, UnixMillis, WorkflowId};

use super::auditing::Who;
use super::changes::carried_out;
use super::identity::Caller;
use super::views::kept::{
    AgentList, AgentView, Failed, ModelList, ModelView, Percentiles, PromptList, PromptView, PurgeOrder,
    Purged, PurgedTable, TaskLine, TaskList,
};
use super::workflows::visible;
use super::{Desk, Refusal, blocking};

const HOUR_MS: i64 = 60 * 60 * 1_000;
/// The hours that are told of, unless the request says otherwise.
const HOURS: u32 = 24;
/// The most hours that are told of: those of a month.
const MAX_HOURS: u32 = 31 * 24;

/// The query of `GET /admin/models`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    hours: Option<u32>,
}

/// The query of `GET /admin/prompts`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    name: Option<String>,
}

/// `GET /v1/workflows/{id}/agents`
pub(super) async fn agents(
    id: Path<WorkflowId>,
    request: HttpRequest,
    desk: Data<Desk>,
) -> Result<Json<AgentList>, Refusal> {
    let (readers, id, caller) = (desk.doors.readers.clone(), id.into_inner(), Caller::of(&request));
    let rows = blocking(move || {
        let id = visible(&readers, id, &caller.confinement())?.id;
        let rows = readers.agents_of(&id)?;
        Ok(rows)
    });
    Ok(Json(AgentList { agents: rows.await?.into_iter().map(agent).collect() }))
}

/// `GET /v1/workflows/{id}/tasks`
pub(super) async fn tasks(
    id: Path<WorkflowId>,
    request: HttpRequest,
    desk: Data<Desk>,
) -> Result<Json<TaskList>, Refusal> {
    let (readers, id, caller) = (desk.doors.readers.clone(), id.into_inner(), Caller::of(&request));
    let rows = blocking(move || {
        let id = visible(&readers, id, &caller.confinement())?.id;
        let rows = readers.tasks_of(&id)?;
        Ok(rows)
    });
    let tasks = rows.await?.into_iter().map(task).collect::<Result<_, _>>()?;
    Ok(Json(TaskList { tasks }))
}

/// `GET /admin/prompts`
pub(super) async fn prompts(named: Query<Named>, desk: Data<Desk>) -> Result<Json<PromptList>, Refusal> {
    let (readers, Named { name }) = (desk.doors.readers.clone(), named.into_inner());
    let rows = blocking(move || Ok(readers.prompts()?)).await?;
    let is_wanted = |row: &PromptRow| name.as_ref().is_none_or(|name| row.name == *name);
    let prompts: Vec<_> = rows.into_iter().filter(is_wanted).map(|row| prompt(row, name.is_some())).collect();
    match name {
        Some(name) if prompts.is_empty() => Err(Refusal::Unprocessable(format!(
            "no server had a template `{}`; `impresario prompts list` shows those that there are",
            name.chars().take(100).collect::<String>()
        ))),
        Some(_) | None => Ok(Json(PromptList { prompts })),
    }
}

/// `GET /admin/models`
pub(super) async fn models(span: Query<Span>, desk: Data<Desk>) -> Result<Json<ModelList>, Refusal> {
    let hours = span.hours.unwrap_or(HOURS);
    if !(1..=MAX_HOURS).contains(&hours) {
        return Err(Refusal::BadRequest(format!("`hours` is {hours}: choose 1 to {MAX_HOURS}")));
    }
    let since = UnixMillis(desk.clock.wall().0.saturating_sub(i64::from(hours) * HOUR_MS));
    let readers = desk.doors.readers.clone();
    // An hour that has begun before belongs to it.
    let from = UnixMillis(since.0.saturating_sub(HOUR_MS - 1));
    let rows = blocking(move || Ok(readers.model_metrics(from)?)).await?;
    Ok(Json(ModelList { since, models: summed(rows)? }))
}

/// `POST /admin/purge`
pub(super) async fn purge(
    who: Who,
    order: Json<PurgeOrder>,
    desk: Data<Desk>,
) -> Result<Json<Purged>, Refusal> {
    let order = order.into_inner();
    if order.dry_run {
        return Ok(Json(sweep(order, &desk).await?));
    }
    let subject = order.table.clone().unwrap_or_else(|| "all tables".to_owned());
    let own = Desk::clone(&desk);
    let purge = async move { sweep(order, &own).await };
    Ok(Json(carried_out(&desk, who, "store.purge", subject, purge).await?))
}

async fn sweep(order: PurgeOrder, desk: &Desk) -> Result<Purged, Refusal> {
    let PurgeOrder { older_than_days, table, dry_run } = order;
    let rules = rules(older_than_days, table, &desk.rules)?;
    let swept = desk.doors.sweeper.sweep(&Order { rules, dry: dry_run }).await?;
    let tables = swept.into_iter().map(|swept| PurgedTable {
        table: swept.table.to_owned(),
        count: swept.count,
        bytes: swept.bytes,
    });
    Ok(Purged { dry_run, tables: tables.collect() })
}

fn rules(days: Option<u64>, table: Option<String>, configured: &Rules) -> Result<Rules, Refusal> {
    let known = || TABLES.iter().filter(|table| retention::sweeps(table)).map(|table| table.name);
    let table = match table {
        None => None,
        Some(word) => Some(known().find(|name| *name == word).ok_or_else(|| {
            let known = known().collect::<Vec<_>>().join(", ");
            let word: String = word.chars().take(100).collect();
            Refusal::Unprocessable(format!("nothing is removed from `{word}` alone: choose one of {known}"))
        })?),
    };
    Ok(match days {
        Some(days) => retention::older_than(days, table),
        None => {
            let is_wanted = |(name, _): &&(&'static str, _)| table.is_none_or(|table| table == *name);
            configured.iter().filter(is_wanted).copied().collect()
        }
    })
}

fn agent(row: AgentRow) -> AgentView {
    let (template, template_version) = row.prompt.unzip();
    AgentView {
        step: row.step,
        role: row.role,
        attempt: row.attempt,
        template,
        template_version,
        deployment: row.deployment,
        calls: row.calls,
        failures: row.failures,
        started_at: row.started_at,
        ended_at: row.ended_at,
        outcome: row.outcome,
    }
}

fn task(row: TaskRow) -> Result<TaskLine, Refusal> {
    let list = |json: &str| serde_json::from_str::<Vec<String>>(json).map_err(Refusal::internal);
    Ok(TaskLine {
        depends_on: list(&row.depends_on)?,
        reads: list(&row.reads)?,
        writes: list(&row.writes)?,
        id: row.task,
        title: row.title,
        group: row.group,
        status: row.status,
        attempt: row.attempt,
    })
}

fn prompt(row: PromptRow, with_texts: bool) -> PromptView {
    PromptView {
        name: row.name,
        version: row.version,
        number: row.number,
        description: row.description,
        first_at: row.first_at,
        system: with_texts.then_some(row.system),
        user: with_texts.then_some(row.user),
    }
}

/// What the hours and runs of one model come to.
#[derive(Default)]
struct Sum {
    calls: Calls,
    usage: Usage,
    cost: Nanodollars,
    unpriced: u64,
    latency: Histogram,
    first_output: Histogram,
}

fn summed(rows: Vec<MetricsRow>) -> Result<Vec<ModelView>, Refusal> {
    let mut sums: BTreeMap<DeploymentId, Sum> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry(row.deployment).or_default();
        sum.calls += row.calls;
        sum.usage += row.usage;
        sum.cost = sum.cost.saturating_add(row.cost);
        sum.unpriced = sum.unpriced.saturating_add(row.unpriced);
        sum.latency.merge(&row.latency.parse().map_err(Refusal::internal)?);
        sum.first_output.merge(&row.first_output.parse().map_err(Refusal::internal)?);
    }
    Ok(sums.into_iter().map(|(deployment, sum)| model(deployment, &sum)).collect())
}

fn model(deployment: DeploymentId, sum: &Sum) -> ModelView {
    let (calls, usage) = (&sum.calls, &sum.usage);
    ModelView {
        deployment,
        calls: calls.total(),
        answered: calls.answered,
        interrupted: calls.interrupted,
        cancelled: calls.cancelled,
        failed: Failed {
            caller: calls.caller,
            policy: calls.policy,
            provider: calls.provider,
            own: calls.own,
        },
        input: usage.input.saturating_add(usage.cached_input).saturating_add(usage.cache_written),
        output: usage.output,
        cost_nanodollars: sum.cost,
        unpriced_calls: sum.unpriced,
        latency: percentiles(&sum.latency),
        first_output: percentiles(&sum.first_output),
    }
}

fn percentiles(histogram: &Histogram) -> Percentiles {
    let percentile = |percent| histogram.percentile(percent);
    Percentiles { p50_ms: percentile(50), p95_ms: percentile(95), p99_ms: percentile(99) }
}
