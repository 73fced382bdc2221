//! Table `model_metrics`: how each model did, hour by hour, with histograms that can be added up.
//!
//! Each run of a server writes rows of its own and writes them whole: again changes nothing.

use chat::Usage;
use diesel::prelude::*;
use units::{DeploymentId, ModelName, Nanodollars, ProviderId, TokenCount, UnixMillis};

use crate::connection::{Connection, each};
use crate::error::{Error, WriteError};
use crate::readers::{MAX_LISTED, Readers};
use crate::schema::model_metrics;
use crate::write::{MAX_USAGE_ROWS, storable, text, within};

/// The most bytes of a histogram as text.
const MAX_HISTOGRAM_BYTES: usize = 32 << 10;

/// How one model did in one hour, as one run of a server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsRow {
    /// The beginning of the hour.
    pub hour: UnixMillis,
    /// The model, and where it was served.
    pub deployment: DeploymentId,
    /// Which run of a server: 63 random bits.
    pub run: u64,
    /// How the calls ended.
    pub calls: Calls,
    /// The tokens of all calls.
    pub usage: Usage,
    /// The cost of the calls whose price is known.
    pub cost: Nanodollars,
    /// The calls whose price is not known.
    pub unpriced: u64,
    /// How long calls took: a histogram as text.
    pub latency: String,
    /// How long the first output took: a histogram as text.
    pub first_output: String,
}

/// How calls ended, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// With a whole answer.
    pub answered: u64,
    /// After the first output.
    pub interrupted: u64,
    /// Nobody waited any longer.
    pub cancelled: u64,
    /// Failed, and the request was wrong, or whoever asked was.
    pub caller: u64,
    /// Failed by a rule of the operator or of this server.
    pub policy: u64,
    /// Failed at the provider.
    pub provider: u64,
    /// Failed for this server or its configuration.
    pub own: u64,
}

#[derive(Insertable, AsChangeset, Queryable, Selectable)]
#[diesel(table_name = model_metrics, primary_key(hour, provider, model, run))]
struct Record {
    hour: i64,
    provider: String,
    model: String,
    run: i64,
    calls: i64,
    answered: i64,
    interrupted: i64,
    cancelled: i64,
    failed_caller: i64,
    failed_policy: i64,
    failed_provider: i64,
    failed_own: i64,
    input: i64,
    cached_input: i64,
    cache_written: i64,
    output: i64,
    reasoning: i64,
    cost_nanodollars: i64,
    unpriced: i64,
    latency: String,
    first_output: String,
}

impl std::ops::AddAssign for Calls {
    fn add_assign(&mut self, more: Self) {
        self.answered = self.answered.saturating_add(more.answered);
        self.interrupted = self.interrupted.saturating_add(more.interrupted);
        self.cancelled = self.cancelled.saturating_add(more.cancelled);
        self.caller = self.caller.saturating_add(more.caller);
        self.policy = self.policy.saturating_add(more.policy);
        self.provider = self.provider.saturating_add(more.provider);
        self.own = self.own.saturating_add(more.own);
    }
}

impl Calls {
    /// All of them.
    pub fn total(&self) -> u64 {
        let all = [
            self.answered,
            self.interrupted,
            self.cancelled,
            self.caller,
            self.policy,
            self.provider,
            self.own,
        ];
        all.into_iter().fold(0, u64::saturating_add)
    }
}

impl Record {
    fn new(row: &MetricsRow) -> Self {
        let calls = &row.calls;
        Self {
            hour: row.hour.0,
            provider: row.deployment.provider.to_string(),
            model: row.deployment.model.to_string(),
            run: row.run.cast_signed(),
            calls: calls.total().cast_signed(),
            answered: calls.answered.cast_signed(),
            interrupted: calls.interrupted.cast_signed(),
            cancelled: calls.cancelled.cast_signed(),
            failed_caller: calls.caller.cast_signed(),
            failed_policy: calls.policy.cast_signed(),
            failed_provider: calls.provider.cast_signed(),
            failed_own: calls.own.cast_signed(),
            input: row.usage.input.0.cast_signed(),
            cached_input: row.usage.cached_input.0.cast_signed(),
            cache_written: row.usage.cache_written.0.cast_signed(),
            output: row.usage.output.0.cast_signed(),
            reasoning: row.usage.reasoning.0.cast_signed(),
            cost_nanodollars: row.cost.0,
            unpriced: row.unpriced.cast_signed(),
            latency: row.latency.clone(),
            first_output: row.first_output.clone(),
        }
    }
}

