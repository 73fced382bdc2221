//! A workspace's journal: one folder for each transaction, with its record, the pre-images of what it changes, and its
//! commit record.
//!
//! Promises: a record is durable before the workspace is touched; a transaction is committed exactly when its folder
//! has a commit record; a record leaves the journal before anything that it needs.

use std::io;
use std::path::Path;

use crate::record::{Record, Seal, Undone, decode, encode};
use crate::{
    Committed, ContentHash, Disk, Error, Lock, Mode, Place, RealDisk, RelPath, TransactionId, Workspace,
};

const RECORD: &str = "record";
const COMMIT: &str = "commit";
/// The commit record before its rename: at the commit itself nothing has to be allocated, so no full disk prevents it.
const PREPARED: &str = "commit.prepared";
const UNDONE: &str = "undone";
const PRIVATE: Mode = Mode::Exact(0o600);
const MAX_RECORD_BYTES: u64 = 16 * 1024 * 1024;
const MAX_TRANSACTIONS: usize = 10_000;

/// The transactions of one workspace. Only one of them runs at a time, in all processes that open the journal.
pub struct Journal {
    disk: Box<dyn Disk>,
}

/// How far a transaction came.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The journal does not know it.
    Absent,
    /// It never touched the workspace, or it is half forgotten.
    Unprepared,
    /// It may have touched the workspace.
    Open(Record),
    /// It was rolled back but for these paths.
    Undone(Record, Vec<RelPath>),
    /// It is committed.
    Committed(Record),
}

impl Journal {
    /// Opens the journal of `workspace` in `folder`, which is made (0700) where it is missing. Run
    /// [`Journal::recover`] before the first commit.
    ///
    /// # Errors
    /// `StateInsideWorkspace`; `Io` when the folder cannot be made or opened.
    pub fn open(workspace: &Workspace, folder: &Path) -> Result<Self, Error> {
        RealDisk::open(workspace, folder).map(Self::with_disk)
    }

    /// A journal on another disk, or on one with fail-points.
    pub fn with_disk(disk: impl Disk + 'static) -> Self {
        Self { disk: Box::new(disk) }
    }

    /// The transaction's paths if it is committed; `None` when it was never begun or was rolled back. Ask after
    /// recovery.
    ///
    /// # Errors
    /// `Unfinished` before recovery; `Damaged`, `UnknownVersion`, `Io`.
    pub fn outcome(&self, id: &TransactionId) -> Result<Option<Committed>, Error> {
        let _lock = self.lock()?;
        match self.load(id)? {
            Stage::Absent | Stage::Unprepared | Stage::Undone(..) => Ok(None),
            Stage::Open(_) => Err(Error::Unfinished { id: id.clone() }),
            Stage::Committed(record) => {
                // Its process may have died between the commit record and the sync.
                self.sync(&Place::transaction(id))?;
                Ok(Some(record.committed()))
            }
        }
    }

    /// Removes a finished transaction and its pre-images; one that is not there is forgotten already. It can no longer
    /// be reverted.
    ///
    /// # Errors
    /// `Unfinished` when it must be recovered first; `Damaged`, `UnknownVersion`, `Io`.
    pub fn forget(&self, id: &TransactionId) -> Result<(), Error> {
        let _lock = self.lock()?;
        match self.load(id)? {
            Stage::Absent => Ok(()),
            Stage::Open(_) => Err(Error::Unfinished { id: id.clone() }),
            Stage::Unprepared | Stage::Undone(..) | Stage::Committed(_) => self.discard(id),
        }
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        self.disk.lock().map_err(Error::io("lock", "journal"))
    }

    /// The transactions that have a folder, in the order of their ids.
    pub(crate) fn list(&self) -> Result<Vec<TransactionId>, Error> {
        let names = self.disk.list(&Place::journal_root()).map_err(Error::io("list", "journal"))?;
        if names.len() > MAX_TRANSACTIONS {
            let (what, limit) = ("transactions in the journal", MAX_TRANSACTIONS);
            return Err(Error::TooMany { what, limit, remedy: "forget old ones" });
        }
        names.into_iter().map(|name| name.parse().map_err(|_| Error::Damaged { file: name })).collect()
    }

    /// A second transaction over an unfinished one could be undone by the first one's recovery.
    pub(crate) fn refuse_unfinished(&self, id: &TransactionId) -> Result<(), Error> {
        for other in self.list()? {
            if other == *id {
                return Err(Error::IdTaken { id: other });
            }
            let folder = Place::transaction(&other);
            if self.stands(&folder.child(COMMIT))? || self.stands(&folder.child(UNDONE))? {
                continue;
            }
            return Err(Error::Unfinished { id: other });
        }
        Ok(())
    }

    pub(crate) fn load(&self, id: &TransactionId) -> Result<Stage, Error> {
        let folder = Place::transaction(id);
        if !self.stands(&folder)? {
            return Ok(Stage::Absent);
        }
        let Some(bytes) = self.read(&folder.child(RECORD))? else { return Ok(Stage::Unprepared) };
        let record: Option<Record> = decode(folder.child(RECORD).path(), &bytes)?;
        if let Some(seal) = self.read(&folder.child(COMMIT))? {
            let seal: Option<Seal> = decode(folder.child(COMMIT).path(), &seal)?;
            let names_it = seal.is_some_and(|seal| seal.id == *id && seal.record == ContentHash::of(&bytes));
            let whole = record.filter(|record| names_it && record.id == *id);
            return whole
                .map(Stage::Committed)
                .ok_or(Error::Damaged { file: folder.child(RECORD).path().to_owned() });
        }
        let Some(record) = record else { return Ok(Stage::Unprepared) };
        let undone = self.read(&folder.child(UNDONE))?.unwrap_or_default();
        match decode::<Undone>(folder.child(UNDONE).path(), &undone)? {
            Some(undone) => Ok(Stage::Undone(record, undone.conflicts)),
            None => Ok(Stage::Open(record)),
        }
    }

