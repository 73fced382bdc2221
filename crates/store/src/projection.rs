//! Tables `agents` and `tasks`: what a workflow's history says of its agents and its tasks.
//!
//! They are written in the transaction of the events that change them, and can be made anew from the history: a
//! workflow's `projected_seq` tells up to which event they are right.

use diesel::prelude::*;
use units::{DeploymentId, ModelName, ProviderId, Seq, TaskId, UnixMillis, WorkflowId};

use crate::connection::{Connection, each};
use crate::error::{Error, WriteError};
use crate::readers::{MAX_LISTED, Readers};
use crate::schema::{agents, tasks, workflows};
use crate::write::{MAX_NAME_BYTES, text, within};

/// The most rows of one projection.
pub const MAX_PROJECTED: usize = 25_000;
/// The most bytes of a task's title, and of each of its lists as JSON.
const MAX_LIST_BYTES: usize = 1 << 20;

/// What is to be written of agents and tasks; each row takes the place of the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    /// The agents that are new or have changed.
    pub agents: Vec<AgentRow>,
    /// The tasks that are new or have changed.
    pub tasks: Vec<TaskRow>,
}

/// One agent: who asked what for a workflow, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRow {
    /// The step that it took, by its name.
    pub step: String,
    /// Its role.
    pub role: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The template of its prompt and the version of that.
    pub prompt: Option<(String, String)>,
    /// Who answered last.
    pub deployment: Option<DeploymentId>,
    /// How many answers it got.
    pub calls: u32,
    /// How often the world failed it.
    pub failures: u32,
    /// When it began.
    pub started_at: UnixMillis,
    /// When it was through.
    pub ended_at: Option<UnixMillis>,
    /// What came of it, in a word.
    pub outcome: Option<String>,
}

/// One task and how far it is. Its lists are JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    /// Its name.
    pub task: TaskId,
    /// Its place among all tasks, from 0.
    pub place: u32,
    /// One line for people.
    pub title: String,
    /// Its group, from 1.
    pub group: u32,
    /// How far it is, in a word.
    pub status: String,
    /// The attempt, from 1; 0 before the first.
    pub attempt: u32,
    /// The tasks that it waits for.
    pub depends_on: String,
    /// What it may read.
    pub reads: String,
    /// What it may write.
    pub writes: String,
}

/// A workflow whose agents and tasks are not told up to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unprojected {
    /// The workflow.
    pub workflow: WorkflowId,
    /// Its last event.
    pub last_seq: Seq,
}

#[derive(Insertable, AsChangeset, Queryable, Selectable)]
#[diesel(table_name = agents, primary_key(workflow_id, step), treat_none_as_null = true)]
struct AgentRecord {
    workflow_id: String,
    step: String,
    role: String,
    attempt: i64,
    template: Option<String>,
    version: Option<String>,
    provider: Option<String>,
    model: Option<String>,
    calls: i64,
    failures: i64,
    started_at: i64,
    ended_at: Option<i64>,
    outcome: Option<String>,
}

#[derive(Insertable, AsChangeset, Queryable, Selectable)]
#[diesel(table_name = tasks, primary_key(workflow_id, task_id))]
struct TaskRecord {
    workflow_id: String,
    task_id: String,
    place: i64,
    title: String,
    in_group: i64,
    status: String,
    attempt: i64,
    depends_on: String,
    reads: String,
    writes: String,
}

impl AgentRecord {
    fn new(workflow: &WorkflowId, row: &AgentRow) -> Self {
        Self {
            workflow_id: workflow.to_string(),
            step: row.step.clone(),
            role: row.role.clone(),
            attempt: row.attempt.into(),
            template: row.prompt.as_ref().map(|(template, _)| template.clone()),
            version: row.prompt.as_ref().map(|(_, version)| version.clone()),
            provider: row.deployment.as_ref().map(|deployment| deployment.provider.to_string()),
            model: row.deployment.as_ref().map(|deployment| deployment.model.to_string()),
            calls: row.calls.into(),
            failures: row.failures.into(),
            started_at: row.started_at.0,
            ended_at: row.ended_at.map(|at| at.0),
            outcome: row.outcome.clone(),
        }
    }
}

