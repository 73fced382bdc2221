//! Children that start, live and end as a test tells them, and a diary of what became of them.
//!
//! Time stands still unless a test moves it, so no restart ever leaves the window of an intensity by itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use clock::Clock;
use futures_util::future::Either;
use supervision::{
    ActorSpec, Backoff, Birth, ChildError, ChildInfo, ChildSpec, Counts, End, Failure, Handle, Intensity,
    Life, Limit, Mailbox, Node, NotStarted, Pool, Registry, State, Strategy, SupervisorSpec, Tree, WhileDown,
    actor,
};
use tokio::sync::{mpsc, oneshot};

/// What has not come true after this long never will; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ends as it is told.
pub(crate) struct Worker {
    id: String,
    life: Life,
    manners: Manners,
    diary: Diary,
    is_held: bool,
    was_told: bool,
}

/// How a worker meets its stop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manners {
    Obeys,
    Refuses,
    Finishes,
    Fails,
    Panics,
}

/// What becomes of a worker's next start.
#[derive(Clone)]
pub(crate) enum Mood {
    Lives,
    Ignores,
    Fails,
    Panics,
    Hangs,
    /// The test is asked each time.
    Asks(mpsc::Sender<Knock>),
}

/// A worker that asks whether it may start.
pub(crate) struct Knock {
    id: String,
    admit: oneshot::Sender<bool>,
}

/// How a worker ends by itself.
#[derive(Clone, Copy, Debug, Message, PartialEq)]
#[rtype(result = "()")]
pub(crate) enum Do {
    Finish,
    Fail,
    Panic,
}

/// The worker puts off its stop until the sender is dropped.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Hold(oneshot::Receiver<()>);

/// Which life of it answers.
#[derive(Message)]
#[rtype(result = "u64")]
pub(crate) struct Generation;

/// What happened, in order: `<id> started` and `<id> ended <how>`.
#[derive(Clone, Default)]
pub(crate) struct Diary(Arc<Mutex<Vec<String>>>);

/// One test's clock and diary, and the children that share them.
pub(crate) struct House {
    pub(crate) clock: Clock,
    pub(crate) diary: Diary,
}

/// How a worker is furnished.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) id: String,
    pub(crate) manners: Manners,
    pub(crate) mood: Arc<Mutex<Mood>>,
    /// Lives as long as the factory is kept.
    pub(crate) keepsake: Arc<()>,
    pub(crate) clock: Clock,
    pub(crate) diary: Diary,
}

// === Worker ===

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.diary.write(format!("{} started", self.id));
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        if self.is_held {
            self.was_told = true;
            return Running::Continue;
        }
        match self.manners {
            Manners::Obeys => {}
            Manners::Refuses => return Running::Continue,
            Manners::Finishes => self.life.finish(),
            Manners::Fails => self.life.fail(Failure::new("fails at its stop")),
            Manners::Panics => panic!("panics at its stop"),
        }
        Running::Stop
    }
}

impl Handler<Do> for Worker {
    type Result = ();

    fn handle(&mut self, how: Do, _: &mut Self::Context) {
        match how {
            Do::Finish => self.life.finish(),
            Do::Fail => self.life.fail(Failure::new("told to fail")),
            Do::Panic => panic!("told to panic"),
        }
    }
}

impl Handler<Hold> for Worker {
    type Result = ();

    fn handle(&mut self, Hold(release): Hold, context: &mut Self::Context) {
        self.is_held = true;
        // Dropped means: go on.
        let released = release.into_actor(self).map(|_, worker, context| {
            worker.is_held = false;
            if worker.was_told {
                context.stop();
            }
        });
        context.spawn(released);
    }
}

impl Handler<Generation> for Worker {
    type Result = u64;

    fn handle(&mut self, _: Generation, _: &mut Self::Context) -> u64 {
        self.life.generation()
    }
}

// === Plan ===

impl Plan {
    pub(crate) fn build(self) -> (ChildSpec, Mailbox<Worker>) {
        let spec = ActorSpec {
            id: self.id.clone(),
            capacity: 10,
            while_down: WhileDown::Keep,
            clock: self.clock.clone(),
        };
        let diary = self.diary.clone();
        let (child, mailbox) = actor(spec, move |start| {
            // Named, so that the factory holds it.
            let _kept = &self.keepsake;
            let mood = self.mood.lock().unwrap().clone();
            let worker = Worker {
                id: self.id.clone(),
                life: start.life,
                manners: self.manners,
                diary: self.diary.clone(),
                is_held: false,
                was_told: false,
            };
            born(mood, worker)
        });
        (diary.follow(child.backoff(Backoff::NONE)), mailbox)
    }
}

