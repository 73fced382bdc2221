//! What goes over the wire, both ways: the server writes these and the client reads them.
//!
//! A field may be added; none changes its meaning. Times are milliseconds since 1970, money is nanodollars.

pub mod kept;
mod keys;

use std::path::PathBuf;

use actors::captures::Summary;
use actors::feed::Progress;
use serde::{Deserialize, Serialize};
use units::{DeploymentId, Nanodollars, Seq, TaskId, TokenCount, UnixMillis, WorkflowId};
use workflow::Mode;

pub use keys::{KeyList, KeyOrder, KeyState, KeyView, MadeKey, RotateOrder, ShownOnce};

/// Answers `GET /livez` and `GET /healthz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok`; a server that is not does not answer.
    pub status: String,
    /// The server's version.
    pub version: String,
}

/// Answers `GET /readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// All of it in one word.
    pub status: Welcome,
    /// Its parts.
    pub parts: Parts,
}

/// Whether requests are welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Welcome {
    /// Everything is served.
    Ready,
    /// What needs a part that is away is refused for now, and all else is served.
    Degraded,
    /// Ask somebody else.
    Stopping,
}

/// The parts of a server, each by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// The actors at the top of the tree.
    pub tree: PartState,
    /// Where everything is stored.
    pub database: PartState,
    /// Whether what is to be recorded is taken, by the database and by the disk before it.
    pub records: PartState,
}

/// How one part does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// As it should.
    Ok,
    /// It is away, or starts again.
    Away,
}

/// Answers `GET /admin/captures`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureList {
    /// The newest first.
    pub captures: Vec<Summary>,
}

/// What is wanted: the body of `POST /v1/workflows`. What is left out comes from the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewWorkflow {
    /// The goal, in the person's words.
    pub goal: String,
    /// The workspace's absolute path, beneath a registered root.
    pub workspace: PathBuf,
    /// The workspace's check command, word by word; left out it is detected, empty it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Vec<String>>,
    /// How far the run goes; left out, all the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// How often the planner may answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_attempts: Option<u32>,
    /// How often an editor may answer for one task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit_attempts: Option<u32>,
    /// How many reviews there are at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_rounds: Option<u32>,
    /// How many tasks are edited at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel_editors: Option<u32>,
    /// How often the world may fail one attempt of a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_failures: Option<u32>,
}

/// Answers `POST /v1/workflows`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The workflow's id; it is durable.
    pub id: WorkflowId,
    /// The check command in force, word by word; empty when there is none.
    pub check: Vec<String>,
    /// Where the check command comes from.
    pub check_from: CheckFrom,
}

/// Where a check command comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum CheckFrom {
    /// The request.
    Request,
    /// A file of the workspace.
    Detected {
        /// Which, relative to the workspace.
        file: String,
    },
    /// Nothing: the workspace shows no way to check it, and edits are not tested.
    Nowhere,
}

/// The body of `POST /v1/workflows/{id}/abort`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abort {
    /// Who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The body of `POST /admin/tree/kill` and of what else is done to a place in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct At {
    /// The place's path from the root, such as `root/providers/vendor/model`.
    pub path: String,
}

/// What is done to a place in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Its life ends at once, as by a crash; its restart rule decides what follows.
    Kill,
    /// It is stopped by its shutdown rule, and not started again.
    Terminate,
    /// One that does not live is started.
    Restart,
    /// An actor lives on and handles nothing.
    Suspend,
    /// It handles messages again.
    Resume,
}

impl Act {
    /// The last word of its route.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Terminate => "terminate",
            Self::Restart => "restart",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
        }
    }
}

/// Answers what is done to a place in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acted {
    /// The place.
    pub path: String,
    /// The generation that was met there; a later one was started after it.
    pub generation: u64,
}

/// Answers `GET /v1/workflows`: newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowList {
    /// One page of them; ask on with `before=` the last id.
    pub workflows: Vec<WorkflowLine>,
}

/// Answers `GET /admin/audit`: oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// The newest that are wanted.
    pub entries: Vec<store::AuditRow>,
}

/// Answers `GET /admin/requests`: the last recorded first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestPage {
    /// Those that are wanted.
    pub requests: Vec<store::AnsweredRequest>,
}

/// Answers `GET /admin/usage`: the last recorded first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsagePage {
    /// Those that are wanted.
    pub usage: Vec<store::RecordedUsage>,
}

/// Answers `GET /admin/audit/verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditChains {
    /// One for each server that writes to the database.
    pub chains: Vec<store::Chain>,
}

/// A workflow in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowLine {
    /// Its id.
    pub id: WorkflowId,
    /// What is wanted.
    pub goal: String,
    /// The workspace.
    pub root: String,
    /// Its phase, or the name of its outcome.
    pub status: String,
    /// How it ended, for people; none while it goes on.
    pub outcome: Option<String>,
    /// When it was asked for.
    pub created_at: UnixMillis,
    /// When its last event was stored.
    pub updated_at: UnixMillis,
    /// Its last event's position.
    pub last_seq: Seq,
}

