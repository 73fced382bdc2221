//! The seam beneath the transaction: every single operation on a disk, so that tests can cut the power between any two.
//!
//! `RealDisk` performs them beneath two open folders, the workspace and its journal, and follows no symbolic link.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use crate::folder::{Folder, create_private};
use crate::{Error, RelPath, TransactionId, Workspace};

/// Which of the two folders a place lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// The workspace itself.
    Workspace,
    /// The journal of the workspace.
    Journal,
}

/// A file or folder in one of the two areas; the empty path is the area's own folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    area: Area,
    path: String,
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, not followed.
    Symlink,
    /// A pipe, a device or a socket.
    Other,
}

/// What is known of a place without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What stands there.
    pub kind: Kind,
    /// The permission bits, `0o7777` at most.
    pub mode: u32,
    /// The size in bytes.
    pub size: u64,
}

/// The permissions of a file to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Exactly these bits.
    Exact(u32),
    /// Those of a new file, as the process's umask has them.
    Fresh {
        /// Whether it may be executed.
        executable: bool,
    },
}

/// The operations by name, for fail-points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// [`Disk::lock`].
    Lock,
    /// [`Disk::stat`].
    Stat,
    /// [`Disk::read`].
    Read,
    /// [`Disk::list`].
    List,
    /// [`Disk::create`].
    Create,
    /// [`Disk::create_folder`].
    CreateFolder,
    /// [`Disk::sync_file`].
    SyncFile,
    /// [`Disk::sync_folder`].
    SyncFolder,
    /// [`Disk::rename`] and [`Disk::rename_new`].
    Rename,
    /// [`Disk::remove_file`].
    Remove,
    /// [`Disk::remove_folder`].
    RemoveFolder,
}

/// Held while a transaction or a recovery runs; ends when dropped.
#[derive(Debug)]
pub struct Lock(Option<File>);

impl Lock {
    /// The lock of a disk that nobody else can reach.
    pub const fn none() -> Self {
        Self(None)
    }

    /// The lock that was just taken on `file`.
    pub(crate) const fn on(file: File) -> Self {
        Self(Some(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // To close the file is not enough: a child that is being started shares the handle until its program runs.
        // Where unlocking fails, the lock ends then.
        let _ = self.0.as_ref().map(File::unlock);
    }
}

impl Place {
    /// A file of the workspace.
    pub fn workspace(path: &RelPath) -> Self {
        Self { area: Area::Workspace, path: path.as_str().to_owned() }
    }

    /// The journal's own folder.
    pub(crate) fn journal_root() -> Self {
        Self { area: Area::Journal, path: String::new() }
    }

    /// The folder of a transaction in the journal.
    pub(crate) fn transaction(id: &TransactionId) -> Self {
        Self { area: Area::Journal, path: id.as_str().to_owned() }
    }

    /// Which area it lies in.
    pub fn area(&self) -> Area {
        self.area
    }

    /// The path within its area; empty for the area's own folder.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What lies in this folder under `name`.
    pub(crate) fn child(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) };
        Self { area: self.area, path }
    }

    /// The folder that it lies in; the area's own folder lies in itself.
    pub(crate) fn parent(&self) -> Self {
        let path = self.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        Self { area: self.area, path: path.to_owned() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.area {
            Area::Workspace => write!(f, "{}", self.path),
            Area::Journal => write!(f, "journal/{}", self.path),
        }
    }
}

/// What a transaction needs of a disk. No operation follows a symbolic link; nothing is durable before it is synced.
pub trait Disk: Send + Sync {
    /// Waits until no other transaction or recovery runs on this journal, in this process or another.
    fn lock(&self) -> io::Result<Lock>;
    /// What stands there; `None`: nothing, or no folder above it.
    fn stat(&self, at: &Place) -> io::Result<Option<Stat>>;
    /// A file's bytes; fails with `FileTooLarge` past `limit_bytes`.
    fn read(&self, at: &Place, limit_bytes: u64) -> io::Result<Vec<u8>>;
    /// The names in a folder, sorted.
    fn list(&self, at: &Place) -> io::Result<Vec<String>>;
    /// Makes a file that was not there and writes all of `bytes`.
    fn create(&self, at: &Place, bytes: &[u8], mode: Mode) -> io::Result<()>;
    /// Makes a folder that was not there.
    fn create_folder(&self, at: &Place) -> io::Result<()>;
    /// Makes a file's bytes and permissions durable, not its name.
    fn sync_file(&self, at: &Place) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, at: &Place) -> io::Result<()>;
    /// Gives a file a new name within its area and replaces what had it, in one step.
    fn rename(&self, from: &Place, to: &Place) -> io::Result<()>;
    /// Gives a file a new name within its area; fails with `AlreadyExists` when the name is taken.
    fn rename_new(&self, from: &Place, to: &Place) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, at: &Place) -> io::Result<()>;
    /// Removes a folder; fails with `DirectoryNotEmpty` when something is in it.
    fn remove_folder(&self, at: &Place) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Debug)]
