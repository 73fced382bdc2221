//! Writing usage rows, by statements that are prepared once on a connection.
//!
//! One statement for all on PostgreSQL, where each is a way to the server and back; one for each on SQLite, where one
//! that is prepared already costs less than one that is put together for all.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::UsageRow;
use crate::connection::{Connection, PgConnection};

const UNLESS_KNOWN: &str = " ON CONFLICT (call_key) DO NOTHING";
/// Who pays, where that is not the operator.
const CLIENT: &str = "client";

/// What becomes of a row whose workflow there is not: the words around the workflow's id.
pub(crate) trait Stray: 'static {
    const BEFORE: &'static str;
    const AFTER: &'static str;
    /// On which condition any is written, where there is one.
    const WHERE: &'static str = "";
}

/// It is refused, and what it is written with.
pub(crate) struct Refused;

/// It is written without the workflow, as the workflow's going has done with all that were there.
pub(crate) struct Nameless;

/// As [`Nameless`], where the statement's own `moved` has a row.
pub(crate) struct Following;

impl Stray for Refused {
    const BEFORE: &'static str = "";
    const AFTER: &'static str = "";
}

impl Stray for Nameless {
    const BEFORE: &'static str = "(SELECT id FROM workflows WHERE id = ";
    const AFTER: &'static str = ")";
}

impl Stray for Following {
    const BEFORE: &'static str = Nameless::BEFORE;
    const AFTER: &'static str = Nameless::AFTER;
    const WHERE: &'static str = " WHERE EXISTS (SELECT FROM moved)";
}

/// A statement, and what it does with strays.
struct Insert<R, S>(R, PhantomData<S>);

/// Rows as a part of another statement of PostgreSQL.
pub(crate) struct Rows<'a, S>(Insert<Many<'a>, S>);

/// One row.
struct Single<'a> {
    call_key: &'a str,
    workflow: Option<&'a str>,
    role: &'a str,
    provider: &'a str,
    model: &'a str,
    outcome: &'a str,
    at: i64,
    /// Of the five kinds of tokens, in the order of their columns.
    tokens: [i64; 5],
    cost: Option<i64>,
    duration_ms: i64,
    principal: Option<&'a str>,
    tags: Option<&'a str>,
    payer: Option<&'a str>,
}

/// Many rows, by columns.
#[derive(Default)]
struct Many<'a> {
    call_keys: Vec<&'a str>,
    workflows: Vec<Option<&'a str>>,
    roles: Vec<&'a str>,
    providers: Vec<&'a str>,
    models: Vec<&'a str>,
    outcomes: Vec<&'a str>,
    at: Vec<i64>,
    tokens: [Vec<i64>; 5],
    costs: Vec<Option<i64>>,
    durations_ms: Vec<i64>,
    principals: Vec<Option<&'a str>>,
    tags: Vec<Option<&'a str>>,
    payers: Vec<Option<&'a str>>,
}

impl<'a> Single<'a> {
    /// The numbers have been checked to fit.
    fn new(row: &'a UsageRow) -> Self {
        let (used, client) = (&row.usage, row.client.as_ref());
        let tokens = [used.input, used.cached_input, used.cache_written, used.output, used.reasoning];
        Self {
            call_key: &row.call_key,
            workflow: row.workflow.as_ref().map(units::WorkflowId::as_str),
            role: &row.role,
            provider: row.deployment.provider.as_str(),
            model: row.deployment.model.as_str(),
            outcome: &row.outcome,
            at: row.at.0,
            tokens: tokens.map(|count| count.0.cast_signed()),
            cost: row.cost.map(|cost| cost.0),
            duration_ms: row.duration_ms.cast_signed(),
            principal: client.map(|client| client.principal.as_str()),
            tags: client.map(|client| client.tags.as_str()).filter(|tags| !tags.is_empty()),
            payer: client.and_then(|client| client.pays.then_some(CLIENT)),
        }
    }
}

impl<'a, S> Rows<'a, S> {
    /// The numbers have been checked to fit.
    pub(crate) fn new(rows: impl IntoIterator<Item = &'a UsageRow>) -> Self {
        Self(Insert(Many::of(rows.into_iter().map(Single::new)), PhantomData))
    }
}

impl<S: Stray> QueryFragment<Pg> for Rows<'_, S> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }
}

impl<'a> Many<'a> {
    fn of(rows: impl Iterator<Item = Single<'a>>) -> Self {
        let mut many = Self::default();
        rows.for_each(|row| many.push(row));
        many
    }

