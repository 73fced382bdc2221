//! What a supervisor knows of a child before it lives: how to build it, when to restart it, how to stop it.

use std::any::Any;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Context};
use clock::Clock;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc;

use crate::backoff::Backoff;
use crate::cell::Cell;
use crate::end::{Down, End, Failure};
use crate::intensity::Intensity;
use crate::life::Life;
use crate::mailbox::Mailbox;
use crate::place::Place;
use crate::registry::{Entry, Registry};
use crate::runner;
use crate::slot::{Gate, Slot};
use crate::summons::Summon;
use crate::threads::{Seat, Seating};
use crate::vitals::{Monitor, Vitals};

/// When an ended child is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// Only after an abnormal end.
    Transient,
    /// Never.
    Temporary,
}

/// How long a child has to stop by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// It is killed at once.
    Kill,
    /// It is told to stop and killed after this time.
    Timeout(Duration),
    /// It is told to stop and waited for; for supervisors.
    Infinity,
}

/// What happens to messages while nobody lives in the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhileDown {
    /// They wait for the next generation.
    Keep,
    /// They are refused at once, with the time of the next start.
    Refuse,
}

/// Why a child is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// To do its work.
    Regular,
    /// It was given up on: to undo what it did.
    Compensating,
}

/// What an actor's factory gets.
pub struct Start<A: Actor> {
    /// The new generation's own handle on its life.
    pub life: Life,
    /// Its own address.
    pub mailbox: Mailbox<A>,
    /// Whether it shall work or undo.
    pub role: Role,
    /// How the generation before it ended.
    pub after: Option<End>,
}

/// Why a factory gives no child.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotStarted {
    /// There is nothing to start, and nothing is wrong with that.
    #[error("there is nothing to start")]
    Ignored,
    /// It could not be built.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A child as its supervisor starts and restarts it. Cloning shares the place.
#[derive(Clone)]
pub struct ChildSpec {
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) backoff: Backoff,
    pub(crate) significant: bool,
    pub(crate) compensates: Option<Intensity>,
    pub(crate) passivate_after: Option<Duration>,
    pub(crate) beside: Option<Arc<str>>,
    pub(crate) cell: Option<Published>,
    pub(crate) monitor: Option<Monitor>,
    pub(crate) body: Arc<dyn Body>,
}

/// A cell as its supervisor tells it of its child's life, and as the registry hands it out.
#[derive(Clone)]
pub(crate) struct Published {
    pub(crate) told: Arc<dyn Cell>,
    pub(crate) found: Arc<dyn Any + Send + Sync>,
}

/// How an actor's place is furnished.
#[derive(Clone, Debug)]
pub struct ActorSpec {
    /// Its id among its siblings.
    pub id: String,
    /// The most messages that may wait.
    pub capacity: usize,
    /// What happens to messages while nobody lives there.
    pub while_down: WhileDown,
    /// Tells the deadlines of asks.
    pub clock: Clock,
}

/// What is launched, its type erased: an actor or a supervisor.
pub(crate) trait Body: Send + Sync {
    fn vitals(&self) -> &Arc<Vitals>;
    /// Puts a generation on its way, and says on which thread.
    fn launch(&self, launch: Launch) -> Arc<Seat>;
    /// What others find at its path.
    fn address(&self) -> Arc<dyn Any + Send + Sync>;
    fn go_down(&self, retry_at: Option<Instant>);
    /// It sleeps until a message comes; false when one waits already.
    fn sleep(&self, summon: Summon) -> bool;
    /// Nobody will live there again by itself: who waits is told so.
    fn close(&self, registry: &Registry);
}

/// Everything one generation needs to live.
pub(crate) struct Launch {
    pub(crate) life: Life,
    pub(crate) role: Role,
    pub(crate) after: Option<End>,
    pub(crate) passivate_after: Option<Duration>,
    /// Children of the same key live on the same thread; without one the path is the key.
    pub(crate) beside: Option<Arc<str>>,
    pub(crate) report: Report,
    pub(crate) surroundings: Arc<Surroundings>,
}

/// What all children of a tree share.
pub(crate) struct Surroundings {
    pub(crate) clock: Clock,
    pub(crate) registry: Registry,
    pub(crate) seating: Seating,
}

/// How a generation tells its supervisor of its start and its end; dropped unused it tells of a kill.
pub(crate) struct Report {
    pub(crate) child: u64,
    pub(crate) generation: u64,
    pub(crate) to: mpsc::Sender<Occurrence>,
    pub(crate) done: bool,
}

/// What happened to a generation of a child.
pub(crate) struct Occurrence {
    pub(crate) child: u64,
    pub(crate) generation: u64,
    pub(crate) what: What,
}

/// A start, none, or an end.
pub(crate) enum What {
    Started,
    Ignored,
    Ended(End),
}

pub(crate) type Factory<A> =
    Arc<dyn Fn(Start<A>) -> LocalBoxFuture<'static, Result<A, NotStarted>> + Send + Sync>;

struct ActorBody<A: Actor> {
    slot: Arc<Slot<A>>,
    factory: Factory<A>,
    while_down: WhileDown,
}

