//! One generation of an actor: built by its factory, driven inside a panic guard, fed from its slot's queue.

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use actix::dev::ContextFut;
use actix::{Actor, ActorContext, ActorFuture, ActorState, AsyncContext, Context};
use futures_util::FutureExt;
use futures_util::future::{Either, LocalBoxFuture, select};

use crate::child::{Factory, Launch, NotStarted, Report, Start, What};
use crate::control::Request;
use crate::end::{End, discard, panic_message};
use crate::life::Life;
use crate::mailbox::Mailbox;
use crate::slot::{Loss, Slot};

/// So many messages are handled in a row before the neighbours on the thread get their turn.
const TURN: usize = 64;

/// Lives one generation from its factory to its end, and reports both.
pub(crate) fn live<A>(
    slot: Arc<Slot<A>>,
    factory: Factory<A>,
    launch: Launch,
) -> impl Future<Output = ()> + use<A>
where
    A: Actor<Context = Context<A>> + Unpin,
{
    let Launch { life, role, after, report, passivate_after, .. } = launch;
    let start = Start { life: life.clone(), mailbox: Mailbox::new(slot.clone()), role, after };
    // What building takes is boxed, and what a launch carries stays outside: an idle actor shall be small.
    let building = build(factory, start, life.clone()).boxed_local();
    async move {
        let last = match building.await {
            Err(Unborn::Ignored) => What::Ignored,
            Err(Unborn::Ended(end)) => What::Ended(end),
            Ok(actor) if !slot.open(life.generation()) => {
                discard(actor);
                What::Ended(End::Killed)
            }
            Ok(actor) => What::Ended(Runner::new(actor, slot, life.clone(), &report, passivate_after).await),
        };
        life.end_tasks();
        report.last(last).await;
    }
}

/// Why a factory gave no actor.
enum Unborn {
    Ignored,
    Ended(End),
}

async fn build<A: Actor<Context = Context<A>>>(
    factory: Factory<A>,
    start: Start<A>,
    life: Life,
) -> Result<A, Unborn> {
    let building = AssertUnwindSafe(async move { factory(start).await }).catch_unwind();
    let stopped = life.control().beyond(Request::Live);
    let failed = |reason| Err(Unborn::Ended(End::StartFailed { reason }));
    match select(std::pin::pin!(building), std::pin::pin!(stopped)).await {
        Either::Left((Ok(Ok(actor)), _)) => Ok(actor),
        Either::Left((Ok(Err(NotStarted::Ignored)), _)) => Err(Unborn::Ignored),
        Either::Left((Ok(Err(NotStarted::Failed(failure))), _)) => failed(failure.reason),
        Either::Left((Err(panic), _)) => failed(panic_message(panic)),
        Either::Right((Request::Kill, _)) => Err(Unborn::Ended(End::Killed)),
        Either::Right(_) => Err(Unborn::Ended(End::Shutdown)),
    }
}

/// Drives an actor to its end.
struct Runner<'a, A: Actor<Context = Context<A>>> {
    /// Until its end.
    body: Option<ContextFut<A, Context<A>>>,
    life: Life,
    report: &'a Report,
    idleness: Option<Box<Idleness<A>>>,
    told: Told,
    is_registered: bool,
    has_started: bool,
}

/// Told to stop: by whom, or not at all.
#[derive(Clone, Copy, PartialEq)]
enum Told {
    No,
    Stop,
    Sleep,
}

impl<'a, A: Actor<Context = Context<A>> + Unpin> Runner<'a, A> {
    fn new(
        actor: A,
        slot: Arc<Slot<A>>,
        life: Life,
        report: &'a Report,
        passivate_after: Option<Duration>,
    ) -> Self {
        let idleness =
            passivate_after.map(|after| Box::new(Idleness::new(after, life.clone(), slot.clone())));
        let mut context = Context::new();
        context.spawn(Pump { slot, life: life.clone(), has_started: false });
        let body = Some(context.into_future(actor));
        Self { body, life, report, idleness, told: Told::No, is_registered: false, has_started: false }
    }

    fn poll_body(&mut self, cx: &mut TaskContext<'_>) -> Poll<End> {
        let Some(body) = &mut self.body else { return Poll::Pending };
        let polled = catch_unwind(AssertUnwindSafe(|| body.poll_unpin(cx)));
        if let Some(end) = self.life.control().verdict() {
            return Poll::Ready(end);
        }
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(match self.told {
                Told::No => End::Normal,
                Told::Stop => End::Shutdown,
                Told::Sleep => End::Passivated,
            }),
            Err(panic) => Poll::Ready(End::Panicked { message: panic_message(panic) }),
        }
    }

    fn acknowledge(&mut self) {
        if !self.has_started {
            self.has_started = true;
            self.report.started();
        }
    }

    /// Begins to stop when the actor has had nothing to do, or asked for it.
    fn consider_sleep(&mut self, cx: &mut TaskContext<'_>) {
        let Some(body) = &mut self.body else { return };
        if self.told == Told::Sleep && body.ctx().state() == ActorState::Running {
            // Its `stopping` would not let it sleep.
            self.told = Told::No;
        }
        let is_idle = self.idleness.as_mut().is_some_and(|idleness| idleness.poll(cx));
        if (is_idle || self.life.control().take_sleep()) && self.told == Told::No {
            self.told = Told::Sleep;
            body.ctx().stop();
            cx.waker().wake_by_ref();
        }
    }

    fn finish(&mut self, end: End) -> End {
        self.lay_down();
        if self.has_started {
            return end;
        }
        // It came before the start was acknowledged: a failed start, or a start and an end at once.
        match end {
            End::Panicked { message } => End::StartFailed { reason: message },
            End::Failed(failure) => End::StartFailed { reason: failure.reason },
            End::Normal | End::Passivated => {
                self.acknowledge();
                end
            }
            End::Shutdown
            | End::Killed
            | End::StartFailed { .. }
            | End::GaveUp { .. }
            | End::Stuck
            | End::Linked { .. } => end,
        }
    }
}

