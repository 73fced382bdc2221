//! A whole tree: its threads, its registry, its root supervisor, and its end.

use std::sync::Arc;

use clock::Clock;
use futures_util::future::{Either, select};
use tokio::sync::{mpsc, watch};

use super::{Handle, SupervisorSpec};
use crate::child::{Body, Launch, Occurrence, Report, Role, Surroundings, What};
use crate::control::Request;
use crate::end::{Down, End, Follows};
use crate::life::Life;
use crate::place::Place;
use crate::registry::Registry;
use crate::threads::{Pool, RollCall, Threads};
use crate::view::{Node, State};

/// A running tree. Dropping it without [`Tree::stop`] leaves its threads to the end of the process.
pub struct Tree {
    root: Arc<dyn Body>,
    handle: Handle,
    life: Life,
    registry: Registry,
    end: watch::Receiver<Option<End>>,
    threads: Threads,
}

impl Tree {
    /// Starts the root and, in order, everything below it, on threads of its own.
    ///
    /// An end instead of a tree: what kept it from starting; everything that had started is stopped again.
    pub async fn start(spec: SupervisorSpec, clock: Clock, pool: Pool) -> Result<Self, End> {
        let threads = Threads::start(pool);
        let registry = Registry::default();
        let (child, handle) = spec.into_child();
        let root = child.body.clone();
        let (to, mut reports) = mpsc::channel(4);
        let (announce, end) = watch::channel(None);

        registry.enter(root.vitals().path().clone(), child.entry());
        let life = Life::begin(root.vitals(), clock.clone(), None);
        let generation = life.generation();
        let surroundings =
            Surroundings { clock, registry: registry.clone(), seating: threads.seating().clone() };
        root.launch(Launch {
            life: life.clone(),
            role: Role::Regular,
            after: None,
            passivate_after: None,
            beside: None,
            report: Report { child: 0, generation, to, done: false },
            surroundings: Arc::new(surroundings),
        });

        let first = {
            let (heard, overwhelmed) = (reports.recv(), threads.overwhelmed());
            match select(std::pin::pin!(heard), std::pin::pin!(overwhelmed)).await {
                Either::Left((occurrence, _)) => occurrence.map(|Occurrence { what, .. }| what),
                Either::Right(_) => Some(What::Ended(End::Stuck)),
            }
        };
        match first {
            Some(What::Started) => {}
            Some(What::Ended(end)) => {
                root.close(&registry);
                stop_threads(threads).await;
                return Err(end);
            }
            Some(What::Ignored) | None => {
                stop_threads(threads).await;
                return Err(End::Killed);
            }
        }
        root.vitals().set_state(State::Running);
        let (body, places) = (root.clone(), registry.clone());
        actix_rt::spawn(async move {
            let last = reports.recv().await.map(|Occurrence { what, .. }| what);
            let end = match last {
                Some(What::Ended(end)) => end,
                Some(What::Started | What::Ignored) | None => End::Killed,
            };
            let path = body.vitals().path().clone();
            body.vitals()
                .end(&Down { path, generation, end: end.clone(), follows: Follows::Nothing }, State::Ended);
            body.close(&places);
            announce.send_replace(Some(end));
        });
        Ok(Self { root, handle, life, registry, end, threads })
    }

    /// Reaches the root supervisor.
    pub fn root(&self) -> &Handle {
        &self.handle
    }

    /// Finds mailboxes by path.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The tree as it is now.
    pub fn view(&self) -> Node {
        self.root.vitals().node()
    }

    /// A function that looks at the tree, for those who outlive a borrow of it.
    pub fn viewer(&self) -> Arc<dyn Fn() -> Node + Send + Sync> {
        let root = self.root.clone();
        Arc::new(move || root.vitals().node())
    }

    /// The root's place.
    pub fn place(&self) -> Place {
        Place(self.root.vitals().clone())
    }

    /// Asks its threads, and the one it was started on, whether they get on.
    pub fn roll_call(&self) -> RollCall {
        self.threads.roll_call()
    }

    /// How many threads did not answer and were left behind.
    pub fn stuck_threads(&self) -> usize {
        self.threads.stuck()
    }

    /// How many threads were left behind, for those who outlive a borrow of the tree.
    pub fn stuck(&self) -> watch::Receiver<usize> {
        self.threads.seating().alarm()
    }

    /// Waits until the tree can go on no longer: the root's restarts were used up, or too many threads are stuck.
    pub async fn ended(&self) -> End {
        let (root, overwhelmed) = (self.root_ended(), self.threads.overwhelmed());
        match select(std::pin::pin!(root), std::pin::pin!(overwhelmed)).await {
            Either::Left((end, _)) => end,
            Either::Right(_) => End::Stuck,
        }
    }

    /// Stops everything in reverse order of its start, and the threads; tells how the root ended.
    pub async fn stop(self) -> End {
        self.life.control().ask_for(Request::Stop);
        let (root, lost) = (self.root_ended(), self.threads.lost());
        let end = match select(std::pin::pin!(root), std::pin::pin!(lost)).await {
            Either::Left((end, _)) => end,
            Either::Right(_) => End::Stuck,
        };
        stop_threads(self.threads).await;
        end
    }

    async fn root_ended(&self) -> End {
        let mut end = self.end.clone();
        match end.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or(End::Killed),
            Err(_) => End::Killed,
        }
    }
}

async fn stop_threads(threads: Threads) {
    // Joining blocks, and a thread may still be dropping what its actors held.
    let _ = tokio::task::spawn_blocking(move || threads.join()).await;
}
