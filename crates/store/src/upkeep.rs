//! Writes that keep house: what is derived, what is counted by the hour, and what has had its time.

use diesel::prelude::*;

use crate::connection::Connection;
use crate::error::WriteError;
use crate::model_metrics::{self, MetricsRow};
use crate::projection::{self, Projection, Unprojected};
use crate::retention::{self, Purge};
use crate::templates::{self, PromptRow};
use crate::write::MAX_NAME_BYTES;

/// Something of the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// Makes a workflow's agents and tasks anew, unless its history has grown since.
    Project {
        /// Which, and up to where.
        of: Unprojected,
        /// All of its agents and tasks.
        rows: Projection,
    },
    /// Records the versions of prompts that are new.
    Prompts(Vec<PromptRow>),
    /// Records how models did, each hour in place of what was written of it before.
    Metrics(Vec<MetricsRow>),
    /// Removes what has had its time.
    Purge(Purge),
}

impl Upkeep {
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        match self {
            Self::Project { rows, .. } => rows.check(),
            Self::Prompts(rows) => templates::check(rows),
            Self::Metrics(rows) => model_metrics::check(rows),
            Self::Purge(purge) => purge.check(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Project { rows, .. } => rows.bytes(),
            Self::Prompts(rows) => rows.iter().map(|row| row.system.len() + row.user.len()).sum(),
            Self::Metrics(rows) => rows.iter().map(|row| MAX_NAME_BYTES + row.latency.len()).sum(),
            Self::Purge(_) => 0,
        }
    }

    /// How many rows were written or removed; of a workflow that is removed, its history's.
    pub(crate) fn apply(&self, connection: &mut Connection) -> QueryResult<u64> {
        match self {
            Self::Project { of, rows } => projection::renew(connection, of, rows),
            Self::Prompts(rows) => templates::insert(connection, rows),
            Self::Metrics(rows) => model_metrics::insert(connection, rows),
            Self::Purge(purge) => retention::purge(connection, purge),
        }
    }
}
