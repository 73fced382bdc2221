//! Which tables there are, in an order in which rows can be put in: a table stands after those that it refers to.
//!
//! Each names who writes and who reads it; a test holds the list against the database and these names against the
//! code. Backups and retention go by this list.

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What tells one row from all others.
    pub key: &'static [&'static str],
    /// How its rows come to go.
    pub keeping: Keeping,
    /// The function that writes it: a file of this crate and a word in it.
    pub writer: (&'static str, &'static str),
    /// The function that reads it.
    pub reader: (&'static str, &'static str),
}

/// How long rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// With the finished workflow that they belong to.
    Workflow,
    /// By the age that this column tells, in milliseconds since 1970.
    Age(&'static str),
    /// By the time since these were over: the first of the columns that holds one.
    Over(&'static [&'static str]),
    /// By the age that this column tells, from the beginning of each server's chain on; the chain's beginning moves along.
    Chain(&'static str),
    /// For ever: they are few.
    Always,
}

/// All tables.
pub const TABLES: [Table; 12] = [
    Table {
        name: "workflows",
        key: &["id"],
        keeping: Keeping::Workflow,
        writer: ("workflows", "create"),
        reader: ("readers", "workflow"),
    },
    Table {
        name: "workflow_events",
        key: &["workflow_id", "seq"],
        keeping: Keeping::Workflow,
        writer: ("events", "insert"),
        reader: ("readers", "events_after"),
    },
    Table {
        name: "model_usage",
        key: &["id"],
        keeping: Keeping::Age("at"),
        writer: ("usage/insert", "into_columns"),
        reader: ("readers", "usage_of"),
    },
    Table {
        name: "agents",
        key: &["workflow_id", "step"],
        keeping: Keeping::Workflow,
        writer: ("projection", "insert"),
        reader: ("projection", "agents_of"),
    },
    Table {
        name: "tasks",
        key: &["workflow_id", "task_id"],
        keeping: Keeping::Workflow,
        writer: ("projection", "insert"),
        reader: ("projection", "tasks_of"),
    },
    Table {
        name: "prompts",
        key: &["name", "version"],
        keeping: Keeping::Always,
        writer: ("templates", "insert"),
        reader: ("templates", "prompts"),
    },
    Table {
        name: "model_metrics",
        key: &["hour", "provider", "model", "run"],
        keeping: Keeping::Age("hour"),
        writer: ("model_metrics", "insert"),
        reader: ("model_metrics", "model_metrics"),
    },
    Table {
        name: "nodes",
        key: &["id"],
        keeping: Keeping::Always,
        writer: ("records", "advance"),
        reader: ("records", "position"),
    },
    Table {
        name: "audit_log",
        key: &["node", "seq"],
        keeping: Keeping::Chain("at"),
        writer: ("audit", "insert"),
        reader: ("audit", "list"),
    },
    Table {
        name: "requests",
        key: &["id"],
        keeping: Keeping::Age("at"),
        writer: ("requests", "insert"),
        reader: ("requests", "list"),
    },
    Table {
        name: "api_keys",
        key: &["id"],
        keeping: Keeping::Over(&["revoked_at", "expires_at"]),
        writer: ("keys", "insert"),
        reader: ("keys", "all"),
    },
    Table {
        name: "responses",
        key: &["id"],
        keeping: Keeping::Age("at"),
        writer: ("responses", "insert"),
        reader: ("responses", "get"),
    },
];

impl Keeping {
    /// The expression that tells how old a row is, in milliseconds since 1970; null where it does not age.
    pub(crate) fn age(self) -> Option<String> {
        match self {
            Self::Age(column) | Self::Chain(column) => Some(column.to_owned()),
            Self::Over(columns) => Some(format!("COALESCE({})", columns.join(", "))),
            Self::Workflow | Self::Always => None,
        }
    }
}

impl Table {
    /// The table of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TABLES.iter().find(|table| table.name == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::columns;
    use crate::connection::Connection;
    use crate::fixture::Place;

