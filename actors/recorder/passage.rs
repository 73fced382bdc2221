//! The way of the rows into the database: straight to the writer, or through the spool.
//!
//! A batch says where in the stream of this server's rows it goes, and the database keeps that place in the same
//! transaction. So a batch whose outcome is unknown is sent again, and what was written of it is not written twice.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::Clock;
use spool::Spool;
use store::{MAX_RECORDS, Record, Records, Write, WriteError};
use tokio::sync::Notify;
use tracing::{error, info, warn};
use units::NodeId;

use super::backlog::Backlog;
use super::{Standing, Stuck, Way};
use crate::blocking;
use crate::writer::{self, Pen};

/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_millis(500);
/// After so long without a word a write counts as one that is not taken now.
const SLOW: Duration = Duration::from_secs(3);
/// About how many bytes are drained in one batch.
const PAGE_BYTES: usize = 4 << 20;

/// The way, and how far it has been gone.
pub(super) struct Passage {
    node: NodeId,
    pen: Pen,
    clock: Clock,
    /// How far the rows are in the database: rows on the straight way, bytes of the spool's stream on the other.
    recorded: AtomicU64,
    spool: Option<Spooled>,
    /// Whether the database takes rows.
    database: Taking,
}

struct Spooled {
    spool: Arc<Mutex<Spool>>,
    /// Bytes that wait in it.
    waiting: Arc<AtomicU64>,
    grown: Notify,
    /// Something was drained, or could not be.
    moved: Notify,
    /// Whether the disk takes rows.
    disk: Taking,
    tight: u64,
    full: u64,
}

/// Whether rows are taken somewhere, so that it is said once when they are not, and once when they are again.
struct Taking {
    place: &'static str,
    is_stuck: AtomicBool,
}

/// A row and where the stream goes on after it; `None` where it cannot be read.
type Placed = (u64, Option<Record>);

impl Passage {
    pub(super) fn new(node: NodeId, recorded: u64, pen: Pen, way: Option<Way>, clock: Clock) -> Self {
        let spool = way.map(|Way { spool, tight, full }| {
            if spool.waiting() > 0 {
                info!(bytes = spool.waiting(), "records of an earlier process wait in the spool");
            }
            let waiting = Arc::new(AtomicU64::new(spool.waiting()));
            let (spool, disk) = (Arc::new(Mutex::new(spool)), Taking::new("the spool"));
            Spooled { spool, waiting, grown: Notify::new(), moved: Notify::new(), disk, tight, full }
        });
        let (recorded, database) = (AtomicU64::new(recorded), Taking::new("the database"));
        Self { node, pen, clock, recorded, spool, database }
    }

    pub(super) fn node(&self) -> &NodeId {
        &self.node
    }

    pub(super) fn standing(&self) -> Standing {
        let Some(spooled) = &self.spool else { return Standing::Room };
        let waiting = spooled.waiting.load(Ordering::Acquire);
        if waiting >= spooled.full {
            Standing::Full
        } else if waiting >= spooled.tight {
            Standing::Tight
        } else {
            Standing::Room
        }
    }

    /// Bytes that wait in the spool.
    pub(super) fn waiting(&self) -> u64 {
        self.spool.as_ref().map_or(0, |spooled| spooled.waiting.load(Ordering::Acquire))
    }

    /// Bytes that may wait in the spool before new work is refused.
    pub(super) fn room(&self) -> u64 {
        self.spool.as_ref().map_or(0, |spooled| spooled.tight)
    }

    /// Where nothing is taken now.
    pub(super) fn stuck(&self) -> Stuck {
        let disk = self.spool.as_ref().is_some_and(|spooled| spooled.disk.is_stuck());
        Stuck { database: self.database.is_stuck(), disk }
    }

    /// Waits until the database has all that is in the spool, or takes nothing now.
    pub(super) async fn drained(&self) {
        let Some(spooled) = &self.spool else { return };
        loop {
            let mut moved = pin!(spooled.moved.notified());
            // Who moves something between the look and the wait is heard.
            moved.as_mut().enable();
            if spooled.waiting.load(Ordering::Acquire) == 0 || self.database.is_stuck() {
                return;
            }
            moved.await;
        }
    }

