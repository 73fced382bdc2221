//! Working copies in which a change is tried before it is committed, kept and used again (ADR 0003).
//!
//! A copy belongs to one overlay at a time, by a lock that ends with the overlay or its process. A copy that cannot be
//! brought to the workspace's state is deleted and made anew.

use std::fs::TryLockError;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::files::{MAX_FILE_BYTES, read_inside};
use crate::folder::{Folder, create_private};
use crate::sync::{Failed, Synced, current, sync, write_with};
use crate::walk::{LeftOut, MAX_FILES, walk};
use crate::{Change, Error, Kind, Lock, RelPath, Snapshot, Stamp, Workspace};

const MAX_COPIES: usize = 16;
const MAX_WRITTEN_BYTES: u64 = 16 * 1024 * 1024;
const TREE: &str = "tree";
const WRITTEN: &str = "written";

/// The working copies of every workspace, at most 16 of each.
#[derive(Clone, Debug)]
pub struct Pool {
    folder: PathBuf,
}

/// A working copy in use; it goes back to the pool when dropped.
#[derive(Debug)]
pub struct Overlay {
    path: PathBuf,
    tree: Folder,
    state: Folder,
    written: Written,
    synced: Synced,
    _lock: Lock,
}

/// The paths that an edit made, on disk before the file itself: the next use removes them even where they are ignored.
#[derive(Debug, Default)]
struct Written(Vec<RelPath>);

impl Pool {
    /// Keeps its copies in `folder`, which is made (0700) where it is missing.
    ///
    /// # Errors
    /// `Io` when it cannot be made.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        create_private(folder)?;
        let folder = folder.canonicalize().map_err(Error::io("find", folder.display()))?;
        Ok(Self { folder })
    }

    /// Takes a free copy and brings it to the state of the workspace.
    ///
    /// # Errors
    /// `PoolBusy` when all are in use, `StateInsideWorkspace`, and what reading the workspace may give.
    pub fn acquire(&self, workspace: &Workspace) -> Result<Overlay, Error> {
        workspace.refuse_state_inside(&self.folder)?;
        for number in 0..MAX_COPIES {
            let path = self.folder.join(workspace.id()).join(number.to_string());
            create_private(&path)?;
            let state = Folder::open(&path).map_err(Error::io("open", path.display()))?;
            let lock = state.open_lock("lock").map_err(Error::io("lock", path.display()))?;
            match lock.try_lock() {
                Ok(()) => return Overlay::open(path, state, Lock::on(lock), workspace),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", path.display())(error)),
            }
        }
        Err(Error::PoolBusy { limit: MAX_COPIES })
    }
}

impl Overlay {
    fn open(state_path: PathBuf, state: Folder, lock: Lock, workspace: &Workspace) -> Result<Self, Error> {
        let path = state_path.join(TREE);
        let written = Written::load(&state)?;
        // A build may have left anything here, even a link in place of the folder.
        if !matches!(state.stat(TREE), Ok(Some(stat)) if stat.kind == Kind::Folder) {
            state.remove_any(TREE).map_err(Error::io("remove", path.display()))?;
        }
        create_private(&path)?;
        let tree = Folder::open(&path).map_err(Error::io("open", path.display()))?;
        let mut overlay = Self { path, tree, state, written, synced: Synced::default(), _lock: lock };
        overlay.sync(workspace)?;
        Ok(overlay)
    }

    /// Where it is: the folder to run checks in.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the workspace's files were when the copy was last synced.
    pub fn base(&self) -> &Snapshot {
        &self.synced.base
    }

