//! What a call tells those who are not on its path.

use std::time::Duration;

use access::Principal;
use chat::{Parameter, Usage};
use units::{DeploymentId, Nanodollars};
use upstream::FailureClass;

use crate::{Fault, Operation};

/// Takes what happened to whom it concerns. The request path calls it: it returns at once, and when its queue is full
/// it drops and counts.
pub trait Report: Send + Sync {
    /// A deployment was called, and this is how it ended. Also when it failed or was cancelled: it may be billed.
    fn report(&self, outcome: Outcome);

    /// A whole call has ended, all its candidates among it; also one that reached nobody.
    fn concluded(&self, concluded: Concluded);

    /// A deployment's model refused a parameter, which it is not told any more; said once for each.
    fn dropped(&self, deployment: &DeploymentId, parameter: Parameter);

    /// A deployment's breaker was opened by its callers, which is said once each time: its actor has to fail now.
    ///
    /// `retry_after` is how long the provider asked to be left alone. This one may not be lost.
    fn tripped(&self, deployment: &DeploymentId, retry_after: Option<Duration>);
}

/// The end of one call to one deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Who was called.
    pub deployment: DeploymentId,
    /// For which role.
    pub role: String,
    /// The client that asked, where one did.
    pub client: Option<Principal>,
    /// What for.
    pub operation: Operation,
    /// How it ended.
    pub end: End,
    /// Whose failure it was; `None` for an answer.
    pub fault: Option<Fault>,
    /// What was used, as far as the provider had said so.
    pub usage: Usage,
    /// What that cost; `None` when the deployment is not priced, and nothing where the client pays itself.
    pub cost: Option<Nanodollars>,
    /// Who pays.
    pub payer: Payer,
    /// The time to the first output, when there was any.
    pub first_output: Option<Duration>,
    /// The time to the end.
    pub duration: Duration,
}

/// The end of a whole call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concluded {
    /// What for.
    pub operation: Operation,
    /// Whose failure it was; `None` for an answer.
    pub fault: Option<Fault>,
    /// The time from the question to the end, failed attempts and waits among it.
    pub duration: Duration,
}

/// Who pays the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payer {
    /// The operator, whose key is used.
    Operator,
    /// The client, by its own credential.
    Client,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a whole answer.
    Answered,
    /// Before any output.
    Failed(FailureClass),
    /// After the first output.
    Interrupted(FailureClass),
    /// Nobody waited any longer.
    Cancelled,
}
