//! A fail-point for a disk: calls a function just before one chosen operation, for instance to end the process there.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Disk, Lock, Mode, Operation, Place, Stat};

/// A disk that calls `interrupt` before the `nth` operation of a kind (the first is 1), then goes on.
#[derive(Debug)]
pub struct Interrupting<D> {
    disk: D,
    operation: Operation,
    nth: usize,
    interrupt: fn(),
    seen: AtomicUsize,
}

impl<D: Disk> Interrupting<D> {
    /// Wraps `disk`. A transaction of n files renames n times for them and once more to commit.
    pub fn new(disk: D, operation: Operation, nth: usize, interrupt: fn()) -> Self {
        Self { disk, operation, nth, interrupt, seen: AtomicUsize::new(0) }
    }

    fn before(&self, operation: Operation) -> &D {
        if operation == self.operation && self.seen.fetch_add(1, Ordering::Relaxed) + 1 == self.nth {
            (self.interrupt)();
        }
        &self.disk
    }
}

impl<D: Disk> Disk for Interrupting<D> {
    fn lock(&self) -> io::Result<Lock> {
        self.before(Operation::Lock).lock()
    }

    fn stat(&self, at: &Place) -> io::Result<Option<Stat>> {
        self.before(Operation::Stat).stat(at)
    }

    fn read(&self, at: &Place, limit_bytes: u64) -> io::Result<Vec<u8>> {
        self.before(Operation::Read).read(at, limit_bytes)
    }

    fn list(&self, at: &Place) -> io::Result<Vec<String>> {
        self.before(Operation::List).list(at)
    }

    fn create(&self, at: &Place, bytes: &[u8], mode: Mode) -> io::Result<()> {
        self.before(Operation::Create).create(at, bytes, mode)
    }

    fn create_folder(&self, at: &Place) -> io::Result<()> {
        self.before(Operation::CreateFolder).create_folder(at)
    }

    fn sync_file(&self, at: &Place) -> io::Result<()> {
        self.before(Operation::SyncFile).sync_file(at)
    }

    fn sync_folder(&self, at: &Place) -> io::Result<()> {
        self.before(Operation::SyncFolder).sync_folder(at)
    }

    fn rename(&self, from: &Place, to: &Place) -> io::Result<()> {
        self.before(Operation::Rename).rename(from, to)
    }

    fn rename_new(&self, from: &Place, to: &Place) -> io::Result<()> {
        self.before(Operation::Rename).rename_new(from, to)
    }

    fn remove_file(&self, at: &Place) -> io::Result<()> {
        self.before(Operation::Remove).remove_file(at)
    }

    fn remove_folder(&self, at: &Place) -> io::Result<()> {
        self.before(Operation::RemoveFolder).remove_folder(at)
    }
}
