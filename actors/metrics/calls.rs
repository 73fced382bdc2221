//! What calls to models count: attempts at a deployment by its own handles, found once, and whole calls.

use std::sync::{Arc, OnceLock};

use chat::{Parameter, Usage};
use gateway::{Concluded, End, Fault, Operation, Outcome};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use units::{DeploymentId, TokenCount};

use super::shelf::Shelf;

type Tokens = fn(&Usage) -> TokenCount;

const CALLS: [&str; 3] = ["provider", "model", "operation"];
const OPERATIONS: usize = Operation::ALL.len();
const FAULTS: usize = Fault::ALL.len();
/// Whose failure an answer is.
const NOBODYS: &str = "none";
/// The prompt cache that a provider keeps by itself.
const PROVIDERS_CACHE: &str = "provider";
/// What agents ask for: these series are there with a 0 before the first call.
const EXPECTED: [Operation; 3] = [Operation::Plan, Operation::Edit, Operation::Review];
/// The kinds of tokens; reasoning is a part of the output.
const TOKENS: [(&str, Tokens); 5] = [
    ("input", |usage| usage.input),
    ("cached_input", |usage| usage.cached_input),
    ("cache_written", |usage| usage.cache_written),
    ("output", |usage| usage.output),
    ("reasoning", |usage| usage.reasoning),
];
/// In seconds; close enough to each other that a quantile between two of them says something.
const FIRST_OUTPUT: [f64; 15] =
    [0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0];
/// In seconds.
const CALL: [f64; 16] =
    [0.1, 0.25, 0.5, 1.0, 2.0, 3.5, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0];

/// The families. Cloning shares them.
#[derive(Clone)]
pub(super) struct Calls {
    attempts: IntCounterVec,
    tokens: IntCounterVec,
    cost: IntCounterVec,
    cache_hits: IntCounterVec,
    first_output: HistogramVec,
    duration: HistogramVec,
    dropped: IntGaugeVec,
    whole: IntCounterVec,
    whole_duration: HistogramVec,
}

/// The cell of one deployment: its handles, each found once. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Meter(Arc<Handles>);

struct Handles {
    families: Calls,
    deployment: DeploymentId,
    is_priced: bool,
    cache_hits: IntCounter,
    operations: [OnceLock<OfOperation>; OPERATIONS],
    dropped: [IntGauge; Parameter::ALL.len()],
}

struct OfOperation {
    answered: IntCounter,
    cancelled: IntCounter,
    failed: [IntCounter; FAULTS],
    interrupted: [IntCounter; FAULTS],
    tokens: [IntCounter; TOKENS.len()],
    cost: Option<IntCounter>,
    first_output: Histogram,
    duration: Histogram,
}

impl Calls {
    pub(super) fn new(shelf: &Shelf) -> Self {
        let calls = Self {
            attempts: shelf.counters(
                "impresario_model_calls_total",
                "Calls to models, each attempt by itself, by how they ended and whose failure it was.",
                &["provider", "model", "operation", "end", "fault"],
            ),
            tokens: shelf.counters(
                "impresario_model_tokens_total",
                "Tokens as providers count them; reasoning is a part of output.",
                &["provider", "model", "operation", "kind"],
            ),
            cost: shelf.counters(
                "impresario_model_cost_nanodollars_total",
                "Cost of calls in nanodollars; a model without a known price is not among them.",
                &CALLS,
            ),
            cache_hits: shelf.counters(
                "impresario_cache_hits_total",
                "Calls to models of whose input a cache had a part, by whose cache it was.",
                &["provider", "model", "cache"],
            ),
            first_output: shelf.histograms(
                "impresario_model_first_output_seconds",
                "Time from an attempt to its first output, of those that had any.",
                &CALLS,
                &FIRST_OUTPUT,
            ),
            duration: shelf.histograms(
                "impresario_model_call_seconds",
                "Time from an attempt to its end, however it ended.",
                &CALLS,
                &CALL,
            ),
            dropped: shelf.gauges(
                "impresario_model_parameter_dropped",
                "1 where a model refused a parameter, which it is not told any more.",
                &["provider", "model", "parameter"],
            ),
            whole: shelf.counters(
                "impresario_calls_total",
                "Calls as their callers see them, retries and fallbacks in one, by whose failure it was.",
                &["operation", "fault"],
            ),
            whole_duration: shelf.histograms(
                "impresario_call_seconds",
                "Time from a question to its end as its caller sees it, retries and fallbacks among it.",
                &["operation"],
                &CALL,
            ),
        };
        for operation in EXPECTED.map(Operation::name) {
            for fault in Fault::ALL.map(Fault::name).into_iter().chain([NOBODYS]) {
                calls.whole.with_label_values(&[operation, fault]);
            }
            calls.whole_duration.with_label_values(&[operation]);
        }
        calls
    }

