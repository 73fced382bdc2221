//! A place in the tree, as anyone may know it: what lives there, since when, and how its last life ended.

use std::sync::Arc;

use crate::end::{Down, Follows};
use crate::view::{Node, State};
use crate::vitals::{Monitor, Vitals, tell};
use crate::{End, Failure};

/// Knows a place, whatever lives there; it outlives every generation. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Place(pub(crate) Arc<Vitals>);

/// Listens for the ends of a place until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the monitor"]
pub struct Watch {
    place: Place,
    monitor: u64,
}

impl Place {
    /// Where it is in the tree, such as `root/storage/writer`.
    pub fn path(&self) -> Arc<str> {
        self.0.path().clone()
    }

    /// What is done there now.
    pub fn state(&self) -> State {
        self.0.state()
    }

    /// How many lives it has had; the first is 1.
    pub fn generation(&self) -> u64 {
        self.0.generation()
    }

    /// How the last generation ended.
    pub fn last_end(&self) -> Option<End> {
        self.0.last_end()
    }

    /// All that is known of it and of what is below it.
    pub fn node(&self) -> Node {
        self.0.node()
    }

    /// Calls `monitor` at each end from now on, on the supervisor's thread: it must not wait for anything.
    ///
    /// A place that is over already says so at once. A restart or a sleep that was announced and is then called off by an
    /// operator, or by the supervisor's own end, is not announced again: see [`Place::state`].
    pub fn monitor(&self, monitor: impl Fn(&Down) + Send + Sync + 'static) -> Watch {
        let monitor: Monitor = Arc::new(monitor);
        let (listener, is_over) = self.0.listen(monitor.clone());
        if is_over {
            let end = self.last_end().unwrap_or(End::Normal);
            let (path, generation) = (self.path(), self.generation());
            tell(&monitor, &Down { path, generation, end, follows: Follows::Nothing });
        }
        Watch { place: self.clone(), monitor: listener }
    }

    /// How the one that lives there now would end whoever links to it when it is not alive.
    pub(crate) fn absence(&self) -> End {
        self.last_end()
            .unwrap_or_else(|| End::Failed(Failure::new(format!("nothing lives at {} yet", self.0.path()))))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.place.0.forget(self.monitor);
    }
}
