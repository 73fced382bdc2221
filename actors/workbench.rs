//! What agents and instances work with: the one call to models, the templates, workspaces, and the limited process.
//!
//! Everything in it is shared and none of it is an actor.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use supervision::Snapshot;
use tokio::sync::{Mutex, OwnedMutexGuard};
use units::{TokenCount, WorkflowId};
use workflow::Outcome;
use workspace::{Interrupting, Journal, Operation, Overlay, RealDisk, Workspace};

use crate::catalogue::Templates;
use crate::feed::Pulses;
use crate::metrics::{Finished, Restarts};
use crate::recorder::{Entry, Recorder};

/// How long to wait for a working copy before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How each agent asks.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// The most it may answer.
    pub max_output: TokenCount,
    /// 0 is the most predictable; `None` leaves it to the provider.
    pub temperature: Option<f64>,
    /// The longest one answer may take, fallbacks among it.
    pub within: Duration,
}

/// How the agents ask, role by role.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// The planner.
    pub planner: Asking,
    /// The editors.
    pub editor: Asking,
    /// The reviewer.
    pub reviewer: Asking,
}

/// How the commands of a workspace are run.
#[derive(Clone, Debug)]
pub struct Running {
    /// Runs them.
    pub runner: Arc<process::Runner>,
    /// The whole environment that they see.
    pub environment: Vec<(OsString, OsString)>,
    /// What they may use.
    pub limits: process::Limits,
}

/// A fail-point: ends the process just before the n-th rename of a transaction, counted from 1.
#[derive(Clone, Copy, Debug)]
pub struct EndBeforeRename {
    /// Which rename.
    pub nth: usize,
    /// Ends the process.
    pub end: fn(),
}

/// The parts of a workbench.
pub struct Parts {
    /// The one call to models.
    pub gateway: gateway::Gateway,
    /// The templates in force.
    pub templates: Templates,
    /// Where progress is shown.
    pub pulses: Pulses,
    /// Counts workflows that end.
    pub finished: Finished,
    /// Counts who is started again.
    pub restarts: Restarts,
    /// Takes what is to be recorded.
    pub recorder: Recorder,
    /// Where workflows may work.
    pub roots: workspace::Roots,
    /// Working copies.
    pub pool: workspace::Pool,
    /// The folder of the journals, one for each workspace.
    pub journals: PathBuf,
    /// How the commands of a workspace are run.
    pub running: Running,
    /// How agents ask now.
    pub manners: Arc<Snapshot<Manners>>,
    /// Set in tests of debug builds only.
    pub end_before_rename: Option<EndBeforeRename>,
}

/// The parts, shared. Cloning is cheap.
#[derive(Clone)]
pub struct Workbench {
    parts: Arc<Parts>,
    turns: Arc<DashMap<String, Arc<Mutex<()>>>>,
}

impl Workbench {
    /// A workbench of these parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), turns: Arc::default() }
    }

    /// The parts.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Opens a workspace beneath a registered root.
    ///
    /// # Errors
    /// When it is not beneath one, or is no folder.
    pub fn open(&self, root: &Path) -> Result<Workspace, workspace::Error> {
        self.parts.roots.open(root)
    }

    /// What calls models.
    pub fn gateway(&self) -> &gateway::Gateway {
        &self.parts.gateway
    }

    /// Records that rows which had their time are gone.
    pub(crate) fn purged(&self, table: &str, count: u64) {
        self.parts.recorder.audit(Entry {
            who: "server".to_owned(),
            action: "retention.purge".to_owned(),
            subject: table.to_owned(),
            outcome: "ok".to_owned(),
            detail: Some(format!("{count} gone")),
        });
    }

    /// Counts and records that a workflow has ended.
    pub(crate) fn ended(&self, workflow: &WorkflowId, outcome: &Outcome) {
        self.parts.finished.count(outcome);
        self.parts.recorder.audit(Entry {
            who: "server".to_owned(),
            action: "workflow.end".to_owned(),
            subject: workflow.to_string(),
            outcome: outcome.name().to_owned(),
            detail: None,
        });
    }

    /// The right to write to a workspace, one at a time over all workflows; the journal is quiet while it is held.
    pub async fn turn(&self, workspace: &Workspace) -> OwnedMutexGuard<()> {
        let turn = self.turns.entry(workspace.id()).or_default().clone();
        turn.lock_owned().await
    }

    /// The same right, if nobody has it now.
    pub fn turn_now(&self, workspace: &Workspace) -> Option<OwnedMutexGuard<()>> {
        let turn = self.turns.entry(workspace.id()).or_default().clone();
        turn.try_lock_owned().ok()
    }

    /// A working copy of a workspace as it is now; waits while all are in use.
    ///
    /// # Errors
    /// When the workspace cannot be read or copied.
    pub async fn overlay(&self, workspace: &Workspace) -> Result<Overlay, workspace::Error> {
        loop {
            let (pool, from) = (self.parts.pool.clone(), workspace.clone());
            match crate::blocking(move || pool.acquire(&from)).await {
                Err(workspace::Error::PoolBusy { .. }) => {
                    self.parts.gateway.clock.sleep(LOOK_AGAIN).await;
                }
                acquired => return acquired,
            }
        }
    }

    /// A workspace's journal. Blocks.
    ///
    /// # Errors
    /// When the journal's folder cannot be made or opened.
    pub fn journal(&self, workspace: &Workspace) -> Result<Journal, workspace::Error> {
        let disk = RealDisk::open(workspace, &self.parts.journals.join(workspace.id()))?;
        Ok(match self.parts.end_before_rename {
            None => Journal::with_disk(disk),
            Some(EndBeforeRename { nth, end }) => {
                Journal::with_disk(Interrupting::new(disk, Operation::Rename, nth, end))
            }
        })
    }
}
