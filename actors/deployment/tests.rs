//! A deployment in a real tree, with real calls to a script, on a clock that the tests move.

use std::collections::BTreeMap;
use std::sync::Mutex;

use cells::{Load, Override, State as Does, Thresholds};
use chat::Turn;
use gateway::{Call, Gateway, Outcome, Patience, Report, Routes};
use routing::{Choice, Readiness, Source, Table};
use supervision::{Intensity, Limit, Place, Pool, Snapshot, State, SupervisorSpec, Tree};
use units::{DeploymentId, TokenCount};

use super::*;
use crate::provider::Provider;

const WITHIN: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(130);

/// What the vendor does: fails whoever asks for it, and answers all others.
const VENDOR: &str = "
rules:
  - match: {prompt: {contains: [fail]}}
    answer: {fault: {kind: status, status: 500}}
  - match: {prompt: {contains: [busy]}}
    answer: {fault: {kind: status, status: 503, retry_after_s: 90}}
  - answer: {text: fine}
";
/// The spare answers everybody: a call never has to wait and ask again.
const SPARE: &str = "rules: [{answer: {text: fine}}]";

/// root { vendor { account, editor } }, and a gateway that knows `vendor/editor` and then `spare/editor`.
struct Stage {
    tree: Tree,
    clock: Clock,
    gateway: Gateway,
    editor: Arc<gateway::Deployment>,
    mailbox: Mailbox<Deployment>,
    called: Arc<Called>,
}

/// Tells the actor of a trip, as the house does it, and remembers who was called.
struct Called {
    mailbox: Mailbox<Deployment>,
    outcomes: Mutex<Vec<String>>,
}

impl Report for Called {
    fn concluded(&self, _: gateway::Concluded) {}

    fn report(&self, outcome: Outcome) {
        self.outcomes.lock().unwrap().push(outcome.deployment.to_string());
    }

    fn dropped(&self, _: &DeploymentId, _: chat::Parameter) {}

    fn tripped(&self, _: &DeploymentId, retry_after: Option<Duration>) {
        self.mailbox.tell(Tripped { retry_after }).unwrap();
    }
}

impl Stage {
    async fn open() -> Self {
        let clock = Clock::manual();
        let probes = Probes { deadline: DEADLINE, ..Probes::default() };
        let ids: Vec<DeploymentId> = ["vendor/editor", "spare/editor"].map(|id| id.parse().unwrap()).into();
        let deployment = |(id, script): (&DeploymentId, &str)| {
            let script = Arc::new(scripted::Script::parse("script", script).unwrap());
            Arc::new(gateway::Deployment {
                id: id.clone(),
                endpoint: upstream::Endpoint::Scripted(script),
                price: None,
                breaker: Arc::new(Breaker::new(Thresholds::default(), probes, clock.now())),
                load: Arc::new(Load::new()),
                dropped: Arc::default(),
            })
        };
        let published: Vec<_> = ids.iter().zip([VENDOR, SPARE]).map(deployment).collect();
        let editor = published[0].clone();
        let (child, mailbox) = Deployment::child("editor".to_owned(), editor.clone(), probes, &clock);
        let called = Arc::new(Called { mailbox: mailbox.clone(), outcomes: Mutex::default() });

        let listed = ids.iter().map(|id| routing::Deployment {
            id: id.clone(),
            source: Source::Script,
            readiness: Readiness::Ready,
        });
        let roles = BTreeMap::from([("planner".to_owned(), Choice::Named(ids.clone()))]);
        let table = Table::try_new(listed.collect(), roles).unwrap();
        let gateway = Gateway {
            routes: Snapshot::new(Routes::try_new(table, published).unwrap()).shared(),
            client: upstream::Client::try_new(&upstream::Options::default(), clock.clone()).unwrap(),
            clock: clock.clone(),
            report: called.clone(),
            jitter: Arc::new(|| 0.0),
            patience: Patience::default(),
        };

        // A single end that counted would be the end of the whole tree.
        let limit = Limit::Shared(Intensity { restarts: 0, period: Duration::from_secs(86_400) });
        let (account, _) = Provider::child("vendor".parse().unwrap(), &clock);
        let family =
            SupervisorSpec { limit, children: vec![account, child], ..SupervisorSpec::new("vendor") };
        let root =
            SupervisorSpec { limit, children: vec![family.into_child().0], ..SupervisorSpec::new("root") };
        let tree = Tree::start(root, clock.clone(), Pool::new(1)).await.unwrap();
        Self { tree, clock, gateway, editor, mailbox, called }
    }

    fn breaker(&self) -> &Breaker {
        &self.editor.breaker
    }

    fn does(&self) -> Does {
        self.breaker().state()
    }

