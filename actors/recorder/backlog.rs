//! What waits to be recorded. It belongs to the recorder's place in the tree: a crash of the actor loses none of it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use store::{AuditEntry, MAX_RECORDS, Record};
use tokio::sync::{Notify, watch};
use tracing::error;
use units::UnixMillis;

use super::denials::Denials;
use super::{Source, Standing};

/// From so many rows on nobody begins new work: the writer or the disk has been behind for long.
const TIGHT: usize = 8 << 10;
/// From so many on everything is refused.
const FULL: usize = 32 << 10;
/// What is under way after that has so much room.
const MOST: usize = 64 << 10;

/// The rows that wait, in their order.
#[derive(Debug)]
pub(super) struct Backlog {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    /// How many have become durable.
    durable: watch::Sender<u64>,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    rows: VecDeque<Record>,
    /// How many have been told.
    told: u64,
    /// Somebody waits until so many are durable.
    wanted: u64,
    denials: Denials,
}

impl Default for Backlog {
    fn default() -> Self {
        let durable = watch::Sender::new(0);
        Self { waiting: Mutex::default(), arrived: Notify::new(), durable, lost: AtomicU64::new(0) }
    }
}

impl Backlog {
    pub(super) fn push(&self, row: Record) {
        let mut waiting = self.lock();
        self.add(&mut waiting, row);
        // Whoever gathers looks for the first row, for a whole batch, and for who cannot wait: nothing else is worth a thread
        // that wakes, which costs a request more than its row does.
        let is_awaited = matches!(waiting.rows.len(), 1 | MAX_RECORDS) || waiting.wanted > self.durable();
        drop(waiting);
        if is_awaited {
            self.arrived.notify_one();
        }
    }

    pub(super) fn deny(&self, source: Source, entry: AuditEntry) {
        let mut waiting = self.lock();
        let entry = waiting.denials.count(source, entry);
        drop(waiting);
        if let Some(entry) = entry {
            self.push(Record::Audit(entry));
        }
    }

    /// Adds what was counted of denials.
    pub(super) fn sum_up(&self, at: UnixMillis) {
        let mut waiting = self.lock();
        for entry in waiting.denials.sum_up(at) {
            self.add(&mut waiting, Record::Audit(entry));
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    fn add(&self, waiting: &mut Waiting, row: Record) {
        if waiting.rows.len() < MOST {
            waiting.rows.push_back(row);
            waiting.told += 1;
            return;
        }
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        if lost.is_power_of_two() {
            error!(lost, waiting = MOST, "a record has no room and is lost: nothing was written for long");
        }
    }

    /// Waits for a first row.
    pub(super) async fn some(&self) {
        self.until(|waiting| !waiting.rows.is_empty()).await;
    }

    /// Waits for a whole batch, or for somebody who cannot wait.
    pub(super) async fn enough(&self) {
        self.until(|waiting| waiting.rows.len() >= MAX_RECORDS || waiting.wanted > self.durable()).await;
    }

    async fn until(&self, is_so: impl Fn(&Waiting) -> bool) {
        loop {
            // Who arrives between the look and the wait has left word.
            if is_so(&self.lock()) {
                return;
            }
            self.arrived.notified().await;
        }
    }

    /// The oldest rows; they stay until they are [done](Self::done).
    pub(super) fn batch(&self) -> Vec<Record> {
        self.lock().rows.iter().take(MAX_RECORDS).cloned().collect()
    }

    /// So many of the oldest rows are durable.
    pub(super) fn done(&self, count: usize) {
        let mut waiting = self.lock();
        let count = count.min(waiting.rows.len());
        waiting.rows.drain(..count);
        drop(waiting);
        self.durable.send_modify(|durable| *durable += count as u64);
    }

    /// Waits until all that was told before is durable.
    pub(super) async fn flushed(&self) {
        let wanted = {
            let mut waiting = self.lock();
            waiting.wanted = waiting.told;
            waiting.told
        };
        self.arrived.notify_one();
        // Its sender is here: the wait ends only when it is so.
        let _ = self.durable.subscribe().wait_for(|durable| *durable >= wanted).await;
    }

    pub(super) fn len(&self) -> usize {
        self.lock().rows.len()
    }

    /// Counts rows that never get here.
    pub(super) fn lose(&self, rows: u64) {
        self.lost.fetch_add(rows, Ordering::Relaxed);
    }

    /// How many rows had no room.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn standing(&self) -> Standing {
        match self.len() {
            0..TIGHT => Standing::Room,
            TIGHT..FULL => Standing::Tight,
            FULL.. => Standing::Full,
        }
    }

    fn durable(&self) -> u64 {
        *self.durable.borrow()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
