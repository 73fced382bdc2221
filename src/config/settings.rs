//! The settings, one small struct for each part, with their defaults and what the parts make of them.
//!
//! config/impresario.yaml says what each key means; a test holds the two together.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use actors::workbench::{Asking, Manners};
use pricing::Price;
use serde::{Deserialize, Serialize};
use units::{ModelName, ProviderId, TokenCount};
use workflow::{MAX_LIMIT, Mode};

pub use super::base_url::BaseUrl;
pub use super::bounded::{Bounded, Temperature};
pub use super::capture::{Capture, Routes};
pub use super::doors::{Hosts, Limits, Network, PageOrigins, Proxies, Tls};
use super::extras;
pub use super::extras::Added;
pub use super::gateway::{Aliases, Gateway, OnHangUp};
pub use super::keeping::{Disk, Retention};
pub use super::key_place::KeyPlace;
pub use super::key_places::KeyPlaces;
pub use super::log::{Format, Level, Log, Targets};
pub use super::one_or_many::{Folders, Variables, Wanted};
pub use super::providers::Providers;
pub use super::records::Records;
pub use super::speaks::Speaks;
pub use super::store_url::StoreUrl;
pub use super::strategy::Strategy;
pub use super::telemetry::{Otlp, Share, Telemetry};

/// The documentation of every key, and the lowest layer.
pub(super) const DEFAULTS: &str = include_str!("../../config/impresario.yaml");
/// What errors call it.
pub(super) const DEFAULTS_NAME: &str = "config/impresario.yaml";

const DAY_S: u64 = 24 * 60 * 60;
const LIMIT: u64 = MAX_LIMIT as u64;

/// How many times something may be done in a workflow.
type Times = Bounded<1, LIMIT>;
/// A time of a day at most, in seconds.
type Seconds = Bounded<1, DAY_S>;

/// All settings. What providers there are is said by config/impresario.yaml alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The server's doors.
    pub server: Server,
    /// Where everything is stored.
    pub store: Store,
    /// What is recorded, on its way there.
    pub records: Records,
    /// How long what is finished is kept.
    pub retention: Retention,
    /// The disk of the state folder.
    pub disk: Disk,
    /// What is logged and how.
    pub log: Log,
    /// Who answers.
    pub providers: Providers,
    /// How each agent asks.
    pub agents: Agents,
    /// Who is asked when somebody fails.
    pub routing: Routing,
    /// The doors for clients that speak a vendor's dialect.
    pub gateway: Gateway,
    /// The limits of a run.
    pub workflow: Workflow,
    /// Where workflows may work.
    pub workspaces: Workspaces,
    /// What the commands of a workspace may use.
    pub process: Process,
    /// How providers are called.
    pub upstream: Upstream,
    /// Where traces go.
    pub telemetry: Telemetry,
    /// The servers for clients that speak MCP.
    pub mcp: Mcp,
}

/// The server's doors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where it listens for TCP.
    pub listen: SocketAddr,
    /// Threads that serve HTTP.
    pub workers: Bounded<1, 64>,
    /// How long what is under way may take to end when the server stops, in seconds.
    pub drain_s: Bounded<0, 3_600>,
    /// Names that it answers to beside its own.
    pub hosts: Hosts,
    /// Pages that may ask.
    pub origins: PageOrigins,
    /// Who says truly where a request comes from.
    pub trusted_proxies: Proxies,
    /// The certificate that it shows.
    pub tls: Tls,
    /// What is too much or too long.
    pub limits: Limits,
    /// Whether keys may cross a network as they are.
    pub plaintext: bool,
}

/// Where everything is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// PostgreSQL; none is a file in the state folder.
    pub url: Option<StoreUrl>,
    /// Where its password is.
    pub password: Option<KeyPlace>,
    /// The variables that may hold its password.
    pub password_env: Variables,
}

/// One provider, as far as one layer or all of them together say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a mapping such as {kind: openai_compatible, base_url: …}")]
pub struct Provider {
    /// What it speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Where its API is; vendors have a usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<BaseUrl>,
    /// Where its key is: a command that says it, a file, or a variable; or a list, for keys that take turns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<KeyPlaces>,
    /// Headers that every request carries, by their names as they were written.
    #[serde(deserialize_with = "extras::headers", skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Added>,
    /// What every request says in its query.
    #[serde(deserialize_with = "extras::query", skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, Added>,
    /// Whether it is told which trace a call belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<bool>,
    /// Which of OpenAI's dialects it speaks; each kind has its usual ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaks: Option<Speaks>,
    /// Whether whoever may use the gateway sees and changes what the vendor keeps for its account: files, batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_routes: Option<bool>,
    /// Whether a client's own credential may go there in the place of the operator's keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass_through: Option<bool>,
    /// Its models in the order of preference.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<Model>,
    /// The rules that a scripted provider plays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<PathBuf>,
}

