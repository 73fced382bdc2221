//! The router owns the routing table in force and publishes it; who calls reads the snapshot and asks nobody.
//!
//! Beside it stands how what happened on the request path reaches actors: one way, and never in the way.
//! A restart publishes the same table again. Mailbox: 16; when it is full the sender is told that it is busy.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, Message};
use chat::{Parameter, Usage};
use gateway::{End, Outcome, Routes};
use supervision::{ActorSpec, ChildSpec, Mailbox, Snapshot, Start, WhileDown, actor};
use tracing::{error, warn};
use units::{DeploymentId, ProviderId};

use crate::deployment::{Deployment, Tripped};
use crate::metrics::Meter;
use crate::provider::{Called, Provider};
use crate::writer::Pen;

/// The actor of the router.
pub struct Router {
    routes: Arc<Snapshot<Routes>>,
}

/// Who would answer for a role now, best first; or why nobody would.
#[derive(Message, Clone, Debug)]
#[rtype(result = "Result<Vec<DeploymentId>, routing::NoCandidate>")]
pub struct GetCandidates {
    /// The role.
    pub role: String,
}

/// Passes on what happened on the request path.
pub(crate) struct Reports {
    pub(crate) providers: BTreeMap<ProviderId, Mailbox<Provider>>,
    pub(crate) deployments: BTreeMap<DeploymentId, Mailbox<Deployment>>,
    pub(crate) meters: BTreeMap<DeploymentId, Meter>,
    pub(crate) pen: Pen,
    pub(crate) clock: clock::Clock,
}

impl Router {
    /// The router as a child, and its cell, into which it publishes `routes` at each start.
    pub(crate) fn child(
        routes: Routes,
        clock: &clock::Clock,
    ) -> (ChildSpec, Mailbox<Self>, Arc<Snapshot<Routes>>) {
        let spec = ActorSpec {
            id: "router".to_owned(),
            capacity: 16,
            while_down: WhileDown::Keep,
            clock: clock.clone(),
        };
        let cell = Arc::new(Snapshot::new(routes));
        let (published, table) = (cell.clone(), cell.load_full());
        let (child, mailbox) = actor(spec, move |_: Start<Self>| {
            let (routes, table) = (published.clone(), table.clone());
            async move {
                routes.publish(table);
                Ok(Self { routes })
            }
        });
        (child.cell(cell.clone()), mailbox, cell)
    }
}

impl Actor for Router {
    type Context = Context<Self>;
}

impl Handler<GetCandidates> for Router {
    type Result = Result<Vec<DeploymentId>, routing::NoCandidate>;

    fn handle(&mut self, GetCandidates { role }: GetCandidates, _: &mut Self::Context) -> Self::Result {
        routing::candidates(self.routes.load().table(), &role)
    }
}

impl gateway::Report for Reports {
    fn report(&self, outcome: Outcome) {
        if let Some(meter) = self.meters.get(&outcome.deployment) {
            meter.count(&outcome);
        }
        if let Some(provider) = self.providers.get(&outcome.deployment.provider)
            && let Err(refused) = provider.tell(Called(outcome.end))
        {
            warn!(?refused, "an outcome was not counted");
        }
        // An answer's usage is stored with the answer itself, by whoever asked; what came to nothing is stored here.
        if outcome.end != End::Answered && outcome.usage != Usage::default() {
            self.pen.usage(vec![self.row(outcome)]);
        }
    }

    fn dropped(&self, deployment: &DeploymentId, parameter: Parameter) {
        if let Some(meter) = self.meters.get(deployment) {
            meter.dropped(parameter);
        }
    }

    fn tripped(&self, deployment: &DeploymentId, retry_after: Option<Duration>) {
        let Some(mailbox) = self.deployments.get(deployment) else { return };
        // Refused only while it is down, and then its cell is open already.
        if let Err(refused) = mailbox.tell(Tripped { retry_after }) {
            warn!(%deployment, ?refused, "a trip met a deployment that is down");
        }
    }
}

impl Reports {
    fn row(&self, outcome: Outcome) -> store::UsageRow {
        let random = getrandom::u64().unwrap_or_else(|reason| {
            // The key then rests on the time alone: two of them in one millisecond would count once.
            error!(%reason, "no randomness for the key of a usage row");
            0
        });
        let at = self.clock.wall();
        let end = match outcome.end {
            End::Answered => "answered",
            End::Failed(_) => "failed",
            End::Interrupted(_) => "interrupted",
            End::Cancelled => "cancelled",
        };
        store::UsageRow {
            at,
            call_key: format!("lost/{}/{random:016x}", at.0),
            workflow: None,
            role: outcome.role,
            deployment: outcome.deployment,
            usage: outcome.usage,
            cost: outcome.cost,
            outcome: end.to_owned(),
            duration_ms: outcome.duration.as_millis().try_into().unwrap_or(u64::MAX),
        }
    }
}
