//! The same rows in the same group commit by SQLite alone: prepared statements, nothing checked, nothing answered but
//! that it is done.

use std::path::Path;

use rusqlite::{Connection, params};

use crate::load::{Position, Row, Sink, What};

/// As the store sets its writer's connection.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
    PRAGMA wal_autocheckpoint = 1000; PRAGMA busy_timeout = 5000;";

/// What the connection is set to, for people.
pub(crate) fn settings(path: &Path) -> String {
    let connection = connect(path);
    let names = ["journal_mode", "synchronous", "wal_autocheckpoint", "page_size", "foreign_keys"];
    let setting = |name: &str| {
        let value = connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
        format!("{name} = {:?}", value.expect("SQLite knows it"))
    };
    format!("SQLite {}, {}", rusqlite::version(), names.map(setting).join(", "))
}

pub(crate) fn open(path: &Path, position: Position) -> Sink {
    let connection = connect(path);
    if position == Position::Moved {
        let sql = "INSERT INTO nodes (id, recorded, audit_first_seq, audit_first_prev, audit_last_seq, audit_last_hash) \
                   VALUES ('raw', 0, 1, '', 0, '')";
        connection.execute(sql, []).expect("the table is empty");
    }
    let mut recorded = 0;
    Sink::gathering(move |batch| {
        commit(&connection, batch, position, &mut recorded).expect("SQLite takes the rows");
    })
}

fn connect(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("the file is there");
    connection.execute_batch(PRAGMAS).expect("SQLite knows the pragmas");
    connection
}

fn commit(
    connection: &Connection,
    batch: &[Row],
    position: Position,
    recorded: &mut i64,
) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    if position == Position::Moved {
        let sql = "UPDATE nodes SET recorded = ? WHERE id = 'raw' AND recorded = ?";
        assert_eq!(connection.prepare_cached(sql)?.execute(params![*recorded + 1, *recorded])?, 1);
        *recorded += 1;
    }
    for row in batch {
        write(connection, &row.what)?;
    }
    connection.execute_batch("COMMIT")
}

fn write(connection: &Connection, what: &What) -> rusqlite::Result<()> {
    match what {
        What::Workflow(id) => {
            let sql = "INSERT INTO workflows (id, goal, root, status, fence, last_seq, created_at, updated_at) \
                       VALUES (?, '', '', '', 1, 0, 0, 0)";
            connection.prepare_cached(sql)?.execute(params![id.as_str()])?;
        }
        What::Event { workflow, after, event } => {
            let seq = after.cast_signed() + 1;
            let sql = "UPDATE workflows SET last_seq = ?, updated_at = ? WHERE id = ? AND fence = 1 AND last_seq = ?";
            let update = params![seq, event.at.0, workflow.as_str(), seq - 1];
            assert_eq!(connection.prepare_cached(sql)?.execute(update)?, 1, "nobody else writes to it");
            let sql = "INSERT INTO workflow_events (workflow_id, seq, event_id, kind, payload, fence, at) \
                       VALUES (?, ?, ?, ?, ?, 1, ?)";
            connection.prepare_cached(sql)?.execute(params![
                workflow.as_str(),
                seq,
                event.id.0.cast_signed(),
                event.kind,
                event.payload,
                event.at.0
            ])?;
        }
        What::Usage(row) => {
            let sql = "INSERT INTO model_usage (at, call_key, workflow_id, role, provider, model, input, \
                       cached_input, cache_written, output, reasoning, cost_nanodollars, outcome, duration_ms) \
                       VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, NULL, ?, ?) ON CONFLICT (call_key) DO NOTHING";
            connection.prepare_cached(sql)?.execute(params![
                row.at.0,
                row.call_key,
                row.workflow.as_ref().map(|workflow| workflow.as_str()),
                row.role,
                row.deployment.provider.as_str(),
                row.deployment.model.as_str(),
                row.outcome,
                row.duration_ms.cast_signed()
            ])?;
        }
    }
    Ok(())
}