    fn place(&self) -> Place {
        self.mailbox.place()
    }

    /// Asks as the planner; who was called for it.
    async fn ask(&self, prompt: &str) -> Vec<String> {
        self.called.outcomes.lock().unwrap().clear();
        let turns = vec![Turn::user(prompt)];
        let request = chat::Request { turns, max_output: Some(TokenCount(100)), ..chat::Request::default() };
        let call = Call {
            role: "planner",
            operation: gateway::Operation::Plan,
            models: access::Models::ALL,
            request: &request,
            within: Duration::from_secs(600),
        };
        let answer = Clock::real().timeout(WITHIN, self.gateway.call(call, &mut |_| {})).await;
        answer.expect("no call waits").expect("the spare answers");
        self.called.outcomes.lock().unwrap().clone()
    }

    /// Fails what may enter until the breaker opens, and tells the actor.
    fn trip(&self) {
        let now = self.clock.now();
        while !self.breaker().try_enter(now).unwrap().fail(now, None) {}
        self.mailbox.tell(Tripped { retry_after: None }).unwrap();
    }

    /// How long the deployment is left alone from now on, as its callers are told.
    async fn backs_off(&self) -> Duration {
        self.until(State::BackingOff).await;
        let refused = self.breaker().try_enter(self.clock.now()).unwrap_err();
        refused.retry_at.unwrap().duration_since(self.clock.now())
    }

    /// Lets the backoff pass.
    async fn come_back(&self) {
        let left = self.backs_off().await;
        let next = self.place().generation() + 1;
        self.clock.advance(left);
        eventually(|| self.place().generation() == next).await;
        self.until(State::Running).await;
        assert_eq!(self.does(), Does::HalfOpen);
    }

    fn probe(&self) -> cells::Permit<'_> {
        self.breaker().try_enter(self.clock.now()).unwrap()
    }

    async fn until(&self, state: State) {
        eventually(|| self.place().state() == state).await;
    }

    /// Waits until the one who watches the probes sleeps until `at`, and no one is due before.
    async fn nothing_is_due_before(&self, at: Instant) {
        eventually(|| self.clock.next_wake() == Some(at)).await;
        assert_eq!(self.place().state(), State::Running);
    }

    async fn close(self) {
        for path in ["root", "root/vendor", "root/vendor/account"] {
            let view = self.tree.view();
            let found = view.walk().into_iter().find(|(at, _)| at == path).unwrap().1.clone();
            assert_eq!((found.state, found.generation), (State::Running, 1), "{path} was touched");
        }
        self.tree.stop().await;
    }
}

async fn eventually(wished: impl Fn() -> bool) {
    let deadline = Instant::now() + WITHIN;
    while !wished() {
        assert!(Instant::now() < deadline, "it did not come true");
        tokio::task::yield_now().await;
    }
}

/// Whether a wait is `seconds` long, or up to a fifth longer by its jitter.
fn is_about(seconds: u64, wait: Duration) -> bool {
    let least = Duration::from_secs(seconds);
    wait >= least && wait <= least.mul_f64(1.2) + Duration::from_millis(2)
}

#[actix_rt::test]
async fn a_deployment_that_fails_is_passed_by_then_probed_then_called_again() {
    let stage = Stage::open().await;
    assert_eq!((stage.does(), stage.breaker().generation()), (Does::Closed, 1));
    for _ in 0..5 {
        assert_eq!(stage.ask("fail").await[0], "vendor/editor");
    }
    assert_eq!(stage.does(), Does::Open);
    assert!(is_about(1, stage.backs_off().await));
    assert!(matches!(stage.place().last_end(), Some(End::Failed(_))));
    assert_eq!(stage.ask("hello").await, ["spare/editor"], "no call reaches an open breaker");

    stage.come_back().await;
    assert_eq!(stage.ask("hello").await, ["vendor/editor"]);
    assert_eq!(stage.does(), Does::HalfOpen, "one of two has answered");
    assert_eq!(stage.ask("hello").await, ["vendor/editor"]);
    assert_eq!(stage.does(), Does::Closed);
    assert_eq!((stage.place().state(), stage.place().generation()), (State::Running, 2));
    stage.close().await;
}

#[actix_rt::test]
async fn each_probe_that_fails_makes_the_wait_longer() {
    let stage = Stage::open().await;
    stage.trip();
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        let wait = stage.backs_off().await;
        assert!(is_about(seconds, wait), "{wait:?} instead of {seconds} s");
        stage.come_back().await;
        stage.ask("fail").await;
        assert_eq!(stage.does(), Does::Open, "a single failure is enough");
    }
    stage.close().await;
}