/// What a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's Chat Completions and Responses, at OpenAI.
    #[serde(rename = "openai")]
    OpenAi,
    /// Google's Gemini.
    Gemini,
    /// Chat Completions elsewhere, or Responses.
    #[serde(rename = "openai_compatible")]
    OpenAiCompatible,
    /// Rules in a file; nothing is sent.
    Scripted,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::Gemini => "gemini",
            Self::OpenAiCompatible => "openai_compatible",
            Self::Scripted => "scripted",
        })
    }
}

/// One model of a provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as {name: some-model}")]
pub struct Model {
    /// Its name at the provider.
    pub name: ModelName,
    /// What it costs, in dollars per million tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Which of OpenAI's dialects it speaks, where it does not speak as its provider does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaks: Option<Speaks>,
}

/// How each agent asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Agents {
    /// Who plans.
    pub planner: Agent,
    /// Who edits.
    pub editor: Agent,
    /// Who reviews.
    pub reviewer: Agent,
}

/// How one agent asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Agent {
    /// Whom.
    pub model: Wanted,
    /// None leaves it to the provider.
    pub temperature: Option<Temperature>,
    /// The longest answer, in tokens.
    pub max_output_tokens: Bounded<1, 1_000_000>,
    /// The longest that an answer may take, in seconds.
    pub within_s: Seconds,
}

/// Who is asked when somebody fails. Each key has a second name, which users of the forerunner know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Routing {
    /// In which order candidates are asked.
    pub strategy: Strategy,
    /// Whether the next candidate is asked after one that failed.
    #[serde(alias = "fallbackEnabled")]
    pub fallback_enabled: bool,
    /// How often the last candidate is asked again.
    #[serde(alias = "maxRetries")]
    pub max_retries: Bounded<0, { routing::MAX_RETRIES as u64 }>,
}

/// The servers for clients that speak MCP, which are not built yet. Each key has a second name, as in [`Routing`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mcp {
    /// The port of the server of contexts.
    #[serde(alias = "contextPort")]
    pub context_port: Option<Bounded<1, 65_535>>,
    /// The port of the server of models.
    #[serde(alias = "modelPort")]
    pub model_port: Option<Bounded<1, 65_535>>,
    /// The most connections of each.
    #[serde(alias = "maxConnections")]
    pub max_connections: Option<Bounded<1, 100_000>>,
}

/// The limits of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workflow {
    /// How often the planner may answer.
    pub plan_attempts: Times,
    /// How often an editor may answer for one task.
    pub edit_attempts: Times,
    /// How many reviews there are at most.
    pub review_rounds: Times,
    /// How many tasks are edited at once.
    pub parallel_editors: Times,
    /// How often the world may fail one attempt of a step.
    pub step_failures: Bounded<0, LIMIT>,
}

/// Where workflows may work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workspaces {
    /// Folders that are workspaces or hold some.
    pub roots: Folders,
}

/// What the commands of a workspace may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Process {
    /// From start to end, in seconds.
    pub wall_s: Seconds,
    /// CPU time of each process, in seconds.
    pub cpu_s: Seconds,
    /// Size of each file it writes, in bytes.
    pub file_size_bytes: Bounded<1, { 1 << 50 }>,
    /// Open files of each process.
    pub open_files: Bounded<16, 1_000_000>,
    /// Processes and threads at one time.
    pub processes: Bounded<1, 1_000_000>,
    /// Output that is kept, in bytes.
    pub output_bytes: Bounded<1, { 64 << 20 }>,
}

/// How providers are called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    /// The longest that connecting may take, in milliseconds.
    pub connect_timeout_ms: Bounded<1, 600_000>,
    /// The longest wait for the first event of an answer, in seconds.
    pub first_byte_s: Seconds,
    /// The longest silence after that, in seconds.
    pub between_bytes_s: Seconds,
    /// CA certificates beside the machine's own.
    pub ca_file: Option<PathBuf>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 7300).into(),
            workers: Bounded::new(2),
            drain_s: Bounded::new(30),
            hosts: Hosts::default(),
            origins: PageOrigins::default(),
            trusted_proxies: Proxies::default(),
            tls: Tls::default(),
            limits: Limits::default(),
            plaintext: false,
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self { url: None, password: None, password_env: Variables(vec!["PGPASSWORD".to_owned()]) }
    }
}

