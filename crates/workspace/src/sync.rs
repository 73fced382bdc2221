//! Brings a working copy to the state of its workspace by writing only what differs.
//!
//! A file with the right bytes is not touched, so its time stays and a build tool sees only what changed; a file that is
//! written gets the time of now, never the workspace's: an older time would let a build tool keep a stale result.
//! Ignored files of the copy (build output) are neither copied nor deleted. Nothing is ever linked.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use crate::files::MAX_COPIED_BYTES;
use crate::folder::Folder;
use crate::path::RESERVED_PREFIX;
use crate::snapshot::{Snapshot, Stamp};
use crate::walk::{FileEntry, LeftOut, Listing, MAX_FILES, walk};
use crate::{ContentHash, Error, Kind, Mode, RelPath, Workspace};

const MAX_TREE_BYTES: u64 = 8 * 1024 * 1024 * 1024;
const COPYING: &str = ".impresario-copying";

/// What a copy was brought to.
#[derive(Debug, Default)]
pub(crate) struct Synced {
    pub(crate) base: Snapshot,
    pub(crate) left_out: Vec<LeftOut>,
}

/// Where the copy failed, for the caller to decide whether a fresh copy would help.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The workspace could not be read.
    Source(Error),
    /// The copy is damaged or cannot be written.
    Copy(Error),
}

/// Makes `copy` (at `root`) hold what the workspace holds; `written` are paths that an edit made and may be ignored.
pub(crate) fn sync(
    source: &Workspace,
    copy: &Folder,
    root: &Path,
    written: &[RelPath],
) -> Result<Synced, Failed> {
    let Listing { files, left_out } = source.files().map_err(Failed::Source)?;
    if files.iter().map(|file| file.size).sum::<u64>() > MAX_TREE_BYTES {
        let what = source.root().display().to_string();
        return Err(Failed::Source(Error::TooLarge { what, limit_bytes: MAX_TREE_BYTES }));
    }
    let mut synced = Synced { base: Snapshot::default(), left_out };
    let mut links = Vec::new();
    for entry in &files {
        if entry.symlink {
            match sync_link(source, copy, &entry.path)? {
                Ok(()) => links.push(&entry.path),
                Err(left_out) => synced.left_out.push(left_out),
            }
        } else if let Some(stamp) = sync_file(source, copy, entry)? {
            synced.base.insert(entry.path.clone(), stamp);
        }
    }
    // Only now are the copy's own ignore files those of the workspace again.
    let wanted = |path: &RelPath| synced.base.get(path).is_some() || links.binary_search(&path).is_ok();
    remove_others(copy, root, written, wanted).map_err(Failed::Copy)?;
    Ok(synced)
}

fn sync_file(source: &Workspace, copy: &Folder, entry: &FileEntry) -> Result<Option<Stamp>, Failed> {
    let path = entry.path.as_str();
    let unreadable = |error| Failed::Source(Error::io("read", path)(error));
    let Some(mut file) = found(source.folder().open_file(path)).map_err(unreadable)? else { return Ok(None) };
    if entry.size > MAX_COPIED_BYTES {
        let limit_bytes = MAX_COPIED_BYTES;
        return Err(Failed::Source(Error::TooLarge { what: path.to_owned(), limit_bytes }));
    }
    let hash = ContentHash::of_reader(&file).map_err(unreadable)?;
    let stamp = Stamp { hash, executable: entry.executable };

    let damaged = |error| Failed::Copy(Error::io("write the working copy's", path)(error));
    let there = current(copy, path).map_err(damaged)?;
    if let Some(there) = there.filter(|there| there.hash == hash) {
        if there.executable != entry.executable {
            copy.set_executable(path, entry.executable).map_err(damaged)?;
        }
        return Ok(Some(stamp));
    }
    io::Seek::rewind(&mut file).map_err(unreadable)?;
    write_with(copy, path, entry.executable, |target| io::copy(&mut file, target).map(drop))
        .map_err(damaged)?;
    // Somebody may have saved the file between the two reads: what counts is what was copied.
    let copied = current(copy, path).map_err(damaged)?;
    Ok(copied)
}