impl TryFrom<Record> for MetricsRow {
    type Error = Error;

    fn try_from(record: Record) -> Result<Self, Error> {
        let damaged = |reason| Error::Damaged { table: "model_metrics", reason };
        let tokens = |count: i64| TokenCount(count.cast_unsigned());
        Ok(Self {
            hour: UnixMillis(record.hour),
            deployment: DeploymentId {
                provider: ProviderId::try_from(record.provider).map_err(damaged)?,
                model: ModelName::try_from(record.model).map_err(damaged)?,
            },
            run: record.run.cast_unsigned(),
            calls: Calls {
                answered: record.answered.cast_unsigned(),
                interrupted: record.interrupted.cast_unsigned(),
                cancelled: record.cancelled.cast_unsigned(),
                caller: record.failed_caller.cast_unsigned(),
                policy: record.failed_policy.cast_unsigned(),
                provider: record.failed_provider.cast_unsigned(),
                own: record.failed_own.cast_unsigned(),
            },
            usage: Usage {
                input: tokens(record.input),
                cached_input: tokens(record.cached_input),
                cache_written: tokens(record.cache_written),
                output: tokens(record.output),
                reasoning: tokens(record.reasoning),
            },
            cost: Nanodollars(record.cost_nanodollars),
            unpriced: record.unpriced.cast_unsigned(),
            latency: record.latency,
            first_output: record.first_output,
        })
    }
}

pub(crate) fn check(rows: &[MetricsRow]) -> Result<(), WriteError> {
    within("rows of metrics in a write", rows.len(), MAX_USAGE_ROWS)?;
    for row in rows {
        for histogram in [&row.latency, &row.first_output] {
            within("bytes of a histogram", histogram.len(), MAX_HISTOGRAM_BYTES)?;
            text("a histogram", histogram)?;
        }
        let usage = &row.usage;
        for tokens in [usage.input, usage.cached_input, usage.cache_written, usage.output, usage.reasoning] {
            storable("tokens of an hour", tokens.0)?;
        }
        storable("calls of an hour", row.calls.total())?;
        storable("a run's number", row.run)?;
    }
    Ok(())
}

/// Writes the rows, each in place of the one before; their number.
pub(crate) fn insert(connection: &mut Connection, rows: &[MetricsRow]) -> QueryResult<u64> {
    for row in rows {
        let record = Record::new(row);
        let key = (model_metrics::hour, model_metrics::provider, model_metrics::model, model_metrics::run);
        each!(connection, one => diesel::insert_into(model_metrics::table)
            .values(&record)
            .on_conflict(key)
            .do_update()
            .set(&record)
            .execute(one))?;
    }
    Ok(rows.len() as u64)
}

impl Readers {
    /// How each model did in the hours from `since` on, oldest first.
    ///
    /// # Errors
    /// [`Error::TooMany`] beyond [`MAX_LISTED`]: ask for a shorter time.
    pub fn model_metrics(&self, since: UnixMillis) -> Result<Vec<MetricsRow>, Error> {
        self.read(|connection| {
            let query = model_metrics::table
                .filter(model_metrics::hour.ge(since.0))
                .order((model_metrics::hour, model_metrics::provider, model_metrics::model))
                .limit(MAX_LISTED as i64 + 1);
            let records: Vec<Record> = each!(connection, one => query.select(Record::as_select()).load(one))?;
            if records.len() > MAX_LISTED {
                return Err(Error::TooMany {
                    what: "hours of models: ask for a shorter time",
                    most: MAX_LISTED,
                });
            }
            records.into_iter().map(MetricsRow::try_from).collect()
        })
    }
}
