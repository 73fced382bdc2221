//! Taking back what an unfinished transaction did, as often as it takes.
//!
//! Only a file that is exactly what the transaction made of it is restored. Whatever else stands there is somebody
//! else's work: it is left alone and named. Everything is durable before the record may leave the journal.

use std::collections::BTreeSet;
use std::io;

use crate::record::{Entry, FileState, Record, same};
use crate::transaction::{Found, beside, examine};
use crate::{Error, Journal, Kind, Mode, Place, RelPath, TransactionId};

impl Journal {
    /// Restores the first `touched` entries and returns the paths that were left alone.
    pub(crate) fn roll_back(&self, record: &Record, touched: usize) -> Result<Vec<RelPath>, Error> {
        // The commit record's absence must be durable before the first file goes back.
        self.sync(&Place::transaction(&record.id))?;
        self.make_again(&record.unmakes)?;
        self.remove_temporaries(record)?;
        let mut conflicts = Vec::new();
        for (number, entry) in record.entries.iter().enumerate().take(touched).rev() {
            if !entry.is_assertion() && !self.restore(&record.id, number, entry)? {
                conflicts.push(entry.path.clone());
            }
        }
        self.remove_empty(&record.makes)?;
        self.sync_folders_of(record)?;
        conflicts.reverse();
        Ok(conflicts)
    }

    /// Ends a transaction that was rolled back.
    pub(crate) fn close(&self, id: &TransactionId, conflicts: &[RelPath]) -> Result<(), Error> {
        if conflicts.is_empty() { self.discard(id) } else { self.note_undone(id, conflicts) }
    }

    /// Removes folders that are empty, innermost first; others are somebody's.
    pub(crate) fn remove_empty(&self, folders: &[RelPath]) -> Result<(), Error> {
        for folder in folders.iter().rev() {
            let at = Place::workspace(folder);
            if let Err(error) = self.disk().remove_folder(&at)
                && !is_somebodys(&error)
            {
                return Err(Error::io("remove", &at)(error));
            }
        }
        Ok(())
    }

    /// Makes durable the folders in which the transaction changed names.
    pub(crate) fn sync_folders_of(&self, record: &Record) -> Result<(), Error> {
        let files = record.entries.iter().filter(|entry| !entry.is_assertion()).map(|entry| &entry.path);
        let paths = files.chain(&record.makes).chain(&record.unmakes);
        let folders: BTreeSet<Place> = paths.map(|path| Place::workspace(path).parent()).collect();
        for folder in folders {
            match self.disk().sync_folder(&folder) {
                Err(error) if !is_somebodys(&error) => return Err(Error::io("make durable", &folder)(error)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Makes the folders again that the transaction may have removed.
    fn make_again(&self, folders: &[RelPath]) -> Result<(), Error> {
        for folder in folders {
            let at = Place::workspace(folder);
            match self.disk().create_folder(&at) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !is_somebodys(&error) => {
                    return Err(Error::io("create", &at)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Removes the files that were written beside their targets; a folder moved away meanwhile may come back later.
    pub(crate) fn remove_temporaries(&self, record: &Record) -> Result<(), Error> {
        for (number, entry) in record.entries.iter().enumerate() {
            self.remove_temporary(&entry.path, &record.id, number)?;
        }
        Ok(())
    }

    fn remove_temporary(&self, path: &RelPath, id: &TransactionId, number: usize) -> Result<(), Error> {
        let at = beside(path, id, number);
        match self.disk().stat(&at) {
            Ok(Some(stat)) if stat.kind == Kind::File => {}
            Ok(_) => return Ok(()),
            Err(error) if is_somebodys(&error) => return Ok(()),
            Err(error) => return Err(Error::io("look at", &at)(error)),
        }
        self.disk().remove_file(&at).map_err(Error::io("remove", &at))
    }

    /// Gives one file its pre-image back; `false`: it was left alone.
    fn restore(&self, id: &TransactionId, number: usize, entry: &Entry) -> Result<bool, Error> {
        let (now, parent_stands) = match examine(self.disk(), &entry.path)? {
            Found::Obstacle(_) => return Ok(false),
            Found::Nothing { parent_stands } => (None, parent_stands),
            Found::File { state, .. } => (Some(state), true),
        };
        if same(now, entry.base) {
            return Ok(true);
        }
        if !same(now, entry.post) || !parent_stands {
            return Ok(false);
        }
        let Some(base) = entry.base else {
            let at = Place::workspace(&entry.path);
            return self.disk().remove_file(&at).map(|()| true).map_err(Error::io("remove", &at));
        };
        self.write_back(id, number, entry, base)
    }

    fn write_back(
        &self,
        id: &TransactionId,
        number: usize,
        entry: &Entry,
        base: FileState,
    ) -> Result<bool, Error> {
        let disk = self.disk();
        let bytes = self.pre_image(id, number, base.hash)?;
        let (old, target) = (beside(&entry.path, id, number), Place::workspace(&entry.path));
        disk.create(&old, &bytes, Mode::Exact(base.mode)).map_err(Error::io("write", &old))?;
        disk.sync_file(&old).map_err(Error::io("make durable", &old))?;
        let now = match examine(disk, &entry.path)? {
            Found::Obstacle(_) => None,
            Found::Nothing { .. } => Some(None),
            Found::File { state, .. } => Some(Some(state)),
        };
        let renamed = match now {
            Some(None) if entry.post.is_none() => disk.rename_new(&old, &target),
            Some(Some(now)) if same(Some(now), entry.post) => disk.rename(&old, &target),
            Some(_) | None => Err(io::ErrorKind::AlreadyExists.into()),
        };
        match renamed {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                disk.remove_file(&old).map_err(Error::io("remove", &old))?;
                Ok(false)
            }
            Err(error) => Err(Error::io("restore", &target)(error)),
        }
    }
}

/// Whether a folder is gone, not empty, or something else by now.
fn is_somebodys(error: &io::Error) -> bool {
    use io::ErrorKind::{DirectoryNotEmpty, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | DirectoryNotEmpty | NotADirectory)
}
