//! One deployment asked once. However it ends, its permit and its place in flight are given back and the end is reported.

use std::time::{Duration, Instant};

use cells::{InFlight, Permit};
use chat::Usage;
use clock::Clock;
use tracing::Span;
use units::Nanodollars;
use upstream::{FailureClass, Wait, Waits};

use crate::run::Question;
use crate::{Deployment, End, Fault, Gateway, Outcome, Patience, Payer, Why, traced};

pub(crate) struct Asked<'a> {
    pub(crate) deployment: &'a Deployment,
    pub(crate) gateway: &'a Gateway,
    /// How long it may take.
    within: Duration,
    pub(crate) span: Span,
    question: Question<'a>,
    permit: Option<Permit<'a>>,
    _in_flight: InFlight<'a>,
    started: Instant,
    first_output: Option<Duration>,
    usage: Usage,
    end: End,
    fault: Option<Fault>,
}

impl<'a> Asked<'a> {
    /// Enters the deployment, or says why not.
    pub(crate) fn enter(
        deployment: &'a Deployment,
        gateway: &'a Gateway,
        question: Question<'a>,
        within: Duration,
    ) -> Result<Self, Why> {
        let started = gateway.clock.now();
        let permit = deployment.breaker.try_enter(started).map_err(|open| Why::Open {
            retry_after: open.retry_at.map(|at| at.saturating_duration_since(started)),
            forced: open.forced,
        })?;
        Ok(Self {
            deployment,
            gateway,
            within,
            span: traced::attempt(deployment, question.operation),
            question,
            permit: Some(permit),
            _in_flight: deployment.load.enter(),
            started,
            first_output: None,
            usage: Usage::default(),
            end: End::Cancelled,
            fault: Some(Fault::Caller),
        })
    }

    /// The first output is about to be shown: nobody else can take over unnoticed from here on.
    pub(crate) fn shows(&mut self) {
        if self.first_output.is_some() {
            return;
        }
        let latency = self.elapsed();
        self.first_output = Some(latency);
        self.deployment.load.observe(latency);
        if let Some(permit) = &mut self.permit {
            permit.answered();
        }
    }

    /// Whether the caller has seen anything of the answer.
    pub(crate) fn was_shown(&self) -> bool {
        self.first_output.is_some()
    }

    /// The provider says what was used so far.
    pub(crate) fn used(&mut self, usage: Usage) {
        self.usage = usage;
    }

    /// What was used so far.
    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    /// What that cost the operator; `None` when the deployment is not priced.
    pub(crate) fn cost(&self) -> Option<Nanodollars> {
        match self.question.payer {
            Payer::Operator => self.deployment.cost(&self.usage),
            Payer::Client => Some(Nanodollars::ZERO),
        }
    }

    /// How long it has taken so far.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock().now().saturating_duration_since(self.started)
    }

    /// The answer is whole.
    pub(crate) fn answered(&mut self) {
        (self.end, self.fault) = (End::Answered, None);
        if let Some(permit) = self.permit.take() {
            permit.succeed(self.clock().now());
        }
    }

    /// How long it may take, and in what steps.
    pub(crate) fn waits(&self) -> Waits {
        let Patience { first_byte, between_bytes } = self.gateway.patience;
        Waits { first_byte, between_bytes, total: self.within }
    }

    /// As [`Asked::waits`], for a stream; of an answer that comes whole, nothing comes before the model has said all of it.
    pub(crate) fn waits_for(&self, is_streamed: bool) -> Waits {
        let waits = self.waits();
        if is_streamed { waits } else { Waits { first_byte: self.within, ..waits } }
    }

    fn clock(&self) -> &'a Clock {
        &self.gateway.clock
    }

    /// There is no answer, or no whole one.
    pub(crate) fn failed(&mut self, why: &Why) {
        let class = why.class().expect("who was called has a class of failure");
        self.end = if self.was_shown() { End::Interrupted(class) } else { End::Failed(class) };
        self.fault = Some(why.fault());
        let Some(permit) = self.permit.take() else { return };
        if !is_the_deployments(why, class) {
            return;
        }
        let (now, retry_after) = (self.clock().now(), why.retry_after());
        if permit.fail(now, retry_after.and_then(|after| now.checked_add(after))) {
            self.gateway.report.tripped(&self.deployment.id, retry_after);
        }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let duration = self.elapsed();
        let usage = self.usage();
        let given_up = matches!(self.end, End::Cancelled | End::Failed(FailureClass::Timeout));
        if given_up && self.first_output.is_none() {
            self.deployment.load.observe_at_least(duration);
        }
        let outcome = Outcome {
            deployment: self.deployment.id.clone(),
            role: self.question.role.to_owned(),
            client: self.question.client.cloned(),
            operation: self.question.operation,
            end: self.end,
            fault: self.fault,
            usage,
            cost: self.cost(),
            payer: self.question.payer,
            first_output: self.first_output,
            duration,
        };
        traced::settle(&self.span, &outcome);
        self.gateway.report.report(outcome);
    }
}

/// Whether a failure speaks against the deployment, and not against the request, the key or the caller's haste.
fn is_the_deployments(why: &Why, class: FailureClass) -> bool {
    match class {
        FailureClass::Client | FailureClass::Key | FailureClass::Limited => false,
        FailureClass::Timeout => !ran_out_of_the_callers_time(why),
        FailureClass::Overloaded | FailureClass::Server | FailureClass::Network | FailureClass::Malformed => {
            true
        }
    }
}

fn ran_out_of_the_callers_time(why: &Why) -> bool {
    let Why::Upstream(error) = why else { return false };
    matches!(**error, upstream::Error::Timeout { waited_for: Wait::Total, .. })
}
