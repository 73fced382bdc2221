//! Names of living places: one registry per tree, so that many trees stand side by side in one process.

use std::any::Any;
use std::sync::Arc;

use actix::Actor;
use dashmap::DashMap;

use crate::{Handle, Mailbox};

/// Finds mailboxes and supervisors by their paths, such as `root/writer`.
#[derive(Clone, Default)]
pub struct Registry(Arc<DashMap<String, Arc<dyn Any + Send + Sync>>>);

impl Registry {
    /// The mailbox at `path`, if a child with that kind of actor has its place there.
    pub fn find<A: Actor>(&self, path: &str) -> Option<Mailbox<A>>
    where
        Mailbox<A>: Clone + Send + Sync + 'static,
    {
        self.0.get(path)?.downcast_ref::<Mailbox<A>>().cloned()
    }

    /// The supervisor at `path`, if one has its place there.
    pub fn supervisor(&self, path: &str) -> Option<Handle> {
        self.0.get(path)?.downcast_ref::<Handle>().cloned()
    }

    pub(crate) fn enter(&self, path: String, mailbox: Arc<dyn Any + Send + Sync>) {
        self.0.insert(path, mailbox);
    }

    pub(crate) fn leave(&self, path: &str) {
        self.0.remove(path);
    }
}
