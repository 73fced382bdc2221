//! The cell pattern: what an actor publishes for the request path, which reads it and never awaits the actor.
//!
//! A cell belongs to its child's place in the tree, not to the actor: it survives restarts, so a crash resets no limit
//! and closes no open breaker. An actor publishes by writing its cell; readers hold the `Arc` that was given to
//! [`crate::ChildSpec::cell`] or find it by path with [`crate::Registry::cell`]. While nobody lives there the cell
//! answers by its own rule, which its type states and which [`Cell::down`] switches on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arc_swap::{ArcSwap, Guard};

use crate::End;

/// What supervision tells a published cell about its child's life, so that it answers by its rule while nobody lives.
///
/// Called on the supervisor's thread: only flip atomics here.
pub trait Cell: Send + Sync + 'static {
    /// The child ended; until [`Cell::up`] nobody tends the cell. `retry_at` is when the next life starts, if one does.
    fn down(&self, end: &End, retry_at: Option<Instant>);

    /// A fresh child of this generation lives.
    fn up(&self, generation: u64);
}

/// A cell that holds one value, read without waiting and replaced as a whole.
///
/// Its rule while its actor is down: the last value published still stands; [`Snapshot::is_tended`] tells that it may age.
#[derive(Debug)]
pub struct Snapshot<T> {
    value: Arc<ArcSwap<T>>,
    tended: AtomicBool,
}

impl<T> Snapshot<T> {
    /// A cell that holds `value` before its actor has published anything.
    pub fn new(value: T) -> Self {
        Self { value: Arc::new(ArcSwap::from_pointee(value)), tended: AtomicBool::new(false) }
    }

    /// The value in force, for a moment; do not hold it over an await.
    pub fn load(&self) -> Guard<Arc<T>> {
        self.value.load()
    }

    /// The value in force, to keep.
    pub fn load_full(&self) -> Arc<T> {
        self.value.load_full()
    }

    /// The bare value, for readers that know nothing of supervision.
    pub fn shared(&self) -> Arc<ArcSwap<T>> {
        self.value.clone()
    }

    /// Puts `value` in force for all readers from now on.
    pub fn publish(&self, value: impl Into<Arc<T>>) {
        self.value.store(value.into());
    }

    /// Whether its actor lives.
    pub fn is_tended(&self) -> bool {
        self.tended.load(Ordering::Acquire)
    }
}

impl<T: Send + Sync + 'static> Cell for Snapshot<T> {
    fn down(&self, _: &End, _: Option<Instant>) {
        self.tended.store(false, Ordering::Release);
    }

    fn up(&self, _: u64) {
        self.tended.store(true, Ordering::Release);
    }
}
