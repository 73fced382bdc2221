//! Table `model_usage`: what each call to a model used and cost; a call's key is counted once.

use std::collections::BTreeMap;

use chat::Usage;
use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use units::{DeploymentId, ModelName, Nanodollars, ProviderId, TokenCount, UnixMillis, WorkflowId};

use crate::connection::{Connection, each};
use crate::error::Error;
use crate::schema::model_usage;

mod clients;
mod insert;

pub use clients::{Client, RecordedUsage, UsageQuery};
pub(crate) use insert::{Following, Nameless, Refused, Rows, insert};

/// What one call used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRow {
    /// When the call ended.
    pub at: UnixMillis,
    /// Names the call for all time: a second row of the same key is ignored.
    pub call_key: String,
    /// The workflow that it served, if one.
    pub workflow: Option<WorkflowId>,
    /// Who called: the planner, an editor, a door.
    pub role: String,
    /// The model that answered, and where.
    pub deployment: DeploymentId,
    /// The tokens.
    pub usage: Usage,
    /// What it cost; `None` where no price is known, which is not the same as free.
    pub cost: Option<Nanodollars>,
    /// How the call ended, in one word.
    pub outcome: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Who had it made, where a client did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
}

/// What a workflow used of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelTotals {
    /// The model, and where it was served.
    pub deployment: DeploymentId,
    /// The number of calls.
    pub calls: u64,
    /// The tokens of all calls.
    pub usage: Usage,
    /// The cost of the calls whose price is known.
    pub cost: Nanodollars,
    /// The number of calls whose price is not known.
    pub unpriced_calls: u64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = model_usage)]
struct Record {
    at: i64,
    call_key: String,
    workflow_id: Option<String>,
    role: String,
    provider: String,
    model: String,
    input: i64,
    cached_input: i64,
    cache_written: i64,
    output: i64,
    reasoning: i64,
    cost_nanodollars: Option<i64>,
    outcome: String,
    duration_ms: i64,
    principal: Option<String>,
    tags: Option<String>,
    payer: Option<String>,
}

impl TryFrom<Record> for UsageRow {
    type Error = Error;

    fn try_from(record: Record) -> Result<Self, Error> {
        let damaged = |reason| Error::Damaged { table: "model_usage", reason };
        let tokens = |count: i64| TokenCount(count.cast_unsigned());
        Ok(Self {
            at: UnixMillis(record.at),
            call_key: record.call_key,
            workflow: record.workflow_id.map(WorkflowId::try_from).transpose().map_err(damaged)?,
            role: record.role,
            deployment: DeploymentId {
                provider: ProviderId::try_from(record.provider).map_err(damaged)?,
                model: ModelName::try_from(record.model).map_err(damaged)?,
            },
            usage: Usage {
                input: tokens(record.input),
                cached_input: tokens(record.cached_input),
                cache_written: tokens(record.cache_written),
                output: tokens(record.output),
                reasoning: tokens(record.reasoning),
            },
            cost: record.cost_nanodollars.map(Nanodollars),
            outcome: record.outcome,
            duration_ms: record.duration_ms.cast_unsigned(),
            client: record.principal.map(|principal| Client {
                principal,
                tags: record.tags.unwrap_or_default(),
                pays: record.payer.is_some(),
            }),
        })
    }
}

/// In the order of their recording.
pub(crate) fn of(
    connection: &mut Connection,
    workflow: &WorkflowId,
    most: usize,
) -> Result<Vec<UsageRow>, Error> {
    let query = model_usage::table
        .filter(model_usage::workflow_id.eq(workflow.as_str()))
        .order(model_usage::id)
        .limit(most as i64 + 1);
    let records: Vec<Record> = each!(connection, one => query.select(Record::as_select()).load(one))?;
    if records.len() > most {
        return Err(Error::TooMany { what: "calls of this workflow", most });
    }
    records.into_iter().map(UsageRow::try_from).collect()
}

/// By provider and model. Added up here and not in SQL, whose sum fails where it overflows: this one stays at the end.
pub(crate) fn by_model(
    connection: &mut Connection,
    workflow: &WorkflowId,
) -> Result<Vec<ModelTotals>, Error> {
    let query = model_usage::table.filter(model_usage::workflow_id.eq(workflow.as_str()));
    each!(connection, one => {
        add_up(query.select(Record::as_select()).load_iter::<Record, DefaultLoadingMode>(one)?)
    })
}

fn add_up(records: impl Iterator<Item = QueryResult<Record>>) -> Result<Vec<ModelTotals>, Error> {
    let mut totals = BTreeMap::new();
    for record in records {
        let row = UsageRow::try_from(record?)?;
        let total = totals.entry(row.deployment.clone()).or_insert_with(|| ModelTotals {
            deployment: row.deployment,
            calls: 0,
            usage: Usage::default(),
            cost: Nanodollars::ZERO,
            unpriced_calls: 0,
        });
        total.calls += 1;
        total.usage += row.usage;
        match row.cost {
            Some(cost) => total.cost = total.cost.saturating_add(cost),
            None => total.unpriced_calls += 1,
        }
    }
    Ok(totals.into_values().collect())
}