impl Default for Agents {
    fn default() -> Self {
        let agent = |max_output_tokens| Agent { max_output_tokens, ..Agent::default() };
        Self {
            planner: agent(Bounded::new(16_000)),
            editor: agent(Bounded::new(32_000)),
            reviewer: agent(Bounded::new(16_000)),
        }
    }
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            model: Wanted::Auto,
            temperature: None,
            max_output_tokens: Bounded::new(16_000),
            within_s: Bounded::new(600),
        }
    }
}

impl Default for Routing {
    fn default() -> Self {
        let policy = routing::Policy::default();
        Self {
            strategy: Strategy::Preference,
            fallback_enabled: policy.fallback,
            max_retries: Bounded::new(policy.max_retries.into()),
        }
    }
}

impl Default for Workflow {
    fn default() -> Self {
        Self {
            plan_attempts: Bounded::new(3),
            edit_attempts: Bounded::new(3),
            review_rounds: Bounded::new(3),
            parallel_editors: Bounded::new(4),
            step_failures: Bounded::new(3),
        }
    }
}

impl Default for Process {
    fn default() -> Self {
        Self {
            wall_s: Bounded::new(600),
            cpu_s: Bounded::new(1_200),
            file_size_bytes: Bounded::new(1 << 30),
            open_files: Bounded::new(1_024),
            processes: Bounded::new(512),
            output_bytes: Bounded::new(256 << 10),
        }
    }
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            connect_timeout_ms: Bounded::new(10_000),
            first_byte_s: Bounded::new(120),
            between_bytes_s: Bounded::new(60),
            ca_file: None,
        }
    }
}

impl Server {
    /// How long what is under way may take to end when the server stops.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_s.get())
    }
}

impl Agents {
    /// The agents with their names, in the order of a run.
    pub fn by_role(&self) -> [(&'static str, &Agent); 3] {
        [("planner", &self.planner), ("editor", &self.editor), ("reviewer", &self.reviewer)]
    }

    pub(super) fn all_use(&mut self, provider: &ProviderId) {
        let word: ModelName = provider.as_str().parse().expect("what may name a provider may name a model");
        for agent in [&mut self.planner, &mut self.editor, &mut self.reviewer] {
            agent.model = Wanted::Word(word.clone());
        }
    }

    pub(super) fn manners(&self) -> Manners {
        Manners {
            planner: self.planner.asking(),
            editor: self.editor.asking(),
            reviewer: self.reviewer.asking(),
        }
    }
}

impl Agent {
    fn asking(&self) -> Asking {
        Asking {
            max_output: TokenCount(self.max_output_tokens.get()),
            temperature: self.temperature.map(Temperature::get),
            within: Duration::from_secs(self.within_s.get()),
        }
    }
}

impl Routing {
    pub(super) fn policy(&self) -> routing::Policy {
        let max_retries = u32::try_from(self.max_retries.get()).expect("its bound is far below");
        routing::Policy { fallback: self.fallback_enabled, max_retries }
    }
}

impl Workflow {
    /// The limits of a run of this mode.
    pub fn limits(&self, mode: Mode) -> workflow::Settings {
        let number = |number: u64| u32::try_from(number).expect("its bound is far below");
        workflow::Settings {
            mode,
            plan_attempts: number(self.plan_attempts.get()),
            edit_attempts: number(self.edit_attempts.get()),
            review_rounds: number(self.review_rounds.get()),
            parallel_editors: number(self.parallel_editors.get()),
            step_failures: number(self.step_failures.get()),
        }
    }
}

impl Process {
    /// The limits of one command.
    pub fn limits(&self) -> process::Limits {
        process::Limits {
            wall: Duration::from_secs(self.wall_s.get()),
            cpu: Duration::from_secs(self.cpu_s.get()),
            file_size_bytes: self.file_size_bytes.get(),
            open_files: self.open_files.get(),
            processes: self.processes.get(),
            output_bytes: usize::try_from(self.output_bytes.get()).expect("its bound is far below"),
            memory_bytes: None,
        }
    }
}

impl Upstream {
    pub(crate) fn options(&self) -> upstream::Options {
        upstream::Options {
            connect_timeout: Duration::from_millis(self.connect_timeout_ms.get()),
            ca_file: self.ca_file.clone(),
        }
    }

    pub(super) fn patience(&self) -> gateway::Patience {
        gateway::Patience {
            first_byte: Duration::from_secs(self.first_byte_s.get()),
            between_bytes: Duration::from_secs(self.between_bytes_s.get()),
        }
    }
}
