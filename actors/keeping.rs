//! Who keeps house: they count, look at the disk and let go of what has had its time; planted together in the tree.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use supervision::ChildSpec;

use crate::disk::{Disk, Room};
use crate::retention::{Retention, Rules, Sweeper};
use crate::statistics::{Statistics, Tally};
use crate::writer::Pen;

/// The children, and what others hold of them.
pub(crate) struct Keeping {
    pub(crate) cast: [ChildSpec; 3],
    pub(crate) tally: Arc<Tally>,
    pub(crate) room: Room,
    /// To be set once the tree stands.
    pub(crate) swept: Arc<OnceLock<Sweeper>>,
}

impl Keeping {
    /// `disk` is a folder of the disk that has to have room.
    pub(crate) fn plant(
        disk: &Path,
        min_free_bytes: u64,
        rules: Rules,
        pen: &Pen,
        clock: &clock::Clock,
    ) -> Self {
        let run = getrandom::u64().unwrap_or_default();
        let (counting, tally) = Statistics::child(run, pen, clock);
        let room = Room { folder: disk.to_owned(), floor: min_free_bytes };
        let swept = Arc::new(OnceLock::new());
        let retention = Retention::child(rules, &swept, clock);
        let cast = [counting, Disk::child(room.clone(), clock), retention];
        Self { cast, tally, room, swept }
    }
}
