//! How often the disk under a folder was told to flush.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

/// The whole disk that a folder is on.
pub(crate) struct Disk {
    /// Where Linux counts what it does.
    statistics: PathBuf,
}

impl Disk {
    /// `None` where the folder is on no disk of its own, as in memory, on a network or over several disks.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        let device = fs::metadata(folder).ok()?.dev();
        let link = format!("/sys/dev/block/{}:{}", major(device), minor(device));
        let mut place = fs::canonicalize(link).ok()?;
        // Flushes are counted for the whole disk alone, never for a part of it.
        if place.join("partition").exists() {
            place.pop();
        }
        Some(Self { statistics: place.join("stat") })
    }

    /// Flushes that it has finished, whichever program wanted them; `None` where Linux does not count them.
    pub(crate) fn flushes(&self) -> Option<u64> {
        fs::read_to_string(&self.statistics).ok()?.split_whitespace().nth(15)?.parse().ok()
    }
}