fn sync_link(source: &Workspace, copy: &Folder, path: &RelPath) -> Result<Result<(), LeftOut>, Failed> {
    let left_out = |reason| Ok(Err(LeftOut { path: path.to_string(), reason }));
    if source.folder().dir().metadata(path.as_str()).is_err() {
        return left_out("it is a link that leads out of the workspace or nowhere");
    }
    let Ok(target) = source.folder().read_link(path.as_str()) else {
        return left_out("it vanished meanwhile");
    };
    if link_target(copy, path.as_str()).as_ref() != Some(&target) {
        let place = || {
            copy.clear_way_to(path.as_str())?;
            copy.remove_any(path.as_str())?;
            copy.symlink(&target, path.as_str())
        };
        place().map_err(|error| Failed::Copy(Error::io("link the working copy's", path)(error)))?;
    }
    Ok(Ok(()))
}

fn remove_others(
    copy: &Folder,
    root: &Path,
    written: &[RelPath],
    wanted: impl Fn(&RelPath) -> bool,
) -> Result<(), Error> {
    let remove = |path: &str| copy.remove_any(path).map_err(Error::io("remove from the working copy", path));
    remove(".git")?;
    let listing = walk(root, MAX_FILES)?;
    if let Some(strange) = listing.left_out.first() {
        let error = io::Error::from(io::ErrorKind::InvalidData);
        return Err(Error::io("clean the working copy of", &strange.path)(error));
    }
    let listed = listing.files.iter().map(|file| &file.path);
    for path in listed.chain(written).filter(|path| !wanted(path)) {
        // A path written by an edit may since lie behind a file or link; then it is gone already.
        if copy.stat(path.as_str()).is_ok() {
            remove(path.as_str())?;
            prune(copy, path);
        }
    }
    Ok(())
}

/// Removes the folders that became empty.
fn prune(copy: &Folder, path: &RelPath) {
    let folders: Vec<RelPath> = path.parents().collect();
    for folder in folders.iter().rev() {
        if copy.remove_folder(folder.as_str()).is_err() {
            return;
        }
    }
}

/// Replaces or makes a file of a working copy in one step, without following or writing through any link.
pub(crate) fn write_with(
    copy: &Folder,
    path: &str,
    executable: bool,
    fill: impl FnOnce(&mut std::fs::File) -> io::Result<()>,
) -> io::Result<()> {
    debug_assert!(COPYING.starts_with(RESERVED_PREFIX));
    copy.remove_any(COPYING)?;
    fill(&mut copy.create_file(COPYING, Mode::Fresh { executable })?)?;
    copy.clear_way_to(path)?;
    if copy.stat(path)?.is_some_and(|stat| stat.kind == Kind::Folder) {
        copy.remove_any(path)?;
    }
    copy.rename(COPYING, path)
}

/// What a regular file of a folder is now; `None` for anything else.
pub(crate) fn current(folder: &Folder, path: &str) -> io::Result<Option<Stamp>> {
    let Some(stat) = found(folder.stat(path))?.flatten() else { return Ok(None) };
    if stat.kind != Kind::File {
        return Ok(None);
    }
    let Some(file) = found(folder.open_file(path))? else { return Ok(None) };
    let hash = ContentHash::of_reader(file)?;
    Ok(Some(Stamp { hash, executable: stat.mode & 0o100 != 0 }))
}

fn link_target(copy: &Folder, path: &str) -> Option<OsString> {
    copy.read_link(path).ok()
}

/// `None` where nothing stands, or where something else than a folder stands above it.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.raw_os_error() {
            Some(nix::libc::ENOENT | nix::libc::ENOTDIR | nix::libc::ELOOP) => Ok(None),
            Some(_) | None => Err(error),
        },
    }
}