    /// Takes what waits to where it is durable, for ever.
    pub(super) async fn gather(&self, backlog: &Arc<Backlog>, window: Duration) {
        loop {
            backlog.some().await;
            // Either way a batch is taken.
            let _ = self.clock.timeout(window, backlog.enough()).await;
            match &self.spool {
                Some(spooled) => self.spool(spooled, backlog).await,
                None => self.write(backlog, backlog.batch()).await,
            }
        }
    }

    async fn write(&self, backlog: &Backlog, rows: Vec<Record>) {
        let before = self.recorded();
        let placed: Vec<Placed> = (before + 1..).zip(rows.into_iter().map(Some)).collect();
        let end = before + placed.len() as u64;
        let settled = AtomicU64::new(before);
        // Each row leaves the backlog in the moment in which its place is known: the life may end before the next row, and
        // the next life begins with what is left. A batch before this one may have been written in part of what it is now.
        let settle = |recorded: u64| {
            let recorded = recorded.min(end);
            let earlier = settled.fetch_max(recorded, Ordering::AcqRel);
            backlog.done(usize::try_from(recorded.saturating_sub(earlier)).unwrap_or(usize::MAX));
        };
        self.deliver(placed, &settle).await;
    }

    async fn spool(&self, spooled: &Spooled, backlog: &Arc<Backlog>) {
        loop {
            let (backlog, spool, waiting) = (backlog.clone(), spooled.spool.clone(), spooled.waiting.clone());
            // Taken, appended and let go of under one lock: this goes on when the life that began it has ended, and the
            // next life takes only what is left.
            let appended = blocking(move || {
                let mut spool = lock(&spool);
                let rows = backlog.batch();
                let encoded: Vec<Vec<u8>> = rows.iter().map(Record::encode).collect();
                let appended = spool.append(encoded.iter().map(Vec::as_slice));
                // Said first: whoever waits for these rows looks next at what waits here.
                waiting.store(spool.waiting(), Ordering::Release);
                if appended.is_ok() {
                    backlog.done(rows.len());
                }
                appended
            });
            match appended.await {
                Ok(_) => break,
                Err(error) => self.rest(&spooled.disk, &error).await,
            }
        }
        spooled.disk.takes();
        spooled.grown.notify_one();
    }

    /// Drains the spool, for ever; where there is none, it is over.
    pub(super) async fn drain(&self) {
        let Some(spooled) = &self.spool else { return };
        loop {
            let (position, spool) = (self.recorded(), spooled.spool.clone());
            let page = blocking(move || lock(&spool).read(position, MAX_RECORDS, PAGE_BYTES)).await;
            match page {
                Err(error) => self.rest(&spooled.disk, &error).await,
                Ok(page) if page.is_empty() => spooled.grown.notified().await,
                Ok(page) => {
                    let placed = page.into_iter().map(|found| (found.upto, decoded(&found.bytes)));
                    let recorded = self.deliver(placed.collect(), &|_| ()).await;
                    let (spool, waiting) = (spooled.spool.clone(), spooled.waiting.clone());
                    let forgotten = blocking(move || {
                        let mut spool = lock(&spool);
                        let forgotten = spool.forget(recorded);
                        waiting.store(spool.waiting(), Ordering::Release);
                        forgotten
                    });
                    if let Err(error) = forgotten.await {
                        warn!(%error, "records that are written stay in the spool for now");
                    }
                    spooled.moved.notify_waiters();
                }
            }
        }
    }