async fn born(mood: Mood, worker: Worker) -> Result<Worker, NotStarted> {
    match mood {
        Mood::Lives => Ok(worker),
        Mood::Ignores => Err(NotStarted::Ignored),
        Mood::Fails => Err(Failure::new("the factory fails").into()),
        Mood::Panics => panic!("the factory panics"),
        Mood::Hangs => std::future::pending().await,
        Mood::Asks(door) => {
            let (admit, admitted) = oneshot::channel();
            door.send(Knock { id: worker.id.clone(), admit }).await.unwrap();
            assert!(admitted.await.unwrap(), "the test lets nobody in");
            Ok(worker)
        }
    }
}

/// Waits for the next worker that wants to start, which must be `id`.
pub(crate) async fn knock(knocks: &mut mpsc::Receiver<Knock>, id: &str) -> Knock {
    let knock = timely("a worker knocks", knocks.recv()).await.unwrap();
    assert_eq!(knock.id, id);
    knock
}

impl Knock {
    pub(crate) fn answer(self, admit: bool) {
        self.admit.send(admit).unwrap();
    }
}

// === House ===

impl House {
    pub(crate) fn new() -> Self {
        Self { clock: Clock::manual(), diary: Diary::default() }
    }

    pub(crate) fn plan(&self, id: impl Into<String>) -> Plan {
        Plan {
            id: id.into(),
            manners: Manners::Obeys,
            mood: Arc::new(Mutex::new(Mood::Lives)),
            keepsake: Arc::default(),
            clock: self.clock.clone(),
            diary: self.diary.clone(),
        }
    }

    /// A permanent worker that starts again at once, and its mailbox.
    pub(crate) fn worker(&self, id: impl Into<String>) -> (ChildSpec, Mailbox<Worker>) {
        self.plan(id).build()
    }

    pub(crate) fn child(&self, id: impl Into<String>) -> ChildSpec {
        self.worker(id).0
    }

    /// A worker whose next starts go by the mood that is handed out with it.
    pub(crate) fn moody(&self, id: &str, mood: Mood) -> (ChildSpec, Mailbox<Worker>, Arc<Mutex<Mood>>) {
        let plan = Plan { mood: Arc::new(Mutex::new(mood)), ..self.plan(id) };
        let mood = plan.mood.clone();
        let (child, mailbox) = plan.build();
        (child, mailbox, mood)
    }

    /// A supervisor as a child that starts again at once.
    pub(crate) fn group(&self, spec: SupervisorSpec) -> (ChildSpec, Sup) {
        let (child, handle) = spec.into_child();
        (self.diary.follow(child.backoff(Backoff::NONE)), Sup(handle))
    }

    pub(crate) async fn try_start(&self, spec: SupervisorSpec) -> Result<Grown, End> {
        let tree = timely("the tree starts", Tree::start(spec, self.clock.clone(), Pool::new(2))).await?;
        Ok(Grown { root: Sup(tree.root().clone()), tree })
    }

    pub(crate) async fn start(&self, spec: SupervisorSpec) -> Grown {
        self.try_start(spec).await.expect("the children start")
    }
}

/// A supervisor called `root` of these children, that puts up with two restarts in an hour.
pub(crate) fn root(strategy: Strategy, children: Vec<ChildSpec>) -> SupervisorSpec {
    SupervisorSpec { strategy, limit: restarts(2), children, ..SupervisorSpec::new("root") }
}

pub(crate) fn restarts(restarts: u32) -> Limit {
    Limit::Shared(Intensity { restarts, period: Duration::from_secs(3600) })
}

/// Stops the tree, and tells how it ended.
pub(crate) async fn stop(tree: Grown) -> End {
    timely("the tree stops", tree.tree.stop()).await
}

/// How the tree ended by itself.
pub(crate) async fn ended(tree: &Grown) -> End {
    timely("the tree ends", tree.tree.ended()).await
}

/// The worker does not stop until the sender is dropped.
pub(crate) async fn hold(worker: &Mailbox<Worker>) -> oneshot::Sender<()> {
    let (release, held) = oneshot::channel();
    timely("the worker is held", worker.ask(Hold(held), PATIENCE)).await.unwrap();
    release
}

pub(crate) async fn generation(worker: &Mailbox<Worker>) -> u64 {
    timely("the worker answers", worker.ask(Generation, PATIENCE)).await.unwrap()
}

// === Sup ===

/// A running tree.
pub(crate) struct Grown {
    tree: Tree,
    root: Sup,
}

/// Asks a supervisor what `Handle` can ask it, but not for ever.
#[derive(Clone)]
pub(crate) struct Sup(pub(crate) Handle);

impl Grown {
    pub(crate) fn root(&self) -> &Sup {
        &self.root
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.tree.registry()
    }

    pub(crate) fn view(&self) -> Node {
        self.tree.view()
    }

    pub(crate) fn viewer(&self) -> Arc<dyn Fn() -> Node + Send + Sync> {
        self.tree.viewer()
    }
}

