//! Every kind of actor in a running server is killed from outside, and what follows is the rule of its kind.
//!
//! Each new kind of actor names its rule here: a place of the tree that nobody has classified fails these tests.
//! Rate-limit buckets and MCP connections bring theirs with them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clock::Clock;
use impresario::client::{Client, Error};
use impresario::http::views::Act;
use serde_json::Value;
use units::WorkflowId;

use crate::commands::{assert_plain, assert_refused, words};
use crate::folder::Files;
use crate::house::{House, LIMIT};
use crate::runs::{CALLS, afterwards, ordinary_house};
use crate::story::{Story, assert_paid_once};

/// How often the server is looked at, which tells nobody when an actor of it lives again.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// So many kills of one supervisor's children stay below its intensity; then the server starts anew.
const KILLS: usize = 4;
/// The editors that are held in a call while the tree is walked.
const HELD: usize = 2;

/// Who lives in the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Root,
    Feed,
    Metrics,
    Writer,
    Keyring,
    Recorder,
    Providers,
    Provider,
    Account,
    Deployment,
    Router,
    Catalogue,
    Workflows,
    Workflow,
    Resumption,
    Statistics,
    Disk,
    Retention,
    Captures,
    Instance,
    Agent,
}

/// What follows when one is killed. Whoever is not named by it notices nothing.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// It cannot be killed from outside.
    Refused,
    /// It lives again at its place; what it was doing for others goes on.
    LivesAgain,
    /// It lives again, and all beneath it have gone with it and are started afresh.
    LivesAgainWithAllBeneath,
    /// It is temporary: its workflow begins its step again, with a question that nobody has answered yet.
    IsBegunAgain,
}

/// The rule of each kind, and how many open calls are asked again.
const RULES: [(Kind, Rule, usize); 21] = [
    (Kind::Agent, Rule::IsBegunAgain, 1),
    // Its agents live beside it and go on.
    (Kind::Instance, Rule::LivesAgain, 0),
    (Kind::Workflow, Rule::LivesAgainWithAllBeneath, HELD),
    (Kind::Account, Rule::LivesAgain, 0),
    // Calls hold permits of its cell and go on.
    (Kind::Deployment, Rule::LivesAgain, 0),
    (Kind::Provider, Rule::LivesAgainWithAllBeneath, 0),
    (Kind::Providers, Rule::LivesAgainWithAllBeneath, 0),
    (Kind::Router, Rule::LivesAgain, 0),
    (Kind::Catalogue, Rule::LivesAgain, 0),
    (Kind::Metrics, Rule::LivesAgain, 0),
    (Kind::Writer, Rule::LivesAgain, 0),
    (Kind::Keyring, Rule::LivesAgain, 0),
    (Kind::Recorder, Rule::LivesAgain, 0),
    (Kind::Workflows, Rule::LivesAgainWithAllBeneath, HELD),
    (Kind::Resumption, Rule::LivesAgain, 0),
    (Kind::Feed, Rule::LivesAgain, 0),
    (Kind::Statistics, Rule::LivesAgain, 0),
    (Kind::Disk, Rule::LivesAgain, 0),
    (Kind::Retention, Rule::LivesAgain, 0),
    (Kind::Captures, Rule::LivesAgain, 0),
    (Kind::Root, Rule::Refused, 0),
];

