//! The two schemas against each other: what the migrations say, and what each database has made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use diesel::sqlite::SqliteConnection;

use super::sqlite;
use crate::connection::{Connection, PgConnection};
use crate::fixture::{Place, server};

/// One table as both databases can tell it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// Name, class of type, whether it may be null; in order.
    columns: Vec<(String, String, bool)>,
    key: Vec<String>,
    /// The columns of each index that is not a key's, whether it is unique, whether it holds some rows only.
    indexes: BTreeSet<(Vec<String>, bool, bool)>,
    /// Columns, table, columns there.
    references: BTreeSet<(String, String, String)>,
}

pub(super) type Shapes = BTreeMap<String, Shape>;

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    class: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
    #[diesel(sql_type = BigInt)]
    in_key: i64,
}

#[derive(QueryableByName)]
struct Index {
    #[diesel(sql_type = Text)]
    columns: String,
    #[diesel(sql_type = Bool)]
    unique: bool,
    #[diesel(sql_type = Bool)]
    partial: bool,
}

#[derive(QueryableByName)]
struct Reference {
    #[diesel(sql_type = Text)]
    column: String,
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = Text)]
    there: String,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

const SQLITE_TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
     AND name <> '__diesel_schema_migrations' ORDER BY name";
const SQLITE_COLUMNS: &str = "SELECT name, CASE type WHEN 'INTEGER' THEN 'BIGINT' ELSE type END AS class, \
     \"notnull\" = 0 AS nullable, pk AS in_key FROM pragma_table_info($1) ORDER BY cid";
const SQLITE_INDEXES: &str = "SELECT (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(list.name) \
     ORDER BY seqno)) AS columns, list.\"unique\" AS \"unique\", list.partial AS partial \
     FROM pragma_index_list($1) AS list WHERE list.origin <> 'pk'";
const SQLITE_REFERENCES: &str =
    "SELECT \"from\" AS \"column\", \"table\", \"to\" AS there FROM pragma_foreign_key_list($1)";

const PG_TABLES: &str = "SELECT tablename::text AS name FROM pg_catalog.pg_tables WHERE schemaname = current_schema() \
     AND tablename <> '__diesel_schema_migrations' ORDER BY 1";
const PG_COLUMNS: &str = "SELECT column_name::text AS name, upper(data_type)::text AS class, \
     is_nullable = 'YES' AS nullable, \
     COALESCE((SELECT array_position(key.indkey::int2[], ordinal_position::int2) + 1 FROM pg_index AS key \
               WHERE key.indrelid = $1::regclass AND key.indisprimary), 0)::bigint AS in_key \
     FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position";
const PG_INDEXES: &str = "SELECT (SELECT string_agg(attname, ',' ORDER BY place) \
       FROM unnest(found.indkey::int2[]) WITH ORDINALITY AS part (number, place) \
       JOIN pg_attribute ON attrelid = found.indrelid AND attnum = number)::text AS columns, \
     found.indisunique AS \"unique\", found.indpred IS NOT NULL AS partial \
     FROM pg_index AS found WHERE found.indrelid = $1::regclass AND NOT found.indisprimary";
const PG_REFERENCES: &str = "SELECT mine.attname::text AS \"column\", confrelid::regclass::text AS \"table\", \
     theirs.attname::text AS there FROM pg_constraint \
     JOIN pg_attribute AS mine ON mine.attrelid = conrelid AND mine.attnum = ANY (conkey) \
     JOIN pg_attribute AS theirs ON theirs.attrelid = confrelid AND theirs.attnum = ANY (confkey) \
     WHERE conrelid = $1::regclass AND contype = 'f'";

/// Reads every table by the four queries of one database.
macro_rules! shapes {
    ($connection:expr, $tables:expr, $columns:expr, $indexes:expr, $references:expr) => {{
        let tables: Vec<Name> = diesel::sql_query($tables).load($connection).unwrap();
        let mut shapes = Shapes::new();
        for Name { name } in tables {
            let columns: Vec<Column> =
                diesel::sql_query($columns).bind::<Text, _>(&name).load($connection).unwrap();
            let indexes: Vec<Index> =
                diesel::sql_query($indexes).bind::<Text, _>(&name).load($connection).unwrap();
            let references: Vec<Reference> =
                diesel::sql_query($references).bind::<Text, _>(&name).load($connection).unwrap();
            shapes.insert(name, shape(columns, indexes, references));
        }
        shapes
    }};
}

