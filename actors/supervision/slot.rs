//! A child's slot: what belongs to its place in the tree and outlives each of its generations.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use actix::{Actor, Context};
use clock::Clock;
use futures_util::task::AtomicWaker;

use crate::mailbox::AskError;
use crate::view::{QueueLength, Queued, Vitals};

/// A message that waits, its type erased.
pub(crate) trait Parcel<A: Actor>: Send {
    /// Hands the message to the actor; a message whose asker is gone is not handled.
    fn deliver(&mut self, actor: &mut A, context: &mut Context<A>)
    where
        A: Actor<Context = Context<A>>;

    /// The handler panicked: its asker shall know when the reply is dropped.
    fn mark_panicked(&mut self);
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
    /// The generation that may take messages; a zombie of an older one gets none.
    taker: u64,
}

/// The queue and the status of one place.
pub(crate) struct Slot<A: Actor> {
    queue: Mutex<Queue<A>>,
    capacity: usize,
    arrivals: AtomicWaker,
    clock: Clock,
    vitals: Arc<Vitals>,
    path: OnceLock<Arc<str>>,
}

impl<A: Actor> Slot<A> {
    pub(crate) fn new(id: String, capacity: usize, gate: Gate, clock: Clock) -> Arc<Self> {
        Arc::new_cyclic(|slot: &Weak<Self>| {
            let queued: Weak<dyn Queued> = slot.clone();
            Self {
                queue: Mutex::new(Queue { waiting: VecDeque::new(), gate, taker: 0 }),
                capacity,
                arrivals: AtomicWaker::new(),
                clock,
                vitals: Arc::new(Vitals::new(id, "actor", capacity, QueueLength(queued))),
                path: OnceLock::new(),
            }
        })
    }

    pub(crate) fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn path(&self) -> Arc<str> {
        self.path.get().cloned().unwrap_or_else(|| Arc::from(self.vitals.id()))
    }

    pub(crate) fn set_path(&self, path: &str) {
        // A place keeps the path under which it was first started.
        let _ = self.path.set(Arc::from(path));
    }

    pub(crate) fn arrivals(&self) -> &AtomicWaker {
        &self.arrivals
    }

    pub(crate) fn gate(&self) -> Gate {
        self.lock().gate
    }

    pub(crate) fn queued_now(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Queues a letter, or gives it back with the reason.
    pub(crate) fn post<L: Parcel<A> + 'static>(&self, letter: L) -> Result<(), (L, AskError)> {
        {
            let mut queue = self.lock();
            let why = match queue.gate {
                Gate::Open if queue.waiting.len() < self.capacity => {
                    queue.waiting.push_back(Box::new(letter));
                    drop(queue);
                    self.arrivals.wake();
                    return Ok(());
                }
                Gate::Open => AskError::Busy { path: self.path(), capacity: self.capacity },
                Gate::Down { retry_at } => {
                    let retry_after = retry_at.map(|at| at.saturating_duration_since(self.clock.now()));
                    AskError::Down { path: self.path(), retry_after }
                }
                Gate::Closed => AskError::Closed { path: self.path() },
            };
            Err((letter, why))
        }
    }

    /// The next message, if `generation` is the one that may take it.
    pub(crate) fn take(&self, generation: u64) -> Option<Box<dyn Parcel<A>>> {
        let mut queue = self.lock();
        if queue.taker == generation { queue.waiting.pop_front() } else { None }
    }

    /// Whether `generation` is the one that may take messages.
    pub(crate) fn is_open_to(&self, generation: u64) -> bool {
        self.lock().taker == generation
    }

    /// A generation lives: it takes messages, and new ones come in.
    pub(crate) fn open(&self, generation: u64) {
        let mut queue = self.lock();
        queue.taker = generation;
        queue.gate = Gate::Open;
    }

    /// Nobody lives here for the moment; with `refuse` nothing comes in and what waited is let go.
    pub(crate) fn go_down(&self, refuse: bool, retry_at: Option<Instant>) {
        let mut queue = self.lock();
        queue.taker = 0;
        if refuse {
            queue.gate = Gate::Down { retry_at };
            let dropped = std::mem::take(&mut queue.waiting);
            drop(queue);
            drop(dropped);
        }
    }

    /// Nobody will ever live here again: who waits is told so.
    pub(crate) fn close(&self) {
        let mut queue = self.lock();
        queue.taker = 0;
        queue.gate = Gate::Closed;
        let dropped = std::mem::take(&mut queue.waiting);
        drop(queue);
        drop(dropped);
    }

    fn lock(&self) -> MutexGuard<'_, Queue<A>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Actor> Queued for Slot<A> {
    fn queued(&self) -> usize {
        self.queued_now()
    }
}