impl Kind {
    /// The kind of whoever has this place.
    fn at(path: &str) -> Self {
        let ids: Vec<&str> = path.split('/').collect();
        match ids.as_slice() {
            ["root"] => Self::Root,
            ["root", "feed"] => Self::Feed,
            ["root", "metrics"] => Self::Metrics,
            ["root", "writer"] => Self::Writer,
            ["root", "keyring"] => Self::Keyring,
            ["root", "recorder"] => Self::Recorder,
            ["root", "providers"] => Self::Providers,
            ["root", "providers", _] => Self::Provider,
            ["root", "providers", _, "account"] => Self::Account,
            ["root", "providers", _, _] => Self::Deployment,
            ["root", "router"] => Self::Router,
            ["root", "catalogue"] => Self::Catalogue,
            ["root", "workflows"] => Self::Workflows,
            ["root", "resumption"] => Self::Resumption,
            ["root", "statistics"] => Self::Statistics,
            ["root", "disk"] => Self::Disk,
            ["root", "retention"] => Self::Retention,
            ["root", "captures"] => Self::Captures,
            ["root", "workflows", _] => Self::Workflow,
            ["root", "workflows", _, "instance"] => Self::Instance,
            ["root", "workflows", _, agent]
                if ["planner-", "editor-", "reviewer-"].iter().any(|role| agent.starts_with(role)) =>
            {
                Self::Agent
            }
            _ => panic!("nobody knows who lives at `{path}`: name its kind and its rule in tests/it/tree.rs"),
        }
    }

    fn supervises(self) -> bool {
        match self {
            Self::Root | Self::Providers | Self::Provider | Self::Workflows | Self::Workflow => true,
            Self::Feed
            | Self::Metrics
            | Self::Writer
            | Self::Keyring
            | Self::Recorder
            | Self::Account
            | Self::Deployment
            | Self::Router
            | Self::Catalogue
            | Self::Resumption
            | Self::Statistics
            | Self::Disk
            | Self::Retention
            | Self::Captures
            | Self::Instance
            | Self::Agent => false,
        }
    }

    /// Whether its place goes with the supervisor above it, and a new one is made afterwards.
    fn is_dynamic(self, killed: Self) -> bool {
        self == Self::Agent || killed == Self::Workflows
    }
}

/// Whoever has a place.
#[derive(Clone, Debug, PartialEq)]
struct Life {
    generation: u64,
    state: String,
    last_end: Option<String>,
}

impl Life {
    fn runs(&self) -> bool {
        self.state == "running"
    }
}

type Lives = BTreeMap<String, Life>;

fn lives(tree: &Value) -> Lives {
    let mut found = Lives::new();
    let mut open = vec![("root".to_owned(), tree)];
    while let Some((path, node)) = open.pop() {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let kind = if Kind::at(&path).supervises() { "supervisor" } else { "actor" };
        assert_eq!(node["kind"], kind, "{path}");
        for child in node["children"].as_array().into_iter().flatten() {
            open.push((format!("{path}/{}", child["id"].as_str().unwrap()), child));
        }
        let life = Life {
            generation: node["generation"].as_u64().unwrap(),
            state: text(&node["state"]).unwrap(),
            last_end: text(&node["last_end"]["kind"]),
        };
        found.insert(path, life);
    }
    found
}

/// A server with a run whose editors are held in their calls.
struct Walk {
    house: House,
    client: Client,
    id: WorkflowId,
    after: Files,
    /// Calls that the provider has been asked so far.
    asked: usize,
    /// Kills of each supervisor's children in this life of the server.
    kills: BTreeMap<String, usize>,
}

impl Walk {
    async fn begin() -> Self {
        let mut house = ordinary_house();
        let after = afterwards(&house.files());
        house.vendor.hold("editor", "");
        let client = house.serve().await;
        let id = client.start(&house.order()).await.unwrap();
        // A plan, and an editor for each of two tasks.
        Self { house, client, id, after, asked: 1 + HELD, kills: BTreeMap::new() }
    }

    /// Looks until it is so. Whoever else asks the server meanwhile is served.
    async fn until(&self, what: &str, is_it: impl Fn(&Lives) -> bool) -> Lives {
        let clock = Clock::real();
        let deadline = clock.now() + LIMIT;
        loop {
            // Asks for /healthz.
            Client::connect(&self.house.state().join("impresario.sock")).await.unwrap();
            let found = lives(&self.client.tree().await.unwrap());
            let asked = self.house.vendor.asked().len();
            assert!(asked <= self.asked, "{what}: asked {asked} times in place of {}", self.asked);
            if asked == self.asked && is_it(&found) {
                return found;
            }
            assert!(clock.now() < deadline, "{what}; asked {asked} of {} times: {found:#?}", self.asked);
            clock.sleep(LOOK_EVERY).await;
        }
    }

