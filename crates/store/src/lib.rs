//! What outlives the process: workflows, their events, and what model calls used. The only SQL of the house.
//!
//! A [`Database`] is a file of SQLite or a schema of PostgreSQL; the tables and the queries are the same.
//! One [`Writer`] per database runs on a thread of its own and commits in groups; many [`Readers`] read beside it.
//! Everything here blocks: callers on an event loop send a [`Write`] or read on a blocking thread. Times, ids and
//! fences come in as arguments.

mod appends;
mod audit;
mod backup;
mod columns;
mod connection;
mod database;
mod error;
mod events;
#[cfg(test)]
mod fixture;
mod keys;
mod model_metrics;
mod projection;
mod readers;
mod records;
mod requests;
mod responses;
mod retention;
mod schema;
mod size;
mod tables;
mod templates;
mod upkeep;
mod usage;
mod workflows;
mod write;
mod writer;

pub use audit::{AuditEntry, AuditQuery, AuditRow, Break, Broken, Chain};
pub use backup::{Summary, backup, restore, verify};
pub use database::{BadAddress, Database, PostgresUrl};
pub use error::{Error, Failure, WriteError};
pub use events::{EventId, EventRow, NewEvent};
pub use keys::KeyChange;
pub use model_metrics::{Calls, MetricsRow};
pub use projection::{AgentRow, MAX_PROJECTED, Projection, TaskRow, Unprojected};
pub use readers::{MAX_LISTED, MAX_PAGE_BYTES, MAX_PAGE_ROWS, Readers};
pub use records::{MAX_RECORDS, Record, Records};
pub use requests::{AnsweredRequest, RequestQuery, RequestRow};
pub use responses::{MAX_RESPONSE_BYTES, ResponseChange, ResponseRoom, ResponseRow};
pub use retention::{Aging, Expired, Purge};
pub use tables::{Keeping, TABLES, Table};
pub use templates::PromptRow;
pub use upkeep::Upkeep;
pub use usage::{Client, ModelTotals, RecordedUsage, UsageQuery, UsageRow};
pub use workflows::{NewWorkflow, WorkflowRow};
pub use write::{
    Append, Claimed, Committed, MAX_APPEND_BYTES, MAX_APPEND_EVENTS, MAX_GOAL_BYTES, MAX_NAME_BYTES,
    MAX_OUTCOME_BYTES, MAX_PAYLOAD_BYTES, MAX_ROOT_BYTES, MAX_USAGE_ROWS, Reply, Write,
};
pub use writer::{MAX_BATCH_BYTES, MAX_BATCH_WRITES, Transaction, Writer};
