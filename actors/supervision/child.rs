//! What a supervisor knows of a child before it lives: how to build it, when to restart it, how to stop it.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix::{Actor, Context};
use clock::Clock;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::backoff::Backoff;
use crate::cell::Cell;
use crate::control::Control;
use crate::end::{End, Failure, panic_message};
use crate::mailbox::Mailbox;
use crate::registry::Registry;
use crate::runner;
use crate::slot::{Gate, Slot};
use crate::supervisor::Handle;
use crate::threads::Placement;
use crate::view::Vitals;

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

/// One generation's handle on its own life.
#[derive(Clone, Debug)]
pub struct Life {
    control: Arc<Control>,
    tasks: Arc<Mutex<Vec<AbortHandle>>>,
    path: Arc<str>,
    generation: u64,
    clock: Clock,
    siblings: Option<Handle>,
}

/// A child as its supervisor starts and restarts it. Cloning shares the place.
#[derive(Clone)]
pub struct ChildSpec {
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) backoff: Backoff,
    pub(crate) significant: bool,
    pub(crate) compensates: bool,
    pub(crate) cell: Option<Arc<dyn Cell>>,
    pub(crate) monitor: Option<Monitor>,
    pub(crate) body: Arc<dyn Body>,
}

/// Hears how each generation ended and whether that was the child's last.
pub(crate) type Monitor = Arc<dyn Fn(&End, bool) + Send + Sync>;

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
    fn launch(&self, launch: Launch);
    fn enter(&self, path: &str, registry: &Registry);
    fn go_down(&self, retry_at: Option<Instant>);
    fn close(&self);
}

/// Everything one generation needs to live.
pub(crate) struct Launch {
    pub(crate) path: Arc<str>,
    pub(crate) generation: u64,
    pub(crate) role: Role,
    pub(crate) after: Option<End>,
    pub(crate) control: Arc<Control>,
    pub(crate) report: Report,
    pub(crate) surroundings: Surroundings,
    /// Its supervisor; the root has none.
    pub(crate) parent: Option<Handle>,
}

/// What all children of a tree share.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) clock: Clock,
    pub(crate) registry: Registry,
    pub(crate) placement: Placement,
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

/// A start or an end.
pub(crate) enum What {
    Started,
    Ended(End),
}

pub(crate) type Factory<A> =
    Arc<dyn Fn(Start<A>) -> LocalBoxFuture<'static, Result<A, Failure>> + Send + Sync>;

struct ActorBody<A: Actor> {
    slot: Arc<Slot<A>>,
    factory: Factory<A>,
    while_down: WhileDown,
}

/// A child that is an actor, and its mailbox, which is good from now on for as long as the place exists.
///
/// The factory runs on the actor's own thread, once a generation; an error or a panic of it is a failed start.
pub fn actor<A, F, B>(spec: ActorSpec, factory: F) -> (ChildSpec, Mailbox<A>)
where
    A: Actor<Context = Context<A>> + Unpin,
    F: Fn(Start<A>) -> B + Send + Sync + 'static,
    B: Future<Output = Result<A, Failure>> + 'static,
{
    let gate = match spec.while_down {
        WhileDown::Keep => Gate::Open,
        WhileDown::Refuse => Gate::Down { retry_at: None },
    };
    let slot = Slot::new(spec.id, spec.capacity, gate, spec.clock);
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
            compensates: false,
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

    /// When it is done, its supervisor is done too.
    #[must_use]
    pub fn significant(self) -> Self {
        Self { significant: true, ..self }
    }

    /// Given up on, it is started once more in [`Role::Compensating`], with its intensity counted anew.
    #[must_use]
    pub fn compensates(self) -> Self {
        Self { compensates: true, ..self }
    }

    /// Publishes a cell that stays in the place over restarts.
    #[must_use]
    pub fn cell(self, cell: Arc<dyn Cell>) -> Self {
        Self { cell: Some(cell), ..self }
    }

    /// Hears of each end, before anything follows from it, and whether it was the last (done or given up on).
    #[must_use]
    pub fn monitor(self, monitor: impl Fn(&End, bool) + Send + Sync + 'static) -> Self {
        Self { monitor: Some(Arc::new(monitor)), ..self }
    }

    /// Its id among its siblings.
    pub fn id(&self) -> &str {
        self.body.vitals().id()
    }
}

// === Life ===

impl Life {
    pub(crate) fn new(launch: &Launch) -> Self {
        Self {
            control: launch.control.clone(),
            tasks: Arc::default(),
            path: launch.path.clone(),
            generation: launch.generation,
            clock: launch.surroundings.clock.clone(),
            siblings: launch.parent.clone(),
        }
    }

    /// Ends this generation as failed by the world. Nothing more of it runs, not even `stopped`.
    pub fn fail(&self, failure: Failure) {
        self.control.settle(End::Failed(failure));
    }

    /// Ends this generation as done.
    pub fn finish(&self) {
        self.control.settle(End::Normal);
    }

    /// Runs work beside the mailbox, for as long as this generation lives; its panic is the actor's panic.
    ///
    /// Call it on the actor's own thread: in its factory, its lifecycle or a handler.
    pub fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        let control = self.control.clone();
        let task = actix_rt::spawn(async move {
            if let Err(payload) = std::panic::AssertUnwindSafe(work).catch_unwind().await {
                control.settle(End::Panicked { message: panic_message(payload.as_ref()) });
            }
        });
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task.abort_handle());
    }

    /// Where it lives in the tree, such as `root/storage/writer`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Which life of the child this is; the first is 1.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Its own supervisor, to start and stop siblings; never await it in a handler, it may be waiting for this child.
    pub fn siblings(&self) -> Option<&Handle> {
        self.siblings.as_ref()
    }

    /// The tree's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn end_tasks(&self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}

// === Report ===

impl Report {
    pub(crate) fn started(&self) {
        self.send_now(What::Started);
    }

    pub(crate) async fn ended(mut self, end: End) {
        self.done = true;
        // A supervisor that is gone itself needs no report.
        let _ = self.to.send(self.occurrence(What::Ended(end))).await;
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

    fn launch(&self, launch: Launch) {
        let slot = self.slot.clone();
        let factory = self.factory.clone();
        let thread = launch.surroundings.placement.actor(&launch.path).clone();
        thread.spawn_fn(move || {
            actix_rt::spawn(runner::live(slot, factory, launch));
        });
    }

    fn enter(&self, path: &str, registry: &Registry) {
        self.slot.set_path(path);
        registry.enter(path.to_owned(), Arc::new(Mailbox::new(self.slot.clone())));
    }

    fn go_down(&self, retry_at: Option<Instant>) {
        self.slot.go_down(self.while_down == WhileDown::Refuse, retry_at);
    }

    fn close(&self) {
        self.slot.close();
    }
}