    /// Writes rows, however long that takes; how far the rows of this server are written then. `written` is told that on the
    /// way too, whenever it has changed.
    async fn deliver(&self, rows: Vec<Placed>, written: &(dyn Fn(u64) + Sync)) -> u64 {
        let Some(&(upto, _)) = rows.last() else { return self.recorded() };
        let known = rows.iter().filter_map(|(_, row)| row.clone()).collect();
        match self.attempt(upto, known).await {
            Ok(recorded) => written(recorded),
            Err(refused) => {
                warn!(%refused, rows = rows.len(), "a batch of records is refused: they are written one by one");
                self.one_by_one(rows, written).await;
            }
        }
        self.recorded()
    }

    async fn one_by_one(&self, rows: Vec<Placed>, written: &(dyn Fn(u64) + Sync)) {
        for (upto, row) in rows {
            // More than once only where the database has gone back since it was last heard of.
            while self.recorded() < upto {
                match self.attempt(upto, row.clone().into_iter().collect()).await {
                    Ok(recorded) => {
                        written(recorded);
                        continue;
                    }
                    // It would be refused for ever, and all behind it would wait.
                    Err(refused) => {
                        error!(%refused, ?row, "a record is refused by the database and left out");
                    }
                }
                match self.attempt(upto, Vec::new()).await {
                    Ok(recorded) => written(recorded),
                    Err(refused) => {
                        error!(%refused, "the place of a record that is left out is refused");
                        break;
                    }
                }
            }
        }
    }

    /// Writes rows together; `Err` when they are refused for what they are.
    async fn attempt(&self, upto: u64, rows: Vec<Record>) -> Result<u64, WriteError> {
        loop {
            let records =
                Records { node: self.node.clone(), after: self.recorded(), upto, rows: rows.clone() };
            let mut writing = pin!(self.pen.write(|reply| Write::Record { records, reply }));
            let written = match self.clock.timeout(SLOW, writing.as_mut()).await {
                Ok(written) => written,
                // A writer that cannot reach the database tries on, and lets whoever writes wait for it.
                Err(clock::Elapsed) => {
                    self.refused(&self.database, &super::Error::Behind(SLOW));
                    writing.await
                }
            };
            let recorded = match written {
                Ok(()) => upto,
                // The database has gone on, or back, since it was last heard of.
                Err(writer::Error::Refused(WriteError::Misplaced { recorded })) => recorded,
                Err(writer::Error::Refused(
                    refused @ (WriteError::TooLarge { .. }
                    | WriteError::NotText { .. }
                    | WriteError::Refused(_)),
                )) => return Err(refused),
                Err(error) => {
                    self.rest(&self.database, &error).await;
                    continue;
                }
            };
            self.recorded.store(recorded, Ordering::Release);
            self.database.takes();
            return Ok(recorded);
        }
    }

    /// Says once that nothing is taken there, and waits a little.
    async fn rest(&self, at: &Taking, error: &(dyn std::error::Error + Sync)) {
        self.refused(at, error);
        self.clock.sleep(PAUSE).await;
    }

    fn refused(&self, at: &Taking, error: &(dyn std::error::Error + Sync)) {
        at.refuses(error);
        if let Some(spooled) = &self.spool {
            spooled.moved.notify_waiters();
        }
    }

    fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::Acquire)
    }
}

impl Taking {
    fn new(place: &'static str) -> Self {
        Self { place, is_stuck: AtomicBool::new(false) }
    }

    fn is_stuck(&self) -> bool {
        self.is_stuck.load(Ordering::Acquire)
    }

    fn takes(&self) {
        if self.is_stuck.swap(false, Ordering::AcqRel) {
            info!(place = self.place, "records are taken again");
        }
    }

    fn refuses(&self, error: &(dyn std::error::Error + Sync)) {
        if !self.is_stuck.swap(true, Ordering::AcqRel) {
            warn!(%error, place = self.place, "records are not taken now; they wait");
        }
    }
}

fn decoded(bytes: &[u8]) -> Option<Record> {
    Record::decode(bytes)
        .inspect_err(|reason| error!(reason, "a record in the spool cannot be read and is left out"))
        .ok()
}

fn lock(spool: &Mutex<Spool>) -> MutexGuard<'_, Spool> {
    spool.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