    /// Makes the record and the pre-images (by the number of their entry) durable.
    pub(crate) fn prepare(&self, record: &Record, pre_images: &[(usize, &[u8])]) -> Result<(), Error> {
        let folder = Place::transaction(&record.id);
        let at = &folder;
        self.disk.create_folder(at).map_err(Error::io("create", at))?;
        for (number, bytes) in pre_images {
            self.write(&pre_image(at, *number), bytes)?;
        }
        let bytes = encode(record);
        if bytes.len() as u64 > MAX_RECORD_BYTES {
            return Err(Error::TooLarge { what: at.to_string(), limit_bytes: MAX_RECORD_BYTES });
        }
        let seal = Seal { id: record.id.clone(), record: ContentHash::of(&bytes) };
        self.write(&at.child(PREPARED), &encode(&seal))?;
        self.write(&at.child(RECORD), &bytes)?;
        self.sync(at)?;
        self.sync(&Place::journal_root())
    }

    /// The commit: from here on the transaction stands.
    pub(crate) fn seal(&self, id: &TransactionId) -> Result<(), Error> {
        let folder = Place::transaction(id);
        let renamed = self.disk.rename(&folder.child(PREPARED), &folder.child(COMMIT));
        renamed.map_err(Error::io("commit", &folder))?;
        self.sync(&folder)
    }

    /// Takes back a commit record that may not have become durable.
    pub(crate) fn unseal(&self, id: &TransactionId) -> Result<(), Error> {
        let folder = Place::transaction(id);
        if self.stands(&folder.child(COMMIT))? {
            let renamed = self.disk.rename(&folder.child(COMMIT), &folder.child(PREPARED));
            renamed.map_err(Error::io("take back", &folder))?;
        }
        Ok(())
    }

    /// Notes what a rollback left alone; its pre-images stay.
    pub(crate) fn note_undone(&self, id: &TransactionId, conflicts: &[RelPath]) -> Result<(), Error> {
        let at = Place::transaction(id).child(UNDONE);
        if self.stands(&at)? {
            self.disk.remove_file(&at).map_err(Error::io("remove", &at))?;
        }
        self.write(&at, &encode(&Undone { conflicts: conflicts.to_vec() }))?;
        self.sync(&Place::transaction(id))
    }

    /// Makes durable what `note_undone` wrote, in a process that may have died on the way.
    pub(crate) fn keep_undone(&self, id: &TransactionId) -> Result<(), Error> {
        let at = Place::transaction(id).child(UNDONE);
        self.disk.sync_file(&at).map_err(Error::io("make durable", &at))?;
        self.sync(&Place::transaction(id))
    }

    /// The bytes that the entry's file had before the transaction.
    pub(crate) fn pre_image(
        &self,
        id: &TransactionId,
        entry: usize,
        hash: ContentHash,
    ) -> Result<Vec<u8>, Error> {
        let at = pre_image(&Place::transaction(id), entry);
        let bytes = self.read(&at)?.filter(|bytes| ContentHash::of(bytes) == hash);
        bytes.ok_or_else(|| Error::Damaged { file: at.path().to_owned() })
    }

    /// Removes what `prepare` made of a transaction before it failed.
    pub(crate) fn abandon(&self, id: &TransactionId) -> Result<(), Error> {
        if self.stands(&Place::transaction(id))? { self.discard(id) } else { Ok(()) }
    }

    /// Removes a transaction that nobody needs any more, its record first.
    pub(crate) fn discard(&self, id: &TransactionId) -> Result<(), Error> {
        let folder = Place::transaction(id);
        if self.stands(&folder.child(RECORD))? {
            self.disk.remove_file(&folder.child(RECORD)).map_err(Error::io("remove", &folder))?;
        }
        self.sync(&folder)?;
        for name in self.disk.list(&folder).map_err(Error::io("list", &folder))? {
            let at = folder.child(&name);
            self.disk.remove_file(&at).map_err(Error::io("remove", &at))?;
        }
        self.disk.remove_folder(&folder).map_err(Error::io("remove", &folder))?;
        self.sync(&Place::journal_root())
    }

    pub(crate) fn sync(&self, folder: &Place) -> Result<(), Error> {
        self.disk.sync_folder(folder).map_err(Error::io("make durable", folder))
    }

    fn stands(&self, at: &Place) -> Result<bool, Error> {
        self.disk.stat(at).map(|stat| stat.is_some()).map_err(Error::io("look at", at))
    }

    fn read(&self, at: &Place) -> Result<Option<Vec<u8>>, Error> {
        match self.disk.read(at, MAX_RECORD_BYTES) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", at)(error)),
        }
    }

    fn write(&self, at: &Place, bytes: &[u8]) -> Result<(), Error> {
        self.disk.create(at, bytes, PRIVATE).map_err(Error::io("write", at))?;
        self.disk.sync_file(at).map_err(Error::io("make durable", at))
    }
}

impl Record {
    pub(crate) fn committed(&self) -> Committed {
        let paths = self.entries.iter().map(|entry| entry.path.clone()).collect();
        Committed { id: self.id.clone(), paths }
    }
}

fn pre_image(folder: &Place, entry: usize) -> Place {
    folder.child(&format!("pre-{entry}"))
}
