//! One deployment asked once. However it ends, its permit and its place in flight are given back and the end is reported.

use std::time::{Duration, Instant};

use cells::{InFlight, Permit};
use chat::{Answer, Assembler, Event, Part, Source, Usage};
use clock::Clock;
use tracing::{Instrument, Span};
use upstream::{FailureClass, Wait};

use crate::{Call, Deployment, End, Fault, MAX_ANSWER_BYTES, Operation, Outcome, Report, Why, traced};

pub(crate) struct Asked<'a> {
    deployment: &'a Deployment,
    role: &'a str,
    operation: Operation,
    clock: &'a Clock,
    report: &'a dyn Report,
    permit: Option<Permit<'a>>,
    _in_flight: InFlight<'a>,
    started: Instant,
    first_output: Option<Duration>,
    assembler: Assembler,
    bytes: usize,
    held: Vec<Event>,
    end: End,
    fault: Option<Fault>,
    span: Span,
}

/// Who shows an event to the caller.
pub(crate) type OnEvent<'a> = &'a mut (dyn FnMut(&Event) + Send);

impl<'a> Asked<'a> {
    /// Enters the deployment, or says why not.
    pub(crate) fn enter(
        deployment: &'a Deployment,
        question: Call<'a>,
        clock: &'a Clock,
        report: &'a dyn Report,
    ) -> Result<Self, Why> {
        let started = clock.now();
        let permit = deployment.breaker.try_enter(started).map_err(|open| Why::Open {
            retry_after: open.retry_at.map(|at| at.saturating_duration_since(started)),
            forced: open.forced,
        })?;
        Ok(Self {
            deployment,
            role: question.role,
            operation: question.operation,
            clock,
            report,
            permit: Some(permit),
            _in_flight: deployment.load.enter(),
            started,
            first_output: None,
            assembler: Assembler::default(),
            bytes: 0,
            held: Vec::new(),
            end: End::Cancelled,
            fault: Some(Fault::Caller),
            span: traced::attempt(deployment, &question),
        })
    }

    /// Calls, shows the events and settles.
    pub(crate) async fn hear(
        &mut self,
        client: &upstream::Client,
        call: &upstream::Call<'_>,
        on_event: OnEvent<'_>,
    ) -> Result<Answer, Why> {
        let span = self.span.clone();
        match self.listen(client, call, on_event).instrument(span).await {
            Ok(answer) => {
                (self.end, self.fault) = (End::Answered, None);
                if let Some(permit) = self.permit.take() {
                    permit.succeed(self.clock.now());
                }
                Ok(answer)
            }
            Err(why) => {
                self.failed(&why);
                Err(why)
            }
        }
    }

    /// Whether the caller has seen anything of the answer.
    pub(crate) fn was_shown(&self) -> bool {
        self.first_output.is_some()
    }

    /// What was used so far.
    pub(crate) fn usage(&self) -> Usage {
        self.assembler.usage()
    }

    /// How long it has taken so far.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.started)
    }

    async fn listen(
        &mut self,
        client: &upstream::Client,
        call: &upstream::Call<'_>,
        on_event: OnEvent<'_>,
    ) -> Result<Answer, Why> {
        let upstream = |error| Why::Upstream(Box::new(error));
        let mut stream = client.call(&self.deployment.endpoint, call).await.map_err(upstream)?;
        while let Some(event) = stream.next().await {
            let event = event.map_err(upstream)?;
            self.bytes = self.bytes.saturating_add(size(&event));
            if self.bytes > MAX_ANSWER_BYTES {
                return Err(Why::TooLarge);
            }
            self.assembler.push(&event);
            self.show(&event, on_event);
        }
        let usage = self.assembler.usage();
        let assembled = std::mem::take(&mut self.assembler).finish();
        // The end's report still needs it.
        self.assembler.used(usage);
        assembled.map_err(|_| Why::NeverStopped)
    }

    /// What comes before the first output is held back: until then the next candidate can still take over unnoticed.
    fn show(&mut self, event: &Event, on_event: OnEvent<'_>) {
        if self.first_output.is_none() {
            if matches!(event, Event::Began { .. } | Event::Usage(_)) {
                let is_same = |held: &Event| std::mem::discriminant(held) == std::mem::discriminant(event);
                self.held.retain(|held| !is_same(held));
                self.held.push(event.clone());
                return;
            }
            let latency = self.elapsed();
            self.first_output = Some(latency);
            self.deployment.load.observe(latency);
            if let Some(permit) = &mut self.permit {
                permit.answered();
            }
            for held in self.held.drain(..) {
                on_event(&held);
            }
        }
        on_event(event);
    }

    fn failed(&mut self, why: &Why) {
        let class = why.class().expect("who was called has a class of failure");
        self.end = if self.was_shown() { End::Interrupted(class) } else { End::Failed(class) };
        self.fault = Some(why.fault());
        let Some(permit) = self.permit.take() else { return };
        if !is_the_deployments(why, class) {
            return;
        }
        let (now, retry_after) = (self.clock.now(), why.retry_after());
        if permit.fail(now, retry_after.and_then(|after| now.checked_add(after))) {
            self.report.tripped(&self.deployment.id, retry_after);
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
            role: self.role.to_owned(),
            operation: self.operation,
            end: self.end,
            fault: self.fault,
            usage,
            cost: self.deployment.cost(&usage),
            first_output: self.first_output,
            duration,
        };
        traced::settle(&self.span, &outcome);
        self.report.report(outcome);
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

fn size(event: &Event) -> usize {
    match event {
        Event::Text { text } | Event::Thought { text } | Event::Refusal { text } => text.len(),
        Event::Sealed(seal) => seal.value.len(),
        Event::Media { part: Part::Image(media) | Part::Document(media) | Part::Audio(media) } => {
            match &media.source {
                Source::Base64(bytes) | Source::Text(bytes) | Source::Url(bytes) | Source::File(bytes) => {
                    bytes.len()
                }
            }
        }
        Event::ToolCallStarted { id, name, .. } => id.len() + name.len(),
        Event::ToolCallArguments { json, .. } => json.len(),
        Event::Media { .. } | Event::Began { .. } | Event::Usage(_) | Event::Stopped { .. } => 0,
    }
}
