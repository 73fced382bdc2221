//! Operations that fail once, twice or for a while: everything is as before, or recovery makes it so.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::memory_disk::{Crash, MemoryDisk, World};
use super::{change, id};
use crate::{Area, Change, Disk, Error, Journal, Lock, Mode, Operation, Outcome, Place, Stat};

type Fault = Arc<dyn Fn(usize, Operation) -> Option<io::ErrorKind> + Send + Sync>;

/// A disk whose operations fail as a function of their number and kind decides.
struct FaultyDisk<D> {
    disk: D,
    fault: Fault,
    seen: Arc<AtomicUsize>,
}

impl<D: Disk> FaultyDisk<D> {
    fn fault(&self, operation: Operation) -> io::Result<&D> {
        let number = self.seen.fetch_add(1, Ordering::Relaxed);
        match (self.fault)(number, operation) {
            Some(kind) => Err(kind.into()),
            None => Ok(&self.disk),
        }
    }
}

impl<D: Disk> Disk for FaultyDisk<D> {
    fn lock(&self) -> io::Result<Lock> {
        self.fault(Operation::Lock)?.lock()
    }
    fn stat(&self, at: &Place) -> io::Result<Option<Stat>> {
        self.fault(Operation::Stat)?.stat(at)
    }
    fn read(&self, at: &Place, limit_bytes: u64) -> io::Result<Vec<u8>> {
        self.fault(Operation::Read)?.read(at, limit_bytes)
    }
    fn list(&self, at: &Place) -> io::Result<Vec<String>> {
        self.fault(Operation::List)?.list(at)
    }
    fn create(&self, at: &Place, bytes: &[u8], mode: Mode) -> io::Result<()> {
        match self.fault(Operation::Create) {
            Ok(disk) => disk.create(at, bytes, mode),
            Err(error) => {
                // A full disk takes the name and half of the bytes.
                self.disk.create(at, &bytes[..bytes.len() / 2], mode)?;
                Err(error)
            }
        }
    }
    fn create_folder(&self, at: &Place) -> io::Result<()> {
        self.fault(Operation::CreateFolder)?.create_folder(at)
    }
    fn sync_file(&self, at: &Place) -> io::Result<()> {
        self.fault(Operation::SyncFile)?.sync_file(at)
    }
    fn sync_folder(&self, at: &Place) -> io::Result<()> {
        let allowed = self.fault(Operation::SyncFolder).map(drop);
        // A failed sync may have made everything durable all the same.
        self.disk.sync_folder(at)?;
        allowed
    }
    fn rename(&self, from: &Place, to: &Place) -> io::Result<()> {
        self.fault(Operation::Rename)?.rename(from, to)
    }
    fn rename_new(&self, from: &Place, to: &Place) -> io::Result<()> {
        self.fault(Operation::Rename)?.rename_new(from, to)
    }
    fn remove_file(&self, at: &Place) -> io::Result<()> {
        self.fault(Operation::Remove)?.remove_file(at)
    }
    fn remove_folder(&self, at: &Place) -> io::Result<()> {
        self.fault(Operation::RemoveFolder)?.remove_folder(at)
    }
}

fn before() -> World {
    let file = |text: &str, mode| Some((text.as_bytes().to_vec(), mode));
    World::from([
        ("a".to_owned(), file("one", 0o644)),
        ("b".to_owned(), file("bee", 0o755)),
        ("d".to_owned(), None),
        ("d/gone".to_owned(), file("gone", 0o600)),
    ])
}

fn changes() -> [Change; 4] {
    [
        change("a", Some(b"one"), Some(b"two")),
        change("new/file", None, Some(b"new")),
        change("d/gone", Some(b"gone"), None),
        change("b", Some(b"bee"), Some(b"wasp")),
    ]
}

/// Commits on a disk with faults; tells the disk, the result, and how many operations there were.
fn commit(fault: Fault) -> (MemoryDisk, Result<(), Error>, usize) {
    let disk = MemoryDisk::new(&before());
    let seen = Arc::new(AtomicUsize::new(0));
    let faulty = FaultyDisk { disk: disk.clone(), fault, seen: seen.clone() };
    let result = Journal::with_disk(faulty).commit(&id("t"), &changes()).map(drop);
    (disk, result, seen.load(Ordering::Relaxed))
}

fn operations() -> usize {
    let (_, result, operations) = commit(Arc::new(|_, _| None));
    result.unwrap();
    operations
}

fn after() -> World {
    commit(Arc::new(|_, _| None)).0.world(Area::Workspace)
}

/// After the faults are gone, recovery leaves the workspace as before and the journal empty.
fn recovers(disk: &MemoryDisk, when: &str) {
    for one in Journal::with_disk(disk.clone()).recover().unwrap() {
        assert!(matches!(one.outcome, Outcome::RolledBack), "{when}: {one:?}");
    }
    is_before(disk, when);
}

