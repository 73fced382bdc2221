//! Actors that do what a test tells them, and a tree to put them in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix::prelude::*;
use clock::Clock;
use supervision::{
    ActorSpec, Backoff, ChildSpec, Failure, Intensity, Life, Limit, Mailbox, Node, Pool, Restart, Role,
    State, SupervisorSpec, Tree, WhileDown, actor,
};

pub(crate) const WITHIN: Duration = Duration::from_secs(20);

/// Counts what it is told and fails as it is told.
pub(crate) struct Worker {
    pub(crate) life: Life,
    pub(crate) role: Role,
    pub(crate) count: u32,
    pub(crate) diary: Diary,
    pub(crate) panics_when_stopped: bool,
    /// It does not let itself be stopped.
    pub(crate) clings: bool,
}

/// What happened, in order, over all generations.
#[derive(Clone, Default)]
pub(crate) struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    pub(crate) fn write(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[derive(Message)]
#[rtype(result = "(u64, u32)")]
pub(crate) struct Count;

#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum Do {
    Panic,
    PanicInTask,
    PanicInContext,
    Fail(Option<Duration>),
    Stop,
    Cling,
    NeverAnswer,
}

/// Holds the mailbox until the sender is dropped or used.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Hold(pub tokio::sync::oneshot::Receiver<()>);

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.diary.write(format!("{} started {:?}", self.life.path(), self.role));
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        if self.clings { Running::Continue } else { Running::Stop }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.diary.write(format!("{} stopped", self.life.path()));
        assert!(!self.panics_when_stopped, "stopped() panics as it was told");
    }
}

impl Handler<Count> for Worker {
    type Result = MessageResult<Count>;

    fn handle(&mut self, _: Count, _: &mut Self::Context) -> Self::Result {
        self.count += 1;
        MessageResult((self.life.generation(), self.count))
    }
}

impl Handler<Do> for Worker {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, what: Do, context: &mut Self::Context) -> Self::Result {
        match what {
            Do::Panic => panic!("told to panic"),
            Do::PanicInTask => self.life.spawn(async { panic!("told to panic in a task") }),
            Do::PanicInContext => {
                context.spawn(async { panic!("told to panic in the context") }.into_actor(self));
            }
            Do::Fail(retry_after) => {
                self.life.fail(Failure { reason: "told to fail".to_owned(), retry_after });
            }
            Do::Stop => context.stop(),
            Do::Cling => self.clings = true,
            Do::NeverAnswer => return Box::pin(std::future::pending().into_actor(self)),
        }
        Box::pin(std::future::ready(()).into_actor(self))
    }
}

impl Handler<Hold> for Worker {
    type Result = ();

    fn handle(&mut self, Hold(release): Hold, context: &mut Self::Context) {
        let released = async move {
            // Dropped or used, both mean: go on.
            let _ = release.await;
        };
        context.wait(released.into_actor(self));
    }
}

/// How a worker is furnished; the defaults suit most tests.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) id: &'static str,
    pub(crate) clock: Clock,
    pub(crate) capacity: usize,
    pub(crate) while_down: WhileDown,
    pub(crate) diary: Diary,
    pub(crate) panics_when_stopped: bool,
    /// The factory panics this often before it gives a worker.
    pub(crate) bad_starts: Arc<AtomicU64>,
}

impl Plan {
    pub(crate) fn new(id: &'static str, clock: &Clock) -> Self {
        Self {
            id,
            clock: clock.clone(),
            capacity: 100,
            while_down: WhileDown::Keep,
            diary: Diary::default(),
            panics_when_stopped: false,
            bad_starts: Arc::default(),
        }
    }

    pub(crate) fn build(self) -> (ChildSpec, Mailbox<Worker>) {
        let spec = ActorSpec {
            id: self.id.to_owned(),
            capacity: self.capacity,
            while_down: self.while_down,
            clock: self.clock.clone(),
        };
        let (child, mailbox) = actor(spec, move |start| {
            let plan = self.clone();
            async move {
                let left = plan.bad_starts.load(Ordering::SeqCst);
                if left > 0 {
                    plan.bad_starts.store(left - 1, Ordering::SeqCst);
                    panic!("told to panic in the factory");
                }
                Ok(Worker {
                    life: start.life,
                    role: start.role,
                    count: 0,
                    diary: plan.diary,
                    panics_when_stopped: plan.panics_when_stopped,
                    clings: false,
                })
            }
        });
        (child.backoff(Backoff::NONE).restart(Restart::Permanent), mailbox)
    }
}

pub(crate) fn family(id: &str, limit: Limit, children: Vec<ChildSpec>) -> SupervisorSpec {
    SupervisorSpec { limit, children, ..SupervisorSpec::new(id) }
}

pub(crate) fn patient() -> Limit {
    Limit::Shared(Intensity { restarts: 1000, period: Duration::from_secs(5) })
}

pub(crate) async fn tree(clock: &Clock, children: Vec<ChildSpec>) -> Tree {
    Tree::start(family("root", patient(), children), clock.clone(), Pool::new(2))
        .await
        .expect("the children start")
}

/// Waits until the node at `path` is as wished; a test that waits for what never comes fails.
pub(crate) async fn until(tree: &Tree, path: &str, wished: impl Fn(Option<&Node>) -> bool) -> Option<Node> {
    let deadline = Instant::now() + WITHIN;
    loop {
        let view = tree.view();
        let found = view.walk().into_iter().find(|(at, _)| at == path).map(|(_, node)| node);
        if wished(found) {
            return found.cloned();
        }
        assert!(Instant::now() < deadline, "{path} did not become as wished: {found:?}");
        tokio::task::yield_now().await;
    }
}

pub(crate) fn is(state: State) -> impl Fn(Option<&Node>) -> bool {
    move |node| node.is_some_and(|node| node.state == state)
}

pub(crate) fn lives(generation: u64) -> impl Fn(Option<&Node>) -> bool {
    move |node| node.is_some_and(|node| node.state == State::Running && node.generation == generation)
}
