//! Which files a folder holds: those that its own `.gitignore` files do not leave out.
//!
//! Only ignore files inside the folder count, so that a workspace and its working copies are always read alike.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ignore::{DirEntry, WalkBuilder};

use crate::path::RESERVED_PREFIX;
use crate::{Error, RelPath};

/// The most files that a workspace may have.
pub(crate) const MAX_FILES: usize = 100_000;
const MAX_DEPTH: usize = 128;
const MAX_LEFT_OUT: usize = 1_000;
const OWNER_EXECUTES: u32 = 0o100;

/// One listed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Where it is.
    pub path: RelPath,
    /// Its size in bytes; of a link, that of its target's name.
    pub size: u64,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// Whether it is a symbolic link.
    pub symlink: bool,
}

/// Something that could not be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its path, made readable.
    pub path: String,
    /// Why, in words.
    pub reason: &'static str,
}

/// What a walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files, sorted by path.
    pub files: Vec<FileEntry>,
    /// What was left out although nothing ignores it; the first 1,000.
    pub left_out: Vec<LeftOut>,
}

/// Lists the unignored files beneath `root`; refuses more than `limit`.
pub(crate) fn walk(root: &Path, limit: usize) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    for entry in walker(root).build() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(Error::io("list", root.display())(io_error(error))),
        };
        if entry.depth() == 0 || entry.file_type().is_some_and(|kind| kind.is_dir()) {
            continue;
        }
        match listed(root, &entry)? {
            Ok(file) => listing.files.push(file),
            Err(left_out) if listing.left_out.len() < MAX_LEFT_OUT => listing.left_out.push(left_out),
            Err(_) => {}
        }
        if listing.files.len() > limit {
            let remedy = "leave some out by a `.gitignore`, or open a folder further down";
            return Err(Error::TooMany { what: "files in the workspace", limit, remedy });
        }
    }
    listing.files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(listing)
}

fn walker(root: &Path) -> WalkBuilder {
    let mut builder = WalkBuilder::new(root);
    builder
        .standard_filters(false)
        .git_ignore(true)
        .require_git(false)
        .follow_links(false)
        .max_depth(Some(MAX_DEPTH));
    builder.filter_entry(|entry| {
        let name = entry.file_name().as_encoded_bytes();
        entry.depth() == 0
            || !(name.eq_ignore_ascii_case(b".git") || name.starts_with(RESERVED_PREFIX.as_bytes()))
    });
    builder
}

fn listed(root: &Path, entry: &DirEntry) -> Result<Result<FileEntry, LeftOut>, Error> {
    let relative = entry.path().strip_prefix(root).expect("the walk stays beneath its root");
    let left_out = |reason| Ok(Err(LeftOut { path: relative.to_string_lossy().into_owned(), reason }));
    let Some(text) = relative.to_str() else { return left_out("its name is not UTF-8") };
    let Ok(path) = text.parse::<RelPath>() else {
        return left_out("its name has a backslash or is too long");
    };
    let metadata = match entry.metadata() {
        Ok(metadata) => metadata,
        Err(error) if is_gone(&error) => return left_out("it vanished meanwhile"),
        Err(error) => return Err(Error::io("list", path)(io_error(error))),
    };
    if !metadata.is_file() && !metadata.is_symlink() {
        return left_out("it is a pipe, a device or a socket");
    }
    let executable = metadata.is_file() && metadata.permissions().mode() & OWNER_EXECUTES != 0;
    Ok(Ok(FileEntry { path, size: metadata.len(), executable, symlink: metadata.is_symlink() }))
}

fn is_gone(error: &ignore::Error) -> bool {
    error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn io_error(error: ignore::Error) -> std::io::Error {
    let text = error.to_string();
    error.into_io_error().unwrap_or_else(|| std::io::Error::other(text))
}
