//! One model at one provider: its breaker is its life.
//!
//! It owns the breaker's cell. When callers have opened the breaker it fails, and while its supervisor backs off the
//! cell reads open and the router passes it by; the fresh child starts half-open. It never calls the provider itself.
//! A restart loses nothing: the cell belongs to the place. Mailbox: 16; while it is down it refuses.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Context, Handler, Message};
use supervision::{
    ActorSpec, Backoff, Cell, ChildSpec, End, Failure, Life, Mailbox, Start, WhileDown, actor,
};

/// How many calls may try a deployment that has just come back.
const PROBES: NonZeroU16 = NonZeroU16::new(2).expect("2 is not 0");

/// How long a tripped deployment is left alone.
const BACKOFF: Backoff = Backoff {
    min: Duration::from_secs(1),
    max: Duration::from_secs(60),
    jitter: 0.2,
    reset_after: Duration::from_secs(120),
};

/// The actor of a deployment.
pub struct Deployment {
    life: Life,
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
    /// A deployment as a child of its provider's supervisor.
    pub(crate) fn child(
        deployment: Arc<gateway::Deployment>,
        clock: &clock::Clock,
    ) -> (ChildSpec, Mailbox<Self>) {
        let spec = ActorSpec {
            id: deployment.id.model.as_str().replace('/', ":"),
            capacity: 16,
            while_down: WhileDown::Refuse,
            clock: clock.clone(),
        };
        let (child, mailbox) = actor(spec, |start: Start<Self>| async move { Ok(Self { life: start.life }) });
        (child.backoff(BACKOFF).cell(Arc::new(Fuse(deployment))), mailbox)
    }
}

impl Actor for Deployment {
    type Context = Context<Self>;
}

impl Handler<Tripped> for Deployment {
    type Result = ();

    fn handle(&mut self, Tripped { retry_after }: Tripped, _: &mut Self::Context) {
        self.life.fail(Failure { reason: "its callers opened the breaker".to_owned(), retry_after });
    }
}

impl Cell for Fuse {
    fn down(&self, _: &End, _: Option<Instant>) {
        self.0.breaker.down();
    }

    fn up(&self, generation: u64) {
        // The first child finds the cell as it was made, closed: there is nothing to be careful about yet.
        if generation > 1 {
            self.0.breaker.up(generation, PROBES);
        }
    }
}
