//! Metrics: counted where it happens, and shown as text to whoever scrapes.
//!
//! It owns the tree's registry of families, whose handles are its cells: the request path bumps them and asks nobody.
//! Labels are names from the configuration or words from closed sets, never a path, a prompt or a key. The actor
//! renders, and adds how the tree's actors do at that moment; it never waits for anybody. A restart loses nothing, for
//! the registry is made outside of its lives; a new server counts from 0.
//! Mailbox: 16; when it is full a scrape is refused.

use actix::{Actor, Context, Handler, Message};
use chat::{Parameter, Usage};
use gateway::{End, Outcome};
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use supervision::{ActorSpec, ChildSpec, Kind, Mailbox, Node, Start, State, WhileDown, actor};
use units::{DeploymentId, TokenCount};

use crate::arrivals::Arrivals;

pub use prometheus::TEXT_FORMAT;

type Tokens = fn(&Usage) -> TokenCount;

const DEPLOYMENT: [&str; 2] = ["provider", "model"];
/// The kinds of tokens; reasoning is a part of the output.
const TOKENS: [(&str, Tokens); 5] = [
    ("input", |usage| usage.input),
    ("cached_input", |usage| usage.cached_input),
    ("cache_written", |usage| usage.cache_written),
    ("output", |usage| usage.output),
    ("reasoning", |usage| usage.reasoning),
];
/// How workflows end, so that each is there with a 0 before its first.
const OUTCOMES: [&str; 5] = ["done", "planned", "failed", "aborted", "needs_attention"];
/// In seconds.
const FIRST_OUTPUT: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
/// In seconds.
const CALL: [f64; 10] = [0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0];

/// Renders the registry.
pub struct Metrics {
    families: Families,
}

/// All metrics in Prometheus's text format, [`TEXT_FORMAT`].
#[derive(Message, Clone, Debug)]
#[rtype(result = "String")]
pub struct GetText {
    /// The tree as it is now.
    pub tree: Node,
}

/// The registry and its families. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Families {
    registry: Registry,
    calls: IntCounterVec,
    tokens: IntCounterVec,
    cost: IntCounterVec,
    first_output: HistogramVec,
    duration: HistogramVec,
    dropped: IntGaugeVec,
    configured: Configured,
    finished: Finished,
    arrivals: Arrivals,
    actors: IntGaugeVec,
    restarts: IntGauge,
}

/// The cell of one deployment: its handles, found once. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Meter {
    ends: Ends,
    tokens: [IntCounter; TOKENS.len()],
    cost: Option<IntCounter>,
    first_output: Histogram,
    duration: Histogram,
    dropped: [IntGauge; Parameter::ALL.len()],
}

#[derive(Clone)]
struct Ends {
    answered: IntCounter,
    failed: IntCounter,
    interrupted: IntCounter,
    cancelled: IntCounter,
}

/// The cell of the configuration: which one is in force, and how many were not put in force. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Configured {
    revision: IntGauge,
    failures: IntCounter,
}

/// The cell of all workflows: how many ended, by outcome. Cloning shares it.
#[derive(Clone)]
pub struct Finished(IntCounterVec);

impl Metrics {
    /// The metrics as a child, showing `families`.
    pub(crate) fn child(families: &Families, clock: &clock::Clock) -> (ChildSpec, Mailbox<Self>) {
        let spec = ActorSpec {
            id: "metrics".to_owned(),
            capacity: 16,
            while_down: WhileDown::Keep,
            clock: clock.clone(),
        };
        let cell = families.clone();
        actor(spec, move |_: Start<Self>| {
            let families = cell.clone();
            async move { Ok(Self { families }) }
        })
    }
}

impl Actor for Metrics {
    type Context = Context<Self>;
}

impl Handler<GetText> for Metrics {
    type Result = String;

    fn handle(&mut self, GetText { tree }: GetText, _: &mut Self::Context) -> String {
        self.families.observe(&tree);
        let families = self.families.registry.gather();
        TextEncoder::new().encode_to_string(&families).expect("a gathered family has a name and samples")
    }
}

