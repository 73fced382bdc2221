//! Names of living places: one registry per tree, so that many trees stand side by side in one process.

use std::any::Any;
use std::sync::Arc;

use actix::Actor;
use dashmap::DashMap;

use crate::{Cell, Handle, Mailbox, Place};

/// Finds what has its place in a tree by its path, such as `root/storage/writer`.
#[derive(Clone, Default)]
pub struct Registry(Arc<DashMap<Arc<str>, Entry>>);

/// What can be found at one path.
pub(crate) struct Entry {
    pub(crate) place: Place,
    /// A `Mailbox` or a `Handle`.
    pub(crate) address: Arc<dyn Any + Send + Sync>,
    pub(crate) cell: Option<Arc<dyn Any + Send + Sync>>,
}

impl Registry {
    /// The mailbox at `path`, if a child with that kind of actor has its place there.
    pub fn find<A: Actor>(&self, path: &str) -> Option<Mailbox<A>>
    where
        Mailbox<A>: Clone + Send + Sync + 'static,
    {
        self.0.get(path)?.address.downcast_ref::<Mailbox<A>>().cloned()
    }

    /// The supervisor at `path`, if one has its place there.
    pub fn supervisor(&self, path: &str) -> Option<Handle> {
        self.0.get(path)?.address.downcast_ref::<Handle>().cloned()
    }

    /// The cell that the child at `path` publishes, if it is of that type.
    pub fn cell<C: Cell>(&self, path: &str) -> Option<Arc<C>> {
        self.0.get(path)?.cell.clone()?.downcast().ok()
    }

    /// The place at `path`, whatever lives there.
    pub fn place(&self, path: &str) -> Option<Place> {
        self.0.get(path).map(|entry| entry.place.clone())
    }

    pub(crate) fn enter(&self, path: Arc<str>, entry: Entry) {
        self.0.insert(path, entry);
    }

    pub(crate) fn leave(&self, path: &str) {
        self.0.remove(path);
    }
}