    /// The code of a file of this crate without its comments.
    fn code(file: &str) -> String {
        let path = format!("{}/src/{file}.rs", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        text.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// The body of a function, up to the line that ends as deep as it began.
    fn function(file: &str, name: &str) -> String {
        let code = code(file);
        let at =
            code.find(&format!("fn {name}(")).unwrap_or_else(|| panic!("{file}.rs has no function {name}"));
        let indent = at - code[..at].rfind('\n').unwrap() - 1;
        let depth = code[at - indent..at].bytes().take_while(|byte| *byte == b' ').count();
        let end = format!("\n{}}}\n", " ".repeat(depth));
        let length = code[at..].find(&end).unwrap();
        code[at..at + length].to_owned()
    }

    fn of_database() -> BTreeSet<String> {
        let Connection::Sqlite(mut file) = Place::file().connection() else { panic!("the place is a file") };
        #[derive(diesel::QueryableByName)]
        struct Name {
            #[diesel(sql_type = diesel::sql_types::Text)]
            name: String,
        }
        let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
                   AND name <> '__diesel_schema_migrations'";
        let found: Vec<Name> = diesel::RunQueryDsl::load(diesel::sql_query(sql), &mut *file).unwrap();
        found.into_iter().map(|table| table.name).collect()
    }

    #[test]
    fn every_table_is_listed_with_a_writer_and_a_reader() {
        assert_eq!(TABLES.iter().map(|table| table.name.to_owned()).collect::<BTreeSet<_>>(), of_database());
        for table in &TABLES {
            let name = table.name;
            let writer = function(table.writer.0, table.writer.1);
            let writes = [format!("insert_into({name}::table)"), format!("INSERT INTO {name}")];
            assert!(writes.iter().any(|write| writer.contains(write)), "{name} has no writer: {writer}");
            let mut reader = function(table.reader.0, table.reader.1);
            if table.reader.0 == "readers" {
                // It hands on to a function of the file that the table is written in.
                let file = table.writer.0.split('/').next().unwrap();
                let (_, call) = reader.split_once(&format!("{file}::")).unwrap();
                let name = call.split('(').next().unwrap().to_owned();
                reader = function(file, &name);
            }
            let reads = [format!("{name}::table"), format!("FROM {name}")];
            assert!(reads.iter().any(|read| reader.contains(read)), "{name} has no reader: {reader}");
        }
    }

    #[test]
    fn every_key_and_age_is_a_column_and_what_a_table_refers_to_stands_before_it() {
        let mut connection = Place::new().connection();
        let mut before: Vec<&str> = Vec::new();
        for table in &TABLES {
            let columns = columns::of(&mut connection, table.name).unwrap();
            let is_there = |name: &str| columns.iter().any(|column| column.name == name);
            assert!(table.key.iter().all(|key| is_there(key)), "{}", table.name);
            let ages: &[&str] = match &table.keeping {
                Keeping::Age(age) | Keeping::Chain(age) => &[age],
                Keeping::Over(ages) => ages,
                Keeping::Workflow | Keeping::Always => &[],
            };
            assert!(ages.iter().all(|age| is_there(age)), "{}", table.name);
            assert!(table.name == "workflows" || !is_there("workflow_id") || before.contains(&"workflows"));
            assert!(table.name != "audit_log" || before.contains(&"nodes"));
            before.push(table.name);
        }
    }

    #[test]
    fn a_column_is_a_text_or_a_number_so_that_copies_hold_it() {
        let Connection::Sqlite(mut file) = Place::file().connection() else { panic!("the place is a file") };
        for table in &TABLES {
            let sql = format!(
                "SELECT COUNT(*) AS number FROM pragma_table_info('{}') WHERE type NOT IN ('TEXT', 'BIGINT', 'INTEGER')",
                table.name
            );
            let others: columns::Number =
                diesel::RunQueryDsl::get_result(diesel::sql_query(sql), &mut *file).unwrap();
            assert_eq!(others.number, 0, "{}", table.name);
        }
    }
}