impl Families {
    /// Families without any sample yet, in a registry of their own.
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let histograms = |name: &str, help: &str, buckets: &[f64]| {
            let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            register(&registry, HistogramVec::new(opts, &DEPLOYMENT))
        };
        Self {
            calls: counters(
                "impresario_model_calls_total",
                "Calls to models, by how they ended.",
                &["provider", "model", "end"],
            ),
            tokens: counters(
                "impresario_model_tokens_total",
                "Tokens as providers count them; reasoning is a part of output.",
                &["provider", "model", "kind"],
            ),
            cost: counters(
                "impresario_model_cost_nanodollars_total",
                "Cost of calls in nanodollars; a model without a known price is not among them.",
                &DEPLOYMENT,
            ),
            first_output: histograms(
                "impresario_model_first_output_seconds",
                "Time from the call to its first output, of calls that had any.",
                &FIRST_OUTPUT,
            ),
            duration: histograms(
                "impresario_model_call_seconds",
                "Time from the call to its end, however it ended.",
                &CALL,
            ),
            dropped: register(
                &registry,
                IntGaugeVec::new(
                    Opts::new(
                        "impresario_model_parameter_dropped",
                        "1 where a model refused a parameter, which it is not told any more.",
                    ),
                    &["provider", "model", "parameter"],
                ),
            ),
            configured: Configured::new(&registry),
            arrivals: Arrivals::new(&registry),
            finished: Finished(counters(
                "impresario_workflows_finished_total",
                "Workflows that ended since the server started, by outcome.",
                &["outcome"],
            ))
            .with_zeros(),
            actors: register(
                &registry,
                IntGaugeVec::new(
                    Opts::new("impresario_actors", "Who is in the tree, by what they do now."),
                    &["kind", "state"],
                ),
            ),
            restarts: register(
                &registry,
                IntGauge::new(
                    "impresario_actor_restarts",
                    "Restarts of what is in the tree now; falls when a workflow leaves it.",
                ),
            ),
            registry,
        }
    }

    /// The handles of one deployment; only where calls have a price is there a cost to count.
    pub(crate) fn meter(&self, deployment: &DeploymentId, is_priced: bool) -> Meter {
        let (provider, model) = (deployment.provider.as_str(), deployment.model.as_str());
        let both = [provider, model];
        let end = |end: &str| self.calls.with_label_values(&[provider, model, end]);
        Meter {
            ends: Ends {
                answered: end("answered"),
                failed: end("failed"),
                interrupted: end("interrupted"),
                cancelled: end("cancelled"),
            },
            tokens: TOKENS.map(|(kind, _)| self.tokens.with_label_values(&[provider, model, kind])),
            cost: is_priced.then(|| self.cost.with_label_values(&both)),
            first_output: self.first_output.with_label_values(&both),
            duration: self.duration.with_label_values(&both),
            dropped: Parameter::ALL
                .map(|parameter| self.dropped.with_label_values(&[provider, model, parameter.name()])),
        }
    }

    /// What reloads count with.
    pub(crate) fn configured(&self) -> Configured {
        self.configured.clone()
    }

    /// What doors count with.
    pub(crate) fn arrivals(&self) -> Arrivals {
        self.arrivals.clone()
    }

    /// What instances count with.
    pub(crate) fn finished(&self) -> Finished {
        self.finished.clone()
    }

    fn observe(&self, tree: &Node) {
        self.actors.reset();
        let mut restarts = 0_u64;
        for (_, node) in tree.walk() {
            self.actors.with_label_values(&[kind(node.kind), name(node.state)]).inc();
            restarts = restarts.saturating_add(node.restarts);
        }
        self.restarts.set(restarts.try_into().unwrap_or(i64::MAX));
    }
}

impl Meter {
    /// Notes that the model is not told this any more.
    pub(crate) fn dropped(&self, parameter: Parameter) {
        for (gauge, known) in self.dropped.iter().zip(Parameter::ALL) {
            if known == parameter {
                gauge.set(1);
            }
        }
    }

    /// Counts one call. Awaits and locks nothing.
    pub(crate) fn count(&self, outcome: &Outcome) {
        let end = match outcome.end {
            End::Answered => &self.ends.answered,
            End::Failed(_) => &self.ends.failed,
            End::Interrupted(_) => &self.ends.interrupted,
            End::Cancelled => &self.ends.cancelled,
        };
        end.inc();
        for (counter, (_, tokens)) in self.tokens.iter().zip(TOKENS) {
            counter.inc_by(tokens(&outcome.usage).0);
        }
        if let (Some(counter), Some(cost)) = (&self.cost, outcome.cost) {
            // A cost is a price times a count, neither of them below 0.
            counter.inc_by(cost.0.unsigned_abs());
        }
        if let Some(first_output) = outcome.first_output {
            self.first_output.observe(first_output.as_secs_f64());
        }
        self.duration.observe(outcome.duration.as_secs_f64());
    }
}

impl Configured {
    fn new(registry: &Registry) -> Self {
        let revision = IntGauge::new(
            "impresario_config_revision",
            "The configuration in force: 1 since the start, 1 more with each reload.",
        );
        let failures = IntCounter::new(
            "impresario_config_reload_failures_total",
            "Reloads that changed nothing, because the configuration was wrong.",
        );
        let configured =
            Self { revision: register(registry, revision), failures: register(registry, failures) };
        configured.revision.set(1);
        configured
    }