    /// All at rest: two editors in their calls, everybody running.
    async fn at_rest(&self) -> Lives {
        let is_held = |lives: &Lives| {
            lives.values().all(Life::runs)
                && lives.keys().filter(|path| Kind::at(path) == Kind::Agent).count() == HELD
        };
        self.until("everybody runs", is_held).await
    }

    /// Kills the first of a kind and sees its rule kept.
    async fn kill_one(&mut self, kind: Kind, rule: Rule, asks: usize) {
        let before = self.at_rest().await;
        let of_kind: Vec<&String> = before.keys().filter(|path| Kind::at(path) == kind).collect();
        // Of the providers the one that is asked.
        let in_use = of_kind.iter().find(|path| path.starts_with("root/providers/vendor"));
        let path = in_use.or(of_kind.first()).unwrap_or_else(|| panic!("there is no {kind:?}")).to_string();
        let Some((parent, _)) = path.rsplit_once('/') else {
            let refused = self.client.act(Act::Kill, &path).await.unwrap_err();
            assert!(matches!(rule, Rule::Refused), "{rule:?}");
            assert!(matches!(&refused, Error::Refused { code, .. } if code == "is_root"), "{refused}");
            return;
        };
        if self.kills.get(parent).is_some_and(|kills| *kills >= KILLS) {
            self.start_anew().await;
            return Box::pin(self.kill_one(kind, rule, asks)).await;
        }
        *self.kills.entry(parent.to_owned()).or_default() += 1;

        let acted = self.client.act(Act::Kill, &path).await.unwrap();
        assert_eq!(acted.generation, before[&path].generation);
        self.asked += asks;
        let what = format!("the rule of {path}, {rule:?}");
        let is_so = |after: &Lives| {
            let same_places = before.keys().eq(after.keys());
            same_places && after.values().all(Life::runs) && is_kept(rule, &path, &before, after)
        };
        let after = self.until(&what, is_so).await;
        let is_beneath = |other: &str| other.strip_prefix(&path).is_some_and(|rest| rest.starts_with('/'));
        for (other, life) in &before {
            let now = &after[other];
            match rule {
                _ if *other == path => {}
                Rule::LivesAgainWithAllBeneath if is_beneath(other) => {
                    let is_new = now.generation > life.generation || Kind::at(other).is_dynamic(kind);
                    assert!(is_new, "{other} outlived {path}");
                }
                Rule::LivesAgain | Rule::LivesAgainWithAllBeneath | Rule::IsBegunAgain | Rule::Refused => {
                    assert_eq!(now.generation, life.generation, "{other} fell with {path}");
                }
            }
        }
    }

    /// The intensity counts from 0 in a new process.
    async fn start_anew(&mut self) {
        let ended = self.house.stop().await;
        assert_eq!(ended.code(), Some(0), "{}", self.house.log_text());
        self.client = self.house.serve().await;
        self.kills.clear();
        self.asked += HELD;
    }
}

fn is_kept(rule: Rule, path: &str, before: &Lives, after: &Lives) -> bool {
    let (before, after) = (&before[path], &after[path]);
    match rule {
        Rule::Refused => after == before,
        Rule::LivesAgain | Rule::LivesAgainWithAllBeneath => {
            after.generation == before.generation + 1 && after.last_end.as_deref() == Some("killed")
        }
        // Another one, of which nothing has ended yet.
        Rule::IsBegunAgain => after.generation == 1 && after.last_end.is_none(),
    }
}