pub struct RealDisk {
    workspace: Folder,
    journal: Folder,
}

impl RealDisk {
    const LOCK: &str = "lock";

    /// Opens the journal of `workspace` in the folder `journal`, which is made (0700) where it is missing.
    ///
    /// # Errors
    /// `StateInsideWorkspace`; `Io` when a folder cannot be made or opened.
    pub fn open(workspace: &Workspace, journal: &Path) -> Result<Self, Error> {
        create_private(journal)?;
        workspace.refuse_state_inside(journal)?;
        let journal = Folder::open(journal).map_err(Error::io("open", journal.display()))?;
        Ok(Self { workspace: workspace.folder().try_clone()?, journal })
    }

    fn area(&self, at: &Place) -> &Folder {
        match at.area {
            Area::Workspace => &self.workspace,
            Area::Journal => &self.journal,
        }
    }
}

impl Disk for RealDisk {
    fn lock(&self) -> io::Result<Lock> {
        let file = self.journal.open_lock(Self::LOCK)?;
        file.lock()?;
        Ok(Lock::on(file))
    }

    fn stat(&self, at: &Place) -> io::Result<Option<Stat>> {
        self.area(at).stat(&at.path)
    }

    fn read(&self, at: &Place, limit_bytes: u64) -> io::Result<Vec<u8>> {
        self.area(at).read(&at.path, limit_bytes)
    }

    fn list(&self, at: &Place) -> io::Result<Vec<String>> {
        let mut names = self.area(at).list(&at.path)?;
        names.retain(|name| at.area == Area::Workspace || !at.path.is_empty() || name != Self::LOCK);
        Ok(names)
    }

    fn create(&self, at: &Place, bytes: &[u8], mode: Mode) -> io::Result<()> {
        self.area(at).create(&at.path, bytes, mode)
    }

    fn create_folder(&self, at: &Place) -> io::Result<()> {
        self.area(at).create_folder(&at.path)
    }

    fn sync_file(&self, at: &Place) -> io::Result<()> {
        self.area(at).sync_file(&at.path)
    }

    fn sync_folder(&self, at: &Place) -> io::Result<()> {
        self.area(at).sync_folder(&at.path)
    }

    fn rename(&self, from: &Place, to: &Place) -> io::Result<()> {
        self.area(from).rename(&from.path, &to.path)
    }

    fn rename_new(&self, from: &Place, to: &Place) -> io::Result<()> {
        self.area(from).rename_new(&from.path, &to.path)
    }

    fn remove_file(&self, at: &Place) -> io::Result<()> {
        self.area(at).remove_file(&at.path)
    }

    fn remove_folder(&self, at: &Place) -> io::Result<()> {
        self.area(at).remove_folder(&at.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_at_once_even_while_a_child_that_is_being_started_shares_its_handle() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("lock")).unwrap();
        file.lock().unwrap();
        // As a fork does: a second handle of the same open file.
        let shared = file.try_clone().unwrap();
        let other = File::open(folder.path().join("lock")).unwrap();
        assert!(other.try_lock().is_err());
        drop(Lock::on(file));
        assert!(other.try_lock().is_ok());
        drop(shared);
    }
}