    /// The handles of one deployment; only where calls have a price is there a cost to count.
    pub(super) fn meter(&self, deployment: &DeploymentId, is_priced: bool) -> Meter {
        let (provider, model) = (deployment.provider.as_str(), deployment.model.as_str());
        let handles = Handles {
            families: self.clone(),
            deployment: deployment.clone(),
            is_priced,
            cache_hits: self.cache_hits.with_label_values(&[provider, model, PROVIDERS_CACHE]),
            operations: std::array::from_fn(|_| OnceLock::new()),
            dropped: Parameter::ALL
                .map(|parameter| self.dropped.with_label_values(&[provider, model, parameter.name()])),
        };
        for operation in EXPECTED {
            handles.of(operation);
        }
        Meter(Arc::new(handles))
    }

    /// Counts the end of a whole call.
    pub(super) fn concluded(&self, Concluded { operation, fault, duration }: Concluded) {
        let fault = fault.map_or(NOBODYS, Fault::name);
        self.whole.with_label_values(&[operation.name(), fault]).inc();
        self.whole_duration.with_label_values(&[operation.name()]).observe(duration.as_secs_f64());
    }
}

impl Meter {
    /// Notes that the model is not told this any more.
    pub(crate) fn dropped(&self, parameter: Parameter) {
        for (gauge, known) in self.0.dropped.iter().zip(Parameter::ALL) {
            if known == parameter {
                gauge.set(1);
            }
        }
    }

    /// Counts one attempt. Awaits nothing, and locks nothing after the first of its operation.
    pub(crate) fn count(&self, outcome: &Outcome) {
        let handles = self.0.of(outcome.operation);
        let fault = outcome.fault.unwrap_or(Fault::Own).index();
        let end = match outcome.end {
            End::Answered => &handles.answered,
            End::Failed(_) => &handles.failed[fault],
            End::Interrupted(_) => &handles.interrupted[fault],
            End::Cancelled => &handles.cancelled,
        };
        end.inc();
        for (counter, (_, tokens)) in handles.tokens.iter().zip(TOKENS) {
            counter.inc_by(tokens(&outcome.usage).0);
        }
        if outcome.usage.cached_input > TokenCount(0) {
            self.0.cache_hits.inc();
        }
        if let (Some(counter), Some(cost)) = (&handles.cost, outcome.cost) {
            // A cost is a price times a count, neither of them below 0.
            counter.inc_by(cost.0.unsigned_abs());
        }
        if let Some(first_output) = outcome.first_output {
            handles.first_output.observe(first_output.as_secs_f64());
        }
        handles.duration.observe(outcome.duration.as_secs_f64());
    }
}

impl Handles {
    fn of(&self, operation: Operation) -> &OfOperation {
        self.operations[operation.index()].get_or_init(|| self.find(operation.name()))
    }

    fn find(&self, operation: &str) -> OfOperation {
        let Self { families, deployment, is_priced, .. } = self;
        let all = [deployment.provider.as_str(), deployment.model.as_str(), operation];
        let [provider, model, _] = all;
        let end = |end: &str, fault: &str| {
            families.attempts.with_label_values(&[provider, model, operation, end, fault])
        };
        OfOperation {
            answered: end("answered", NOBODYS),
            cancelled: end("cancelled", Fault::Caller.name()),
            failed: Fault::ALL.map(|fault| end("failed", fault.name())),
            interrupted: Fault::ALL.map(|fault| end("interrupted", fault.name())),
            tokens: TOKENS
                .map(|(kind, _)| families.tokens.with_label_values(&[provider, model, operation, kind])),
            cost: is_priced.then(|| families.cost.with_label_values(&all)),
            first_output: families.first_output.with_label_values(&all),
            duration: families.duration.with_label_values(&all),
        }
    }
}
