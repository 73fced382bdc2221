//! A run of appends in a file: two statements for each, both prepared already, which cost less than one that is put
//! together for the run.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use crate::events;
use crate::schema::workflows;
use crate::write::Append;

/// Moves the last position on, if fence and position are still right. Not the outcome, which two indexes hang on.
struct Advance<'a> {
    workflow: &'a str,
    fence: i64,
    after: i64,
    last: i64,
    status: Option<&'a str>,
    updated_at: Option<i64>,
    projected: Option<i64>,
    weight: i64,
}

impl<'a> Advance<'a> {
    fn new(append: &'a Append) -> Self {
        Self {
            workflow: append.workflow.as_str(),
            fence: append.fence.0.cast_signed(),
            after: append.after.0.cast_signed(),
            last: super::end(append).0.cast_signed(),
            status: append.status.as_deref(),
            updated_at: append.events.last().map(|event| event.at.0),
            projected: super::projected(append),
            weight: super::weight(append),
        }
    }
}

impl QueryId for Advance<'_> {
    type QueryId = Advance<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Sqlite> for Advance<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("UPDATE workflows SET last_seq = ");
        out.push_bind_param::<BigInt, _>(&self.last)?;
        out.push_sql(", status = COALESCE(");
        out.push_bind_param::<Nullable<Text>, _>(&self.status)?;
        out.push_sql(", status), updated_at = COALESCE(");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.updated_at)?;
        out.push_sql(", updated_at), projected_seq = COALESCE(");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.projected)?;
        out.push_sql(", projected_seq), bytes = bytes + ");
        out.push_bind_param::<BigInt, _>(&self.weight)?;
        out.push_sql(" WHERE id = ");
        out.push_bind_param::<Text, _>(&self.workflow)?;
        out.push_sql(" AND fence = ");
        out.push_bind_param::<BigInt, _>(&self.fence)?;
        out.push_sql(" AND last_seq = ");
        out.push_bind_param::<BigInt, _>(&self.after)
    }
}

impl RunQueryDsl<SqliteConnection> for Advance<'_> {}

/// Moves the histories on and writes their events; for each append whether it was.
pub(super) fn advance(one: &mut SqliteConnection, run: &[&Append]) -> QueryResult<Vec<bool>> {
    run.iter().map(|append| advance_one(one, append)).collect()
}

fn advance_one(one: &mut SqliteConnection, append: &Append) -> QueryResult<bool> {
    if Advance::new(append).execute(one)? == 0 {
        return Ok(false);
    }
    if let Some(outcome) = &append.outcome {
        let ended = workflows::table.find(append.workflow.as_str());
        diesel::update(ended).set(workflows::outcome.eq(outcome)).execute(one)?;
    }
    events::insert(one, append)?;
    Ok(true)
}