impl TryFrom<AgentRecord> for AgentRow {
    type Error = Error;

    fn try_from(record: AgentRecord) -> Result<Self, Error> {
        let damaged = |reason| Error::Damaged { table: "agents", reason };
        let deployment = match record.provider.zip(record.model) {
            None => None,
            Some((provider, model)) => Some(DeploymentId {
                provider: ProviderId::try_from(provider).map_err(damaged)?,
                model: ModelName::try_from(model).map_err(damaged)?,
            }),
        };
        Ok(Self {
            step: record.step,
            role: record.role,
            attempt: number(record.attempt),
            prompt: record.template.zip(record.version),
            deployment,
            calls: number(record.calls),
            failures: number(record.failures),
            started_at: UnixMillis(record.started_at),
            ended_at: record.ended_at.map(UnixMillis),
            outcome: record.outcome,
        })
    }
}

impl TaskRecord {
    fn new(workflow: &WorkflowId, row: &TaskRow) -> Self {
        Self {
            workflow_id: workflow.to_string(),
            task_id: row.task.to_string(),
            place: row.place.into(),
            title: row.title.clone(),
            in_group: row.group.into(),
            status: row.status.clone(),
            attempt: row.attempt.into(),
            depends_on: row.depends_on.clone(),
            reads: row.reads.clone(),
            writes: row.writes.clone(),
        }
    }
}

impl TryFrom<TaskRecord> for TaskRow {
    type Error = Error;

    fn try_from(record: TaskRecord) -> Result<Self, Error> {
        let damaged = |reason| Error::Damaged { table: "tasks", reason };
        Ok(Self {
            task: TaskId::try_from(record.task_id).map_err(damaged)?,
            place: number(record.place),
            title: record.title,
            group: number(record.in_group),
            status: record.status,
            attempt: number(record.attempt),
            depends_on: record.depends_on,
            reads: record.reads,
            writes: record.writes,
        })
    }
}

fn number(column: i64) -> u32 {
    u32::try_from(column).unwrap_or(u32::MAX)
}

impl Projection {
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        within("agents and tasks of a write", self.agents.len() + self.tasks.len(), MAX_PROJECTED)?;
        for row in &self.agents {
            let (template, version) = row.prompt.clone().unwrap_or_default();
            let outcome = row.outcome.as_deref().unwrap_or_default();
            for word in [&row.step, &row.role, &template, &version] {
                within("bytes of an agent's names", word.len(), MAX_NAME_BYTES)?;
                text("an agent's names", word)?;
            }
            within("bytes of an agent's outcome", outcome.len(), MAX_NAME_BYTES)?;
        }
        for row in &self.tasks {
            for list in [&row.title, &row.status, &row.depends_on, &row.reads, &row.writes] {
                within("bytes of a task's lists", list.len(), MAX_LIST_BYTES)?;
                text("a task's texts", list)?;
            }
        }
        Ok(())
    }

    /// About how many bytes it brings into a transaction.
    pub(crate) fn bytes(&self) -> usize {
        let task =
            |row: &TaskRow| row.title.len() + row.reads.len() + row.writes.len() + row.depends_on.len();
        self.agents.len() * MAX_NAME_BYTES + self.tasks.iter().map(task).sum::<usize>()
    }
}

/// Writes the rows, each in place of the one before.
pub(crate) fn insert(
    connection: &mut Connection,
    workflow: &WorkflowId,
    projection: &Projection,
) -> QueryResult<()> {
    for row in &projection.agents {
        let record = AgentRecord::new(workflow, row);
        each!(connection, one => diesel::insert_into(agents::table)
            .values(&record)
            .on_conflict((agents::workflow_id, agents::step))
            .do_update()
            .set(&record)
            .execute(one))?;
    }
    for row in &projection.tasks {
        let record = TaskRecord::new(workflow, row);
        each!(connection, one => diesel::insert_into(tasks::table)
            .values(&record)
            .on_conflict((tasks::workflow_id, tasks::task_id))
            .do_update()
            .set(&record)
            .execute(one))?;
    }
    Ok(())
}