    /// What of the workspace is not in the copy although nothing ignores it.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.synced.left_out
    }

    /// A file's bytes; `None` when there is none, or when the workspace ignores it.
    ///
    /// # Errors
    /// As [`Workspace::read`].
    pub fn read(&self, path: &RelPath) -> Result<Option<Vec<u8>>, Error> {
        read_inside(&self.tree, path)
    }

    /// Writes a file of the copy and makes the folders above it; `None` deletes it. Its executable bit stays.
    ///
    /// # Errors
    /// `Symlink`, `NotAFile` and `NotAFolder` where something else stands in the way; `TooLarge`; `Io`.
    pub fn write(&mut self, path: &RelPath, content: Option<&[u8]>) -> Result<(), Error> {
        let failed = |error| Error::io("write the working copy's", path)(error);
        for folder in path.parents() {
            match self.tree.stat(folder.as_str()).map_err(failed)?.map(|stat| stat.kind) {
                None => break,
                Some(Kind::Folder) => {}
                Some(Kind::Symlink) => return Err(Error::Symlink { path: folder }),
                Some(Kind::File | Kind::Other) => return Err(Error::NotAFolder { path: folder }),
            }
        }
        let mode = match self.tree.stat(path.as_str()).map_err(failed)? {
            None => 0,
            Some(stat) => match stat.kind {
                Kind::File => stat.mode,
                Kind::Symlink => return Err(Error::Symlink { path: path.clone() }),
                Kind::Folder | Kind::Other => return Err(Error::NotAFile { path: path.clone() }),
            },
        };
        let Some(content) = content else {
            return self.tree.remove_any(path.as_str()).map_err(failed);
        };
        if content.len() as u64 > MAX_FILE_BYTES {
            return Err(Error::TooLarge { what: path.to_string(), limit_bytes: MAX_FILE_BYTES });
        }
        if self.synced.base.get(path).is_none() {
            self.written.add(&self.state, path)?;
        }
        write_with(&self.tree, path.as_str(), mode & 0o100 != 0, |file| file.write_all(content))
            .map_err(failed)
    }

    /// Everything that differs from the base, sorted by path: what was written, and what a check made or changed
    /// unless it is ignored. Links that a check made are no changes.
    ///
    /// # Errors
    /// `Symlink` where a link took a file's place, `TooLarge`, `TooMany`, `Io`.
    pub fn changes(&self) -> Result<Vec<Change>, Error> {
        let listing = walk(&self.path, MAX_FILES)?;
        let made = listing.files.into_iter().filter(|file| !file.symlink).map(|file| file.path);
        let mut paths: Vec<RelPath> =
            self.synced.base.iter().map(|(path, _)| path.clone()).chain(made).collect();
        paths.extend(self.written.0.iter().cloned());
        self.changes_in(paths)
    }

    /// What differs from the base among `paths`, sorted.
    ///
    /// # Errors
    /// As `changes`.
    pub fn changes_in(&self, paths: impl IntoIterator<Item = RelPath>) -> Result<Vec<Change>, Error> {
        let mut paths: Vec<RelPath> = paths.into_iter().collect();
        paths.sort();
        paths.dedup();
        paths.into_iter().filter_map(|path| self.change(path).transpose()).collect()
    }

    /// Brings the copy to the state that the workspace has now; edits are discarded.
    ///
    /// # Errors
    /// What reading the workspace may give; `Io` when even a fresh copy cannot be written.
    pub fn sync(&mut self, workspace: &Workspace) -> Result<(), Error> {
        self.synced = match sync(workspace, &self.tree, &self.path, &self.written.0) {
            Ok(synced) => synced,
            Err(Failed::Source(error)) => return Err(error),
            Err(Failed::Copy(_)) => self.make_anew(workspace)?,
        };
        self.written.clear(&self.state)
    }

    fn make_anew(&mut self, workspace: &Workspace) -> Result<Synced, Error> {
        self.state.remove_any(TREE).map_err(Error::io("remove", self.path.display()))?;
        create_private(&self.path)?;
        self.tree = Folder::open(&self.path).map_err(Error::io("open", self.path.display()))?;
        match sync(workspace, &self.tree, &self.path, &[]) {
            Ok(synced) => Ok(synced),
            Err(Failed::Source(error) | Failed::Copy(error)) => Err(error),
        }
    }

    fn change(&self, path: RelPath) -> Result<Option<Change>, Error> {
        let failed = |error| Error::io("read the working copy's", &path)(error);
        let base = self.synced.base.get(&path);
        let now = current(&self.tree, path.as_str()).map_err(failed)?;
        if now == base {
            return Ok(None);
        }
        let base_hash = base.map(|stamp| stamp.hash);
        let Some(Stamp { executable, .. }) = now else {
            let stat = self.tree.stat(path.as_str()).ok().flatten();
            if stat.is_some_and(|stat| stat.kind == Kind::Symlink) {
                return Err(Error::Symlink { path });
            }
            return Ok(Some(Change { path, base: base_hash, content: None, executable: None }));
        };
        let executable = base.is_none_or(|base| base.executable != executable).then_some(executable);
        let content = read_inside(&self.tree, &path)?;
        Ok(Some(Change { path, base: base_hash, content, executable }))
    }
}

impl Written {
    /// What the last use left. The file is replaced whole, so only a hand or a power cut can have damaged it; then
    /// nobody knows what is stale in the copy.
    fn load(state: &Folder) -> Result<Self, Error> {
        let bytes = match state.read(WRITTEN, MAX_WRITTEN_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::io("read the working copy's", WRITTEN)(error)),
        };
        match serde_json::from_slice(&bytes) {
            Ok(paths) => Ok(Self(paths)),
            Err(_) => {
                state.remove_any(TREE).map_err(Error::io("remove the working copy's", TREE))?;
                Ok(Self::default())
            }
        }
    }

    fn add(&mut self, state: &Folder, path: &RelPath) -> Result<(), Error> {
        if self.0.contains(path) {
            return Ok(());
        }
        self.0.push(path.clone());
        let json = serde_json::to_vec(&self.0).expect("paths are strings");
        write_with(state, WRITTEN, false, |file| file.write_all(&json))
            .map_err(Error::io("write the working copy's", WRITTEN))
    }

    fn clear(&mut self, state: &Folder) -> Result<(), Error> {
        self.0.clear();
        state.remove_any(WRITTEN).map_err(Error::io("remove the working copy's", WRITTEN))
    }
}
