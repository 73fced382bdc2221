//! A house to test in: its folders, its script, and how to wait for what is to happen.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actors::captures;
use actors::feed::Shown;
use actors::recorder;
use actors::tree::{Blueprint, House, ProviderSpec, build};
use actors::workbench::{Asking, Manners, Running};
use actors::workflows::Order;
use clock::Clock;
use pricing::{NanodollarsPerMillion, Price};
use routing::{Choice, Readiness, Source};
use tempfile::TempDir;
use units::{Seq, TokenCount, WorkflowId};
use workflow::{Event, Mode, Outcome, Settings};

/// Folders that go with the test.
pub(crate) struct Place {
    pub(crate) state: TempDir,
    pub(crate) workspace: TempDir,
    pub(crate) script: String,
    /// The URL of the server whose schema of this place's own is the database; without one it is a file.
    pub(crate) server: Option<String>,
}

pub(crate) const SETTINGS: Settings = Settings {
    mode: Mode::Run,
    plan_attempts: 2,
    edit_attempts: 2,
    review_rounds: 2,
    parallel_editors: 2,
    step_failures: 1,
};

/// So odd that no two kinds of tokens pass for each other.
const PRICE: Price = Price {
    input: NanodollarsPerMillion(3_000_000_007),
    cached_input: NanodollarsPerMillion(300_000_013),
    cache_written: NanodollarsPerMillion(3_750_000_019),
    output: NanodollarsPerMillion(15_000_000_023),
};

/// The server that the tests run against, if it is not to be SQLite.
#[expect(clippy::disallowed_methods, reason = "which database a test runs on is no setting of the program")]
pub(crate) fn server() -> Option<String> {
    std::env::var("IMPRESARIO_TEST_POSTGRES").ok().filter(|url| !url.is_empty())
}

impl Place {
    pub(crate) fn new(files: &[(&str, &str)], script: &str) -> Self {
        let place = Self {
            state: TempDir::new().unwrap(),
            workspace: TempDir::new().unwrap(),
            script: script.to_owned(),
            server: server(),
        };
        for (path, content) in files {
            std::fs::write(place.workspace.path().join(path), content).unwrap();
        }
        place
    }

    pub(crate) fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.workspace.path().join(path)).ok()
    }

    pub(crate) async fn open(&self) -> House {
        build(self.blueprint()).await.unwrap()
    }

    pub(crate) fn blueprint(&self) -> Blueprint {
        let clock = Clock::real();
        let script = Arc::new(scripted::Script::parse("script", &self.script).unwrap());
        let asking =
            Asking { max_output: TokenCount(4096), temperature: None, within: Duration::from_secs(60) };
        let provider = ProviderSpec {
            id: "demo".parse().unwrap(),
            models: script.models().iter().map(|model| (model.clone(), Some(PRICE))).collect(),
            endpoint: Some(upstream::Endpoint::Scripted(script)),
            spoken: BTreeMap::new(),
            source: Source::Script,
            readiness: Readiness::Ready,
        };
        let choice = Choice::Provider("demo".parse().unwrap());
        let roles = ["planner", "editor", "reviewer"].map(|role| (role.to_owned(), choice.clone()));
        let folder = |name: &str| -> PathBuf { self.state.path().join(name) };
        Blueprint {
            policy: routing::Policy::default(),
            clock: clock.clone(),
            database: self.database(),
            providers: vec![provider],
            roles: BTreeMap::from(roles),
            aliases: BTreeMap::new(),
            upstream: upstream::Options::default(),
            patience: gateway::Patience::default(),
            roots: workspace::Roots::try_new(vec![self.workspace.path().to_owned()]).unwrap(),
            overlays: folder("overlays"),
            journals: folder("journals"),
            running: Running {
                runner: Arc::new(process::Runner::new(PathBuf::from("no-launcher"), clock)),
                environment: Vec::new(),
                limits: process::Limits::default(),
            },
            manners: Manners { planner: asking, editor: asking, reviewer: asking },
            records: recorder::Options {
                node: folder("node"),
                window: Duration::from_millis(5),
                spool: folder("spool"),
                spool_bytes: 1 << 20,
            },
            end_before_rename: None,
            manager: None,
            min_free_bytes: 0,
            rules: Vec::new(),
            captures: captures::Options {
                folder: folder("captures"),
                routes: BTreeSet::new(),
                keep: Duration::from_secs(60),
                body_bytes: 1024,
                max_bytes: 1 << 20,
                known: Vec::new(),
            },
            threads: 2,
            observed: Default::default(),
        }
    }

    fn database(&self) -> store::Database {
        let Some(server) = &self.server else {
            return store::Database::Sqlite(self.state.path().join("test.db"));
        };
        let mut name = DefaultHasher::new();
        (self.state.path(), std::process::id()).hash(&mut name);
        store::Database::Postgres(format!("{server}?schema=t_{:016x}", name.finish()).parse().unwrap())
    }

    pub(crate) fn order(&self, mode: Mode) -> Order {
        Order {
            requester: None,
            goal: "Make it better".to_owned(),
            root: self.workspace.path().to_owned(),
            check: Vec::new(),
            settings: Settings { mode, ..SETTINGS },
        }
    }
}

/// Follows a workflow until `wished` holds of its history so far, and returns that history.
pub(crate) async fn history_until(
    house: &House,
    id: &WorkflowId,
    wished: impl Fn(&[Event]) -> bool,
) -> Vec<Event> {
    let doors = house.doors();
    let mut follower = doors.pulses.follow(doors.readers.clone(), id.clone(), Seq(0));
    let mut history: Vec<Event> = Vec::new();
    loop {
        if let Shown::Event(row) = follower.next().await.unwrap() {
            assert_eq!(row.seq.0, history.len() as u64 + 1, "no gap, no duplicate");
            history.push(Event::decode(&row.payload).unwrap());
        }
        if wished(&history) {
            return history;
        }
    }
}

pub(crate) async fn end_of(house: &House, id: &WorkflowId) -> (Outcome, Vec<Event>) {
    let over = |history: &[Event]| matches!(history.last(), Some(Event::Finished { .. }));
    let history = history_until(house, id, over).await;
    let Some(Event::Finished { outcome }) = history.last().cloned() else { unreachable!("it is over") };
    (outcome, history)
}

/// All files of a folder with their bytes, to compare byte for byte.
pub(crate) fn bytes_of(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}
