//! A place's status: written by its supervisor, read by anyone; and those who want to hear of its ends.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use crate::End;
use crate::end::{Down, panic_message};
use crate::life::{Core, Life};
use crate::view::{Kind, Node, State};

/// Hears how a generation ended and what follows.
pub(crate) type Monitor = Arc<dyn Fn(&Down) + Send + Sync>;

/// What is known of a place in the tree.
#[derive(Debug)]
pub(crate) struct Vitals {
    id: Arc<str>,
    kind: Kind,
    capacity: usize,
    path: OnceLock<Arc<str>>,
    suspended: AtomicBool,
    /// A supervisor has it among its children.
    taken: AtomicBool,
    status: Mutex<Status>,
    queued: QueueLength,
    children: Mutex<BTreeMap<u64, Arc<Vitals>>>,
    listeners: Mutex<Option<Box<Listeners>>>,
}

/// What changes together, so that a reader never sees one generation's state beside another's end.
#[derive(Clone, Debug)]
struct Status {
    state: State,
    generation: u64,
    last_end: Option<End>,
    life: Option<Life>,
}

#[derive(Default)]
struct Listeners {
    next: u64,
    monitors: BTreeMap<u64, Monitor>,
    links: Vec<Link>,
}

/// One side of a link: the other one's life, and which of ours it is bound to.
struct Link {
    generation: u64,
    peer: Weak<Core>,
}

/// Reads the length of a queue that may be gone.
pub(crate) struct QueueLength(pub(crate) Weak<dyn Queued>);

/// Something that messages wait in.
pub(crate) trait Queued: Send + Sync {
    fn queued(&self) -> usize;
}

/// A queue for those that have none: supervisors.
pub(crate) struct NoQueue;

impl Queued for NoQueue {
    fn queued(&self) -> usize {
        0
    }
}

impl std::fmt::Debug for QueueLength {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("QueueLength")
    }
}

impl std::fmt::Debug for Listeners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listeners")
    }
}

// === Status ===

impl Vitals {
    pub(crate) fn new(id: &str, kind: Kind, capacity: usize, queued: QueueLength) -> Self {
        let status = Status { state: State::Waiting, generation: 0, last_end: None, life: None };
        Self {
            id: Arc::from(id),
            kind,
            capacity,
            path: OnceLock::new(),
            suspended: AtomicBool::new(false),
            taken: AtomicBool::new(false),
            status: Mutex::new(status),
            queued,
            children: Mutex::default(),
            listeners: Mutex::default(),
        }
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Its path in the tree; its id until it has entered one.
    pub(crate) fn path(&self) -> &Arc<str> {
        self.path.get().unwrap_or(&self.id)
    }

    pub(crate) fn set_path(&self, path: &Arc<str>) {
        // A place keeps the path under which it was first started.
        let _ = self.path.set(path.clone());
    }

    /// A supervisor takes it among its children.
    pub(crate) fn take(&self) {
        self.taken.store(true, Ordering::Release);
    }

    /// Its supervisor has forgotten it, or is gone.
    pub(crate) fn leave(&self) {
        self.taken.store(false, Ordering::Release);
    }

    pub(crate) fn is_taken(&self) -> bool {
        self.taken.load(Ordering::Acquire)
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.suspended.load(Ordering::Acquire)
    }

    pub(crate) fn suspend(&self, suspended: bool) {
        self.suspended.store(suspended, Ordering::Release);
        if let Some(life) = self.life() {
            life.control().wake();
        }
    }

    pub(crate) fn state(&self) -> State {
        self.status().state
    }

    pub(crate) fn generation(&self) -> u64 {
        self.status().generation
    }

    pub(crate) fn last_end(&self) -> Option<End> {
        self.status().last_end.clone()
    }

    /// The life that is led here now.
    pub(crate) fn life(&self) -> Option<Life> {
        self.status().life.clone()
    }

    pub(crate) fn set_state(&self, state: State) {
        self.status().state = state;
    }

    /// Begins the next generation as the life that `lead` makes of its number.
    pub(crate) fn begin(&self, lead: impl FnOnce(u64) -> Life) -> Life {
        let mut status = self.status();
        status.state = State::Starting;
        status.generation += 1;
        let life = lead(status.generation);
        status.life = Some(life.clone());
        life
    }

    /// There was nothing to start.
    pub(crate) fn ignored(&self) {
        let mut status = self.status();
        status.state = State::Ignored;
        status.life = None;
    }

    /// The children of a supervisor, by the order of their start.
    pub(crate) fn children(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Self>>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn node(&self) -> Node {
        let status = self.status().clone();
        let children: Vec<_> = self.children().values().cloned().collect();
        Node {
            id: self.id.to_string(),
            kind: self.kind,
            state: status.state,
            suspended: self.is_suspended(),
            generation: status.generation,
            restarts: status.generation.saturating_sub(1),
            queued: self.queued.0.upgrade().map_or(0, |queue| queue.queued()),
            capacity: self.capacity,
            last_end: status.last_end,
            children: children.iter().map(|child| child.node()).collect(),
        }
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === Listeners ===

impl Vitals {
    /// Calls `monitor` at each end from now on, until [`Vitals::forget`]; and says whether the place is over already.
    pub(crate) fn listen(&self, monitor: Monitor) -> (u64, bool) {
        let mut guard = self.listeners();
        let listeners = guard.get_or_insert_default();
        listeners.next += 1;
        listeners.monitors.insert(listeners.next, monitor);
        (listeners.next, self.state().is_over())
    }

    pub(crate) fn forget(&self, monitor: u64) {
        if let Some(listeners) = self.listeners().as_mut() {
            listeners.monitors.remove(&monitor);
        }
    }

    /// The end of `generation` shall end the life that `peer` reaches.
    pub(crate) fn link(&self, generation: u64, peer: &Arc<Core>) {
        let mut listeners = self.listeners();
        let links = &mut listeners.get_or_insert_default().links;
        links.retain(|link| link.peer.strong_count() > 0);
        let is_tied = |link: &Link| link.generation == generation && link.peer.as_ptr() == Arc::as_ptr(peer);
        if links.iter().any(is_tied) {
            return;
        }
        links.push(Link { generation, peer: Arc::downgrade(peer) });
    }

    /// A generation ended and `state` follows: tells all who listen, each once, and ends those that are linked.
    pub(crate) fn end(&self, down: &Down, state: State) {
        let mut guard = self.listeners();
        {
            let mut status = self.status();
            status.state = state;
            status.last_end = Some(down.end.clone());
            status.life = None;
        }
        let Some(listeners) = guard.as_mut() else { return };
        let monitors: Vec<_> = listeners.monitors.values().cloned().collect();
        let (ended, later): (Vec<_>, Vec<_>) = std::mem::take(&mut listeners.links)
            .into_iter()
            .filter(|link| link.generation >= down.generation)
            .partition(|link| link.generation == down.generation);
        listeners.links = later;
        drop(guard);

        for peer in ended.iter().filter(|_| down.end.travels()).filter_map(|link| link.peer.upgrade()) {
            peer.control()
                .settle(End::Linked { path: down.path.to_string(), end: Box::new(down.end.clone()) });
        }
        for monitor in monitors {
            tell(&monitor, down);
        }
    }

    fn listeners(&self) -> MutexGuard<'_, Option<Box<Listeners>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells one monitor; its panic is its own.
pub(crate) fn tell(monitor: &Monitor, down: &Down) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| monitor(down))) {
        // Taken apart out here: where nobody listens to the log, its arguments are not even looked at.
        let panic = panic_message(panic);
        tracing::error!(child.path = %down.path, panic, "a monitor panicked");
    }
}