    fn push(&mut self, row: Single<'a>) {
        self.call_keys.push(row.call_key);
        self.workflows.push(row.workflow);
        self.roles.push(row.role);
        self.providers.push(row.provider);
        self.models.push(row.model);
        self.outcomes.push(row.outcome);
        self.at.push(row.at);
        for (column, count) in self.tokens.iter_mut().zip(row.tokens) {
            column.push(count);
        }
        self.costs.push(row.cost);
        self.durations_ms.push(row.duration_ms);
        self.principals.push(row.principal);
        self.tags.push(row.tags);
        self.payers.push(row.payer);
    }
}

/// Begins the statement; the values come in the order of the columns.
fn into_columns(out: &mut AstPass<'_, '_, impl Backend>) {
    out.push_sql(
        "INSERT INTO model_usage (at, call_key, workflow_id, role, provider, model, input, cached_input, ",
    );
    out.push_sql(
        "cache_written, output, reasoning, cost_nanodollars, outcome, duration_ms, principal, tags, payer) ",
    );
}

impl<S: Stray> QueryFragment<Sqlite> for Insert<Single<'_>, S> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let Self(row, _) = self;
        into_columns(&mut out);
        out.push_sql("VALUES (");
        out.push_bind_param::<BigInt, _>(&row.at)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&row.call_key)?;
        out.push_sql(", ");
        out.push_sql(S::BEFORE);
        out.push_bind_param::<Nullable<Text>, _>(&row.workflow)?;
        out.push_sql(S::AFTER);
        for text in [&row.role, &row.provider, &row.model] {
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(text)?;
        }
        for count in &row.tokens {
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(count)?;
        }
        out.push_sql(", ");
        out.push_bind_param::<Nullable<BigInt>, _>(&row.cost)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&row.outcome)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&row.duration_ms)?;
        for text in [&row.principal, &row.tags, &row.payer] {
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Text>, _>(text)?;
        }
        out.push_sql(")");
        out.push_sql(UNLESS_KNOWN);
        Ok(())
    }
}

impl<S: Stray> QueryFragment<Pg> for Insert<Many<'_>, S> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self(rows, _) = self;
        into_columns(&mut out);
        out.push_sql("SELECT at, call_key, ");
        out.push_sql(S::BEFORE);
        out.push_sql("used.workflow");
        out.push_sql(S::AFTER);
        out.push_sql(", role, provider, model, input, cached_input, cache_written, output, reasoning, ");
        out.push_sql("cost_nanodollars, outcome, duration_ms, principal, tags, payer FROM unnest(");
        out.push_bind_param::<Array<BigInt>, _>(&rows.at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&rows.call_keys)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&rows.workflows)?;
        for texts in [&rows.roles, &rows.providers, &rows.models] {
            out.push_sql(", ");
            out.push_bind_param::<Array<Text>, _>(texts)?;
        }
        for counts in &rows.tokens {
            out.push_sql(", ");
            out.push_bind_param::<Array<BigInt>, _>(counts)?;
        }
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(&rows.costs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&rows.outcomes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&rows.durations_ms)?;
        for texts in [&rows.principals, &rows.tags, &rows.payers] {
            out.push_sql(", ");
            out.push_bind_param::<Array<Nullable<Text>>, _>(texts)?;
        }
        out.push_sql(") AS used (at, call_key, workflow, role, provider, model, input, cached_input, ");
        out.push_sql(
            "cache_written, output, reasoning, cost_nanodollars, outcome, duration_ms, principal, tags, payer)",
        );
        out.push_sql(S::WHERE);
        out.push_sql(UNLESS_KNOWN);
        Ok(())
    }
}

impl<S: Stray> QueryId for Insert<Single<'_>, S> {
    type QueryId = Insert<Single<'static>, S>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<S: Stray> QueryId for Insert<Many<'_>, S> {
    type QueryId = Insert<Many<'static>, S>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<S> RunQueryDsl<SqliteConnection> for Insert<Single<'_>, S> {}
impl<S> RunQueryDsl<PgConnection> for Insert<Many<'_>, S> {}

/// Writes the rows whose keys are not known yet. The numbers have been checked to fit.
pub(crate) fn insert<'a, S: Stray>(
    connection: &mut Connection,
    rows: impl IntoIterator<Item = &'a UsageRow>,
) -> QueryResult<()> {
    let rows = rows.into_iter().map(Single::new);
    match connection {
        Connection::Sqlite(one) => {
            for row in rows {
                Insert(row, PhantomData::<S>).execute(&mut **one)?;
            }
        }
        Connection::Postgres(one) => {
            let many = Many::of(rows);
            if !many.call_keys.is_empty() {
                Insert(many, PhantomData::<S>).execute(&mut one.connection)?;
            }
        }
    }
    Ok(())
}
