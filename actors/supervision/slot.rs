//! A child's slot: what belongs to its place in the tree and outlives each of its generations.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::Instant;

use actix::{Actor, Context};
use clock::Clock;

use crate::end::discard;
use crate::mailbox::AskError;
use crate::summons::Summon;
use crate::view::Kind;
use crate::vitals::{QueueLength, Queued, Vitals};

/// A message that waits, its type erased.
pub(crate) trait Parcel<A: Actor>: Send {
    /// Hands the message to the actor; a message whose asker is gone is not handled.
    fn deliver(&mut self, actor: &mut A, context: &mut Context<A>)
    where
        A: Actor<Context = Context<A>>;

    /// Whether its asker has stopped waiting: nobody needs it to be handled.
    fn is_abandoned(&self) -> bool;

    /// Notes why there will be no answer, before the letter goes.
    fn mark(&self, loss: Loss);
}

/// Why a letter that was taken in has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The handler panicked.
    Panicked,
    /// The queue began to refuse while it waited.
    Down,
}

/// Whether new messages come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    Down { retry_at: Option<Instant> },
    Closed,
}

struct Queue<A: Actor> {
    waiting: VecDeque<Box<dyn Parcel<A>>>,
    gate: Gate,
    /// The generation that was launched last; an older one that wakes up late may not take over.
    newest: u64,
    /// The generation that may take messages; a zombie of an older one gets none.
    taker: u64,
    taken: u64,
    /// The thread that the taker lives on.
    thread: usize,
    /// Wakes the taker.
    waker: Option<Waker>,
    /// Nobody lives here until a message comes: whom to tell of it.
    sleeper: Option<Summon>,
}

/// The queue and the status of one place.
pub(crate) struct Slot<A: Actor> {
    queue: Mutex<Queue<A>>,
    capacity: usize,
    clock: Clock,
    vitals: Arc<Vitals>,
}

impl<A: Actor> Slot<A> {
    pub(crate) fn new(id: &str, capacity: usize, gate: Gate, clock: Clock) -> Arc<Self> {
        let queue = Queue {
            waiting: VecDeque::new(),
            gate,
            newest: 0,
            taker: 0,
            taken: 0,
            thread: 0,
            waker: None,
            sleeper: None,
        };
        Arc::new_cyclic(|slot: &Weak<Self>| {
            let queued: Weak<dyn Queued> = slot.clone();
            let vitals = Arc::new(Vitals::new(id, Kind::Actor, capacity, QueueLength(queued)));
            Self { queue: Mutex::new(queue), capacity, clock, vitals }
        })
    }

    pub(crate) fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn path(&self) -> Arc<str> {
        self.vitals.path().clone()
    }

    pub(crate) fn gate(&self) -> Gate {
        self.lock().gate
    }

    pub(crate) fn queued_now(&self) -> usize {
        self.lock().waiting.len()
    }

    /// How many messages were taken so far, if none waits: the measure of being idle.
    pub(crate) fn taken_if_empty(&self) -> Option<u64> {
        let queue = self.lock();
        queue.waiting.is_empty().then_some(queue.taken)
    }