/// A child that is an actor, and its mailbox, which is good from now on for as long as the place exists.
///
/// The factory runs on the actor's own thread, once a generation; a failure or a panic of it is a failed start.
pub fn actor<A, F, B>(spec: ActorSpec, factory: F) -> (ChildSpec, Mailbox<A>)
where
    A: Actor<Context = Context<A>> + Unpin,
    F: Fn(Start<A>) -> B + Send + Sync + 'static,
    B: Future<Output = Result<A, NotStarted>> + 'static,
{
    let gate = match spec.while_down {
        WhileDown::Keep => Gate::Open,
        WhileDown::Refuse => Gate::Down { retry_at: None },
    };
    let slot = Slot::new(&spec.id, spec.capacity, gate, spec.clock);
    let mailbox = Mailbox::new(slot.clone());
    let factory: Factory<A> = Arc::new(move |start| factory(start).boxed_local());
    let body = Arc::new(ActorBody { slot, factory, while_down: spec.while_down });
    (ChildSpec::new(body, Shutdown::Timeout(Duration::from_secs(5))), mailbox)
}

// === ChildSpec ===

impl ChildSpec {
    pub(crate) fn new(body: Arc<dyn Body>, shutdown: Shutdown) -> Self {
        Self {
            restart: Restart::Permanent,
            shutdown,
            backoff: Backoff::default(),
            significant: false,
            compensates: None,
            passivate_after: None,
            beside: None,
            cell: None,
            monitor: None,
            body,
        }
    }

    /// When it is started again; `Permanent` unless said.
    #[must_use]
    pub fn restart(self, restart: Restart) -> Self {
        Self { restart, ..self }
    }

    /// How long it has to stop; 5 s for an actor unless said.
    #[must_use]
    pub fn shutdown(self, shutdown: Shutdown) -> Self {
        Self { shutdown, ..self }
    }

    /// How long to wait between restarts.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// When it is done by itself, its supervisor may be done too: see [`crate::AutoShutdown`].
    #[must_use]
    pub fn significant(self) -> Self {
        Self { significant: true, ..self }
    }

    /// Given up on, it is started once more in [`Role::Compensating`], with an intensity of its own. A normal end is
    /// then its last; past that intensity it is given up on for good.
    #[must_use]
    pub fn compensates(self, intensity: Intensity) -> Self {
        Self { compensates: Some(intensity), ..self }
    }

    /// Idle for so long (no message, and no work of [`Life::spawn`]), it goes to sleep; the next message starts a fresh
    /// one. An actor whose `stopping` answers `Running::Continue` stays awake.
    #[must_use]
    pub fn passivate_after(self, idle: Duration) -> Self {
        Self { passivate_after: Some(idle), ..self }
    }

    /// Lives on the same thread as all others of this key; without one its path decides.
    #[must_use]
    pub fn beside(self, key: impl Into<Arc<str>>) -> Self {
        Self { beside: Some(key.into()), ..self }
    }

    /// Publishes a cell that stays in the place over restarts.
    #[must_use]
    pub fn cell<C: Cell>(self, cell: Arc<C>) -> Self {
        Self { cell: Some(Published { told: cell.clone(), found: cell }), ..self }
    }

    /// Hears of each end, before anything follows from it; on the supervisor's thread: it must not wait for anything.
    #[must_use]
    pub fn monitor(self, monitor: impl Fn(&Down) + Send + Sync + 'static) -> Self {
        Self { monitor: Some(Arc::new(monitor)), ..self }
    }

    /// Its id among its siblings.
    pub fn id(&self) -> &str {
        self.body.vitals().id()
    }

    /// What can be found at its path.
    pub(crate) fn entry(&self) -> Entry {
        Entry {
            place: Place(self.body.vitals().clone()),
            address: self.body.address(),
            cell: self.cell.as_ref().map(|cell| cell.found.clone()),
        }
    }
}

// === Report ===

impl Report {
    pub(crate) fn started(&self) {
        self.send_now(What::Started);
    }

    /// What there is to say at the last.
    pub(crate) async fn last(mut self, what: What) {
        self.done = true;
        // A supervisor that is gone itself needs no report.
        let _ = self.to.send(self.occurrence(what)).await;
    }

    /// There is room: a supervisor has asked for at most one start and one end of each of its children.
    fn send_now(&self, what: What) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.to.try_send(self.occurrence(what)) {
            tracing::error!("a supervisor does not hear its children");
        }
    }

    fn occurrence(&self, what: What) -> Occurrence {
        Occurrence { child: self.child, generation: self.generation, what }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.done {
            self.send_now(What::Ended(End::Killed));
        }
    }
}

// === ActorBody ===

impl<A: Actor<Context = Context<A>> + Unpin> Body for ActorBody<A> {
    fn vitals(&self) -> &Arc<Vitals> {
        self.slot.vitals()
    }

    fn launch(&self, launch: Launch) -> Arc<Seat> {
        let slot = self.slot.clone();
        let factory = self.factory.clone();
        slot.expect(launch.life.generation());
        let key = launch.beside.as_ref().unwrap_or(slot.vitals().path());
        let seat = launch.surroundings.seating.actor(key);
        seat.run(move || {
            actix_rt::spawn(runner::live(slot, factory, launch));
        });
        seat
    }

    fn address(&self) -> Arc<dyn Any + Send + Sync> {
        Arc::new(Mailbox::new(self.slot.clone()))
    }

    fn go_down(&self, retry_at: Option<Instant>) {
        self.slot.go_down(self.while_down == WhileDown::Refuse, retry_at);
    }

    fn sleep(&self, summon: Summon) -> bool {
        self.slot.sleep(summon)
    }

    fn close(&self, registry: &Registry) {
        self.slot.close();
        registry.leave(self.slot.vitals().path());
    }
}
