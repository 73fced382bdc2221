//! The snapshot of routes that a call reads once and keeps to its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::Models;
use cells::{Breaker, Load, State};
use pricing::Price;
use routing::{NoCandidate, Readiness, Table};
use units::{DeploymentId, Nanodollars};
use upstream::{Dialect, Endpoint, HttpEndpoint};

use crate::{Dropped, Error};

/// A deployment as the request path sees it: where it is, what it costs, and its cells.
#[derive(Debug)]
pub struct Deployment {
    /// Which.
    pub id: DeploymentId,
    /// Where its provider is.
    pub endpoint: upstream::Endpoint,
    /// What it costs; `None` when nobody said so.
    pub price: Option<Price>,
    /// Whether it may be called now.
    pub breaker: Arc<Breaker>,
    /// How busy and how quick it is.
    pub load: Arc<Load>,
    /// What its model does not want to be told.
    pub dropped: Arc<Dropped>,
}

/// The routing table in force and what its deployments are; every ready one has its cells here.
#[derive(Debug, Default)]
pub struct Routes {
    table: Table,
    deployments: BTreeMap<DeploymentId, Arc<Deployment>>,
}

impl Routes {
    /// The routes of `table`.
    ///
    /// # Errors
    /// [`Error::Unpublished`] when a deployment that the table calls ready is not among `deployments`.
    pub fn try_new(
        table: Table,
        deployments: impl IntoIterator<Item = Arc<Deployment>>,
    ) -> Result<Self, Error> {
        let deployments: BTreeMap<_, _> =
            deployments.into_iter().map(|deployment| (deployment.id.clone(), deployment)).collect();
        let ready = table.deployments().iter().filter(|one| one.readiness == Readiness::Ready);
        if let Some(missing) = ready.map(|one| &one.id).find(|id| !deployments.contains_key(*id)) {
            return Err(Error::Unpublished { deployment: missing.clone() });
        }
        Ok(Self { table, deployments })
    }

    /// The routing table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// All deployments that can be called.
    pub fn deployments(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        self.deployments.values()
    }

    /// A deployment's endpoint, price and cells; `None` when it is not ready or not known.
    pub fn deployment(&self, id: &DeploymentId) -> Option<&Arc<Deployment>> {
        self.deployments.get(id)
    }

    pub(crate) fn candidates_named(
        &self,
        name: &str,
        allowed: &Models,
    ) -> Result<Vec<&Deployment>, NoCandidate> {
        Ok(self.ready(&routing::candidates_named(&self.table, name, allowed)?))
    }

    pub(crate) fn candidates(&self, role: &str, allowed: &Models) -> Result<Vec<&Deployment>, NoCandidate> {
        Ok(self.ready(&routing::candidates_among(&self.table, role, allowed)?))
    }

    /// The most preferred provider, or the one of this name, that opens what it keeps for its account to whoever may use all
    /// of its models.
    pub(crate) fn account(
        &self,
        dialect: Dialect,
        provider: Option<&str>,
        allowed: &Models,
    ) -> Option<(&Deployment, &HttpEndpoint)> {
        let preferred = self.table.deployments().iter().map(|one| &one.id);
        let open = preferred.filter(|id| {
            provider.is_none_or(|name| id.provider.as_str() == name) && allowed.allow_all_of(&id.provider)
        });
        open.filter_map(|id| self.deployments.get(id)).find_map(|deployment| match &deployment.endpoint {
            Endpoint::Http(endpoint) if endpoint.has_account_routes && endpoint.has_routes_of(dialect) => {
                Some((&**deployment, endpoint))
            }
            Endpoint::Http(_) | Endpoint::Scripted(_) => None,
        })
    }

    fn ready(&self, ids: &[DeploymentId]) -> Vec<&Deployment> {
        ids.iter().filter_map(|id| self.deployments.get(id)).map(AsRef::as_ref).collect()
    }
}

impl Deployment {
    pub(crate) fn cost(&self, usage: &chat::Usage) -> Option<Nanodollars> {
        self.price.map(|price| pricing::cost(&price, usage))
    }

    /// Whether it is worth a look: a half-open breaker may still have a permit.
    pub(crate) fn may_answer(&self) -> bool {
        match self.breaker.state() {
            State::Closed | State::HalfOpen => true,
            State::Open => false,
        }
    }
}
