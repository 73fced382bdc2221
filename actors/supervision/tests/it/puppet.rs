//! An actor that does whatever a message tells it to, and says each moment of each of its lives.

use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use clock::Clock;
use supervision::{
    ActorSpec, Backoff, ChildSpec, End, Intensity, Life, Limit, Mailbox, Pool, Restart, Role, SupervisorSpec,
    Tree, WhileDown, actor,
};

use crate::bodies::{Diary, WITHIN, patient};

/// Where in its life an actor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The factory was called; its future is not there yet.
    Called,
    /// The factory's future has been polled before.
    Building,
    Started,
    Stopping,
    Stopped,
    Dropped,
}

pub(crate) type Hook = Arc<dyn Fn(Moment, &Life) + Send + Sync>;

pub(crate) struct Puppet {
    pub(crate) life: Life,
    pub(crate) mailbox: Mailbox<Self>,
    pub(crate) role: Role,
    pub(crate) after: Option<End>,
    pub(crate) hook: Hook,
}

type Deed<R> = Box<dyn FnOnce(&mut Puppet, &mut Context<Puppet>) -> R + Send>;

/// What a puppet is told to do.
pub(crate) struct Run<R>(Deed<R>);

pub(crate) fn run<R>(what: impl FnOnce(&mut Puppet, &mut Context<Puppet>) -> R + Send + 'static) -> Run<R> {
    Run(Box::new(what))
}

pub(crate) fn generation() -> Run<u64> {
    run(|puppet, _| puppet.life.generation())
}

pub(crate) fn thread() -> Run<std::thread::ThreadId> {
    run(|_, _| std::thread::current().id())
}

pub(crate) fn boom() -> Run<()> {
    run(|_, _| panic!("told to panic"))
}

pub(crate) fn leave() -> Run<()> {
    run(|_, context| context.stop())
}

/// Nothing behind it is handled until the sender is dropped; the thread stays free.
pub(crate) fn hold(release: tokio::sync::oneshot::Receiver<()>) -> Run<()> {
    run(move |puppet, context| {
        let released = async move {
            // Dropped or used, both mean: go on.
            let _ = release.await;
        };
        context.wait(released.into_actor(puppet));
    })
}

/// Blocks the whole thread until the sender is dropped.
pub(crate) fn block(release: std::sync::mpsc::Receiver<()>) -> Run<()> {
    run(move |_, _| {
        // Dropped or used, both mean: go on.
        let _ = release.recv();
    })
}

impl<R: Send + 'static> Message for Run<R> {
    type Result = R;
}

impl<R: Send + 'static> Handler<Run<R>> for Puppet {
    type Result = MessageResult<Run<R>>;

    fn handle(&mut self, Run(what): Run<R>, context: &mut Self::Context) -> Self::Result {
        MessageResult(what(self, context))
    }
}

impl Actor for Puppet {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        (self.hook)(Moment::Started, &self.life);
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        (self.hook)(Moment::Stopping, &self.life);
        Running::Stop
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        (self.hook)(Moment::Stopped, &self.life);
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        (self.hook)(Moment::Dropped, &self.life);
    }
}

/// How a puppet is furnished.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) id: String,
    pub(crate) clock: Clock,
    pub(crate) capacity: usize,
    pub(crate) while_down: WhileDown,
    pub(crate) hook: Hook,
}

impl Script {
    pub(crate) fn new(id: impl Into<String>, clock: &Clock) -> Self {
        Self {
            id: id.into(),
            clock: clock.clone(),
            capacity: 100,
            while_down: WhileDown::Keep,
            hook: Arc::new(|_, _| ()),
        }
    }

    /// Calls `hook` at each moment, after those that were there before.
    pub(crate) fn at(self, hook: impl Fn(Moment, &Life) + Send + Sync + 'static) -> Self {
        let elder = self.hook;
        let hook: Hook = Arc::new(move |moment, life| {
            elder(moment, life);
            hook(moment, life);
        });
        Self { hook, ..self }
    }

    /// Writes each moment down, as `root/id#1 Started`.
    pub(crate) fn noted(self, diary: &Diary) -> Self {
        let diary = diary.clone();
        self.at(move |moment, life| diary.write(line(life.path(), life.generation(), moment)))
    }

    /// A permanent child that is started again at once, and its mailbox.
    pub(crate) fn build(self) -> (ChildSpec, Mailbox<Puppet>) {
        let spec = ActorSpec {
            id: self.id,
            capacity: self.capacity,
            while_down: self.while_down,
            clock: self.clock,
        };
        let hook = self.hook;
        let (child, mailbox) = actor(spec, move |start| {
            hook(Moment::Called, &start.life);
            let hook = hook.clone();
            async move {
                tokio::task::yield_now().await;
                hook(Moment::Building, &start.life);
                let supervision::Start { life, mailbox, role, after } = start;
                Ok(Puppet { life, mailbox, role, after, hook })
            }
        });
        (child.backoff(Backoff::NONE).restart(Restart::Permanent), mailbox)
    }
}

pub(crate) fn line(path: &str, generation: u64, moment: Moment) -> String {
    format!("{path}#{generation} {moment:?}")
}

/// Which line of the diary says so.
pub(crate) fn place_of(lines: &[String], path: &str, generation: u64, moment: Moment) -> usize {
    let wanted = line(path, generation, moment);
    lines.iter().position(|line| *line == wanted).unwrap_or_else(|| panic!("{wanted} is not in {lines:#?}"))
}

pub(crate) async fn noted(diary: &Diary, path: &str, generation: u64, moment: Moment) {
    let wanted = line(path, generation, moment);
    until_so(|| diary.lines().contains(&wanted)).await;
}

/// A one-for-one supervisor with these children.
pub(crate) fn group(id: &str, limit: Limit, children: Vec<ChildSpec>) -> SupervisorSpec {
    SupervisorSpec { limit, children, ..SupervisorSpec::new(id) }
}

/// No restart for a bug is put up with.
pub(crate) fn strict() -> Limit {
    Limit::Shared(Intensity { restarts: 0, ..Intensity::default() })
}

/// A patient root on `threads` threads.
pub(crate) async fn grown(clock: &Clock, threads: usize, children: Vec<ChildSpec>) -> Tree {
    let spec = group("root", patient(), children);
    Tree::start(spec, clock.clone(), Pool::new(threads)).await.expect("the children start")
}

/// Waits for a state; a test that waits for what never comes fails.
pub(crate) async fn until_so(mut wished: impl FnMut() -> bool) {
    let deadline = Instant::now() + WITHIN;
    while !wished() {
        assert!(Instant::now() < deadline, "it did not become so");
        tokio::task::yield_now().await;
    }
}

/// Does `work` on so many threads at once, each with a runtime of its own.
pub(crate) async fn on_threads<T, W, F>(count: usize, work: W) -> Vec<T>
where
    T: Send + 'static,
    W: Fn(usize) -> F + Send + Sync + 'static,
    F: Future<Output = T>,
{
    let work = Arc::new(work);
    let threads: Vec<_> = (0..count)
        .map(|nth| {
            let work = work.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
                runtime.expect("a runtime can be built").block_on(work(nth))
            })
        })
        .collect();
    let joined = tokio::task::spawn_blocking(|| threads.into_iter().map(|thread| thread.join()).collect());
    let outcomes: Vec<std::thread::Result<T>> = joined.await.expect("joining does not panic");
    outcomes.into_iter().map(|outcome| outcome.expect("a thread's own assertion")).collect()
}
