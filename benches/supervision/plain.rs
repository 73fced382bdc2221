//! The baselines: actors of plain actix, its own supervisor, and the least code that survives a panic.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

use actix::dev::ContextFut;
use actix::{
    Actor, ActorContext, Addr, AsyncContext, Context, Handler, MessageResult, Supervised, Supervisor,
};

use crate::stage::{Crash, Ping, TOLD_TO_PANIC};

/// As little of an actor as there can be.
#[derive(Default)]
pub(crate) struct Plain {
    lives: u64,
    tally: Tally,
}

/// How many plain actors of one thread have started and stopped.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    pub(crate) started: Rc<Cell<u64>>,
    pub(crate) stopped: Rc<Cell<u64>>,
}

/// Ends by itself instead of panicking, which actix's own supervisor does not survive.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub(crate) struct Leave;

impl Actor for Plain {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.tally.started.set(self.tally.started.get() + 1);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.tally.stopped.set(self.tally.stopped.get() + 1);
    }
}

impl Supervised for Plain {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.lives += 1;
    }
}

impl Handler<Ping> for Plain {
    type Result = MessageResult<Ping>;

    fn handle(&mut self, _: Ping, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.lives)
    }
}

impl Handler<Crash> for Plain {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        panic!("{TOLD_TO_PANIC}")
    }
}

impl Handler<Leave> for Plain {
    type Result = ();

    fn handle(&mut self, _: Leave, context: &mut Self::Context) {
        context.stop();
    }
}

/// Starts an actor on the thread that calls.
#[expect(clippy::disallowed_methods, reason = "the baseline is actix without supervision")]
pub(crate) fn plain(tally: &Tally) -> Addr<Plain> {
    Plain { lives: 1, tally: tally.clone() }.start()
}

/// An actor under actix's own supervisor, on the thread that calls.
pub(crate) fn under_actix() -> Addr<Plain> {
    Supervisor::start(|_| Plain { lives: 1, ..Plain::default() })
}

/// An actor that the least code keeps alive over panics, on the thread that calls: no report, no backoff, no intensity,
/// and the same actor goes on, broken or not.
pub(crate) fn guarded() -> Addr<Plain> {
    let context = Context::new();
    let address = context.address();
    let body = Box::pin(context.into_future(Plain { lives: 1, ..Plain::default() }));
    actix_rt::spawn(Guarded { body });
    address
}

struct Guarded {
    body: Pin<Box<ContextFut<Plain, Context<Plain>>>>,
}

impl Future for Guarded {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.body.as_mut().poll(cx))) {
                Ok(polled) => return polled,
                Err(_) => {
                    self.body.as_mut().restart();
                }
            }
        }
    }
}
