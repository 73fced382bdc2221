//! Metrics: counted where it happens, and shown as text to whoever scrapes.
//!
//! It owns the tree's registry of families, whose handles are its cells: the request path bumps them and asks nobody.
//! Labels are names from the configuration or words from closed sets, never a path, a prompt or a key. The actor
//! renders, and adds how the tree's actors do at that moment; it never waits for anybody. A restart loses nothing, for
//! the registry is made outside of its lives; a new server counts from 0.
//! Mailbox: 16; when it is full a scrape is refused.

mod breakers;
mod calls;
mod configured;
mod finished;
mod keys;
mod machine;
mod population;
mod records;
mod shelf;
mod spans;
mod storage;
mod traffic;

use std::sync::Arc;

use actix::{Actor, Context, Handler, Message};
use gateway::{Concluded, Routes};
use prometheus::TextEncoder;
use supervision::{ActorSpec, ChildSpec, Mailbox, Node, Start, WhileDown, actor};
use units::DeploymentId;

pub use finished::Finished;
pub use population::Restarts;
pub use prometheus::TEXT_FORMAT;
pub use spans::Spans;
pub use traffic::{Connected, Door, Traffic};

use breakers::Breakers;
use calls::Calls;
pub(crate) use calls::Meter;
pub(crate) use configured::Configured;
use keys::Keys;
use machine::Machine;
use population::Population;
use records::Records;
use shelf::Shelf;
pub(crate) use storage::{Scale, Storage};

/// Renders the registry.
pub struct Metrics {
    families: Families,
    clock: clock::Clock,
}

/// All metrics in Prometheus's text format, [`TEXT_FORMAT`], with what is only true at this moment.
#[derive(Message, Clone, Debug)]
#[rtype(result = "String")]
pub struct GetText {
    /// The tree as it is now.
    pub tree: Node,
    /// The routes in force.
    pub routes: Arc<Routes>,
    /// How many threads were left behind.
    pub stuck_threads: usize,
    /// How many bytes the database takes, where that is known.
    pub store_bytes: Option<u64>,
    /// What is not recorded yet.
    pub records: crate::recorder::Behind,
}

/// The registry and its families. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Families {
    shelf: Shelf,
    calls: Calls,
    breakers: Breakers,
    keys: Keys,
    population: Population,
    traffic: Traffic,
    storage: Storage,
    records: Records,
    machine: Machine,
    configured: Configured,
    finished: Finished,
}

impl Metrics {
    /// The metrics as a child, showing `families`.
    pub(crate) fn child(families: &Families, clock: &clock::Clock) -> (ChildSpec, Mailbox<Self>) {
        let spec = ActorSpec {
            id: "metrics".to_owned(),
            capacity: 16,
            while_down: WhileDown::Keep,
            clock: clock.clone(),
        };
        let (cell, clock) = (families.clone(), clock.clone());
        actor(spec, move |_: Start<Self>| {
            let (families, clock) = (cell.clone(), clock.clone());
            async move { Ok(Self { families, clock }) }
        })
    }
}

impl Actor for Metrics {
    type Context = Context<Self>;
}

impl Handler<GetText> for Metrics {
    type Result = String;

    fn handle(&mut self, now: GetText, _: &mut Self::Context) -> String {
        self.families.observe(&now, &self.clock);
        let families = self.families.shelf.gather();
        TextEncoder::new().encode_to_string(&families).expect("a gathered family has a name and samples")
    }
}

impl Families {
    /// All families, in a registry of their own.
    pub(crate) fn new(spans: &Spans) -> Self {
        let shelf = Shelf::new();
        spans.show(&shelf);
        let built =
            shelf.gauges("impresario_build_info", "1, with the version of the program.", &["version"]);
        built.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Self {
            calls: Calls::new(&shelf),
            breakers: Breakers::new(&shelf),
            keys: Keys::new(&shelf),
            population: Population::new(&shelf),
            traffic: Traffic::new(&shelf),
            storage: Storage::new(&shelf),
            records: Records::new(&shelf),
            machine: Machine::new(&shelf),
            configured: Configured::new(&shelf),
            finished: Finished::new(&shelf),
            shelf,
        }
    }

    /// The handles of one deployment; only where calls have a price is there a cost to count.
    pub(crate) fn meter(&self, deployment: &DeploymentId, is_priced: bool) -> Meter {
        self.calls.meter(deployment, is_priced)
    }

    /// Counts the end of a whole call.
    pub(crate) fn concluded(&self, concluded: Concluded) {
        self.calls.concluded(concluded);
    }

    /// What reloads count with.
    pub(crate) fn configured(&self) -> Configured {
        self.configured.clone()
    }

    /// What instances count with.
    pub(crate) fn finished(&self) -> Finished {
        self.finished.clone()
    }

    /// What supervisors count with.
    pub(crate) fn restarts(&self) -> &Restarts {
        self.population.restarts()
    }

    /// What doors count with.
    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic.clone()
    }

    /// What the writer counts with.
    pub(crate) fn storage(&self) -> Storage {
        self.storage.clone()
    }

    fn observe(&self, now: &GetText, clock: &clock::Clock) {
        self.population.observe(&now.tree, now.stuck_threads);
        self.breakers.observe(&now.routes);
        self.keys.observe(&now.routes, clock);
        self.storage.observe(now.store_bytes);
        self.records.observe(now.records);
        self.machine.observe();
    }
}

#[cfg(test)]
mod tests;
