//! A folder's whole content, to be compared byte by byte.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Everything below a folder by its path there: permissions and bytes; of a link its target, of a folder nothing.
pub(crate) type Files = BTreeMap<String, (u32, String)>;

/// Reads everything below `root`.
pub(crate) fn files(root: &Path) -> Files {
    let mut found = Files::new();
    walk(root, &mut |path, metadata| {
        found.insert(name(root, path), (metadata.mode(), content(path, metadata)));
    });
    found
}

/// When each was changed, to the nanosecond, and its inode.
pub(crate) fn stamps(root: &Path) -> BTreeMap<String, (i64, i64, u64)> {
    let mut found = BTreeMap::new();
    walk(root, &mut |path, metadata| {
        found.insert(name(root, path), (metadata.mtime(), metadata.mtime_nsec(), metadata.ino()));
    });
    found
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path, &fs::Metadata)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        visit(&path, &metadata);
        if metadata.is_dir() {
            walk(&path, visit);
        }
    }
}

fn name(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap().to_string_lossy().into_owned()
}

fn content(path: &Path, metadata: &fs::Metadata) -> String {
    if metadata.is_symlink() {
        return String::from_utf8_lossy(fs::read_link(path).unwrap().as_os_str().as_bytes()).into_owned();
    }
    if metadata.is_dir() {
        return String::new();
    }
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}
