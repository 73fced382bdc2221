//! One generation of an actor: built by its factory, driven inside a panic guard, fed from its slot's queue.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actix::dev::ContextFut;
use actix::{Actor, ActorContext, ActorFuture, ActorState, AsyncContext, Context};
use futures_util::FutureExt;
use futures_util::future::{Either, LocalBoxFuture, select};

use crate::child::{Factory, Launch, NotStarted, Start};
use crate::control::{Control, Request};
use crate::end::{End, panic_message};
use crate::life::Life;
use crate::mailbox::Mailbox;
use crate::slot::{Loss, Slot};

/// So many messages are handled in a row before the neighbours on the thread get their turn.
const TURN: usize = 64;

/// Lives one generation from its factory to its end, and reports both.
pub(crate) async fn live<A>(slot: Arc<Slot<A>>, factory: Factory<A>, launch: Launch)
where
    A: Actor<Context = Context<A>> + Unpin,
{
    let life = Life::new(&launch, slot.vitals());
    let Launch { generation, role, after, control, report, passivate_after, .. } = launch;
    let start = Start { life: life.clone(), mailbox: Mailbox::new(slot.clone()), role, after };
    let end = match build(&factory, start, &control).await {
        Err(Unborn::Ignored) => {
            life.end_tasks();
            return report.ignored().await;
        }
        Err(Unborn::Ended(end)) => end,
        Ok(_) if !slot.open(generation) => End::Killed,
        Ok(actor) => {
            let idleness = passivate_after.map(|after| Idleness::new(after, life.clone(), slot.clone()));
            let body =
                Body::new(actor, Pump { slot, control: control.clone(), generation, has_started: false });
            let mut has_started = false;
            let end = drive(body, &life, &control, idleness, || {
                has_started = true;
                report.started();
            })
            .await;
            if has_started { end } else { premature(end, || report.started()) }
        }
    };
    life.end_tasks();
    report.ended(end).await;
}

/// Why a factory gave no actor.
enum Unborn {
    Ignored,
    Ended(End),
}

async fn build<A: Actor<Context = Context<A>>>(
    factory: &Factory<A>,
    start: Start<A>,
    control: &Control,
) -> Result<A, Unborn> {
    let building = AssertUnwindSafe(async move { factory(start).await }).catch_unwind();
    let stopped = control.beyond(Request::Live);
    let failed = |reason| Err(Unborn::Ended(End::StartFailed { reason }));
    match select(Box::pin(building), std::pin::pin!(stopped)).await {
        Either::Left((Ok(Ok(actor)), _)) => Ok(actor),
        Either::Left((Ok(Err(NotStarted::Ignored)), _)) => Err(Unborn::Ignored),
        Either::Left((Ok(Err(NotStarted::Failed(failure))), _)) => failed(failure.reason),
        Either::Left((Err(panic), _)) => failed(panic_message(panic.as_ref())),
        Either::Right((Request::Kill, _)) => Err(Unborn::Ended(End::Killed)),
        Either::Right(_) => Err(Unborn::Ended(End::Shutdown)),
    }
}

/// What an end is that came before the start was acknowledged: a failed start, or a start and an end at once.
fn premature(end: End, on_start: impl FnOnce()) -> End {
    match end {
        End::Panicked { message } => End::StartFailed { reason: message },
        End::Failed(failure) => End::StartFailed { reason: failure.reason },
        End::Normal | End::Passivated => {
            on_start();
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

/// The actor and its context, polled inside a guard.
struct Body<A: Actor<Context = Context<A>>>(Pin<Box<ContextFut<A, Context<A>>>>);

/// Told to stop: by whom, or not at all.
#[derive(Clone, Copy, PartialEq)]
enum Told {
    No,
    Stop,
    Sleep,
}

async fn drive<A>(
    mut body: Body<A>,
    life: &Life,
    control: &Arc<Control>,
    mut idleness: Option<Idleness<A>>,
    on_start: impl FnOnce(),
) -> End
where
    A: Actor<Context = Context<A>> + Unpin,
{
    let mut on_start = Some(on_start);
    let mut acknowledge = move || {
        if let Some(on_start) = on_start.take() {
            on_start();
        }
    };
    let mut told = Told::No;
    let end = poll_fn(|cx| {
        control.register(cx.waker());
        match control.request() {
            Request::Kill => return Poll::Ready(End::Killed),
            Request::Stop if told != Told::Stop => {
                told = Told::Stop;
                body.0.as_mut().ctx().stop();
            }
            Request::Live if life.is_suspended() => {
                acknowledge();
                return control.verdict().map_or(Poll::Pending, Poll::Ready);
            }
            Request::Stop | Request::Live => {}
        }
        let polled = body.poll(cx);
        if let Some(end) = control.verdict() {
            return Poll::Ready(end);
        }
        match polled {
            Ok(Poll::Pending) => acknowledge(),
            Ok(Poll::Ready(())) => {
                return Poll::Ready(match told {
                    Told::No => End::Normal,
                    Told::Stop => End::Shutdown,
                    Told::Sleep => End::Passivated,
                });
            }
            Err(message) => return Poll::Ready(End::Panicked { message }),
        }
        if told == Told::Sleep && body.0.as_mut().ctx().state() == ActorState::Running {
            // Its `stopping` would not let it sleep.
            told = Told::No;
        }
        let is_idle = idleness.as_mut().is_some_and(|idleness| idleness.poll(cx));
        if (is_idle || control.take_sleep()) && told == Told::No {
            told = Told::Sleep;
            body.0.as_mut().ctx().stop();
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
    body.drop();
    end
}

impl<A: Actor<Context = Context<A>> + Unpin> Body<A> {
    fn new(actor: A, pump: Pump<A>) -> Self {
        let mut context = Context::new();
        context.spawn(pump);
        Self(Box::pin(context.into_future(actor)))
    }

    fn poll(&mut self, cx: &mut std::task::Context<'_>) -> Result<Poll<()>, String> {
        catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll_unpin(cx)))
            .map_err(|panic| panic_message(panic.as_ref()))
    }

    fn drop(mut self) {
        // A dropped `ContextFut` that is not terminated polls itself once more and would run `stopped` on a broken actor.
        self.0.as_mut().ctx().terminate();
        let _ = catch_unwind(AssertUnwindSafe(move || drop(self.0)));
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

    fn poll(&mut self, cx: &mut std::task::Context<'_>) -> bool {
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
    control: Arc<Control>,
    generation: u64,
    has_started: bool,
}

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for Pump<A> {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        actor: &mut A,
        context: &mut Context<A>,
        task: &mut std::task::Context<'_>,
    ) -> Poll<()> {
        if !self.has_started {
            // The start is acknowledged before the first message: what that one breaks is no failed start.
            self.has_started = true;
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        for _ in 0..TURN {
            // Control goes before the queue: the runner looks at it before it polls again.
            if context.waiting() || !self.control.is_quiet() || self.is_suspended() {
                return Poll::Pending;
            }
            let Some(mut parcel) = self.slot.take(self.generation, task.waker()) else {
                return Poll::Pending;
            };
            let handled = catch_unwind(AssertUnwindSafe(|| parcel.deliver(actor, context)));
            if let Err(panic) = handled {
                parcel.mark(Loss::Panicked);
                self.control.settle(End::Panicked { message: panic_message(panic.as_ref()) });
                // Out of the context at once: nothing more of a broken actor runs, neither its futures nor `stopped`.
                resume_unwind(panic);
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<A: Actor> Pump<A> {
    fn is_suspended(&self) -> bool {
        self.slot.vitals().is_suspended()
    }
}
