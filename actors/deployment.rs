//! One model at one provider: its breaker is its life.
//!
//! It owns the breaker's cell. When callers have opened the breaker it fails, and while its supervisor backs off the
//! cell reads open and the router passes it by; the fresh child starts half-open and watches its probes: one that is
//! overdue has failed, and so does it. It never calls the provider itself. These ends are the world's and count against
//! no intensity. A restart loses nothing: the cell belongs to the place, an operator's override with it. Mailbox: 16;
//! while it is down it refuses.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Context, Handler, Message};
use cells::{Breaker, Probation, Probes};
use clock::Clock;
use supervision::{
    ActorSpec, Backoff, Cell, ChildSpec, End, Failure, Life, Mailbox, Start, WhileDown, actor,
};
use tracing::error;

/// How long a tripped deployment is left alone.
const BACKOFF: Backoff = Backoff {
    min: Duration::from_secs(1),
    max: Duration::from_secs(60),
    jitter: 0.2,
    reset_after: Duration::from_secs(120),
};

/// A probation may last for so many of its probes' deadlines without passing for a quiet while.
const PROBATIONS_BEFORE_QUIET: u32 = 4;

/// The actor of a deployment.
pub struct Deployment {
    life: Life,
    deployment: Arc<gateway::Deployment>,
}

/// Its callers have opened the breaker.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
#[rtype(result = "()")]
pub struct Tripped {
    /// How long the provider asked to be left alone.
    pub retry_after: Option<Duration>,
}

/// Supervision's hand on the breaker.
struct Fuse(Arc<gateway::Deployment>);

impl Deployment {
    /// A deployment as a child of its provider's supervisor; `id` is unique among its siblings, `probes` are those of
    /// its breaker.
    pub(crate) fn child(
        id: String,
        deployment: Arc<gateway::Deployment>,
        probes: Probes,
        clock: &Clock,
    ) -> (ChildSpec, Mailbox<Self>) {
        let spec = ActorSpec { id, capacity: 16, while_down: WhileDown::Refuse, clock: clock.clone() };
        let fuse = Arc::new(Fuse(deployment.clone()));
        let (child, mailbox) = actor(spec, move |start: Start<Self>| {
            let deployment = deployment.clone();
            async move { Ok(Self { life: start.life, deployment }) }
        });
        let quiet = probes.deadline.saturating_mul(PROBATIONS_BEFORE_QUIET);
        let backoff = Backoff { reset_after: BACKOFF.reset_after.max(quiet), ..BACKOFF };
        (child.backoff(backoff).cell(fuse), mailbox)
    }
}

impl Actor for Deployment {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let (life, deployment) = (self.life.clone(), self.deployment.clone());
        self.life.spawn(async move { watch(&life, &deployment.breaker).await });
    }
}

impl Handler<Tripped> for Deployment {
    type Result = ();

    fn handle(&mut self, Tripped { retry_after }: Tripped, _: &mut Self::Context) {
        match self.deployment.breaker.expire(self.life.generation(), self.life.clock().now()) {
            Probation::Overdue | Probation::Failed { .. } => self.life.fail(opened(retry_after)),
            // A trip that an earlier life was to hear of says nothing about this one.
            Probation::Lasts { .. } | Probation::Over => {}
        }
    }
}

fn opened(retry_after: Option<Duration>) -> Failure {
    Failure { reason: "its callers opened the breaker".to_owned(), retry_after }
}

/// Waits until the probation is over, and fails with it.
async fn watch(life: &Life, breaker: &Breaker) {
    loop {
        let now = life.clock().now();
        match breaker.expire(life.generation(), now) {
            Probation::Lasts { until } => life.clock().sleep_until(until).await,
            Probation::Overdue => return life.fail(Failure::new("a probe was overdue")),
            // This look may come before their word does, which says no more than the cell.
            Probation::Failed { retry_at } => {
                return life.fail(opened(retry_at.map(|at| at.saturating_duration_since(now))));
            }
            Probation::Over => return,
        }
    }
}

impl Cell for Fuse {
    fn down(&self, _: &End, retry_at: Option<Instant>) {
        self.0.breaker.down(retry_at);
    }

    fn up(&self, generation: u64) {
        if !self.0.breaker.up(generation) {
            error!(deployment = %self.0.id, generation, "the breaker has seen a later life than this one");
        }
    }
}

#[cfg(test)]
mod tests;
