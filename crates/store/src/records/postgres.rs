//! The position of a server's records and the usage among them at a server of PostgreSQL: one statement, for each is a way
//! there and back. It writes both or, where the position is not the batch's start, nothing.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::Text;

use super::Move;
use crate::connection::PgConnection;
use crate::usage::{self, Following, UsageRow};

struct Together<'a> {
    position: Move<'a>,
    used: usage::Rows<'a, Following>,
}

impl QueryId for Together<'_> {
    type QueryId = Together<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Pg> for Together<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH moved AS (");
        self.position.walk_ast(out.reborrow())?;
        out.push_sql(" RETURNING id), written AS (");
        self.used.walk_ast(out.reborrow())?;
        out.push_sql(") SELECT id FROM moved");
        Ok(())
    }
}

impl Query for Together<'_> {
    type SqlType = Text;
}

impl RunQueryDsl<PgConnection> for Together<'_> {}

/// Whether the position was still right: then it has moved on and the rows are written.
pub(super) fn write(one: &mut PgConnection, position: Move<'_>, used: &[&UsageRow]) -> QueryResult<bool> {
    let together = Together { position, used: usage::Rows::new(used.iter().copied()) };
    let moved: Vec<String> = together.load(one)?;
    Ok(!moved.is_empty())
}
