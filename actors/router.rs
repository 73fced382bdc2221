//! The router owns the routing table in force and publishes it; who calls reads the snapshot and asks nobody.
//!
//! Beside it stands how what happened on the request path reaches actors: one way, and never in the way.
//! A restart finds the last table in its cell. A table that is replaced is left to the calls that hold it; who is only in
//! that one is stopped when the last of them has ended. Mailbox: 16; when it is full the sender is told that it is busy.

use std::sync::Arc;
use std::time::Duration;

use access::Principal;
use actix::{Actor, Context, Handler, Message};
use chat::{Parameter, Usage};
use gateway::{Concluded, End, Outcome, Payer, Routes};
use supervision::{ActorSpec, ChildSpec, Handle, Life, Mailbox, Snapshot, Start, WhileDown, actor};
use tracing::{error, warn};
use units::DeploymentId;

use crate::branches::Directory;
use crate::deployment::Tripped;
use crate::metrics::Families;
use crate::recorder::Recorder;
use crate::statistics::Tally;

/// How often a table that was replaced is looked at, whether calls still hold it.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The actor of the router.
pub struct Router {
    routes: Arc<Snapshot<Routes>>,
    clock: clock::Clock,
    life: Life,
}

/// Puts other routes in force.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Publish {
    /// The routes.
    pub(crate) routes: Routes,
    /// Who is in the old ones alone.
    pub(crate) leaving: Vec<Leaving>,
}

/// A child whom no route leads to any more.
pub(crate) struct Leaving {
    pub(crate) supervisor: Handle,
    pub(crate) child: String,
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
    pub(crate) directory: Arc<Snapshot<Directory>>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) families: Families,
    pub(crate) recorder: Recorder,
    pub(crate) clock: clock::Clock,
}

impl Router {
    /// The router as a child, and its cell with `routes`.
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
        let (published, clock) = (cell.clone(), clock.clone());
        let (child, mailbox) = actor(spec, move |start: Start<Self>| {
            let (routes, clock) = (published.clone(), clock.clone());
            async move { Ok(Self { routes, clock, life: start.life }) }
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

impl Handler<Publish> for Router {
    type Result = ();

    fn handle(&mut self, Publish { routes, leaving }: Publish, _: &mut Self::Context) {
        let old = Arc::downgrade(&self.routes.load_full());
        self.routes.publish(routes);
        let clock = self.clock.clone();
        self.life.spawn(async move {
            // A call keeps the routes that it began with.
            while old.strong_count() > 0 {
                clock.sleep(LOOK_AGAIN).await;
            }
            for child in leaving {
                child.leave().await;
            }
        });
    }
}

impl Leaving {
    /// Stops the child and forgets it.
    pub(crate) async fn leave(self) {
        let Self { supervisor, child } = self;
        let stopped = match supervisor.terminate_child(&child).await {
            Ok(()) => supervisor.delete_child(&child).await,
            Err(error) => Err(error),
        };
        if let Err(error) = stopped {
            warn!(child, %error, "who is not needed any more stays");
        }
    }
}

impl gateway::Report for Reports {
    fn report(&self, outcome: Outcome) {
        let directory = self.directory.load();
        if let Some(meter) = directory.meters.get(&outcome.deployment) {
            meter.count(&outcome);
        }
        self.tally.count(&outcome, self.clock.wall());
        if let Some(account) = directory.providers.get(&outcome.deployment.provider) {
            match outcome.payer {
                Payer::Operator => account.called(outcome.end),
                Payer::Client => account.called_with_a_clients_credential(outcome.end),
            }
        }
        // An agent's answer is stored with its usage, by whoever asked; what came to nothing, and what clients were answered,
        // is stored here.
        let is_stored = outcome.end == End::Answered && outcome.role != gateway::CLIENT;
        if !is_stored && outcome.usage != Usage::default() {
            self.recorder.usage(self.row(outcome));
        }
    }

    fn concluded(&self, concluded: Concluded) {
        self.families.concluded(concluded);
    }

    fn dropped(&self, deployment: &DeploymentId, parameter: Parameter) {
        if let Some(meter) = self.directory.load().meters.get(deployment) {
            meter.dropped(parameter);
        }
    }

    fn tripped(&self, deployment: &DeploymentId, retry_after: Option<Duration>) {
        let directory = self.directory.load();
        let Some(mailbox) = directory.deployments.get(deployment) else { return };
        // Refused only while it is down, and then its cell is open already.
        if let Err(refused) = mailbox.tell(Tripped { retry_after }) {
            warn!(%deployment, ?refused, "a trip met a deployment that is down");
        }
    }
}

/// What a usage row keeps of who asked.
fn client(principal: &Principal, payer: Payer) -> store::Client {
    let tags = principal.grant().map(|grant| grant.tags_text()).unwrap_or_default();
    store::Client { principal: principal.name().to_owned(), tags, pays: payer == Payer::Client }
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
            client: outcome.client.as_ref().map(|principal| client(principal, outcome.payer)),
        }
    }
}
