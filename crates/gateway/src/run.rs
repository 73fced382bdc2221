//! A call's way through its candidates: what was tried, how much time is left, what comes next.

use std::time::{Duration, Instant};

use access::Principal;
use chat::Parameter;
use routing::{Failed, Failure, Verdict};
use tracing::Instrument;
use units::DeploymentId;
use upstream::FailureClass;

use crate::asked::Asked;
use crate::untold::Untold;
use crate::{Attempt, Deployment, Error, Gateway, Interrupted, MAX_WITHIN, Operation, Payer, Why};

/// How a deployment is asked, once or several times, and what for an answer comes of it.
pub(crate) trait Ask {
    /// What the caller is given at the end.
    type Answer;

    /// Whether this deployment can be asked at all.
    fn fits(&self, deployment: &Deployment) -> bool;

    /// Whether the question tells the model this parameter.
    fn tells(&self, parameter: Parameter) -> bool;

    /// Whether the question hands thoughts back.
    fn has_thoughts(&self) -> bool {
        false
    }

    /// Asks once, leaving out what the model does not want to be told, and shows the answer as it comes. What is shown and
    /// used is said to `asked` when it happens.
    async fn ask(&mut self, asked: &mut Asked<'_>, untold: Untold) -> Result<Self::Answer, Why>;
}

/// What a call is about, whoever is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// Who asks.
    pub(crate) role: &'a str,
    /// The client, where one does.
    pub(crate) client: Option<&'a Principal>,
    /// Who pays.
    pub(crate) payer: Payer,
    /// What for.
    pub(crate) operation: Operation,
    /// The longest that all attempts together may take.
    pub(crate) within: Duration,
}

pub(crate) struct Run<'a> {
    gateway: &'a Gateway,
    question: Question<'a>,
    started: Instant,
    within: Duration,
    /// How often a candidate may be asked.
    most: u32,
    attempts: Vec<Attempt>,
    /// When the first of the candidates may answer again.
    soonest: Option<Instant>,
}

/// An answer, and what was not told to get it.
pub(crate) struct Heard<T> {
    pub(crate) answer: T,
    pub(crate) dropped: Option<Parameter>,
}

/// What follows an attempt without an answer.
enum Next {
    Candidate,
    SameAfter(Duration),
}

impl<'a> Run<'a> {
    pub(crate) fn start(gateway: &'a Gateway, question: Question<'a>, most: u32) -> Self {
        let within = question.within.min(MAX_WITHIN);
        Self {
            gateway,
            question,
            started: gateway.clock.now(),
            within,
            most,
            attempts: Vec::new(),
            soonest: None,
        }
    }

    /// Asks one candidate, again if that is promising; `None` when it is the next one's turn.
    pub(crate) async fn candidate<A: Ask>(
        &mut self,
        deployment: &Deployment,
        others: bool,
        ask: &mut A,
    ) -> Result<Option<Heard<A::Answer>>, Error> {
        for attempt in 1..=self.most {
            if self.left().is_zero() {
                return Ok(None);
            }
            match self.heard(deployment, ask).await? {
                Ok(heard) => return Ok(Some(heard)),
                Err(failed) => match self.judge(failed, attempt, others)? {
                    Next::SameAfter(after) if after < self.left() => self.gateway.clock.sleep(after).await,
                    Next::SameAfter(_) | Next::Candidate => return Ok(None),
                },
            }
        }
        Ok(None)
    }

    /// Asks once, and once more without each thing that is refused; what helped is remembered.
    async fn heard<A: Ask>(
        &mut self,
        deployment: &Deployment,
        ask: &mut A,
    ) -> Result<Result<Heard<A::Answer>, Attempt>, Error> {
        let parameter = deployment.dropped.of(|parameter| ask.tells(parameter));
        let mut untold = Untold { parameter, ..Untold::default() };
        let mut refusals = Vec::new();
        let answer = loop {
            let failed = match self.attempt(deployment, ask, untold).await? {
                Ok(answer) => break answer,
                Err(failed) => failed,
            };
            if let Some(more) = untold.and(&failed, ask) {
                untold = more;
                refusals.push(failed);
                continue;
            }
            let is_of_the_question = failed.why.class().is_none_or(|class| class == FailureClass::Client);
            if is_of_the_question && !refusals.is_empty() {
                // It was not about what was left out, or nothing was learned: the first words stand.
                return Ok(Err(refusals.swap_remove(0)));
            }
            self.attempts.extend(refusals);
            return Ok(Err(failed));
        };
        if !refusals.is_empty() {
            self.learn(deployment, untold);
        }
        self.attempts.extend(refusals);
        Ok(Ok(Heard { answer, dropped: untold.parameter }))
    }

    /// Remembers the parameter without which there was an answer.
    fn learn(&self, deployment: &Deployment, untold: Untold) {
        let DeploymentId { provider, model } = &deployment.id;
        if untold.thoughts {
            tracing::warn!(%provider, %model, "the provider does not take thoughts for its own: it was asked without them");
        }
        if let Some(parameter) = untold.parameter
            && deployment.dropped.remember(parameter)
        {
            let parameter_name = parameter.name();
            tracing::warn!(%provider, %model, parameter = parameter_name, "the model refuses a parameter: it is not told any more");
            self.gateway.report.dropped(&deployment.id, parameter);
        }
    }

    /// The attempts that failed, and how long all has taken.
    pub(crate) fn end(self) -> (Vec<Attempt>, Duration) {
        let duration = self.gateway.clock.now().saturating_duration_since(self.started);
        (self.attempts, duration)
    }

    pub(crate) fn unavailable(self) -> Error {
        let now = self.gateway.clock.now();
        Error::Unavailable {
            role: self.question.role.to_owned(),
            within: self.within,
            attempts: self.attempts,
            retry_after: self.soonest.map(|at| at.saturating_duration_since(now)),
        }
    }

    /// One attempt: the answer, or the failure to judge; what was shown already ends the call.
    async fn attempt<A: Ask>(
        &mut self,
        deployment: &Deployment,
        ask: &mut A,
        untold: Untold,
    ) -> Result<Result<A::Answer, Attempt>, Error> {
        let entered = if ask.fits(deployment) {
            Asked::enter(deployment, self.gateway, self.question, self.left())
        } else {
            Err(Why::OtherDialect)
        };
        let mut asked = match entered {
            Ok(asked) => asked,
            Err(why) => {
                let duration = Duration::ZERO;
                let usage = chat::Usage::default();
                let cost = deployment.cost(&usage);
                return Ok(Err(Attempt { deployment: deployment.id.clone(), why, usage, cost, duration }));
            }
        };
        let span = asked.span.clone();
        let why = match ask.ask(&mut asked, untold).instrument(span).await {
            Ok(answer) => {
                asked.answered();
                return Ok(Ok(answer));
            }
            Err(why) => why,
        };
        asked.failed(&why);
        let (usage, duration) = (asked.usage(), asked.elapsed());
        let (deployment, cost) = (deployment.id.clone(), asked.cost());
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
