//! The one call from admission to settlement: doors, agents and everybody else who needs a model call this.
//!
//! It asks the candidates in order until one answers, shows the answer as it comes, and never lets a cut answer pass
//! for a whole one. It awaits no actor: it reads cells and a routing snapshot, and reports one way what happened.

mod alive;
mod aside;
mod asked;
mod concluding;
mod counting;
mod dropped;
mod error;
mod fault;
mod hearing;
mod operation;
mod out;
mod passing;
mod relaying;
mod report;
mod routes;
mod run;
mod told;
mod traced;
mod translating;
mod untold;

use std::sync::Arc;
use std::time::Duration;

use access::{Models, Principal};
use arc_swap::ArcSwap;
use chat::{Answer, Event, Usage};
use clock::Clock;
use units::{DeploymentId, Nanodollars};

pub use dropped::Dropped;
pub use error::{Attempt, Error, Interrupted, Why};
pub use fault::Fault;
pub use operation::Operation;
pub use out::{Begun, Out};
pub use passing::{MODEL, Pass, Upload, Whom};
pub use relaying::Relay;
pub use report::{Concluded, End, Outcome, Payer, Report};
pub use routes::{Deployment, Routes};
pub use told::Told;

use concluding::Concluding;
use hearing::Hearing;
use relaying::Relaying;
use run::{Ask, Heard, Question, Run};

/// The longest that one call may take, whatever its caller grants.
pub const MAX_WITHIN: Duration = Duration::from_secs(24 * 60 * 60);
/// The most bytes of text and tool calls in one answer.
pub const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Who asks when a client does: the role of its calls.
pub const CLIENT: &str = "client";

/// Draws a random number from 0 to 1, so that waiting callers do not come back all at once.
pub type Jitter = Arc<dyn Fn() -> f64 + Send + Sync>;

/// Calls models. Cloning shares everything.
#[derive(Clone)]
pub struct Gateway {
    /// The routes in force; the router publishes new ones here.
    pub routes: Arc<ArcSwap<Routes>>,
    /// Sends.
    pub client: upstream::Client,
    /// The tree's clock; the client has to have the same one.
    pub clock: Clock,
    /// Is told what happened.
    pub report: Arc<dyn Report>,
    /// Spreads retries.
    pub jitter: Jitter,
    /// How long to wait for a provider.
    pub patience: Patience,
}

/// How long to wait for a provider before it counts as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The longest wait for the first event of an answer.
    pub first_byte: Duration,
    /// The longest silence after that.
    pub between_bytes: Duration,
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Who asks: `planner`, `editor`, `reviewer` or another that the configuration may know.
    pub role: &'a str,
    /// What for.
    pub operation: Operation,
    /// Which models it may be asked of.
    pub models: &'a Models,
    /// What is asked.
    pub request: &'a chat::Request,
    /// The longest that all attempts together may take; at most [`MAX_WITHIN`].
    pub within: Duration,
}

/// A client's request.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// What came in.
    pub relay: Relay<'a>,
    /// What for.
    pub operation: Operation,
    /// Who asks, and which models it may be asked of.
    pub client: &'a Principal,
    /// The longest that all attempts together may take; at most [`MAX_WITHIN`].
    pub within: Duration,
    /// The longest that a stream is silent once it has begun: then the client is given a sign of life.
    pub keep_alive: Duration,
}

/// A whole answer, and what it took to get it.
#[derive(Debug)]
pub struct Receipt {
    /// The answer; its `stop` says when the model ran into `max_output`.
    pub answer: Answer,
    /// Who gave it.
    pub deployment: DeploymentId,
    /// What the answer used; what failed attempts used stands with them.
    pub usage: Usage,
    /// What the answer cost; `None` when the deployment is not priced.
    pub cost: Option<Nanodollars>,
    /// What the model was not told, because it refuses to be.
    pub dropped: Option<chat::Parameter>,
    /// The attempts that failed before this one.
    pub attempts: Vec<Attempt>,
    /// From the question to the end of the answer, failed attempts and waits among it.
    pub duration: Duration,
}

impl Gateway {
    /// Asks for an answer and shows its events as they come. Dropping the future cancels the call.
    ///
    /// A candidate that fails before any output was shown is followed by the next one, or asked again. One that refuses a
    /// parameter is asked once more without it, and is not told it any more when that helped.
    ///
    /// # Errors
    /// [`Error::NoCandidate`] when the configuration has nobody for the role; [`Error::Refused`] when the request is
    /// at fault; [`Error::Unavailable`] when all candidates failed; [`Error::Interrupted`] when one failed after its
    /// output had been shown.
    pub async fn call(
        &self,
        call: Call<'_>,
        on_event: &mut (dyn FnMut(&Event) + Send),
    ) -> Result<Receipt, Error> {
        let concluding = Concluding::begin(self, call.operation);
        let ended = self.answer(call, on_event).await;
        concluding.end(&ended);
        ended
    }

