//! One provider: what its account's callers have met.
//!
//! It says once, where people look, that a key was refused. It never calls the provider. How calls ended is counted in a cell,
//! which belongs to its place: it is told only what changes what it would say, so that no call wakes it for nothing. A restart
//! loses nothing of it. Mailbox: 1,024; when it is full, what it would say of its key is not said.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use actix::{Actor, Context, Handler, Message};
use gateway::End;
use supervision::{ActorSpec, ChildSpec, Mailbox, Start, WhileDown, actor};
use tracing::{error, info, warn};
use units::ProviderId;
use upstream::FailureClass;

/// The actor of a provider.
pub struct Provider {
    id: ProviderId,
    cell: Arc<Ends>,
}

/// The way to a provider's account from the request path. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Account {
    cell: Arc<Ends>,
    mailbox: Mailbox<Provider>,
}

/// How calls ended, and whether the last one that says so had its key refused.
#[derive(Default)]
struct Ends {
    counts: [AtomicU64; KINDS.len()],
    key_refused: AtomicBool,
}

/// The key is refused now where it was not, or the other way round.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
struct Key {
    refused: bool,
}

/// How calls ended, by kind.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "BTreeMap<&'static str, u64>")]
pub struct GetEnds;

impl Provider {
    /// A provider as a child of its supervisor.
    pub(crate) fn child(id: ProviderId, clock: &clock::Clock) -> (ChildSpec, Account) {
        let spec = ActorSpec {
            id: "account".to_owned(),
            capacity: 1024,
            while_down: WhileDown::Keep,
            clock: clock.clone(),
        };
        let cell = Arc::<Ends>::default();
        let shared = cell.clone();
        let (child, mailbox) = actor(spec, move |_: Start<Self>| {
            let (id, cell) = (id.clone(), shared.clone());
            async move { Ok(Self { id, cell }) }
        });
        (child, Account { cell, mailbox })
    }
}

impl Account {
    /// A call to one of its deployments ended. Wakes nobody unless what is known of the key has changed.
    pub(crate) fn called(&self, end: End) {
        self.called_with_a_clients_credential(end);
        let refused = matches!(end, End::Failed(FailureClass::Key));
        // Looked at first: a line of the cache that nobody writes is shared by all cores.
        if self.cell.key_refused.load(Ordering::Relaxed) != refused
            && self.cell.key_refused.swap(refused, Ordering::Relaxed) != refused
            && let Err(lost) = self.mailbox.tell(Key { refused })
        {
            warn!(?lost, refused, "what became of a key was not said");
        }
    }

    /// The same, where nothing is learned of the operator's key.
    pub(crate) fn called_with_a_clients_credential(&self, end: End) {
        self.cell.counts[kind(end)].fetch_add(1, Ordering::Relaxed);
    }
}

impl Actor for Provider {
    type Context = Context<Self>;
}

impl Handler<Key> for Provider {
    type Result = ();

    fn handle(&mut self, Key { refused }: Key, _: &mut Self::Context) {
        if refused {
            error!(provider = %self.id, "the provider refused its key: check the environment variable or the configuration that it comes from");
        } else {
            info!(provider = %self.id, "the provider takes its key again");
        }
    }
}

impl Handler<GetEnds> for Provider {
    type Result = actix::MessageResult<GetEnds>;

    fn handle(&mut self, _: GetEnds, _: &mut Self::Context) -> Self::Result {
        let counts = KINDS.iter().zip(&self.cell.counts);
        let counts = counts.map(|(name, count)| (*name, count.load(Ordering::Relaxed)));
        actix::MessageResult(counts.filter(|(_, count)| *count > 0).collect())
    }
}

/// How a call can have ended; each at the place that [`kind`] says.
const KINDS: [&str; 11] = [
    "answered",
    "cancelled",
    "interrupted",
    "client",
    "key",
    "limited",
    "overloaded",
    "server",
    "network",
    "timeout",
    "malformed",
];

const fn kind(end: End) -> usize {
    match end {
        End::Answered => 0,
        End::Cancelled => 1,
        End::Interrupted(_) => 2,
        End::Failed(class) => match class {
            FailureClass::Client => 3,
            FailureClass::Key => 4,
            FailureClass::Limited => 5,
            FailureClass::Overloaded => 6,
            FailureClass::Server => 7,
            FailureClass::Network => 8,
            FailureClass::Timeout => 9,
            FailureClass::Malformed => 10,
        },
    }
}
