//! A run of appends at a server: one statement moves all histories on that can be, and writes their events.

use std::collections::HashSet;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Nullable, Text};

use crate::connection::PgConnection;
use crate::write::Append;

/// The run by columns; gives the ids of the workflows whose histories were moved on.
#[derive(Default)]
struct Advance<'a> {
    workflows: Vec<&'a str>,
    fences: Vec<i64>,
    afters: Vec<i64>,
    lasts: Vec<i64>,
    statuses: Vec<Option<&'a str>>,
    outcomes: Vec<Option<&'a str>>,
    updated_at: Vec<Option<i64>>,
    projected: Vec<Option<i64>>,
    weights: Vec<i64>,
    events: Events<'a>,
}

/// The events of all of them, by columns.
#[derive(Default)]
struct Events<'a> {
    workflows: Vec<&'a str>,
    seqs: Vec<i64>,
    ids: Vec<i64>,
    kinds: Vec<&'a str>,
    payloads: Vec<&'a str>,
    fences: Vec<i64>,
    at: Vec<i64>,
}

impl<'a> Advance<'a> {
    fn push(&mut self, append: &'a Append) {
        self.workflows.push(append.workflow.as_str());
        self.fences.push(append.fence.0.cast_signed());
        self.afters.push(append.after.0.cast_signed());
        self.lasts.push(super::end(append).0.cast_signed());
        self.statuses.push(append.status.as_deref());
        self.outcomes.push(append.outcome.as_deref());
        self.updated_at.push(append.events.last().map(|event| event.at.0));
        self.projected.push(super::projected(append));
        self.weights.push(super::weight(append));
        self.events.push(append);
    }
}

impl<'a> Events<'a> {
    fn push(&mut self, append: &'a Append) {
        for record in crate::events::records(append) {
            self.workflows.push(record.workflow_id);
            self.seqs.push(record.seq);
            self.ids.push(record.event_id);
            self.kinds.push(record.kind);
            self.payloads.push(record.payload);
            self.fences.push(record.fence);
            self.at.push(record.at);
        }
    }
}

impl QueryId for Advance<'_> {
    type QueryId = Advance<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Pg> for Advance<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH moved AS (UPDATE workflows SET last_seq = run.last, ");
        out.push_sql("status = COALESCE(run.status, workflows.status), ");
        out.push_sql("outcome = COALESCE(run.outcome, workflows.outcome), ");
        out.push_sql("updated_at = COALESCE(run.updated_at, workflows.updated_at), ");
        out.push_sql("projected_seq = COALESCE(run.projected, workflows.projected_seq), ");
        out.push_sql("bytes = workflows.bytes + run.weight FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(&self.workflows)?;
        for numbers in [&self.fences, &self.afters, &self.lasts, &self.weights] {
            out.push_sql(", ");
            out.push_bind_param::<Array<BigInt>, _>(numbers)?;
        }
        for texts in [&self.statuses, &self.outcomes] {
            out.push_sql(", ");
            out.push_bind_param::<Array<Nullable<Text>>, _>(texts)?;
        }
        for numbers in [&self.updated_at, &self.projected] {
            out.push_sql(", ");
            out.push_bind_param::<Array<Nullable<BigInt>>, _>(numbers)?;
        }
        out.push_sql(") AS run (id, fence, after, last, weight, status, outcome, updated_at, projected) ");
        out.push_sql("WHERE workflows.id = run.id AND workflows.fence = run.fence ");
        out.push_sql("AND workflows.last_seq = run.after RETURNING workflows.id), ");
        self.events.walk_ast(out.reborrow())?;
        out.push_sql(" SELECT id FROM moved");
        Ok(())
    }
}

impl QueryFragment<Pg> for Events<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("written AS (INSERT INTO workflow_events ");
        out.push_sql("(workflow_id, seq, event_id, fence, at, kind, payload) SELECT event.* FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(&self.workflows)?;
        for numbers in [&self.seqs, &self.ids, &self.fences, &self.at] {
            out.push_sql(", ");
            out.push_bind_param::<Array<BigInt>, _>(numbers)?;
        }
        for texts in [&self.kinds, &self.payloads] {
            out.push_sql(", ");
            out.push_bind_param::<Array<Text>, _>(texts)?;
        }
        out.push_sql(") AS event (id, seq, event_id, fence, at, kind, payload) ");
        out.push_sql("JOIN moved ON moved.id = event.id)");
        Ok(())
    }
}

impl Query for Advance<'_> {
    type SqlType = Text;
}

impl RunQueryDsl<PgConnection> for Advance<'_> {}

/// Moves the histories on and writes their events; for each append whether it was.
pub(super) fn advance(one: &mut PgConnection, run: &[&Append]) -> QueryResult<Vec<bool>> {
    let mut advance = Advance::default();
    run.iter().for_each(|append| advance.push(append));
    let moved: Vec<String> = advance.load(one)?;
    if moved.len() == run.len() {
        return Ok(vec![true; run.len()]);
    }
    let moved: HashSet<&str> = moved.iter().map(String::as_str).collect();
    Ok(run.iter().map(|append| moved.contains(append.workflow.as_str())).collect())
}
