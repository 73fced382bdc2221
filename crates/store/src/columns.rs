//! What the columns of a table are called and which of them are text: for what is done to every table alike.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

use crate::connection::{Connection, each};

/// A column; what is no text is a number of 64 bits.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub(crate) struct Column {
    #[diesel(sql_type = Text)]
    pub(crate) name: String,
    #[diesel(sql_type = Bool)]
    pub(crate) is_text: bool,
}

/// One number.
#[derive(QueryableByName)]
pub(crate) struct Number {
    #[diesel(sql_type = BigInt)]
    pub(crate) number: i64,
}

const SQLITE: &str = "SELECT name, type = 'TEXT' AS is_text FROM pragma_table_info($1) ORDER BY cid";
const POSTGRES: &str = "SELECT column_name::text AS name, data_type = 'text' AS is_text \
     FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position";

/// The columns of a table, in order.
pub(crate) fn of(connection: &mut Connection, table: &str) -> QueryResult<Vec<Column>> {
    let sql = match connection {
        Connection::Sqlite(_) => SQLITE,
        Connection::Postgres(_) => POSTGRES,
    };
    each!(connection, one => diesel::sql_query(sql).bind::<Text, _>(table).load(one))
}

/// The one number that a query gives, which names it `number`.
pub(crate) fn number(connection: &mut Connection, sql: &str) -> QueryResult<i64> {
    let found: Number = each!(connection, one => diesel::sql_query(sql).get_result(one))?;
    Ok(found.number)
}

/// How many rows a table has.
pub(crate) fn rows(connection: &mut Connection, table: &str) -> QueryResult<u64> {
    number(connection, &format!("SELECT COUNT(*) AS number FROM {table}")).map(i64::cast_unsigned)
}