/// Answers `GET /v1/workflows/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowView {
    /// What the list says.
    #[serde(flatten)]
    pub line: WorkflowLine,
    /// `new`, `planning`, `editing`, `reviewing`, `compensating` or `finished`.
    pub phase: String,
    /// How far it goes; none before its first event.
    pub mode: Option<Mode>,
    /// The check command, word by word; empty when there is none.
    pub check: Vec<String>,
    /// The plan, once it stands.
    pub plan: Option<PlanView>,
    /// The reviews, oldest first.
    pub reviews: Vec<ReviewView>,
    /// What each model used and cost.
    pub totals: Vec<ModelTotals>,
}

/// A plan and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanView {
    /// What will be done.
    pub summary: String,
    /// The tasks in the order of their groups, revisions last.
    pub tasks: Vec<TaskView>,
}

/// A task and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// Its name.
    pub id: TaskId,
    /// One line for people.
    pub title: String,
    /// Its group, from 1; those of one group may run side by side.
    pub group: usize,
    /// How far it is.
    pub state: TaskState,
    /// The attempt in progress or the one that was committed, from 1; 0 before the first.
    pub attempt: u32,
    /// What it waits for.
    pub depends_on: Vec<TaskId>,
    /// What it may write.
    pub writes: Vec<String>,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Its turn has not come, or does not come any more.
    Waiting,
    /// An editor is at it, or its commit is open.
    Editing,
    /// It is in the workspace.
    Committed,
    /// It was in the workspace and was undone.
    Undone,
}

/// A review in a workflow's view; its findings stand in the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewView {
    /// Which round, from 1.
    pub round: usize,
    /// What is to become of the change.
    pub verdict: Verdict,
    /// Why.
    pub summary: String,
    /// How many findings it has.
    pub findings: usize,
}

/// What is to become of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It stays.
    Approve,
    /// It is revised.
    RequestChanges,
}

/// What a workflow used of one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelTotals {
    /// The model, as provider/model.
    pub deployment: DeploymentId,
    /// The number of calls.
    pub calls: u64,
    /// Input tokens at the full price.
    pub input: TokenCount,
    /// Input tokens from the provider's cache.
    pub cached_input: TokenCount,
    /// Input tokens written to the provider's cache.
    pub cache_written: TokenCount,
    /// Output tokens, reasoning among them.
    pub output: TokenCount,
    /// What the calls of known price cost.
    pub cost_nanodollars: Nanodollars,
    /// The number of calls whose price is not known.
    pub unpriced_calls: u64,
}

/// Answers `GET /v1/providers`: every deployment in the order of preference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Providers {
    /// The deployments.
    pub deployments: Vec<DeploymentView>,
}

/// A model at a provider, and whether it can be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentView {
    /// Which, as provider/model.
    pub deployment: DeploymentId,
    /// `model`, or `script` for answers written by hand.
    pub source: Source,
    /// Whether it can be called at all.
    pub readiness: Readiness,
    /// Its breaker; none where it cannot be called anyway.
    pub breaker: Option<Breaker>,
    /// Whether its price is known.
    pub priced: bool,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A model.
    Model,
    /// Rules written by hand.
    Script,
}

/// Whether a deployment can be called at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// It can.
    Ready,
    /// No key is set for its provider.
    NoKey,
    /// Its server did not answer.
    NoServer,
}

/// Whether a deployment is called now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breaker {
    /// It is.
    Closed,
    /// It failed too often and is left alone for a while.
    Open,
    /// It is tried with a few calls.
    HalfOpen,
    /// An operator holds it open: it is not called.
    ForcedOpen,
    /// An operator holds it closed: it is called, however often it fails.
    ForcedClosed,
    /// An operator has switched it off: it is called, and nothing is counted.
    Disabled,
}

/// The body of `POST /admin/breakers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerOrder {
    /// Whose breaker, as provider/model.
    pub deployment: DeploymentId,
    /// Who decides from now on, until the server stops.
    pub control: Control,
}

/// Who decides over a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// The operator: it is not called.
    ForceOpen,
    /// The operator: it is called, and failures count and open nothing.
    ForceClosed,
    /// The operator: it is called, and nothing counts.
    Disabled,
    /// The breaker itself; an operator's word is taken back.
    Automatic,
}

/// Answers `POST /admin/breakers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerSet {
    /// Whose breaker.
    pub deployment: DeploymentId,
    /// What it does from now on.
    pub breaker: Breaker,
}

/// What a follower of a workflow gets.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerEvent {
    /// A stored event; they come in order, without gaps and each once.
    Event(Box<Numbered>),
    /// Something under way; it may be lost.
    Progress(Progress),
}

/// A stored event and its place in the history.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbered {
    /// Its position; the first has 1.
    pub seq: Seq,
    /// When it happened.
    pub at: UnixMillis,
    /// The event.
    pub event: workflow::Event,
}

/// An error's answer: `{"error":{"code","message"}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// What went wrong, for programs and for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// A stable name.
    pub code: String,
    /// What was wrong and what to do next.
    pub message: String,
}