    /// Queues a letter, or gives it back with the reason; says whether it is taken on the thread that calls.
    pub(crate) fn post<L: Parcel<A> + 'static>(&self, letter: L) -> Result<bool, (L, AskError)> {
        let mut queue = self.lock();
        let given_up = if queue.gate == Gate::Open && queue.waiting.len() >= self.capacity {
            queue.drop_abandoned()
        } else {
            VecDeque::new()
        };
        let why = match queue.gate {
            Gate::Open if queue.waiting.len() < self.capacity => {
                queue.waiting.push_back(Box::new(letter));
                let (waker, sleeper) = (queue.waker.take(), queue.sleeper.take());
                let is_beside = queue.thread == thread();
                drop(queue);
                given_up.into_iter().for_each(discard);
                if let Some(waker) = waker {
                    waker.wake();
                }
                if let Some(sleeper) = sleeper {
                    sleeper.call();
                }
                return Ok(is_beside);
            }
            Gate::Open => AskError::Busy { path: self.path(), capacity: self.capacity },
            Gate::Down { retry_at } => {
                AskError::Down { path: self.path(), retry_after: self.until(retry_at) }
            }
            Gate::Closed => AskError::Closed { path: self.path() },
        };
        drop(queue);
        given_up.into_iter().for_each(discard);
        Err((letter, why))
    }

    /// Why a letter that was let go while the place went down has no answer.
    pub(crate) fn down_error(&self) -> AskError {
        let retry_at = if let Gate::Down { retry_at } = self.gate() { retry_at } else { None };
        AskError::Down { path: self.path(), retry_after: self.until(retry_at) }
    }

    /// The next message, if `generation` is the one that may take it; without one its waker is kept.
    pub(crate) fn take(&self, generation: u64, waker: &Waker) -> Option<Box<dyn Parcel<A>>> {
        let mut queue = self.lock();
        if queue.taker != generation {
            return None;
        }
        let next = queue.waiting.pop_front();
        if next.is_some() {
            queue.taken += 1;
        } else if !queue.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            queue.waker = Some(waker.clone());
        }
        next
    }

    /// This generation is on its way; those before it are over, wherever they are.
    pub(crate) fn expect(&self, generation: u64) {
        let mut queue = self.lock();
        queue.leave();
        queue.newest = generation;
    }

    /// A generation lives: it takes messages, and new ones come in. False when it comes too late.
    pub(crate) fn open(&self, generation: u64) -> bool {
        let mut queue = self.lock();
        if queue.newest != generation {
            return false;
        }
        queue.taker = generation;
        queue.thread = thread();
        queue.waker = None;
        queue.gate = Gate::Open;
        true
    }

    /// Nobody lives here for the moment; with `refuse` nothing comes in and what waited is let go.
    pub(crate) fn go_down(&self, refuse: bool, retry_at: Option<Instant>) {
        let mut queue = self.lock();
        queue.leave();
        if refuse {
            queue.gate = Gate::Down { retry_at };
            let dropped = std::mem::take(&mut queue.waiting);
            drop(queue);
            for letter in dropped {
                letter.mark(Loss::Down);
                discard(letter);
            }
        }
    }

    /// Nobody lives here until a message comes; false when one waits already.
    pub(crate) fn sleep(&self, summon: Summon) -> bool {
        let mut queue = self.lock();
        queue.leave();
        queue.gate = Gate::Open;
        let is_empty = queue.waiting.is_empty();
        if is_empty {
            queue.sleeper = Some(summon);
        }
        is_empty
    }

    /// Nobody will live here again by itself: who waits is told so.
    pub(crate) fn close(&self) {
        let mut queue = self.lock();
        queue.leave();
        queue.gate = Gate::Closed;
        let dropped = std::mem::take(&mut queue.waiting);
        drop(queue);
        dropped.into_iter().for_each(discard);
    }

    fn until(&self, at: Option<Instant>) -> Option<std::time::Duration> {
        at.map(|at| at.saturating_duration_since(self.clock.now()))
    }

    fn lock(&self) -> MutexGuard<'_, Queue<A>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Actor> Queue<A> {
    /// Takes out what nobody waits for any more, for it to be dropped where no lock is held.
    fn drop_abandoned(&mut self) -> VecDeque<Box<dyn Parcel<A>>> {
        let (abandoned, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|parcel| parcel.is_abandoned());
        self.waiting = waiting;
        abandoned
    }

    /// Whoever lived here takes nothing any more.
    fn leave(&mut self) {
        self.taker = 0;
        self.newest = 0;
        self.thread = 0;
        self.waker = None;
        self.sleeper = None;
    }
}

impl<A: Actor> Queued for Slot<A> {
    fn queued(&self) -> usize {
        self.queued_now()
    }
}

/// A number that no other living thread has; never 0.
fn thread() -> usize {
    thread_local! { static HERE: u8 = const { 0 } }
    HERE.with(|here| std::ptr::from_ref(here).addr())
}
