//! What the files of a workspace were at one moment.

use std::collections::BTreeMap;

use crate::{ContentHash, RelPath};

/// What one file was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The hash of its bytes.
    pub hash: ContentHash,
    /// Whether its owner could execute it.
    pub executable: bool,
}

/// Every file's stamp by its path; links are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<RelPath, Stamp>);

impl Snapshot {
    /// What `path` was; `None`: it was not there.
    pub fn get(&self, path: &RelPath) -> Option<Stamp> {
        self.0.get(path).copied()
    }

    /// All paths and stamps, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&RelPath, Stamp)> {
        self.0.iter().map(|(path, stamp)| (path, *stamp))
    }

    /// One hash of it all; equal to that of the workspace while nothing has changed.
    pub fn fingerprint(&self) -> ContentHash {
        let mut hasher = blake3::Hasher::new();
        for (path, stamp) in &self.0 {
            // A path holds no NUL, so nothing that comes after can be read as part of it.
            hasher.update(path.as_str().as_bytes()).update(&[0, u8::from(stamp.executable)]);
            hasher.update(stamp.hash.as_bytes());
        }
        ContentHash::from_bytes(*hasher.finalize().as_bytes())
    }

    pub(crate) fn insert(&mut self, path: RelPath, stamp: Stamp) {
        self.0.insert(path, stamp);
    }
}
