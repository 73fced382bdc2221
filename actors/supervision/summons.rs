//! How a message that meets a sleeping child reaches its supervisor: a set that cannot be full.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The sleeping children of one supervisor that a message waits for, by their serials.
#[derive(Debug, Default)]
pub(crate) struct Summons {
    called: Mutex<BTreeSet<u64>>,
    bell: Notify,
}

/// One sleeping child's way to be woken.
#[derive(Debug)]
pub(crate) struct Summon {
    pub(crate) child: u64,
    pub(crate) to: Arc<Summons>,
}

impl Summons {
    /// Waits until somebody was called, and says who.
    pub(crate) async fn next(&self) -> BTreeSet<u64> {
        loop {
            let called = std::mem::take(&mut *self.called.lock().unwrap_or_else(PoisonError::into_inner));
            if !called.is_empty() {
                return called;
            }
            self.bell.notified().await;
        }
    }
}

impl Summon {
    pub(crate) fn call(self) {
        self.to.called.lock().unwrap_or_else(PoisonError::into_inner).insert(self.child);
        self.to.bell.notify_one();
    }
}
