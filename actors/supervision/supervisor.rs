//! Supervisors: how they are described and rooted; `handle` reaches them, and what they do is in `family`.

mod family;
mod handle;
mod member;
mod root;
mod roster;

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Instant;

use futures_util::FutureExt;
use tokio::sync::{Mutex, mpsc};

use self::family::Family;
use self::handle::Command;
use crate::child::{Body, ChildSpec, Launch, Restart, Shutdown, What};
use crate::end::{End, panic_message};
use crate::intensity::Intensity;
use crate::place::Place;
use crate::registry::Registry;
use crate::summons::Summon;
use crate::threads::Seat;
use crate::view::{Kind, State};
use crate::vitals::{NoQueue, QueueLength, Queued, Vitals};

pub use handle::{Birth, ChildError, ChildInfo, Counts, Handle};
pub use root::Tree;

/// The most children that any supervisor may have.
const MOST_CHILDREN: usize = 10_000_000;
/// Requests that wait for a supervisor; one more is refused as busy.
const INBOX: usize = 256;

/// How many restarts are put up with, and whose they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Counted over all children; past it the supervisor stops them all and fails upward.
    Shared(Intensity),
    /// Counted child by child; past it that child is parked and nobody else is touched.
    PerChild(Intensity),
}

/// Whom a child's restart takes along. Bystanders are stopped in reverse and started again in order, with their queues
/// kept; a temporary one is not started again, and none of it counts but the child that began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Nobody.
    OneForOne,
    /// All its siblings.
    OneForAll,
    /// Those that were started after it.
    RestForOne,
    /// Nobody; children come and go in no order: they are stopped all at once, and one that is over is forgotten.
    Dynamic,
}

/// Whether a supervisor is done when its significant children are, which ended by themselves and are not restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoShutdown {
    /// Never; then no child may be significant.
    Never,
    /// With the first of them.
    AnySignificant,
    /// With the last of them.
    AllSignificant,
}

/// A supervisor, with the children it starts with and those that come later.
#[derive(Clone)]
pub struct SupervisorSpec {
    /// Its id among its siblings.
    pub id: String,
    /// Whom a child's restart takes along.
    pub strategy: Strategy,
    /// How many restarts it puts up with.
    pub limit: Limit,
    /// Whether it is done when its significant children are.
    pub auto_shutdown: AutoShutdown,
    /// The most children it may have.
    pub max_children: usize,
    /// Started in this order, each start acknowledged before the next; stopped in reverse.
    pub children: Vec<ChildSpec>,
}

struct SupervisorBody {
    vitals: Arc<Vitals>,
    spec: Arc<SupervisorSpec>,
    handle: Handle,
    inbox: Arc<Mutex<mpsc::Receiver<Command>>>,
}

// === SupervisorSpec ===

impl SupervisorSpec {
    /// One for one, 3 restarts within 5 s, at most 1,024 children and none yet, never done by itself.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            strategy: Strategy::OneForOne,
            limit: Limit::Shared(Intensity::default()),
            auto_shutdown: AutoShutdown::Never,
            max_children: 1024,
            children: Vec::new(),
        }
    }

    /// This supervisor as a child of another, and the handle that reaches it.
    pub fn into_child(self) -> (ChildSpec, Handle) {
        let (sender, receiver) = mpsc::channel(INBOX);
        let queued: Weak<dyn Queued> = Weak::<NoQueue>::new();
        let vitals = Arc::new(Vitals::new(&self.id, Kind::Supervisor, INBOX, QueueLength(queued)));
        let handle = Handle::new(sender, Place(vitals.clone()));
        let body = SupervisorBody {
            vitals,
            spec: Arc::new(self),
            handle: handle.clone(),
            inbox: Arc::new(Mutex::new(receiver)),
        };
        (ChildSpec::new(Arc::new(body), Shutdown::Infinity), handle)
    }

    /// What is wrong with a child of it, apart from its siblings.
    fn contradiction(&self, child: &ChildSpec) -> Option<&'static str> {
        if child.id().is_empty() || child.id().contains('/') {
            Some("an id is not empty and holds no `/`, which parts the places of a path")
        } else if child.body.vitals().is_taken() {
            Some("it has its place under a supervisor already")
        } else if !child.significant {
            None
        } else if self.auto_shutdown == AutoShutdown::Never {
            Some("it is significant, but its supervisor never shuts down by itself: set `auto_shutdown`")
        } else if child.restart == Restart::Permanent {
            Some("it is significant, but permanent children are never done: make it transient or temporary")
        } else {
            None
        }
    }

    /// What is wrong with it as a whole.
    fn fault(&self) -> Option<String> {
        if self.id.is_empty() || self.id.contains('/') {
            return Some("an id is not empty and holds no `/`".to_owned());
        }
        if self.max_children > MOST_CHILDREN {
            return Some(format!(
                "it may have {} children, and {MOST_CHILDREN} is the most",
                self.max_children
            ));
        }
        if self.children.len() > self.max_children {
            return Some(format!(
                "it has {} children and may have {}",
                self.children.len(),
                self.max_children
            ));
        }
        let mut ids = BTreeSet::new();
        self.children.iter().find_map(|child| {
            let id = child.id();
            let why = if ids.insert(id) { self.contradiction(child)? } else { "another child has that id" };
            Some(format!("child `{id}`: {why}"))
        })
    }
}

// === SupervisorBody ===

impl Body for SupervisorBody {
    fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    fn launch(&self, launch: Launch) -> Arc<Seat> {
        let (vitals, spec) = (self.vitals.clone(), self.spec.clone());
        let (inbox, handle) = (self.inbox.clone(), self.handle.clone());
        let seat = launch.surroundings.seating.supervisors().clone();
        seat.run(move || {
            actix_rt::spawn(async move {
                let Launch { life, report, surroundings, .. } = launch;
                let end = match spec.fault() {
                    Some(fault) => {
                        let reason = format!("the supervisor {} cannot be: {fault}", vitals.path());
                        End::StartFailed { reason }
                    }
                    None => {
                        let family = Family::new(vitals, spec, handle, surroundings, life);
                        let run = family.run(inbox, || report.started());
                        match AssertUnwindSafe(run).catch_unwind().await {
                            Ok(end) => end,
                            Err(panic) => End::Panicked { message: panic_message(panic) },
                        }
                    }
                };
                report.last(What::Ended(end)).await;
            });
        });
        seat
    }

    fn address(&self) -> Arc<dyn Any + Send + Sync> {
        Arc::new(self.handle.clone())
    }

    fn go_down(&self, _: Option<Instant>) {}

    fn sleep(&self, _: Summon) -> bool {
        false
    }

    fn close(&self, registry: &Registry) {
        for child in &self.spec.children {
            child.body.vitals().set_state(State::Ended);
            child.body.close(registry);
        }
        registry.leave(self.vitals.path());
        // Who waits is told by the dropped reply. The lock is held only by a life that is still going on.
        if let Ok(mut inbox) = self.inbox.try_lock() {
            while inbox.try_recv().is_ok() {}
        }
    }
}
