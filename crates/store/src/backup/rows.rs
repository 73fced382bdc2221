//! Rows between PostgreSQL and a file of SQLite, table by table, each row as one JSON object.
//!
//! All columns are texts and numbers of 64 bits, which a test sees to; JSON holds both exactly.

use std::fmt::Write as _;
use std::path::Path;

use diesel::connection::{DefaultLoadingMode, SimpleConnection};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;

use super::{Summary, bad, fold_log};
use crate::columns::{self, Column};
use crate::connection::{Connection, PgConnection};
use crate::database::sqlite;
use crate::error::Error;
use crate::tables::{TABLES, Table};

/// Rows that are fetched at once; the largest weigh some MB each.
const FETCHED: usize = 64;
/// One view of all tables, for as long as it takes.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; \
     SET LOCAL idle_in_transaction_session_timeout = 0;";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    row: String,
}

/// Copies all tables in one transaction into the empty file `draft`.
pub(super) fn from_postgres(server: &mut PgConnection, draft: &Path) -> Result<(), Error> {
    let mut file = sqlite::open_for_writing(draft)?;
    server.batch_execute(SNAPSHOT)?;
    let failed = |error: diesel::result::Error| bad(draft, &error);
    file.batch_execute("BEGIN IMMEDIATE").map_err(failed)?;
    for table in &TABLES {
        let mut copy = Connection::Sqlite(Box::new(file));
        let columns = columns::of(&mut copy, table.name).map_err(failed)?;
        let Connection::Sqlite(one) = copy else { return Err(bad(draft, "it is no file")) };
        file = *one;
        copy_table(server, &mut file, table, &columns, draft)?;
    }
    file.batch_execute("COMMIT").map_err(failed)?;
    server.batch_execute("COMMIT")?;
    fold_log(&mut file, draft)
}

fn copy_table(
    server: &mut PgConnection,
    file: &mut SqliteConnection,
    table: &Table,
    columns: &[Column],
    draft: &Path,
) -> Result<(), Error> {
    let (name, key) = (table.name, table.key.join(", "));
    let insert = insertion(name, columns);
    server.batch_execute(&format!(
        "DECLARE copied NO SCROLL CURSOR FOR SELECT row_to_json({name})::text AS row FROM {name} ORDER BY {key}"
    ))?;
    loop {
        let rows: Vec<Row> = diesel::sql_query(format!("FETCH {FETCHED} FROM copied")).load(server)?;
        if rows.is_empty() {
            break;
        }
        for Row { row } in rows {
            let inserted = diesel::sql_query(&insert).bind::<Text, _>(row).execute(file);
            inserted.map_err(|error| bad(draft, &error))?;
        }
    }
    Ok(server.batch_execute("CLOSE copied")?)
}

fn insertion(table: &str, columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let values: Vec<String> = names.iter().map(|name| format!("json_extract($1, '$.{name}')")).collect();
    format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "))
}

/// Copies all tables of a file in one transaction into a database that holds nothing but prompts, which go.
pub(super) fn into_postgres(
    copy: &Path,
    connection: &mut Connection,
    summary: &Summary,
) -> Result<(), Error> {
    connection.begin()?;
    let copied = all_tables(copy, connection, summary);
    match copied {
        Ok(()) => Ok(connection.commit()?),
        Err(error) => {
            // Where this fails too the server has done it by itself.
            let _ = connection.roll_back();
            Err(error)
        }
    }
}

fn all_tables(copy: &Path, connection: &mut Connection, summary: &Summary) -> Result<(), Error> {
    let Connection::Postgres(session) = connection else { return Err(bad(copy, "it goes into a server")) };
    let server = &mut session.connection;
    server.batch_execute("SET LOCAL idle_in_transaction_session_timeout = 0; DELETE FROM prompts;")?;
    for table in &TABLES {
        let mut from = Connection::Sqlite(Box::new(sqlite::open_copy(copy)?));
        let columns = columns::of(&mut from, table.name).map_err(|error| bad(copy, &error))?;
        let Connection::Sqlite(mut file) = from else { return Err(bad(copy, "it is no file")) };
        let mut object = String::new();
        for (place, Column { name, .. }) in columns.iter().enumerate() {
            let gap = if place == 0 { "" } else { ", " };
            write!(object, "{gap}'{name}', {name}").expect("a String takes all that is written to it");
        }
        let (name, key) = (table.name, table.key.join(", "));
        let select = format!("SELECT json_object({object}) AS row FROM {name} ORDER BY {key}");
        let insert = format!("INSERT INTO {name} SELECT * FROM json_populate_record(NULL::{name}, $1::json)");
        let query = diesel::sql_query(select);
        let rows =
            query.load_iter::<Row, DefaultLoadingMode>(&mut *file).map_err(|error| bad(copy, &error))?;
        for row in rows {
            let Row { row } = row.map_err(|error| bad(copy, &error))?;
            diesel::sql_query(&insert).bind::<Text, _>(row).execute(server)?;
        }
        go_on_counting(server, table)?;
    }
    for (table, rows) in &summary.tables {
        let sql = format!("SELECT COUNT(*) AS number FROM {table}");
        let found: columns::Number = diesel::sql_query(sql).get_result(server)?;
        if found.number.cast_unsigned() != *rows {
            return Err(bad(copy, format!("of {rows} rows of `{table}` the server has {}", found.number)));
        }
    }
    Ok(())
}

/// A table that numbers its rows by itself goes on behind those that were put in.
fn go_on_counting(server: &mut PgConnection, table: &Table) -> Result<(), Error> {
    let [key] = table.key else { return Ok(()) };
    let name = table.name;
    let counts = format!(
        "SELECT COUNT(*) AS number FROM information_schema.columns WHERE table_schema = current_schema() \
         AND table_name = '{name}' AND column_name = '{key}' AND is_identity = 'YES'"
    );
    let found: columns::Number = diesel::sql_query(counts).get_result(server)?;
    if found.number > 0 {
        let last = format!(
            "SELECT setval(pg_get_serial_sequence('{name}', '{key}'), MAX({key})) AS number FROM {name} \
             HAVING MAX({key}) IS NOT NULL"
        );
        let _: Vec<columns::Number> = diesel::sql_query(last).load(server)?;
    }
    Ok(())
}
