//! A gateway with everything around it, and a driver for its manual clock.

use std::collections::BTreeMap;
use std::future::Future;
use std::num::{NonZeroU8, NonZeroU16};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use cells::{Breaker, Load, Probes, Thresholds};
use chat::{Event, Request, Turn};
use clock::Clock;
use pricing::Price;
use routing::{Choice, Readiness, Source, Table};
use scripted::Script;
use units::{DeploymentId, TokenCount};
use upstream::Endpoint;

use crate::{
    Call, Concluded, Deployment, End, Error, Gateway, Operation, Outcome, Patience, Receipt, Report, Routes,
};

/// Failures in a row that open a breaker here.
pub(super) const TRIPS_AFTER: u16 = 4;

#[derive(Default)]
pub(super) struct Recorder {
    pub(super) outcomes: Mutex<Vec<Outcome>>,
    pub(super) concluded: Mutex<Vec<Concluded>>,
    pub(super) trips: Mutex<Vec<(DeploymentId, Option<Duration>)>>,
    pub(super) dropped: Mutex<Vec<(DeploymentId, chat::Parameter)>>,
}

impl Report for Recorder {
    fn report(&self, outcome: Outcome) {
        self.outcomes.lock().unwrap().push(outcome);
    }

    fn concluded(&self, concluded: Concluded) {
        self.concluded.lock().unwrap().push(concluded);
    }

    fn dropped(&self, deployment: &DeploymentId, parameter: chat::Parameter) {
        self.dropped.lock().unwrap().push((deployment.clone(), parameter));
    }

    fn tripped(&self, deployment: &DeploymentId, retry_after: Option<Duration>) {
        self.trips.lock().unwrap().push((deployment.clone(), retry_after));
    }
}

pub(super) struct House {
    pub(super) gateway: Gateway,
    pub(super) clock: Clock,
    pub(super) recorder: Arc<Recorder>,
    pub(super) deployments: Vec<Arc<Deployment>>,
}

impl House {
    /// Candidates in this order, each with one scripted answer in YAML.
    pub(super) fn of(candidates: &[(&str, &str)]) -> Self {
        let ids = candidates.iter().map(|(id, _)| id.parse().unwrap()).collect();
        Self::choosing(candidates, Choice::Named(ids))
    }

    pub(super) fn choosing(candidates: &[(&str, &str)], choice: Choice) -> Self {
        let endpoint = |answer: &str| played(&format!("rules: [{{answer: {answer}}}]"));
        let endpoints = candidates.iter().map(|(id, answer)| (*id, endpoint(answer))).collect();
        Self::build(Clock::manual(), endpoints, choice)
    }

    pub(super) fn with_script(id: &str, script: &str) -> Self {
        let choice = Choice::Named(vec![id.parse().unwrap()]);
        Self::build(Clock::manual(), vec![(id, played(script))], choice)
    }

    pub(super) fn build(clock: Clock, endpoints: Vec<(&str, Endpoint)>, choice: Choice) -> Self {
        let mut deployments = Vec::new();
        let mut listed = Vec::new();
        for (id, endpoint) in endpoints {
            let id: DeploymentId = id.parse().unwrap();
            listed.push(routing::Deployment {
                id: id.clone(),
                source: Source::Script,
                readiness: Readiness::Ready,
            });
            let in_a_row = NonZeroU16::new(TRIPS_AFTER).unwrap();
            let thresholds = Thresholds { in_a_row, ..Thresholds::default() };
            let probes = Probes { count: NonZeroU8::MIN, ..Probes::default() };
            let breaker = Arc::new(Breaker::new(thresholds, probes, clock.now()));
            let price = Some(price());
            let (load, dropped) = (Arc::default(), Arc::default());
            deployments.push(Arc::new(Deployment { id, endpoint, price, breaker, load, dropped }));
        }
        let table = Table::try_new(listed, BTreeMap::from([("planner".to_owned(), choice)])).unwrap();
        let routes = Routes::try_new(table, deployments.clone()).unwrap();
        let recorder = Arc::new(Recorder::default());
        let gateway = Gateway {
            routes: Arc::new(ArcSwap::from_pointee(routes)),
            client: upstream::Client::try_new(&upstream::Options::default(), clock.clone()).unwrap(),
            clock: clock.clone(),
            report: recorder.clone(),
            jitter: Arc::new(|| 0.0),
            patience: Patience::default(),
        };
        Self { gateway, clock, recorder, deployments }
    }

    /// Puts another policy in force.
    pub(super) fn under(&self, policy: routing::Policy) {
        let table = self.gateway.routes.load_full().table().clone().under(policy);
        let routes = Routes::try_new(table, self.deployments.clone()).unwrap();
        self.gateway.routes.store(Arc::new(routes));
    }

    pub(super) fn question<'a>(&self, request: &'a Request) -> Call<'a> {
        Call {
            role: "planner",
            operation: Operation::Plan,
            models: access::Models::ALL,
            request,
            within: Duration::from_secs(600),
        }
    }

    /// Who was called, and how that ended.
    pub(super) fn ends(&self) -> Vec<(String, End)> {
        let outcomes = self.recorder.outcomes.lock().unwrap();
        outcomes.iter().map(|outcome| (outcome.deployment.to_string(), outcome.end)).collect()
    }

    pub(super) fn trips(&self) -> usize {
        self.recorder.trips.lock().unwrap().len()
    }

    pub(super) fn breaker(&self, place: usize) -> &Breaker {
        &self.deployments[place].breaker
    }

    pub(super) fn load(&self, place: usize) -> &Load {
        &self.deployments[place].load
    }
}

pub(super) fn played(script: &str) -> Endpoint {
    Endpoint::Scripted(Arc::new(Script::parse("script.yaml", script).unwrap()))
}

/// 3 dollars for a million tokens of input, 15 for output.
pub(super) fn price() -> Price {
    let rate = |text: &str| text.parse().unwrap();
    Price {
        input: rate("3.00"),
        cached_input: rate("0.30"),
        cache_written: rate("3.75"),
        output: rate("15.00"),
    }
}

pub(super) fn request() -> Request {
    let turns = vec![Turn::user("the secret question")];
    Request { turns, max_output: Some(TokenCount(100)), ..Request::default() }
}

/// Asks as the planner, and appends the text that is shown.
pub(super) async fn ask(house: &House, shown: &mut String) -> Result<Receipt, Error> {
    let request = request();
    let mut on_event = |event: &Event| {
        if let Event::Text { text } = event {
            shown.push_str(text);
        }
    };
    driven(&house.clock, Box::pin(house.gateway.call(house.question(&request), &mut on_event))).await
}

/// Polls to the end, and moves the clock to the next sleeper whenever nothing else can happen.
pub(super) async fn driven<F: Future + Unpin>(clock: &Clock, mut work: F) -> F::Output {
    loop {
        if let Poll::Ready(output) = futures_util::poll!(&mut work) {
            return output;
        }
        let next = clock.next_wake().expect("what is pending waits for the clock");
        clock.advance(next.saturating_duration_since(clock.now()));
    }
}