fn is_before(disk: &MemoryDisk, when: &str) {
    assert_eq!(disk.world(Area::Workspace), before(), "{when}");
    assert_eq!(disk.world(Area::Journal), World::new(), "{when}");
}

#[test]
fn one_failing_operation_leaves_everything_as_before_and_is_named() {
    let operations = operations();
    assert!(operations > 40, "only {operations} operations");
    for failing in 0..operations {
        let (disk, result, _) =
            commit(Arc::new(move |number, _| (number == failing).then_some(io::ErrorKind::Other)));
        let error = result.expect_err("a failed operation cannot end in a commit");
        assert!(matches!(error, Error::Io { .. }), "operation {failing}: {error:?}");
        is_before(&disk, &format!("operation {failing}"));
    }
}

#[test]
fn a_second_failure_while_taking_back_is_told_and_recovered() {
    let operations = operations();
    let mut unsettled = 0;
    for first in 0..operations {
        for second in first + 1..first + 60 {
            let fails = move |number| number == first || number == second;
            let (disk, result, _) =
                commit(Arc::new(move |number, _| fails(number).then_some(io::ErrorKind::Other)));
            let when = format!("operations {first} and {second}");
            if let Error::Unsettled { .. } = result.expect_err(&when) {
                unsettled += 1;
            } else {
                is_before(&disk, &when);
            }
            // Where the commit record itself was there, could not be made durable and could not be taken back,
            // recovery can only make it durable.
            if first + 1 == operations
                && Journal::with_disk(disk.clone()).outcome(&id("t")).is_ok_and(|it| it.is_some())
            {
                assert_eq!(disk.world(Area::Workspace), after(), "{when}");
            } else {
                recovers(&disk, &when);
            }
        }
    }
    assert!(unsettled > 100, "only {unsettled} of them failed twice");
}

#[test]
fn a_commit_record_that_may_be_durable_is_gone_before_the_first_file_goes_back() {
    let last = operations() - 1;
    for cut in 0.. {
        let mut dead = false;
        for seed in 0..16 {
            // The sync of the commit record fails, and the power is cut while everything is taken back.
            let disk = MemoryDisk::new(&before());
            disk.die_after(cut);
            let fault = move |number, _| (number == last).then_some(io::ErrorKind::Other);
            let faulty = FaultyDisk { disk: disk.clone(), fault: Arc::new(fault), seen: Arc::default() };
            Journal::with_disk(faulty).commit(&id("t"), &changes()).unwrap_err();
            dead = disk.is_dead();
            disk.crash(Crash::Torn(seed));

            let journal = Journal::with_disk(disk.clone());
            journal.recover().unwrap();
            let committed = journal.outcome(&id("t")).unwrap().is_some();
            let world = disk.world(Area::Workspace);
            assert_eq!(world, if committed { after() } else { before() }, "cut at {cut}, seed {seed}");
        }
        if !dead {
            assert!(cut > 40, "only {cut} operations");
            return;
        }
    }
}

#[test]
fn a_disk_that_is_full_from_any_moment_on_leaves_everything_as_before() {
    for from in 0..operations() {
        let full = move |number, operation| {
            let grows = matches!(operation, Operation::Create | Operation::CreateFolder);
            (number >= from && grows).then_some(io::ErrorKind::StorageFull)
        };
        let (disk, result, _) = commit(Arc::new(full));
        let when = format!("full from operation {from}");
        match result {
            // All that needs room was written before the first file changed.
            Ok(()) => assert_eq!(disk.world(Area::Workspace), after(), "{when}"),
            Err(Error::Io { source, .. }) => {
                assert_eq!(source.kind(), io::ErrorKind::StorageFull, "{when}");
                recovers(&disk, &when);
            }
            Err(error) => panic!("{when}: {error:?}"),
        }
    }
}

#[test]
fn a_disk_that_stays_broken_while_recovering_is_recovered_later() {
    // It breaks when all four files are changed and the commit record is not there.
    let breaks = operations() - 2;
    let (disk, _, _) = commit(Arc::new(move |number, _| (number >= breaks).then_some(io::ErrorKind::Other)));
    assert_eq!(disk.world(Area::Workspace), after());
    let faulty = |from| FaultyDisk {
        disk: disk.clone(),
        fault: Arc::new(move |number, _| (number >= from).then_some(io::ErrorKind::Other)),
        seen: Arc::default(),
    };
    for from in 0..8 {
        match Journal::with_disk(faulty(from)).recover() {
            Err(Error::Io { .. }) => assert!(from < 3),
            Ok(recovered) => {
                assert!(matches!(recovered[..], [ref one] if matches!(one.outcome, Outcome::Failed(_))))
            }
            Err(error) => panic!("{error:?}"),
        }
        let error = Journal::with_disk(disk.clone()).commit(&id("other"), &[]).unwrap_err();
        assert!(matches!(error, Error::Unfinished { .. }), "{error:?}");
    }
    recovers(&disk, "at last");
}
