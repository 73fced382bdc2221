//! One provider: what its account's callers have met.
//!
//! It keeps count of how calls ended and says once, where people look, that a key was refused. It never calls the
//! provider. A restart begins the count anew. Mailbox: 1,024; when it is full an outcome is not counted.

use std::collections::BTreeMap;

use actix::{Actor, Context, Handler, Message};
use gateway::End;
use supervision::{ActorSpec, ChildSpec, Mailbox, Start, WhileDown, actor};
use tracing::{error, info};
use units::ProviderId;
use upstream::FailureClass;

/// The actor of a provider.
pub struct Provider {
    id: ProviderId,
    ends: BTreeMap<&'static str, u64>,
    key_refused: bool,
}

/// A call to one of its deployments ended.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct Called(pub End);

/// How calls ended, by kind.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "BTreeMap<&'static str, u64>")]
pub struct GetEnds;

impl Provider {
    /// A provider as a child of its supervisor.
    pub(crate) fn child(id: ProviderId, clock: &clock::Clock) -> (ChildSpec, Mailbox<Self>) {
        let spec = ActorSpec {
            id: "account".to_owned(),
            capacity: 1024,
            while_down: WhileDown::Keep,
            clock: clock.clone(),
        };
        actor(spec, move |_: Start<Self>| {
            let id = id.clone();
            async move { Ok(Self { id, ends: BTreeMap::new(), key_refused: false }) }
        })
    }
}

impl Actor for Provider {
    type Context = Context<Self>;
}

impl Handler<Called> for Provider {
    type Result = ();

    fn handle(&mut self, Called(end): Called, _: &mut Self::Context) {
        *self.ends.entry(name(end)).or_default() += 1;
        let refused = matches!(end, End::Failed(FailureClass::Key));
        if refused && !self.key_refused {
            error!(provider = %self.id, "the provider refused its key: check the environment variable or the configuration that it comes from");
        }
        if !refused && self.key_refused {
            info!(provider = %self.id, "the provider takes its key again");
        }
        self.key_refused = refused;
    }
}

impl Handler<GetEnds> for Provider {
    type Result = actix::MessageResult<GetEnds>;

    fn handle(&mut self, _: GetEnds, _: &mut Self::Context) -> Self::Result {
        actix::MessageResult(self.ends.clone())
    }
}

fn name(end: End) -> &'static str {
    match end {
        End::Answered => "answered",
        End::Cancelled => "cancelled",
        End::Interrupted(_) => "interrupted",
        End::Failed(class) => match class {
            FailureClass::Client => "client",
            FailureClass::Key => "key",
            FailureClass::Limited => "limited",
            FailureClass::Overloaded => "overloaded",
            FailureClass::Server => "server",
            FailureClass::Network => "network",
            FailureClass::Timeout => "timeout",
            FailureClass::Malformed => "malformed",
        },
    }
}
