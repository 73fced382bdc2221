//! What the store does: transactions, how large and how slow, what waits for the writing thread, and the room it takes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clock::Clock;
use prometheus::{Histogram, IntCounter, IntGauge};
use store::{Readers, Transaction};
use tokio::sync::{Semaphore, mpsc};

use super::shelf::{Shelf, shown};
use crate::blocking;

/// How long a scrape waits for the size of the database; past that it shows the last one.
const SIZE_WITHIN: Duration = Duration::from_secs(1);
/// Writes in one transaction.
const WRITES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// In seconds.
const COMMIT: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The families. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Storage {
    committed: IntCounter,
    failed: IntCounter,
    writes: Histogram,
    commit: Histogram,
    waiting: IntGauge,
    room: IntGauge,
    size: IntGauge,
    inbox: Arc<Mutex<Option<mpsc::WeakSender<store::Write>>>>,
}

/// Asks the database for its size, one at a time.
#[derive(Clone)]
pub(crate) struct Scale {
    readers: Readers,
    clock: Clock,
    turn: Arc<Semaphore>,
}

impl Storage {
    pub(super) fn new(shelf: &Shelf) -> Self {
        let transactions = shelf.counters(
            "impresario_store_transactions_total",
            "Transactions that wrote, by how they ended; of one that failed each write is tried again by itself.",
            &["outcome"],
        );
        Self {
            committed: transactions.with_label_values(&["committed"]),
            failed: transactions.with_label_values(&["failed"]),
            writes: shelf.histogram(
                "impresario_store_transaction_writes",
                "Writes in one transaction.",
                &WRITES,
            ),
            commit: shelf.histogram(
                "impresario_store_commit_seconds",
                "Time from a transaction's begin to the end of its commit.",
                &COMMIT,
            ),
            waiting: shelf.gauge("impresario_store_inbox_writes", "Writes that wait for the writing thread."),
            room: shelf.gauge(
                "impresario_store_inbox_capacity_writes",
                "Writes that may wait for the writing thread.",
            ),
            size: shelf.gauge(
                "impresario_store_size_bytes",
                "Room that the database takes, without the log that a file has beside it.",
            ),
            inbox: Arc::default(),
        }
    }

    /// A writing thread takes what comes through `inbox` from now on.
    pub(crate) fn opened(&self, inbox: &mpsc::Sender<store::Write>) {
        *self.inbox.lock().unwrap_or_else(PoisonError::into_inner) = Some(inbox.downgrade());
    }

    /// Counts and times the transactions of one writing thread.
    pub(crate) fn watcher(&self, clock: Clock) -> impl FnMut(Transaction) + Send + use<> {
        let families = self.clone();
        let mut began = None;
        move |transaction| match transaction {
            Transaction::Begins { writes } => began = Some((clock.now(), writes)),
            Transaction::Committed => {
                families.committed.inc();
                if let Some((at, writes)) = began.take() {
                    families.writes.observe(f64::from(u32::try_from(writes).unwrap_or(u32::MAX)));
                    families.commit.observe(clock.now().saturating_duration_since(at).as_secs_f64());
                }
            }
            Transaction::Failed => families.failed.inc(),
        }
    }

    /// `size` is that of the database, where it was to be had.
    pub(super) fn observe(&self, size: Option<u64>) {
        let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        // Between two threads nothing waits.
        let (waiting, room) = inbox.as_ref().and_then(mpsc::WeakSender::upgrade).map_or((0, 0), |inbox| {
            (inbox.max_capacity().saturating_sub(inbox.capacity()), inbox.max_capacity())
        });
        self.waiting.set(shown(waiting));
        self.room.set(shown(room));
        if let Some(size) = size {
            self.size.set(shown(size));
        }
    }
}

impl Scale {
    pub(crate) fn new(readers: Readers, clock: Clock) -> Self {
        Self { readers, clock, turn: Arc::new(Semaphore::new(1)) }
    }

    /// In bytes; `None` where the database does not say so in time, or is still being asked.
    pub(crate) async fn read(&self) -> Option<u64> {
        let turn = self.turn.clone().try_acquire_owned().ok()?;
        let readers = self.readers.clone();
        let reading = blocking(move || {
            let _turn = turn;
            readers.size()
        });
        match self.clock.timeout(SIZE_WITHIN, reading).await {
            Ok(Ok(size)) => Some(size),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the size of the database is not to be had");
                None
            }
            Err(clock::Elapsed) => None,
        }
    }
}