fn shape(columns: Vec<Column>, indexes: Vec<Index>, references: Vec<Reference>) -> Shape {
    let mut key: Vec<_> = columns.iter().filter(|column| column.in_key > 0).collect();
    key.sort_by_key(|column| column.in_key);
    let key = key.into_iter().map(|column| column.name.clone()).collect();
    let split = |names: String| names.split(',').map(ToOwned::to_owned).collect();
    Shape {
        key,
        columns: columns.into_iter().map(|column| (column.name, column.class, column.nullable)).collect(),
        indexes: indexes
            .into_iter()
            .map(|index| (split(index.columns), index.unique, index.partial))
            .collect(),
        references: references.into_iter().map(|one| (one.column, one.table, one.there)).collect(),
    }
}

fn of_sqlite() -> Shapes {
    read_sqlite(&mut sqlite(&Place::file()))
}

pub(super) fn read_sqlite(connection: &mut SqliteConnection) -> Shapes {
    shapes!(connection, SQLITE_TABLES, SQLITE_COLUMNS, SQLITE_INDEXES, SQLITE_REFERENCES)
}

pub(super) fn of_postgres(connection: &mut PgConnection) -> Shapes {
    shapes!(connection, PG_TABLES, PG_COLUMNS, PG_INDEXES, PG_REFERENCES)
}

pub(super) fn workspace(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A migration without what has to be said differently: comments, the order of text, and how a row gets its number.
fn plain(sql: &str) -> String {
    let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join(" ");
    let text = text.replace(" COLLATE \"C\"", "").replace(
        "BIGINT GENERATED BY DEFAULT AS IDENTITY NOT NULL PRIMARY KEY",
        "INTEGER NOT NULL PRIMARY KEY",
    );
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ,", ",")
}

fn migrations(database: &str) -> BTreeMap<String, [String; 2]> {
    let folders = fs::read_dir(workspace("migrations").join(database)).unwrap();
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        (name, ["up.sql", "down.sql"].map(|file| plain(&fs::read_to_string(folder.join(file)).unwrap())))
    };
    folders.map(read).collect()
}

#[test]
fn both_databases_have_the_same_migrations() {
    let postgres = migrations("postgres");
    assert_eq!(migrations("sqlite"), postgres);
    assert!(!postgres.is_empty());
}

#[test]
fn both_databases_have_the_same_tables_columns_keys_and_indexes() {
    let shapes = of_sqlite();
    let events = &shapes["workflow_events"];
    assert_eq!(events.key, ["workflow_id", "seq"]);
    assert_eq!(events.references.len(), 1);
    assert_eq!(shapes["workflows"].indexes.len(), 3, "{:?}", shapes["workflows"]);

    let Some(url) = server() else { return };
    match Place::schema(&url).connection() {
        Connection::Postgres(mut one) => assert_eq!(of_postgres(&mut one.connection), shapes),
        Connection::Sqlite(_) => panic!("the place is a schema"),
    }
}

#[test]
fn text_is_ordered_by_its_bytes_on_postgres() {
    #[derive(QueryableByName)]
    struct Wrong {
        #[diesel(sql_type = Nullable<Array<Text>>)]
        columns: Option<Vec<String>>,
    }
    let Some(url) = server() else { return };
    let Connection::Postgres(mut one) = Place::schema(&url).connection() else {
        panic!("the place is a schema")
    };
    let sql = "SELECT array_agg(table_name || '.' || column_name) AS columns FROM information_schema.columns \
               WHERE table_schema = current_schema() AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'";
    let wrong: Wrong = diesel::sql_query(sql).get_result(&mut one.connection).unwrap();
    assert_eq!(wrong.columns, None);
}

#[test]
fn the_tables_are_those_that_the_documentation_lists() {
    let text = fs::read_to_string(workspace("docs/database.md")).unwrap();
    let listed: BTreeSet<_> = text
        .lines()
        .skip_while(|line| !line.starts_with("| table |"))
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(of_sqlite().into_keys().collect::<BTreeSet<_>>(), listed);
}
