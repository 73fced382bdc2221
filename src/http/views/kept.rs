//! What is kept beside the histories, over the wire: agents and tasks, prompts, how models did, and what went.

use serde::{Deserialize, Serialize};
use units::{DeploymentId, Nanodollars, TaskId, TokenCount, UnixMillis};

/// Answers `GET /v1/workflows/{id}/agents`: in the order of their beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentList {
    /// All agents of the workflow.
    pub agents: Vec<AgentView>,
}

/// One agent: who asked what, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentView {
    /// The step that it took: `plan/1`, `edit/parser/2`, `review/1/1`.
    pub step: String,
    /// Its role.
    pub role: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The template of its prompt; none until an answer has come.
    pub template: Option<String>,
    /// The version of that, as `GET /admin/prompts` names it.
    pub template_version: Option<String>,
    /// Who answered last.
    pub deployment: Option<DeploymentId>,
    /// How many answers it got.
    pub calls: u32,
    /// How often the world failed it.
    pub failures: u32,
    /// When it began.
    pub started_at: UnixMillis,
    /// When it was through; none while it is at work.
    pub ended_at: Option<UnixMillis>,
    /// `accepted`, `rejected` or `cut_off`; none while it is at work.
    pub outcome: Option<String>,
}

/// Answers `GET /v1/workflows/{id}/tasks`: in the order of their groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskList {
    /// All tasks of the workflow.
    pub tasks: Vec<TaskLine>,
}

/// One task and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskLine {
    /// Its name.
    pub id: TaskId,
    /// One line for people.
    pub title: String,
    /// Its group, from 1.
    pub group: u32,
    /// `waiting`, `editing`, `committed` or `undone`.
    pub status: String,
    /// The attempt, from 1; 0 before the first.
    pub attempt: u32,
    /// What it waits for.
    pub depends_on: Vec<String>,
    /// What it may read.
    pub reads: Vec<String>,
    /// What it may write.
    pub writes: Vec<String>,
}

/// Answers `GET /admin/prompts`: by name, the oldest version first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptList {
    /// All versions that a server had.
    pub prompts: Vec<PromptView>,
}

/// One version of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptView {
    /// The template's name.
    pub name: String,
    /// The hash of its file.
    pub version: String,
    /// The version as its author counts.
    pub number: u32,
    /// What it is for.
    pub description: String,
    /// When a server had it first.
    pub first_at: UnixMillis,
    /// What the model is told about its role; only where one name was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// What it is asked; only where one name was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// Answers `GET /admin/models`: by provider and model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelList {
    /// Since when.
    pub since: UnixMillis,
    /// Those that were called since.
    pub models: Vec<ModelView>,
}

/// How one model did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelView {
    /// The model, and where it is served.
    pub deployment: DeploymentId,
    /// Calls that ended.
    pub calls: u64,
    /// With a whole answer.
    pub answered: u64,
    /// After the first output.
    pub interrupted: u64,
    /// Nobody waited any longer.
    pub cancelled: u64,
    /// Before any output, by whose fault it was.
    pub failed: Failed,
    /// Tokens in, those of caches among them.
    pub input: TokenCount,
    /// Tokens out.
    pub output: TokenCount,
    /// The cost of the calls whose price is known.
    pub cost_nanodollars: Nanodollars,
    /// The calls whose price is not known.
    pub unpriced_calls: u64,
    /// How long calls took.
    pub latency: Percentiles,
    /// How long the first output took, of calls that had any.
    pub first_output: Percentiles,
}

/// Calls that failed, by whose fault it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The request was wrong.
    pub caller: u64,
    /// A rule of the operator or of this server.
    pub policy: u64,
    /// The provider.
    pub provider: u64,
    /// This server or its configuration.
    pub own: u64,
}

/// Durations in milliseconds, each at most a sixteenth too much; none where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half took no longer.
    pub p50_ms: Option<u64>,
    /// 95 of 100 took no longer.
    pub p95_ms: Option<u64>,
    /// 99 of 100 took no longer.
    pub p99_ms: Option<u64>,
}

/// The body of `POST /admin/purge`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurgeOrder {
    /// What is older goes, in days; left out, the rules of the configuration decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_than_days: Option<u64>,
    /// Only this table; `workflows` stands for all that belongs to finished ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Only tell what would go.
    #[serde(default)]
    pub dry_run: bool,
}

/// Answers `POST /admin/purge`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// Whether it only tells what would go.
    pub dry_run: bool,
    /// By table.
    pub tables: Vec<PurgedTable>,
}

/// What went of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgedTable {
    /// The table; `workflows` stands for all that belongs to finished ones.
    pub table: String,
    /// Workflows, or rows.
    pub count: u64,
    /// What the histories weighed, in bytes; 0 for other tables.
    pub bytes: u64,
}
