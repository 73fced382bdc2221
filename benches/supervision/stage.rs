//! The supervised side: an actor that answers and panics as it is told, and trees to put it in.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::{Actor, Context, Handler, MessageResult};
use clock::Clock;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use supervision::{
    ActorSpec, Backoff, ChildSpec, Handle, Intensity, Life, Limit, Mailbox, Pool, Strategy, SupervisorSpec,
    Tree, WhileDown, actor,
};
use tokio::sync::oneshot;

/// Nothing here takes this long.
pub(crate) const WITHIN: Duration = Duration::from_secs(300);
/// What a panic says that is measured.
pub(crate) const TOLD_TO_PANIC: &str = "told to panic";
/// Messages that may wait for one actor.
const CAPACITY: usize = 4096;

/// Answers, and panics as it is told.
pub(crate) struct Echo {
    life: Life,
}

/// Which life it is.
#[derive(actix::Message)]
#[rtype(result = "u64")]
pub(crate) struct Ping;

#[derive(actix::Message)]
#[rtype(result = "()")]
pub(crate) struct Crash;

/// Runs something on the actor's own thread.
#[derive(actix::Message)]
#[rtype(result = "()")]
struct Work(Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>);

impl Actor for Echo {
    type Context = Context<Self>;
}

impl Handler<Ping> for Echo {
    type Result = MessageResult<Ping>;

    fn handle(&mut self, _: Ping, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.life.generation())
    }
}

impl Handler<Crash> for Echo {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        panic!("{TOLD_TO_PANIC}")
    }
}

impl Handler<Work> for Echo {
    type Result = ();

    fn handle(&mut self, Work(work): Work, _: &mut Self::Context) {
        actix_rt::spawn(work());
    }
}

/// An actor's place; `lives` counts its factory's calls.
pub(crate) fn echo(id: impl Into<String>, lives: &Arc<AtomicU64>) -> (ChildSpec, Mailbox<Echo>) {
    let spec =
        ActorSpec { id: id.into(), capacity: CAPACITY, while_down: WhileDown::Keep, clock: Clock::real() };
    let lives = lives.clone();
    let (child, mailbox) = actor(spec, move |start| {
        lives.fetch_add(1, Ordering::Relaxed);
        async move { Ok(Echo { life: start.life }) }
    });
    (child.backoff(Backoff::NONE), mailbox)
}

/// A tree whose actors share one thread; its intensity bounds nothing.
pub(crate) async fn tree(children: Vec<ChildSpec>) -> Tree {
    let root = SupervisorSpec { children, ..family("root", Strategy::OneForOne, 16_384) };
    Tree::start(root, Clock::real(), Pool::new(1)).await.expect("the children start")
}

/// A dynamic supervisor without children yet, for `most` of them, under the root of `tree`.
pub(crate) async fn crowd(tree: &Tree, most: usize) -> Handle {
    let (child, handle) = family(CROWD, Strategy::Dynamic, most).into_child();
    tree.root().start_child(child).await.expect("an empty supervisor starts");
    handle
}

/// The id of the supervisor that [`crowd`] starts.
pub(crate) const CROWD: &str = "crowd";

fn family(id: &str, strategy: Strategy, max_children: usize) -> SupervisorSpec {
    let endless = Intensity { restarts: u32::MAX, period: Duration::from_millis(10) };
    SupervisorSpec { strategy, limit: Limit::Shared(endless), max_children, ..SupervisorSpec::new(id) }
}

/// Runs `work` on the thread where `host` lives, so that caller and actor share it.
pub(crate) async fn beside<T, F, W>(host: &Mailbox<Echo>, work: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> W + Send + 'static,
    W: Future<Output = T> + 'static,
{
    let (tell, done) = oneshot::channel();
    let work = move || {
        async move {
            // Who waits for it waits until it is done.
            let _ = tell.send(work().await);
        }
        .boxed_local()
    };
    host.ask(Work(Box::new(work)), WITHIN).await.expect("the host lives");
    done.await.expect("the work ends")
}