#[tokio::test]
async fn whoever_is_killed_is_started_again_or_keeps_the_rule_of_its_kind() {
    let mut walk = Walk::begin().await;
    let known: BTreeSet<Kind> = walk.at_rest().await.keys().map(|path| Kind::at(path)).collect();
    assert_eq!(known, RULES.iter().map(|(kind, ..)| *kind).collect(), "each kind is there, and has a rule");
    for (kind, rule, asks) in RULES {
        walk.kill_one(kind, rule, asks).await;
    }
    let Walk { house, client, id, after, .. } = walk;
    house.vendor.release("editor", "");
    let heard = Story::follow(&client, &id).done().await;
    assert_eq!(house.files(), after);
    assert_paid_once(&client, &id, &heard, &house.vendor, CALLS).await;
}

#[tokio::test]
async fn the_command_line_acts_on_who_is_named_and_says_what_became_of_it() {
    let mut house = ordinary_house();
    let client = house.serve().await;
    let killed = house.run(&["tree", "kill", "root/writer"]).await;
    let said = words(&killed);
    assert_eq!(killed.status.code(), Some(0), "{said}");
    assert!(said.contains("root/writer killed") && said.contains("running, generation 2"), "{said}");
    assert_plain(&said);
    assert_eq!(lives(&client.tree().await.unwrap())["root/writer"].generation, 2);

    for (order, state) in [
        ("suspend", "running, suspended"),
        ("resume", "running, generation 2"),
        ("terminate", "ended"),
        ("restart", "running, generation 3"),
    ] {
        let done = house.run(&["tree", order, "root/writer"]).await;
        assert_eq!(done.status.code(), Some(0), "{}", words(&done));
        assert!(words(&done).contains(state), "{}", words(&done));
    }
    assert_refused(&house.run(&["tree", "restart", "root/writer"]).await, &["`root/writer` lives"]);
    assert_refused(&house.run(&["tree", "suspend", "root/providers"]).await, &["only actors"]);
    for (path, expected) in [
        ("root/writr", "did you mean `root/writer`?"),
        ("nobody", "`impresario tree` shows"),
        ("root", "impresario serve"),
    ] {
        assert_refused(&house.run(&["tree", "kill", path]).await, &[expected]);
    }
    assert_refused(&house.run(&["tree", "kil", "root/writer"]).await, &["kill"]);
    let drawn = words(&house.run(&["tree"]).await);
    assert!(drawn.contains("writer") && drawn.contains("2 restarts, last end: shutdown"), "{drawn}");
    house.stop().await;
    assert_refused(&house.run(&["tree", "kill", "root/writer"]).await, &["impresario serve"]);
}

#[tokio::test]
async fn a_model_whose_breaker_is_held_open_is_not_called_and_another_one_answers() {
    let mut house = ordinary_house();
    house.configure("[vendor/editor, vendor/spare]");
    let after = afterwards(&house.files());
    let client = house.serve().await;
    let held = house.run(&["breaker", "vendor/editor", "open"]).await;
    let said = words(&held);
    assert_eq!(held.status.code(), Some(0), "{said}");
    assert!(
        said.contains("vendor/editor is held open") && said.contains("breaker vendor/editor auto"),
        "{said}"
    );
    let id = client.start(&house.order()).await.unwrap();
    let heard = Story::follow(&client, &id).done().await;
    assert_eq!(house.files(), after);
    assert_paid_once(&client, &id, &heard, &house.vendor, CALLS).await;
    assert!(house.vendor.asked().iter().all(|asked| asked.model != "editor"), "its breaker is held open");

    let freed = words(&house.run(&["breaker", "vendor/editor", "auto"]).await);
    assert!(freed.contains("vendor/editor decides by itself: closed"), "{freed}");
    let misspelt = house.run(&["breaker", "vendor/editr", "open"]).await;
    assert_refused(&misspelt, &["did you mean `vendor/editor`?"]);
    assert_refused(
        &house.run(&["breaker", "vendor/editor", "ajar"]).await,
        &["open, closed, disabled, auto"],
    );
}
