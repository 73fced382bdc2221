//! The address of a place in the tree: it outlives every generation of the actor that has that place.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;
use std::time::Duration;

use actix::dev::MessageResponse;
use actix::{Actor, Context, Handler, Message};
use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::RecvError;

use crate::Place;
use crate::backoff::later;
use crate::slot::{Gate, Loss, Parcel, Slot};

/// Sends messages to a place in the tree. Cloning is cheap and shares the queue and its one bound.
pub struct Mailbox<A: Actor> {
    slot: Arc<Slot<A>>,
}

/// Why an ask has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The queue is full; nothing was sent.
    #[error("{path} is busy: {capacity} messages wait already")]
    Busy {
        /// Who was asked.
        path: Arc<str>,
        /// How many messages its queue holds.
        capacity: usize,
    },
    /// It is down and refuses meanwhile; nothing was sent.
    #[error("{path} is down{}", .retry_after.map(|wait| format!("; try again in {wait:?}")).unwrap_or_default())]
    Down {
        /// Who was asked.
        path: Arc<str>,
        /// When its next generation starts, where that is known.
        retry_after: Option<Duration>,
    },
    /// It ended, and nothing starts it again by itself; the message was not handled.
    #[error("{path} has ended")]
    Closed {
        /// Who was asked.
        path: Arc<str>,
    },
    /// The deadline passed; a message that still waits is not handled any more.
    #[error("{path} did not answer within {within:?}")]
    TimedOut {
        /// Who was asked.
        path: Arc<str>,
        /// How long it had.
        within: Duration,
    },
    /// Its handler panicked over this message.
    #[error("{path} panicked over this message")]
    Panicked {
        /// Who was asked.
        path: Arc<str>,
    },
    /// It took the message and ended, or dropped the reply, before it answered: the work may be done or not.
    #[error("{path} ended before it answered")]
    Unanswered {
        /// Who was asked.
        path: Arc<str>,
    },
}

/// A message that was not taken, handed back.
pub struct Refused<M> {
    /// The message.
    pub message: M,
    /// Why it was not taken: `Busy`, `Down` or `Closed`.
    pub why: AskError,
}

impl<M> std::fmt::Debug for Refused<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Refused({:?})", self.why)
    }
}

const QUEUED: u8 = 0;
const HANDLING: u8 = 1;
const PANICKED: u8 = 2;
const DOWN: u8 = 3;

/// A message on its way, with the way back.
struct Letter<M: Message> {
    message: Option<M>,
    reply: Option<oneshot::Sender<M::Result>>,
    fate: Option<Arc<AtomicU8>>,
}

// === Mailbox ===

impl<A: Actor<Context = Context<A>>> Mailbox<A> {
    pub(crate) fn new(slot: Arc<Slot<A>>) -> Self {
        Self { slot }
    }

    /// Sends `message` and waits for its result, `within` at most; dropping the future takes a waiting message back.
    pub async fn ask<M>(&self, message: M, within: Duration) -> Result<M::Result, AskError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let clock = self.slot.clock();
        let deadline = later(clock.now(), within);
        let (reply, mut answer) = oneshot::channel();
        let fate = Arc::new(AtomicU8::new(QUEUED));
        let letter = Letter { message: Some(message), reply: Some(reply), fate: Some(fate.clone()) };
        let is_beside = self.slot.post(letter).map_err(|(_, why)| why)?;

        let path = || self.slot.path();
        let early = if is_beside { at_second_look(&mut answer).await } else { None };
        let answered = match early {
            Some(answered) => Ok(answered),
            None => clock.deadline(deadline, answer).await,
        };
        match answered {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err(match fate.load(Ordering::Acquire) {
                QUEUED => AskError::Closed { path: path() },
                PANICKED => AskError::Panicked { path: path() },
                DOWN => self.slot.down_error(),
                _ => AskError::Unanswered { path: path() },
            }),
            Err(clock::Elapsed) => Err(AskError::TimedOut { path: path(), within }),
        }
    }

    /// Sends `message` one way, or hands it back.
    pub fn tell<M>(&self, message: M) -> Result<(), Refused<M>>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let letter = Letter { message: Some(message), reply: None, fate: None };
        self.slot.post(letter).map(drop).map_err(|(letter, why)| Refused {
            message: letter.message.expect("a letter that was not posted still holds its message"),
            why,
        })
    }

    /// Where it is in the tree, and what lives there.
    pub fn place(&self) -> Place {
        Place(self.slot.vitals().clone())
    }

    /// How many messages wait.
    pub fn queued(&self) -> usize {
        self.slot.queued_now()
    }

    /// Whether it has ended, and nothing but a request starts it again.
    pub fn is_closed(&self) -> bool {
        self.slot.gate() == Gate::Closed
    }
}

impl<A: Actor> Clone for Mailbox<A> {
    fn clone(&self) -> Self {
        Self { slot: self.slot.clone() }
    }
}

impl<A: Actor> std::fmt::Debug for Mailbox<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mailbox")
    }
}

/// An answer that is there when its asker looks a second time: from a neighbour on the same thread it is, and no timer
/// needs to be set for it.
async fn at_second_look<T>(answer: &mut oneshot::Receiver<T>) -> Option<Result<T, RecvError>> {
    let mut looked = false;
    poll_fn(|cx| match answer.poll_unpin(cx) {
        Poll::Ready(answered) => Poll::Ready(Some(answered)),
        Poll::Pending if looked => Poll::Ready(None),
        Poll::Pending => {
            looked = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

// === Letter ===

impl<A, M> Parcel<A> for Letter<M>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn deliver(&mut self, actor: &mut A, context: &mut Context<A>) {
        let reply = self.reply.take();
        if reply.as_ref().is_some_and(oneshot::Sender::is_closed) {
            return;
        }
        let Some(message) = self.message.take() else { return };
        if let Some(fate) = &self.fate {
            fate.store(HANDLING, Ordering::Release);
        }
        // While the handler runs the reply stands here: should the handler panic, the letter is marked before it goes.
        self.reply = reply;
        let response = actor.handle(message, context);
        response.handle(context, self.reply.take());
    }

    fn is_abandoned(&self) -> bool {
        self.reply.as_ref().is_some_and(oneshot::Sender::is_closed)
    }

    fn mark(&self, loss: Loss) {
        let Some(fate) = &self.fate else { return };
        let fate_now = match loss {
            Loss::Panicked => PANICKED,
            Loss::Down => DOWN,
        };
        fate.store(fate_now, Ordering::Release);
    }
}
