//! Who keeps house: they count, look at the disk, keep captures and let go of what has had its time; planted together.

use std::sync::{Arc, OnceLock};

use supervision::ChildSpec;

use crate::captures::{Captures, Keeper};
use crate::disk::{Disk, Room};
use crate::retention::{Retention, Sweeper};
use crate::statistics::{Statistics, Tally};
use crate::tree::Blueprint;
use crate::writer::Pen;

/// The children, and what others hold of them.
pub(crate) struct Keeping {
    pub(crate) cast: [ChildSpec; 4],
    pub(crate) tally: Arc<Tally>,
    pub(crate) room: Room,
    pub(crate) captures: Captures,
    /// To be set once the tree stands.
    pub(crate) swept: Arc<OnceLock<Sweeper>>,
}

impl Keeping {
    /// Of what the blueprint says.
    pub(crate) fn plant(blueprint: &Blueprint, pen: &Pen) -> Self {
        let clock = &blueprint.clock;
        let run = getrandom::u64().unwrap_or_default();
        let (counting, tally) = Statistics::child(run, pen, clock);
        let room = Room { folder: blueprint.overlays.clone(), floor: blueprint.min_free_bytes };
        let swept = Arc::new(OnceLock::new());
        let retention = Retention::child(blueprint.rules.clone(), &swept, clock);
        let (keeper, captures) = Keeper::child(blueprint.captures.clone(), clock);
        let cast = [counting, Disk::child(room.clone(), clock), retention, keeper];
        Self { cast, tally, room, captures, swept }
    }
}
