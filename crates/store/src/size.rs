//! How much room the database takes.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::connection::{Connection, each};
use crate::error::Error;

/// Without the log that a file has beside it.
const OF_FILE: &str = "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()";
/// The tables of this schema with their indexes.
const OF_SCHEMA: &str = "SELECT CAST(COALESCE(SUM(pg_total_relation_size(oid)), 0) AS BIGINT) AS bytes \
     FROM pg_class WHERE relkind = 'r' AND relnamespace = CAST(current_schema() AS regnamespace)";

#[derive(QueryableByName)]
struct Size {
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// In bytes.
pub(crate) fn get(connection: &mut Connection) -> Result<u64, Error> {
    let query = match connection {
        Connection::Sqlite(_) => OF_FILE,
        Connection::Postgres(_) => OF_SCHEMA,
    };
    let Size { bytes } = each!(connection, one => diesel::sql_query(query).get_result(one))?;
    Ok(bytes.unsigned_abs())
}