    /// Waits while what a model called a tool for is done, and tells of it as of a call of its own.
    ///
    /// # Errors
    /// Those of `doing`; they count as the caller's, who is a model and asked for what cannot be.
    pub async fn tool<T, E>(&self, doing: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let concluding = Concluding::begin(self, Operation::Tool);
        let done = doing.await;
        concluding.end_of_tool(&done);
        done
    }

    /// Has a client's request answered in the client's own dialect. Dropping the future cancels the call.
    ///
    /// As for [`Gateway::call`], candidates follow one another until the first output; after it, a stream that breaks off is
    /// ended in the client's dialect, and the error says so.
    ///
    /// # Errors
    /// As for [`Gateway::call`].
    pub async fn relay<O: Out>(&self, asking: Asking<'_>, out: &mut O) -> Result<(), Error> {
        let concluding = Concluding::begin(self, asking.operation);
        let mut relaying = Relaying::new(asking.relay, asking.keep_alive, out);
        let ended = self.relayed(asking, &mut relaying).await;
        if let Err(Error::Interrupted(interrupted)) = &ended {
            let (told, message) = (told::why(&interrupted.why), interrupted.to_string());
            let request_id = asking.relay.request_id;
            let (status, code) = (told.status, told.code);
            relaying.fail(&wire::Failure { status, message: &message, code, param: None, request_id }).await;
        }
        concluding.end(&ended);
        ended
    }

    async fn relayed<'a, O: Out>(
        &self,
        asking: Asking<'a>,
        relaying: &mut Relaying<'a, O>,
    ) -> Result<(), Error> {
        let Asking { relay, operation, client, within, .. } = asking;
        let routes = self.routes.load_full();
        let mut candidates = routes.candidates_named(relay.model, client.models())?;
        let payer = paying(&relay, &mut candidates);
        relaying.credential = relay.credential.filter(|_| payer == Payer::Client);
        let question = Question { role: CLIENT, client: Some(client), payer, operation, within };
        let mut run = Run::start(self, question, routes.table().policy().attempts());
        for (place, deployment) in candidates.iter().enumerate() {
            let others = candidates[place + 1..].iter().any(|other| other.may_answer());
            match run.candidate(deployment, others, relaying).await {
                Ok(Some(_)) => return Ok(()),
                Ok(None) => {}
                Err(error) if relaying.may_estimate(&error, deployment) => break,
                Err(error) => return Err(error),
            }
        }
        match candidates.first() {
            // A client that may not know how much room there is gives up, or fills it.
            Some(first) if counting::is_count(relay.way) => relaying.estimate(&first.id),
            Some(_) if !candidates.iter().any(|one| relaying.fits(one)) => {
                Err(Error::NotOffered { model: relay.model.to_owned() })
            }
            _ => Err(run.unavailable()),
        }
    }

    async fn answer(
        &self,
        call: Call<'_>,
        on_event: &mut (dyn FnMut(&Event) + Send),
    ) -> Result<Receipt, Error> {
        let routes = self.routes.load_full();
        let candidates = routes.candidates(call.role, call.models)?;
        let Call { role, operation, request, within, .. } = call;
        let question = Question { role, client: None, payer: Payer::Operator, operation, within };
        let mut run = Run::start(self, question, routes.table().policy().attempts());
        let mut hearing = Hearing { role, request, on_event };
        for (place, deployment) in candidates.iter().enumerate() {
            let others = candidates[place + 1..].iter().any(|other| other.may_answer());
            if let Some(heard) = run.candidate(deployment, others, &mut hearing).await? {
                return Ok(receipt(deployment, heard, run));
            }
        }
        Err(run.unavailable())
    }
}

/// Who pays for a call, which its first candidate decides: where that one lets the client's own credential through, the
/// client pays, and nobody but its provider is asked. So a credential goes to one provider alone, and no failure of it makes
/// the operator pay.
fn paying(relay: &Relay<'_>, candidates: &mut Vec<&Deployment>) -> Payer {
    let first = candidates.first().filter(|first| relaying::lets_through(relay.way, first));
    let Some(provider) = first.filter(|_| relay.credential.is_some()).map(|first| &first.id.provider) else {
        return Payer::Operator;
    };
    candidates.retain(|candidate| candidate.id.provider == *provider);
    Payer::Client
}

fn receipt(deployment: &Deployment, heard: Heard<Answer>, run: Run<'_>) -> Receipt {
    let Heard { answer, dropped } = heard;
    let (usage, (attempts, duration)) = (answer.usage, run.end());
    Receipt {
        answer,
        deployment: deployment.id.clone(),
        usage,
        cost: deployment.cost(&usage),
        dropped,
        attempts,
        duration,
    }
}

impl Default for Patience {
    /// Two minutes for a model that thinks before it speaks, one minute of silence after that.
    fn default() -> Self {
        Self { first_byte: Duration::from_secs(120), between_bytes: Duration::from_secs(60) }
    }
}

#[cfg(test)]
mod tests;
