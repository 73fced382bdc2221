//! What the store's tables say of a workflow's agents and tasks, made of its history: a fold, and what changed in it.

use std::collections::BTreeMap;

use store::{AgentRow, Projection, TaskRow};
use supervision::Failure;
use units::{UnixMillis, WorkflowId};
use workflow::{Crew, Event, Member, Progress, State, Step, apply};

/// Events read from the store at once.
const PAGE: usize = 256;

/// A history, folded: its state and who worked in it.
#[derive(Clone, Default)]
pub(crate) struct Folded {
    pub(crate) state: State,
    pub(crate) crew: Crew,
}

impl Folded {
    /// After `event`, which was stored at `at`.
    pub(crate) fn after(self, event: &Event, at: UnixMillis) -> Self {
        Self { state: apply(self.state, event), crew: self.crew.after(event, at) }
    }

    /// A workflow's whole history. Blocks.
    pub(crate) fn read(readers: &store::Readers, workflow: &WorkflowId) -> Result<Self, Failure> {
        let mut folded = Self::default();
        loop {
            let rows = readers.events_after(workflow, folded.state.seq(), PAGE).map_err(Failure::new)?;
            if rows.is_empty() {
                return Ok(folded);
            }
            for row in rows {
                let event = Event::decode(&row.payload).map_err(Failure::new)?;
                folded = folded.after(&event, row.at);
            }
        }
    }

    /// All agents and tasks as rows.
    pub(crate) fn rows(&self) -> Projection {
        let agents = self.crew.members().map(|(step, member)| agent(step, member)).collect();
        let tasks =
            self.state.progress().into_iter().zip(0..).map(|(task, place)| row(task, place)).collect();
        Projection { agents, tasks }
    }
}

/// What `now` has that `before` had not, or had otherwise.
pub(crate) fn changes(before: &Projection, now: &Projection) -> Projection {
    let agents: BTreeMap<&str, &AgentRow> =
        before.agents.iter().map(|row| (row.step.as_str(), row)).collect();
    let tasks: BTreeMap<_, &TaskRow> = before.tasks.iter().map(|row| (&row.task, row)).collect();
    let new_agent = |row: &&AgentRow| agents.get(row.step.as_str()) != Some(row);
    let new_task = |row: &&TaskRow| tasks.get(&row.task) != Some(row);
    Projection {
        agents: now.agents.iter().filter(new_agent).cloned().collect(),
        tasks: now.tasks.iter().filter(new_task).cloned().collect(),
    }
}

fn agent(step: &Step, member: &Member) -> AgentRow {
    AgentRow {
        step: step.to_string(),
        role: step.role().name().to_owned(),
        attempt: step.attempt(),
        prompt: member.prompt.clone(),
        deployment: member.deployment.clone(),
        calls: member.calls,
        failures: member.failures,
        started_at: member.started_at,
        ended_at: member.ended_at,
        outcome: member.result.map(|result| result.name().to_owned()),
    }
}

fn row(progress: Progress, place: u32) -> TaskRow {
    let Progress { task, group, stage, attempt } = progress;
    let ids: Vec<&str> = task.depends_on.iter().map(|id| id.as_str()).collect();
    TaskRow {
        place,
        title: plain(&task.title),
        group: group.try_into().unwrap_or(u32::MAX),
        status: stage.name().to_owned(),
        attempt,
        depends_on: serde_json::json!(ids).to_string(),
        reads: serde_json::json!(task.reads).to_string(),
        writes: serde_json::json!(task.writes).to_string(),
        task: task.id,
    }
}

/// A model may write what no database takes; the events have all of it.
fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
