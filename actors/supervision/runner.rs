//! One generation of an actor: built by its factory, driven inside a panic guard, fed from its slot's queue.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use actix::dev::ContextFut;
use actix::{Actor, ActorContext, ActorFuture, AsyncContext, Context};
use futures_util::FutureExt;
use futures_util::future::{Either, select};

use crate::child::{Factory, Launch, Life, Start};
use crate::control::{Control, Request};
use crate::end::{End, panic_message};
use crate::mailbox::Mailbox;
use crate::slot::Slot;

/// So many messages are handled in a row before the neighbours on the thread get their turn.
const TURN: usize = 64;

/// Lives one generation from its factory to its end, and reports both.
pub(crate) async fn live<A>(slot: Arc<Slot<A>>, factory: Factory<A>, launch: Launch)
where
    A: Actor<Context = Context<A>> + Unpin,
{
    let life = Life::new(&launch);
    let Launch { generation, role, after, control, report, .. } = launch;
    let end = match build(
        &factory,
        Start { life: life.clone(), mailbox: Mailbox::new(slot.clone()), role, after },
        &control,
    )
    .await
    {
        Err(end) => end,
        Ok(actor) => {
            slot.open(generation);
            drive(actor, &slot, generation, &control, || report.started()).await
        }
    };
    life.end_tasks();
    report.ended(end).await;
}

async fn build<A: Actor<Context = Context<A>>>(
    factory: &Factory<A>,
    start: Start<A>,
    control: &Control,
) -> Result<A, End> {
    let building = AssertUnwindSafe(async move { factory(start).await }).catch_unwind();
    let stop = poll_fn(|cx| {
        control.register(cx.waker());
        if control.request() == Request::Live { Poll::Pending } else { Poll::Ready(()) }
    });
    match select(Box::pin(building), stop).await {
        Either::Left((Ok(Ok(actor)), _)) => Ok(actor),
        Either::Left((Ok(Err(failure)), _)) => Err(End::StartFailed { reason: failure.reason }),
        Either::Left((Err(panic), _)) => Err(End::StartFailed { reason: panic_message(panic.as_ref()) }),
        Either::Right(_) if control.request() == Request::Kill => Err(End::Killed),
        Either::Right(_) => Err(End::Shutdown),
    }
}

async fn drive<A>(
    actor: A,
    slot: &Arc<Slot<A>>,
    generation: u64,
    control: &Arc<Control>,
    on_start: impl FnOnce(),
) -> End
where
    A: Actor<Context = Context<A>> + Unpin,
{
    let mut context = Context::new();
    context.spawn(Pump { slot: slot.clone(), control: control.clone(), generation });
    let mut body: Pin<Box<ContextFut<A, Context<A>>>> = Box::pin(context.into_future(actor));
    let mut on_start = Some(on_start);
    let mut told_to_stop = false;

    let end = poll_fn(|cx| {
        control.register(cx.waker());
        match control.request() {
            Request::Kill => return Poll::Ready(End::Killed),
            Request::Stop if !told_to_stop => {
                told_to_stop = true;
                body.as_mut().ctx().stop();
            }
            Request::Stop | Request::Live => {}
        }
        let polled = catch_unwind(AssertUnwindSafe(|| body.as_mut().poll_unpin(cx)));
        if let Some(end) = control.verdict() {
            return Poll::Ready(end);
        }
        match polled {
            Ok(Poll::Pending) => {
                if let Some(on_start) = on_start.take() {
                    on_start();
                }
                Poll::Pending
            }
            Ok(Poll::Ready(())) if told_to_stop => Poll::Ready(End::Shutdown),
            Ok(Poll::Ready(())) => Poll::Ready(End::Normal),
            Err(panic) => Poll::Ready(End::Panicked { message: panic_message(panic.as_ref()) }),
        }
    })
    .await;

    // A dropped `ContextFut` that is not terminated polls itself once more and would run `stopped` on a broken actor.
    body.as_mut().ctx().terminate();
    let _ = catch_unwind(AssertUnwindSafe(move || drop(body)));
    end
}

/// Feeds the slot's queue to the actor, as a future inside its context.
struct Pump<A: Actor> {
    slot: Arc<Slot<A>>,
    control: Arc<Control>,
    generation: u64,
}

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for Pump<A> {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        context: &mut Context<A>,
        task: &mut std::task::Context<'_>,
    ) -> Poll<()> {
        if !self.slot.is_open_to(self.generation) {
            return Poll::Pending;
        }
        self.slot.arrivals().register(task.waker());
        for _ in 0..TURN {
            if context.waiting() || self.control.is_settled() {
                return Poll::Pending;
            }
            let Some(mut parcel) = self.slot.take(self.generation) else { return Poll::Pending };
            let handled = catch_unwind(AssertUnwindSafe(|| parcel.deliver(actor, context)));
            if let Err(panic) = handled {
                parcel.mark_panicked();
                self.control.settle(End::Panicked { message: panic_message(panic.as_ref()) });
                // Out of the context at once: nothing more of a broken actor runs, neither its futures nor `stopped`.
                resume_unwind(panic);
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}