    /// The next configuration is in force; its number.
    pub(crate) fn next(&self) -> i64 {
        self.revision.inc();
        self.revision.get()
    }

    /// A configuration was wrong and is not in force.
    pub(crate) fn failed(&self) {
        self.failures.inc();
    }
}

impl Finished {
    /// Counts a workflow that has just ended.
    pub(crate) fn count(&self, outcome: &workflow::Outcome) {
        self.0.with_label_values(&[outcome.name()]).inc();
    }

    fn with_zeros(self) -> Self {
        for outcome in OUTCOMES {
            self.0.with_label_values(&[outcome]);
        }
        self
    }
}

pub(crate) fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    family: prometheus::Result<C>,
) -> C {
    let family = family.expect("names of families and labels are well-formed, and there are buckets");
    registry.register(Box::new(family.clone())).expect("each family is registered once");
    family
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Actor => "actor",
        Kind::Supervisor => "supervisor",
    }
}

fn name(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Starting => "starting",
        State::Running => "running",
        State::BackingOff => "backing_off",
        State::Asleep => "asleep",
        State::Stopping => "stopping",
        State::Parked => "parked",
        State::Ignored => "ignored",
        State::Ended => "ended",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clock::Clock;
    use supervision::{Intensity, Limit, Pool, SupervisorSpec, Tree};
    use units::Nanodollars;

    use super::*;

    fn answered(deployment: &DeploymentId) -> Outcome {
        Outcome {
            deployment: deployment.clone(),
            role: "planner".to_owned(),
            end: End::Answered,
            usage: Usage { input: TokenCount(7), ..Usage::default() },
            cost: Some(Nanodollars(11)),
            first_output: None,
            duration: Duration::from_millis(700),
        }
    }

    fn family(id: &str, child: ChildSpec) -> SupervisorSpec {
        let limit = Limit::Shared(Intensity::default());
        SupervisorSpec { limit, children: vec![child], ..SupervisorSpec::new(id) }
    }

    #[actix_rt::test]
    async fn a_crash_loses_no_count_and_shows_among_the_restarts() {
        let clock = Clock::real();
        let families = Families::new();
        let deployment: DeploymentId = "demo/one".parse().unwrap();
        families.meter(&deployment, true).count(&answered(&deployment));
        let (child, mailbox) = Metrics::child(&families, &clock);
        let (house, supervisor) = family("house", child).into_child();
        let tree = Tree::start(family("root", house), clock, Pool::new(1)).await.unwrap();
        let view = tree.viewer();
        let scrape = async || mailbox.ask(GetText { tree: view() }, Duration::from_secs(20)).await.unwrap();
        assert!(scrape().await.contains("impresario_actor_restarts 0\n"));

        supervisor.kill_child("metrics").await.unwrap();
        while !view().walk().iter().any(|(_, node)| node.generation == 2 && node.state == State::Running) {
            tokio::task::yield_now().await;
        }
        families.meter(&deployment, true).count(&answered(&deployment));

        let text = scrape().await;
        for sample in [
            r#"impresario_model_calls_total{end="answered",model="one",provider="demo"} 2"#,
            r#"impresario_model_tokens_total{kind="input",model="one",provider="demo"} 14"#,
            r#"impresario_model_cost_nanodollars_total{model="one",provider="demo"} 22"#,
            r#"impresario_model_call_seconds_bucket{model="one",provider="demo",le="0.5"} 0"#,
            r#"impresario_model_call_seconds_bucket{model="one",provider="demo",le="1"} 2"#,
            r#"impresario_workflows_finished_total{outcome="needs_attention"} 0"#,
            r#"impresario_actors{kind="actor",state="running"} 1"#,
            r#"impresario_actors{kind="supervisor",state="running"} 2"#,
            "impresario_actor_restarts 1",
        ] {
            assert!(text.lines().any(|line| line == sample), "{sample} is not in\n{text}");
        }
        tree.stop().await;
    }

    #[test]
    fn what_has_no_price_has_no_cost_rather_than_none() {
        let families = Families::new();
        let deployment: DeploymentId = "demo/one".parse().unwrap();
        families.meter(&deployment, false).count(&Outcome { cost: None, ..answered(&deployment) });
        let names: Vec<String> =
            families.registry.gather().iter().map(|family| family.name().to_owned()).collect();
        assert!(names.iter().any(|name| name == "impresario_model_tokens_total"), "{names:?}");
        assert!(names.iter().all(|name| name != "impresario_model_cost_nanodollars_total"), "{names:?}");
    }
}