impl Sup {
    pub(crate) async fn start_child(&self, child: ChildSpec) -> Result<Birth, ChildError> {
        timely("start_child answers", self.0.start_child(child)).await
    }

    pub(crate) async fn restart_child(&self, id: &str) -> Result<Birth, ChildError> {
        timely("restart_child answers", self.0.restart_child(id)).await
    }

    pub(crate) async fn terminate_child(&self, id: &str) -> Result<(), ChildError> {
        timely("terminate_child answers", self.0.terminate_child(id)).await
    }

    pub(crate) async fn delete_child(&self, id: &str) -> Result<(), ChildError> {
        timely("delete_child answers", self.0.delete_child(id)).await
    }

    pub(crate) async fn kill_child(&self, id: &str) -> Result<(), ChildError> {
        timely("kill_child answers", self.0.kill_child(id)).await
    }

    pub(crate) async fn child(&self, id: &str) -> Result<ChildInfo, ChildError> {
        timely("child answers", self.0.child(id)).await
    }

    pub(crate) async fn which_children(&self) -> Result<Vec<ChildInfo>, ChildError> {
        timely("which_children answers", self.0.which_children()).await
    }

    pub(crate) async fn count_children(&self) -> Result<Counts, ChildError> {
        timely("count_children answers", self.0.count_children()).await
    }
}

// === Looking ===

pub(crate) async fn timely<F: Future>(what: &str, work: F) -> F::Output {
    match futures_util::future::select(std::pin::pin!(work), std::pin::pin!(Clock::real().sleep(PATIENCE)))
        .await
    {
        Either::Left((output, _)) => output,
        Either::Right(_) => panic!("in vain: {what}"),
    }
}

pub(crate) async fn eventually(what: &str, come_true: impl Fn() -> bool) {
    let polling = async {
        while !come_true() {
            tokio::task::yield_now().await;
        }
    };
    timely(what, polling).await;
}

/// Asks the supervisor until its child is as wished; none is a child that it does not know.
pub(crate) async fn until(
    sup: &Sup,
    id: &str,
    wished: impl Fn(Option<&ChildInfo>) -> bool,
) -> Option<ChildInfo> {
    let asking = async {
        loop {
            let found = match sup.child(id).await {
                Ok(info) => Some(info),
                Err(ChildError::NotFound(_)) => None,
                Err(error) => panic!("the supervisor of {id}: {error}"),
            };
            if wished(found.as_ref()) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    timely(&format!("{id} is as wished"), asking).await
}

pub(crate) fn lives(generation: u64) -> impl Fn(Option<&ChildInfo>) -> bool {
    move |child| child.is_some_and(|child| child.state == State::Running && child.generation == generation)
}

pub(crate) fn is(state: State) -> impl Fn(Option<&ChildInfo>) -> bool {
    move |child| child.is_some_and(|child| child.state == state)
}

pub(crate) fn is_forgotten(child: Option<&ChildInfo>) -> bool {
    child.is_none()
}

/// Waits until the tree shows the state at the path; it works where a supervisor that stops answers no more.
pub(crate) async fn until_shown(view: impl Fn() -> Node, path: &str, state: State) {
    let shown = || view().walk().iter().any(|(at, node)| at == path && node.state == state);
    eventually(&format!("{path} is shown as {state:?}"), shown).await;
}

/// Its children in order, as id, state and generation.
pub(crate) async fn which(sup: &Sup) -> Vec<(String, State, u64)> {
    let children = sup.which_children().await.unwrap();
    children.into_iter().map(|child| (child.id.to_string(), child.state, child.generation)).collect()
}

pub(crate) fn running(id: &str, generation: u64) -> (String, State, u64) {
    (id.to_owned(), State::Running, generation)
}

pub(crate) fn rests(id: &str, generation: u64) -> (String, State, u64) {
    (id.to_owned(), State::Ended, generation)
}

/// Specs, active, supervisors and workers.
pub(crate) async fn counts(sup: &Sup) -> [usize; 4] {
    let counts = sup.count_children().await.unwrap();
    [counts.specs, counts.active, counts.supervisors, counts.workers]
}

// === Diary ===

impl Diary {
    fn write(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    /// What was written since the last time, in order.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    pub(crate) fn has(&self, line: &str) -> bool {
        self.0.lock().unwrap().iter().any(|other| other == line)
    }

    pub(crate) async fn until(&self, line: &str) {
        eventually(line, || self.has(line)).await;
    }

    /// Writes down each of the child's ends.
    pub(crate) fn follow(&self, child: ChildSpec) -> ChildSpec {
        let diary = self.clone();
        let id = child.id().to_owned();
        child.monitor(move |down| diary.write(format!("{id} ended {}", down.end.name())))
    }
}
