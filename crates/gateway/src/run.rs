//! A call's way through its candidates: what was tried, how much time is left, what comes next.

use std::time::{Duration, Instant};

use chat::{Answer, Parameter, Request};
use routing::{Failed, Failure, Verdict};
use units::DeploymentId;
use upstream::FailureClass;

use crate::asked::{Asked, OnEvent};
use crate::{Attempt, Call, Deployment, Error, Gateway, Interrupted, MAX_WITHIN, Receipt, Why};

pub(crate) struct Run<'a> {
    gateway: &'a Gateway,
    call: Call<'a>,
    started: Instant,
    within: Duration,
    /// How often a candidate may be asked.
    most: u32,
    attempts: Vec<Attempt>,
    /// When the first of the candidates may answer again.
    soonest: Option<Instant>,
}

/// An answer, and what was not told to get it.
pub(crate) struct Heard {
    answer: Answer,
    dropped: Option<Parameter>,
}

/// What follows an attempt without an answer.
enum Next {
    Candidate,
    SameAfter(Duration),
}

impl<'a> Run<'a> {
    pub(crate) fn start(gateway: &'a Gateway, call: Call<'a>, most: u32) -> Self {
        let within = call.within.min(MAX_WITHIN);
        Self {
            gateway,
            call,
            started: gateway.clock.now(),
            within,
            most,
            attempts: Vec::new(),
            soonest: None,
        }
    }

    /// Asks one candidate, again if that is promising; `None` when it is the next one's turn.
    pub(crate) async fn candidate(
        &mut self,
        deployment: &Deployment,
        others: bool,
        on_event: OnEvent<'_>,
    ) -> Result<Option<Heard>, Error> {
        for attempt in 1..=self.most {
            if self.left().is_zero() {
                return Ok(None);
            }
            let (request, dropped) = deployment.dropped.strip(self.call.request);
            let mut heard = self.attempt(deployment, &request, on_event).await?;
            let mut dropped = dropped;
            if let Some(parameter) = heard.as_ref().err().and_then(|failed| refused(failed, &request)) {
                dropped = Some(parameter);
                heard = self.without(parameter, deployment, heard, on_event).await?;
            }
            match heard {
                Ok(answer) => return Ok(Some(Heard { answer, dropped })),
                Err(failed) => match self.judge(failed, attempt, others)? {
                    Next::SameAfter(after) if after < self.left() => self.gateway.clock.sleep(after).await,
                    Next::SameAfter(_) | Next::Candidate => return Ok(None),
                },
            }
        }
        Ok(None)
    }

    /// Asks once more without what was refused; what helped is remembered.
    async fn without(
        &mut self,
        parameter: Parameter,
        deployment: &Deployment,
        refusal: Result<Answer, Attempt>,
        on_event: OnEvent<'_>,
    ) -> Result<Result<Answer, Attempt>, Error> {
        let request = self.call.request.without(parameter);
        let heard = self.attempt(deployment, &request, on_event).await?;
        if let Err(Attempt { why, .. }) = &heard
            && why.class().is_none_or(|class| class == FailureClass::Client)
        {
            // It was not about the parameter, or nothing was learned: the first words stand.
            return Ok(refusal);
        }
        if heard.is_ok() && deployment.dropped.remember(parameter) {
            let DeploymentId { provider, model } = &deployment.id;
            let parameter_name = parameter.name();
            tracing::warn!(%provider, %model, parameter = parameter_name, "the model refuses a parameter: it is not told any more");
            self.gateway.report.dropped(&deployment.id, parameter);
        }
        self.attempts.extend(refusal.err());
        Ok(heard)
    }

    pub(crate) fn receipt(self, deployment: &Deployment, heard: Heard) -> Receipt {
        let Heard { answer, dropped } = heard;
        let usage = answer.usage;
        Receipt {
            answer,
            deployment: deployment.id.clone(),
            usage,
            cost: deployment.cost(&usage),
            dropped,
            attempts: self.attempts,
            duration: self.gateway.clock.now().saturating_duration_since(self.started),
        }
    }

    pub(crate) fn unavailable(self) -> Error {
        let now = self.gateway.clock.now();
        Error::Unavailable {
            role: self.call.role.to_owned(),
            within: self.within,
            attempts: self.attempts,
            retry_after: self.soonest.map(|at| at.saturating_duration_since(now)),
        }
    }

