//! Reading a workspace: a file's bytes, its hash, and one fingerprint of them all.
//!
//! Reads follow symbolic links inside the root and refuse those that lead out. Nothing here writes.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::{OpenOptions, OpenOptionsExt};

use crate::folder::{Folder, read_all};
use crate::snapshot::{Snapshot, Stamp};
use crate::walk::{Listing, MAX_FILES, walk};
use crate::{ContentHash, Error, RelPath};

/// The most bytes of one file that are read into memory or written by a change.
pub(crate) const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;
/// The most bytes of one file that are hashed or copied piece by piece.
pub(crate) const MAX_COPIED_BYTES: u64 = 1024 * 1024 * 1024;
const ID_BYTES: usize = 16;

/// A folder that was opened beneath a registered root. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Workspace(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    root: PathBuf,
    folder: Folder,
}

impl Workspace {
    /// Opens `root`, a canonical path.
    pub(crate) fn open(root: PathBuf) -> Result<Self, Error> {
        let folder = Folder::open(&root).map_err(Error::io("open the workspace", root.display()))?;
        Ok(Self(Arc::new(Opened { root, folder })))
    }

    /// Its canonical path.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// 32 hexadecimal digits made of its canonical path: the name of its state folder.
    pub fn id(&self) -> String {
        let hash = blake3::hash(self.0.root.as_os_str().as_bytes()).to_hex();
        hash[..2 * ID_BYTES].to_owned()
    }

    /// The files that no `.gitignore` of the workspace leaves out, sorted, `.git` aside; links are listed and not
    /// followed. Ignore files above the root, of the user or in `.git/info` have no say.
    ///
    /// # Errors
    /// `TooMany` past 100,000 files; `Io`.
    pub fn files(&self) -> Result<Listing, Error> {
        walk(self.root(), MAX_FILES)
    }

    /// A file's bytes; `None` when there is none.
    ///
    /// # Errors
    /// `Escapes`, `NotAFile`, `TooLarge` past 8 MiB, `Io`.
    pub fn read(&self, path: &RelPath) -> Result<Option<Vec<u8>>, Error> {
        read_inside(&self.0.folder, path)
    }

    /// The hash of a file's bytes; `None` when there is none.
    ///
    /// # Errors
    /// `Escapes`, `NotAFile`, `TooLarge` past 1 GiB, `Io`.
    pub fn hash(&self, path: &RelPath) -> Result<Option<ContentHash>, Error> {
        let Some(file) = open_inside(&self.0.folder, path)? else { return Ok(None) };
        let size = file.metadata().map_err(Error::io("read", path))?.len();
        if size > MAX_COPIED_BYTES {
            return Err(Error::TooLarge { what: path.to_string(), limit_bytes: MAX_COPIED_BYTES });
        }
        ContentHash::of_reader(file).map(Some).map_err(Error::io("read", path))
    }

    /// What every listed file is now.
    ///
    /// # Errors
    /// As `files` and `hash`.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        let mut snapshot = Snapshot::default();
        for entry in self.files()?.files.into_iter().filter(|entry| !entry.symlink) {
            // A file that vanished since it was listed is simply not there any more.
            if let Some(hash) = self.hash(&entry.path)? {
                snapshot.insert(entry.path, Stamp { hash, executable: entry.executable });
            }
        }
        Ok(snapshot)
    }

    /// One hash of every listed file's path, content and executable bit: it tells whether a base has moved.
    ///
    /// # Errors
    /// As `files` and `hash`.
    pub fn fingerprint(&self) -> Result<ContentHash, Error> {
        Ok(self.snapshot()?.fingerprint())
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.0.folder
    }

    /// A state folder inside the workspace would be copied into every working copy, and so on.
    pub(crate) fn refuse_state_inside(&self, state: &Path) -> Result<(), Error> {
        let state = state.canonicalize().map_err(Error::io("find", state.display()))?;
        if state.starts_with(self.root()) {
            return Err(Error::StateInsideWorkspace { state, workspace: self.0.root.clone() });
        }
        Ok(())
    }
}

/// Reads a file through links that stay inside the folder.
pub(crate) fn read_inside(folder: &Folder, path: &RelPath) -> Result<Option<Vec<u8>>, Error> {
    let Some(file) = open_inside(folder, path)? else { return Ok(None) };
    match read_all(file, MAX_FILE_BYTES) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Err(Error::TooLarge { what: path.to_string(), limit_bytes: MAX_FILE_BYTES })
        }
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

fn open_inside(folder: &Folder, path: &RelPath) -> Result<Option<std::fs::File>, Error> {
    let mut options = OpenOptions::new();
    // Without NONBLOCK a pipe without a writer would hold us for ever.
    options.read(true).custom_flags(nix::libc::O_NONBLOCK);
    let file = match folder.dir().open_with(path.as_str(), &options) {
        Ok(file) => file.into_std(),
        Err(error) => return nothing_or(error, path),
    };
    if !file.metadata().map_err(Error::io("read", path))?.is_file() {
        return Err(Error::NotAFile { path: path.clone() });
    }
    Ok(Some(file))
}

fn nothing_or(error: io::Error, path: &RelPath) -> Result<Option<std::fs::File>, Error> {
    match error.raw_os_error() {
        Some(nix::libc::ENOENT | nix::libc::ENOTDIR) => Ok(None),
        // A socket cannot be opened at all.
        Some(nix::libc::ENXIO) => Err(Error::NotAFile { path: path.clone() }),
        // cap-std makes its own error, without a number, of a path that leads out.
        None if error.kind() == io::ErrorKind::PermissionDenied => Err(Error::Escapes { path: path.clone() }),
        Some(nix::libc::EXDEV) => Err(Error::Escapes { path: path.clone() }),
        Some(_) | None => Err(Error::io("read", path)(error)),
    }
}