/// Makes the rows of a workflow anew, if its history still ends there. The number of workflows that were written.
pub(crate) fn renew(
    connection: &mut Connection,
    unprojected: &Unprojected,
    projection: &Projection,
) -> QueryResult<u64> {
    let id = unprojected.workflow.as_str();
    let last = unprojected.last_seq.0.cast_signed();
    let expected = workflows::table.find(id).filter(workflows::last_seq.eq(last));
    let updated = each!(connection, one => {
        diesel::update(expected).set(workflows::projected_seq.eq(last)).execute(one)
    })?;
    if updated == 0 {
        return Ok(0);
    }
    forget(connection, id)?;
    insert(connection, &unprojected.workflow, projection)?;
    Ok(1)
}

/// Removes a workflow's agents and tasks.
pub(crate) fn forget(connection: &mut Connection, workflow: &str) -> QueryResult<()> {
    each!(connection, one => {
        diesel::delete(agents::table.filter(agents::workflow_id.eq(workflow))).execute(one)?;
        diesel::delete(tasks::table.filter(tasks::workflow_id.eq(workflow))).execute(one)
    })
    .map(drop)
}

impl Readers {
    /// The agents of a workflow, in the order of their beginning.
    ///
    /// # Errors
    /// [`Error::TooMany`] beyond [`MAX_PROJECTED`].
    pub fn agents_of(&self, workflow: &WorkflowId) -> Result<Vec<AgentRow>, Error> {
        self.read(|connection| {
            let query = agents::table
                .filter(agents::workflow_id.eq(workflow.as_str()))
                .order((agents::started_at, agents::step))
                .limit(MAX_PROJECTED as i64 + 1);
            let records: Vec<AgentRecord> =
                each!(connection, one => query.select(AgentRecord::as_select()).load(one))?;
            if records.len() > MAX_PROJECTED {
                return Err(Error::TooMany { what: "agents of this workflow", most: MAX_PROJECTED });
            }
            records.into_iter().map(AgentRow::try_from).collect()
        })
    }

    /// The tasks of a workflow, in the order of their groups.
    ///
    /// # Errors
    /// [`Error::TooMany`] beyond [`MAX_PROJECTED`].
    pub fn tasks_of(&self, workflow: &WorkflowId) -> Result<Vec<TaskRow>, Error> {
        self.read(|connection| {
            let query = tasks::table
                .filter(tasks::workflow_id.eq(workflow.as_str()))
                .order((tasks::place, tasks::task_id))
                .limit(MAX_PROJECTED as i64 + 1);
            let records: Vec<TaskRecord> =
                each!(connection, one => query.select(TaskRecord::as_select()).load(one))?;
            if records.len() > MAX_PROJECTED {
                return Err(Error::TooMany { what: "tasks of this workflow", most: MAX_PROJECTED });
            }
            records.into_iter().map(TaskRow::try_from).collect()
        })
    }

    /// Finished workflows whose agents and tasks are not told up to their end, oldest first; [`MAX_LISTED`] at most.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Damaged`].
    pub fn unprojected(&self) -> Result<Vec<Unprojected>, Error> {
        self.read(|connection| {
            let query = workflows::table
                .filter(workflows::outcome.is_not_null())
                .filter(workflows::projected_seq.lt(workflows::last_seq))
                .order((workflows::updated_at, workflows::id))
                .limit(MAX_LISTED as i64)
                .select((workflows::id, workflows::last_seq));
            let found: Vec<(String, i64)> = each!(connection, one => query.load(one))?;
            let one = |(id, last): (String, i64)| {
                let damaged = |reason| Error::Damaged { table: "workflows", reason };
                let workflow = WorkflowId::try_from(id).map_err(damaged)?;
                Ok(Unprojected { workflow, last_seq: Seq(last.cast_unsigned()) })
            };
            found.into_iter().map(one).collect()
        })
    }
}

#[cfg(test)]
mod tests;