#[actix_rt::test]
async fn a_provider_is_left_alone_as_long_as_it_asks() {
    let stage = Stage::open().await;
    for _ in 0..5 {
        stage.ask("busy").await;
    }
    let wait = stage.backs_off().await;
    assert!(wait >= Duration::from_secs(90) && wait <= Duration::from_secs(91), "{wait:?}");
    stage.come_back().await;
    stage.close().await;
}

/// The watch over a probation sometimes looked before the message came, and what the provider had asked for was lost.
#[actix_rt::test]
async fn a_provider_is_left_alone_as_long_as_it_asks_even_if_nobody_tells_the_actor() {
    let stage = Stage::open().await;
    stage.trip();
    stage.come_back().await;
    let now = stage.clock.now();
    let asked = now + DEADLINE + Duration::from_secs(90);
    stage.nothing_is_due_before(now + DEADLINE).await;
    assert!(stage.probe().fail(now, Some(asked)));
    stage.clock.advance(DEADLINE);
    let wait = stage.backs_off().await;
    assert!(wait >= Duration::from_secs(90) && wait <= Duration::from_secs(91), "{wait:?}");
    stage.close().await;
}

#[actix_rt::test]
async fn a_probe_that_neither_answers_nor_ends_fails_the_probation_and_backs_off_longer() {
    let stage = Stage::open().await;
    stage.trip();
    stage.come_back().await;
    stage.clock.advance(Duration::from_secs(40));
    let probe = stage.probe();
    let due = stage.clock.now() + DEADLINE;
    stage.clock.advance(DEADLINE - Duration::from_secs(40));
    stage.nothing_is_due_before(due).await;
    stage.clock.advance(Duration::from_secs(40));

    let wait = stage.backs_off().await;
    assert!(is_about(2, wait), "{wait:?}");
    let Some(End::Failed(failure)) = stage.place().last_end() else {
        panic!("{:?}", stage.place().last_end())
    };
    assert!(failure.reason.contains("overdue"), "{failure}");
    probe.succeed(stage.clock.now());
    assert_eq!(stage.does(), Does::Open, "too late");

    stage.come_back().await;
    stage.close().await;
}

#[actix_rt::test]
async fn a_probation_without_callers_lasts() {
    let stage = Stage::open().await;
    stage.trip();
    stage.come_back().await;
    for _ in 0..10 {
        stage.nothing_is_due_before(stage.clock.now() + DEADLINE).await;
        drop(stage.probe());
        stage.clock.advance(DEADLINE);
    }
    assert_eq!((stage.does(), stage.place().generation()), (Does::HalfOpen, 2));
    stage.close().await;
}

#[actix_rt::test]
async fn a_thousand_trips_in_a_row_use_up_no_intensity() {
    let stage = Stage::open().await;
    for trips in 1..=1000 {
        stage.trip();
        stage.come_back().await;
        assert_eq!(stage.place().generation(), trips + 1);
    }
    stage.probe().succeed(stage.clock.now());
    stage.probe().succeed(stage.clock.now());
    assert_eq!(stage.does(), Does::Closed);
    stage.close().await;
}

#[actix_rt::test]
async fn an_operators_word_outlives_the_actor() {
    let stage = Stage::open().await;
    stage.breaker().force_open();
    assert_eq!(stage.ask("hello").await, ["spare/editor"]);
    stage.breaker().force_closed();
    for _ in 0..20 {
        assert_eq!(stage.ask("fail").await[0], "vendor/editor");
    }
    stage.breaker().release();
    stage.ask("fail").await;
    stage.backs_off().await;

    stage.breaker().force_closed();
    assert_eq!(stage.ask("hello").await, ["vendor/editor"], "while its actor is down");
    stage.clock.advance(Duration::from_secs(2));
    stage.until(State::Running).await;
    assert_eq!((stage.place().generation(), stage.breaker().generation()), (2, 2));
    assert_eq!(stage.breaker().control(), Some(Override::ForcedClosed));
    assert_eq!(stage.ask("hello").await, ["vendor/editor"]);

    stage.breaker().release();
    assert_eq!(stage.does(), Does::HalfOpen);
    stage.close().await;
}

#[actix_rt::test]
async fn a_trip_of_an_earlier_life_is_not_heard_by_the_next() {
    let stage = Stage::open().await;
    stage.trip();
    stage.come_back().await;
    stage.mailbox.ask(Tripped { retry_after: None }, WITHIN).await.unwrap();
    stage.mailbox.ask(Tripped { retry_after: None }, WITHIN).await.unwrap();
    assert_eq!((stage.place().state(), stage.place().generation()), (State::Running, 2));
    assert_eq!(stage.does(), Does::HalfOpen);
    stage.close().await;
}