    /// One attempt: the answer, or the failure to judge; what was shown already ends the call.
    async fn attempt(
        &mut self,
        deployment: &Deployment,
        request: &Request,
        on_event: OnEvent<'_>,
    ) -> Result<Result<Answer, Attempt>, Error> {
        let gateway = self.gateway;
        let entered = Asked::enter(deployment, self.call, &gateway.clock, gateway.report.as_ref());
        let mut asked = match entered {
            Ok(asked) => asked,
            Err(why) => {
                let duration = Duration::ZERO;
                let usage = chat::Usage::default();
                let cost = deployment.cost(&usage);
                return Ok(Err(Attempt { deployment: deployment.id.clone(), why, usage, cost, duration }));
            }
        };
        let call = upstream::Call {
            role: self.call.role,
            model: &deployment.id.model,
            request,
            first_byte: gateway.patience.first_byte,
            between_bytes: gateway.patience.between_bytes,
            total: self.left(),
        };
        let why = match asked.hear(&gateway.client, &call, on_event).await {
            Ok(answer) => return Ok(Ok(answer)),
            Err(why) => why,
        };
        let (usage, duration) = (asked.usage(), asked.elapsed());
        let (deployment, cost) = (deployment.id.clone(), deployment.cost(&usage));
        if asked.was_shown() {
            let attempts = std::mem::take(&mut self.attempts);
            let interrupted = Interrupted { deployment, why, usage, cost, attempts };
            return Err(Error::Interrupted(Box::new(interrupted)));
        }
        Ok(Err(Attempt { deployment, why, usage, cost, duration }))
    }

    fn judge(&mut self, attempt: Attempt, number: u32, others: bool) -> Result<Next, Error> {
        let retry_after = attempt.why.retry_after();
        let Some(class) = attempt.why.class() else {
            self.note(attempt, retry_after);
            return Ok(Next::Candidate);
        };
        let failure = failure_of(class);
        let jitter = (self.gateway.jitter)();
        let verdict = routing::after(&Failed {
            failure,
            attempt: number,
            attempts: self.most,
            retry_after,
            others,
            jitter,
        });
        let next = match verdict {
            Verdict::GiveUp => {
                let Attempt { deployment, why, .. } = attempt;
                return Err(Error::Refused { deployment, why, attempts: std::mem::take(&mut self.attempts) });
            }
            Verdict::NextCandidate => Next::Candidate,
            Verdict::RetrySame { after } => Next::SameAfter(after),
        };
        tracing::warn!(
            provider = %attempt.deployment.provider,
            model = %attempt.deployment.model,
            class = ?class,
            verdict = ?verdict,
            duration_ms = attempt.duration.as_millis(),
            "a candidate gave no answer",
        );
        self.note(attempt, retry_after);
        Ok(next)
    }

    fn note(&mut self, attempt: Attempt, retry_after: Option<Duration>) {
        let at = retry_after.and_then(|after| self.gateway.clock.now().checked_add(after));
        self.soonest = match (self.soonest, at) {
            (Some(known), Some(at)) => Some(known.min(at)),
            (known, at) => known.or(at),
        };
        self.attempts.push(attempt);
    }

    fn left(&self) -> Duration {
        let elapsed = self.gateway.clock.now().saturating_duration_since(self.started);
        self.within.saturating_sub(elapsed)
    }
}

/// The parameter of `request` that a candidate does not want to be told.
fn refused(failed: &Attempt, request: &Request) -> Option<Parameter> {
    let Why::Upstream(error) = &failed.why else { return None };
    error.refused_parameter().filter(|parameter| request.has(*parameter))
}

fn failure_of(class: FailureClass) -> Failure {
    match class {
        FailureClass::Client => Failure::Client,
        FailureClass::Key => Failure::Key,
        FailureClass::Limited => Failure::Limited,
        FailureClass::Overloaded => Failure::Overloaded,
        FailureClass::Server => Failure::Server,
        FailureClass::Network => Failure::Network,
        FailureClass::Timeout => Failure::Timeout,
        FailureClass::Malformed => Failure::Malformed,
    }
}
