//! Which deployments may answer a call, in which order, and what to do when one of them fails.
//!
//! It only decides: it calls nobody and reads no clock.

mod candidates;
mod names;
mod retry;
mod table;

pub use candidates::{NoCandidate, PassedBy, Reason, candidates, candidates_among, candidates_named};
pub use names::{Alias, BadAlias, MAX_ALIASES};
pub use retry::{Failed, Failure, MAX_RETRIES, MAX_WAIT, Policy, Verdict, after};
pub use table::{Choice, Deployment, MAX_CHAIN, MAX_DEPLOYMENTS, MAX_ROLES, Readiness, Source, Table};

use units::{DeploymentId, ProviderId};

/// A routing table that contradicts itself; the person who wrote the configuration has to change it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A deployment comes twice.
    #[error("the deployment `{deployment}` comes twice: keep one")]
    Twice {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// A role names no deployment at all.
    #[error(
        "the role `{role}` has an empty list: name a deployment, or leave the role out to choose among all"
    )]
    NobodyNamed {
        /// The role.
        role: String,
    },
    /// A role names a deployment that is not configured.
    #[error(
        "the role `{role}` names `{deployment}`, which is not configured: add it to its provider, or correct the name"
    )]
    UnknownDeployment {
        /// The role.
        role: String,
        /// What it names.
        deployment: DeploymentId,
    },
    /// A role names a provider without any deployment.
    #[error(
        "the role `{role}` names the provider `{provider}`, which has no deployment: add one, or correct the name"
    )]
    UnknownProvider {
        /// The role.
        role: String,
        /// What it names.
        provider: ProviderId,
    },
    /// A role names one deployment twice: a fallback to what just failed is none.
    #[error("the role `{role}` names `{deployment}` twice: keep one")]
    NamedTwice {
        /// The role.
        role: String,
        /// What it names.
        deployment: DeploymentId,
    },
    /// More than the table holds.
    #[error("there are {found} {what}, and the most is {most}: remove some")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
}