impl<A: Actor<Context = Context<A>>> Runner<'_, A> {
    fn lay_down(&mut self) {
        let Some(mut body) = self.body.take() else { return };
        // A dropped `ContextFut` that is not terminated polls itself once more and would run `stopped` on a broken actor.
        body.ctx().terminate();
        discard(body);
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Runner<'_, A> {
    fn drop(&mut self) {
        self.lay_down();
    }
}

impl<A: Actor<Context = Context<A>> + Unpin> Future for Runner<'_, A> {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<End> {
        let this = &mut *self;
        if !this.is_registered {
            // It is awaited by a task of its own, whose waker stays the same.
            this.is_registered = true;
            this.life.control().register(cx.waker());
        }
        match this.life.control().request() {
            Request::Kill => return Poll::Ready(this.finish(End::Killed)),
            Request::Stop if this.told != Told::Stop => {
                this.told = Told::Stop;
                if let Some(body) = &mut this.body {
                    body.ctx().stop();
                }
            }
            Request::Live if this.life.is_suspended() => {
                this.acknowledge();
                return match this.life.control().verdict() {
                    Some(end) => Poll::Ready(this.finish(end)),
                    None => Poll::Pending,
                };
            }
            Request::Stop | Request::Live => {}
        }
        if let Poll::Ready(end) = this.poll_body(cx) {
            return Poll::Ready(this.finish(end));
        }
        this.acknowledge();
        this.consider_sleep(cx);
        Poll::Pending
    }
}

/// Notices that an actor has had nothing to do for a while; at the latest after twice that while.
struct Idleness<A: Actor> {
    after: Duration,
    life: Life,
    slot: Arc<Slot<A>>,
    taken: u64,
    timer: LocalBoxFuture<'static, ()>,
}

impl<A: Actor> Idleness<A> {
    fn new(after: Duration, life: Life, slot: Arc<Slot<A>>) -> Self {
        let timer = timer(&life, after);
        Self { after, life, slot, taken: 0, timer }
    }

    fn poll(&mut self, cx: &mut TaskContext<'_>) -> bool {
        while self.timer.as_mut().poll(cx).is_ready() {
            self.timer = timer(&self.life, self.after);
            match self.slot.taken_if_empty() {
                Some(taken) if taken == self.taken && !self.life.has_tasks() => return true,
                Some(taken) => self.taken = taken,
                None => {}
            }
        }
        false
    }
}

fn timer(life: &Life, after: Duration) -> LocalBoxFuture<'static, ()> {
    let clock = life.clock().clone();
    async move { clock.sleep(after).await }.boxed_local()
}

/// Feeds the slot's queue to the actor, as a future inside its context.
struct Pump<A: Actor> {
    slot: Arc<Slot<A>>,
    life: Life,
    has_started: bool,
}

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for Pump<A> {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        actor: &mut A,
        context: &mut Context<A>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        if !self.has_started {
            // The start is acknowledged before the first message: what that one breaks is no failed start.
            self.has_started = true;
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        // The context polls everything again as long as anything in it asks for more, so an actor that floods its own
        // context would never leave it: past the task's budget everything waits for the neighbours.
        match tokio::task::coop::poll_proceed(task) {
            Poll::Ready(progress) => progress.made_progress(),
            Poll::Pending => {
                let mut yielded = false;
                context.wait(actix::fut::wrap_future(std::future::poll_fn(move |_| {
                    if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending }
                })));
                return Poll::Pending;
            }
        }
        let (slot, life) = (&self.slot, &self.life);
        for _ in 0..TURN {
            // Control goes before the queue: the runner looks at it before it polls again.
            if context.waiting() || !life.control().is_quiet() || life.is_suspended() {
                return Poll::Pending;
            }
            let Some(mut parcel) = slot.take(life.generation(), task.waker()) else { return Poll::Pending };
            let handled = catch_unwind(AssertUnwindSafe(|| parcel.deliver(actor, context)));
            if let Err(panic) = handled {
                parcel.mark(Loss::Panicked);
                discard(parcel);
                let is_running = context.state() == ActorState::Running;
                life.control().settle(End::Panicked { message: panic_message(panic) });
                if is_running {
                    // The context waits for ever: nothing more of a broken actor runs until the runner lays it down.
                    context.wait(actix::fut::wrap_future(pending()));
                    return Poll::Pending;
                }
                // One that stops would run `stopped` all the same: out of it at once.
                resume_unwind(Box::new("its end is settled"));
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}
