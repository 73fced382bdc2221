//! The arbiters of a tree: one thread for its supervisors, a few for its actors; none of them serves the web.

use actix_rt::{Arbiter, ArbiterHandle};

/// A small pool; stopped and joined by the tree, for an arbiter never joins by itself.
pub(crate) struct Threads {
    supervisors: Arbiter,
    actors: Vec<Arbiter>,
}

/// Where a tree's tasks can be put; cheap to clone.
#[derive(Clone)]
pub(crate) struct Placement {
    supervisors: ArbiterHandle,
    actors: Vec<ArbiterHandle>,
}

impl Threads {
    /// `actors` is at least 1.
    pub(crate) fn start(actors: usize) -> Self {
        Self { supervisors: Arbiter::new(), actors: (0..actors.max(1)).map(|_| Arbiter::new()).collect() }
    }

    pub(crate) fn placement(&self) -> Placement {
        Placement {
            supervisors: self.supervisors.handle(),
            actors: self.actors.iter().map(Arbiter::handle).collect(),
        }
    }

    /// Ends and joins the threads; blocks until they are gone.
    pub(crate) fn join(self) {
        for arbiter in self.actors.into_iter().chain([self.supervisors]) {
            arbiter.stop();
            // A thread that panicked outside every guard has nothing more to say.
            let _ = arbiter.join();
        }
    }
}

impl Placement {
    pub(crate) fn supervisors(&self) -> &ArbiterHandle {
        &self.supervisors
    }

    /// Always the same thread for the same path, while the pool has the same size.
    pub(crate) fn actor(&self, path: &str) -> &ArbiterHandle {
        let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let place = hash % self.actors.len() as u64;
        &self.actors[usize::try_from(place).unwrap_or_default()]
    }
}
