//! Starting, finding and resuming workflows: what doors call.
//!
//! Each workflow is a supervisor of its instance and its agents, a dynamic child of `workflows`. One whose instance
//! crashes too often, also while it undoes, is parked, named `needs_attention`, and takes nobody with it.

use std::path::PathBuf;
use std::time::Duration;

use access::Requester;
use supervision::{
    AutoShutdown, ChildError, Handle, Intensity, Limit, Mailbox, Registry, Restart, Strategy, SupervisorSpec,
};
use tracing::{error, info, warn};
use units::WorkflowId;
use workflow::{Command, Refused, Settings};

use crate::blocking;
use crate::compensation;
use crate::disk::{self, Room};
use crate::instance::{Instance, Record, Tell};
use crate::recorder::Standing;
use crate::workbench::Workbench;
use crate::writer::{self, Pen};

/// The most workflows that live at once.
pub(crate) const MAX_WORKFLOWS: usize = 256;
/// The most children of one workflow: its instance and its agents.
const MAX_CREW: usize = 64;
/// How often an instance or an agent may crash.
const INTENSITY: Intensity = Intensity { restarts: 3, period: Duration::from_secs(60) };
const TELL_WITHIN: Duration = Duration::from_secs(60);

/// Starts and reaches workflows. Cloning is cheap.
#[derive(Clone)]
pub struct Workflows {
    pub(crate) supervisor: Handle,
    pub(crate) registry: Registry,
    pub(crate) pen: Pen,
    pub(crate) readers: store::Readers,
    pub(crate) workbench: Workbench,
    pub(crate) room: Room,
    pub(crate) clock: clock::Clock,
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Order {
    /// The goal, in the person's words.
    pub goal: String,
    /// The workspace.
    pub root: PathBuf,
    /// The workspace's own check command; empty for none.
    pub check: Vec<String>,
    /// The limits of the run.
    pub settings: Settings,
    /// Who asks for it with a key; its models are the only ones that are asked.
    pub requester: Option<Requester>,
}

/// Why a workflow does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The workspace cannot be worked in.
    #[error(transparent)]
    Workspace(#[from] workspace::Error),
    /// It could not be stored.
    #[error(transparent)]
    Writer(#[from] writer::Error),
    /// It could not be read.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Too many live already, or the server stops.
    #[error("the workflow cannot be started now: {0}")]
    Supervisor(#[from] ChildError),
    /// What it would do could not be recorded.
    #[error(
        "new work is refused until the database takes records again: there is no more room for those that wait \
         (`records.spool_bytes`)"
    )]
    NoRoom,
    /// It does not answer.
    #[error("the workflow does not answer: {0}")]
    Unreachable(#[from] supervision::AskError),
    /// Its state does not allow it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// There is none of that id.
    #[error("there is no workflow {0}; `impresario workflows` lists them")]
    NotFound(WorkflowId),
    /// It is over.
    #[error("workflow {id} has ended: {outcome}")]
    Ended {
        /// Which.
        id: WorkflowId,
        /// How.
        outcome: String,
    },
    /// There is too little room.
    #[error(transparent)]
    Low(#[from] disk::Low),
    /// No id could be drawn.
    #[error("no randomness for a workflow's id: {0}")]
    Randomness(String),
}

impl Workflows {
    /// Starts a workflow; it is durable when its id comes back.
    ///
    /// # Errors
    /// When the disk runs low, the folder is no registered workspace, the goal or a limit is refused, or the store cannot
    /// write.
    pub async fn start(&self, order: Order) -> Result<WorkflowId, Error> {
        if self.workbench.parts().recorder.standing() > Standing::Room {
            return Err(Error::NoRoom);
        }
        self.room.check().await?;
        let workspace = self.workbench.open(&order.root)?;
        self.recover(workspace.root()).await?;
        let random = getrandom::u64().map_err(|error| Error::Randomness(error.to_string()))?;
        let id = WorkflowId::from_random(random);
        let root = workspace.root().to_string_lossy().into_owned();
        let start = Command::Start {
            goal: order.goal.clone(),
            root: root.clone(),
            check: order.check,
            settings: order.settings,
            requester: order.requester.map(Box::new),
        };
        // Refused before a row of it exists.
        workflow::decide(&workflow::State::default(), start.clone())?;
        let new = store::NewWorkflow {
            id: id.clone(),
            goal: order.goal,
            root,
            status: "new".to_owned(),
            at: self.clock.wall(),
        };
        self.pen.write(|reply| store::Write::Create { new, reply }).await?;
        let instance = self.revive(&id).await?;
        if let Err(refused) = instance.ask(Tell { command: start, usage: None }, TELL_WITHIN).await? {
            // Nothing began, and it would wait for its start for ever.
            self.supervisor.terminate_child(id.as_str()).await?;
            return Err(refused.into());
        }
        info!(workflow.id = %id, "started");
        Ok(id)
    }

    /// Asks a living workflow to stop and undo what it did.
    ///
    /// # Errors
    /// When there is none of that id, or it has ended, or it undoes already.
    pub async fn abort(&self, id: &WorkflowId, by: &str) -> Result<(), Error> {
        let instance = self.living(id).await?;
        let command = Command::Abort { by: by.to_owned() };
        Ok(instance.ask(Tell { command, usage: None }, TELL_WITHIN).await??)
    }

    /// Goes on with every workflow that an earlier process left unfinished; tells how many there are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn resume(&self) -> Result<usize, Error> {
        let readers = self.readers.clone();
        let unfinished = blocking(move || readers.unfinished()).await?;
        let mut resumed = 0;
        for id in unfinished {
            match self.resume_one(&id).await {
                // One that was started meanwhile lives already.
                Ok(()) | Err(Error::Supervisor(ChildError::AlreadyStarted(_))) => resumed += 1,
                // One workflow whose workspace is gone keeps no other from going on.
                Err(error) => error!(workflow.id = %id, %error, "cannot go on with this workflow now"),
            }
        }
        Ok(resumed)
    }

    async fn resume_one(&self, id: &WorkflowId) -> Result<(), Error> {
        let (readers, wanted) = (self.readers.clone(), id.clone());
        let row = blocking(move || readers.workflow(&wanted)).await?;
        let row = row.ok_or_else(|| Error::NotFound(id.clone()))?;
        self.recover(row.root.as_ref()).await?;
        self.revive(id).await?;
        Ok(())
    }

    /// The supervisor of a living workflow.
    pub fn family(&self, id: &WorkflowId) -> Option<Handle> {
        self.registry.supervisor(&format!("root/workflows/{id}"))
    }

    async fn recover(&self, root: &std::path::Path) -> Result<(), Error> {
        for recovered in compensation::recover(&self.workbench, root).await? {
            match recovered.outcome {
                workspace::Outcome::AlreadyCommitted => {}
                outcome @ (workspace::Outcome::RolledBack
                | workspace::Outcome::Conflict { .. }
                | workspace::Outcome::Failed(_)) => {
                    warn!(transaction = %recovered.id, ?outcome, "a commit was cut off, recovered")
                }
            }
        }
        Ok(())
    }

    async fn revive(&self, id: &WorkflowId) -> Result<Mailbox<Instance>, Error> {
        let record = Record {
            workflow: id.clone(),
            pen: self.pen.clone(),
            readers: self.readers.clone(),
            workbench: self.workbench.clone(),
            trace: tracing::info_span!(
                "workflow",
                otel.name = "invoke_workflow",
                gen_ai.operation.name = "invoke_workflow",
                workflow.id = %id,
            ),
        };
        let restarts = self.workbench.parts().restarts.clone();
        let (instance, mailbox) = Instance::child(record, &self.clock);
        let spec = SupervisorSpec {
            id: id.to_string(),
            strategy: Strategy::OneForOne,
            limit: Limit::PerChild(INTENSITY),
            auto_shutdown: AutoShutdown::AnySignificant,
            max_children: MAX_CREW,
            children: vec![restarts.watch(instance)],
        };
        let (child, _) = spec.into_child();
        self.supervisor.start_child(restarts.watch(child.restart(Restart::Transient))).await?;
        Ok(mailbox)
    }

    async fn living(&self, id: &WorkflowId) -> Result<Mailbox<Instance>, Error> {
        if let Some(instance) = self.registry.find::<Instance>(&format!("root/workflows/{id}/instance"))
            && !instance.is_closed()
        {
            return Ok(instance);
        }
        let (readers, wanted) = (self.readers.clone(), id.clone());
        let row = blocking(move || readers.workflow(&wanted)).await?;
        let row = row.ok_or_else(|| Error::NotFound(id.clone()))?;
        let outcome = row.outcome.unwrap_or_else(|| "parked: see the log of the server".to_owned());
        Err(Error::Ended { id: id.clone(), outcome })
    }
}
