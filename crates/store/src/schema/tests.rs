//! The handwritten schema against the one that the migrations make.

use std::any::type_name;

use diesel::expression::Expression;
use diesel::prelude::*;
use diesel::query_source::{Column, Table};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use crate::connection::Connection;
use crate::fixture::Place;

mod parity;
mod released;

#[derive(QueryableByName)]
struct ColumnInfo {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    declared: String,
    #[diesel(sql_type = BigInt)]
    mandatory: i64,
    #[diesel(sql_type = BigInt)]
    in_key: i64,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// The name and the type that Diesel gives a column, the latter as a migration writes it.
fn described<C: Column + Expression>(_: C) -> (String, String, bool) {
    let sql_type = type_name::<C::SqlType>();
    let nullable = sql_type.starts_with(type_name::<Nullable<BigInt>>().split_once('<').unwrap().0);
    let declared = if sql_type.contains("BigInt") {
        "BIGINT"
    } else if sql_type.contains("Text") {
        "TEXT"
    } else {
        sql_type
    };
    (C::NAME.to_owned(), declared.to_owned(), nullable)
}

macro_rules! columns {
    ($table:ident: $($column:ident)*) => {{
        let listed = vec![$(described(super::$table::$column)),*];
        let selected = diesel::debug_query::<Sqlite, _>(&super::$table::table.select(super::$table::table::all_columns()))
            .to_string();
        assert_eq!(selected.matches(concat!("`", stringify!($table), "`.")).count(), listed.len(), "{selected}");
        (stringify!($table), listed)
    }};
}

fn in_database(connection: &mut SqliteConnection, table: &str) -> Vec<(String, String, bool)> {
    let sql = "SELECT name, type AS declared, \"notnull\" AS mandatory, pk AS in_key FROM pragma_table_info($1) ORDER BY cid";
    let columns: Vec<ColumnInfo> = diesel::sql_query(sql).bind::<Text, _>(table).load(connection).unwrap();
    columns
        .into_iter()
        .map(|column| {
            assert!(
                column.in_key == 0 || column.mandatory == 1,
                "{table}.{}: a key may not be null",
                column.name
            );
            // The one spelling that SQLite takes for a row's own number; it holds 64 bits.
            let declared = if column.declared == "INTEGER" { "BIGINT".to_owned() } else { column.declared };
            (column.name, declared, column.mandatory == 0)
        })
        .collect()
}

fn sqlite(place: &Place) -> SqliteConnection {
    match place.connection() {
        Connection::Sqlite(one) => *one,
        Connection::Postgres(_) => panic!("the place is a file"),
    }
}

#[test]
fn the_schema_is_what_the_migrations_make() {
    let place = Place::file();
    let mut connection = sqlite(&place);
    let tables = [
        columns!(workflows: id goal root status fence last_seq created_at updated_at outcome
            projected_seq bytes),
        columns!(workflow_events: workflow_id seq event_id kind payload fence at),
        columns!(model_usage: id at call_key workflow_id role provider model input cached_input cache_written output
            reasoning cost_nanodollars outcome duration_ms principal tags payer),
        columns!(nodes: id recorded audit_first_seq audit_first_prev audit_last_seq audit_last_hash),
        columns!(audit_log: node seq at who action subject outcome detail times prev_hash hash),
        columns!(requests: id at node request_id principal door method route status duration_ms bytes_in bytes_out),
        columns!(api_keys: id name digest scopes models roots tags created_at expires_at revoked_at last_used_at
            rotated_from),
        columns!(agents: workflow_id step role attempt template version provider model calls failures started_at
            ended_at outcome),
        columns!(tasks: workflow_id task_id place title in_group status attempt depends_on reads writes),
        columns!(prompts: name version number description system_text user_text first_at),
        columns!(model_metrics: hour provider model run calls answered interrupted cancelled failed_caller
            failed_policy failed_provider failed_own input cached_input cache_written output reasoning
            cost_nanodollars unpriced latency first_output),
        columns!(responses: id owner at weight deployment given answer),
    ];
    for (table, columns) in &tables {
        assert_eq!(in_database(&mut connection, table), *columns, "{table}");
    }

    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
               AND name <> '__diesel_schema_migrations' ORDER BY name";
    let found: Vec<Name> = diesel::sql_query(sql).load(&mut connection).unwrap();
    let mut known: Vec<_> = tables.iter().map(|(table, _)| *table).collect();
    known.sort_unstable();
    assert_eq!(found.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), known);
}
