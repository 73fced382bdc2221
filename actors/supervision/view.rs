//! The tree as a person may look at it; read from shared status, it asks no actor anything.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde::Serialize;

use crate::End;

/// What a child is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for its elder siblings to start.
    Waiting,
    /// Its factory works.
    Starting,
    /// It lives.
    Running,
    /// It ended and will be started again.
    BackingOff,
    /// It was told to stop.
    Stopping,
    /// It was restarted too often and is left alone; its cell keeps its rule.
    Parked,
    /// It ended for good.
    Ended,
}

/// A child as it is now, and its own children.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// Its id among its siblings.
    pub id: String,
    /// `actor` or `supervisor`.
    pub kind: &'static str,
    /// What it does now.
    pub state: State,
    /// How many lives it has had; the first is 1.
    pub generation: u64,
    /// How often it was started again.
    pub restarts: u64,
    /// Messages that wait, of `capacity`.
    pub queued: usize,
    /// The most that may wait.
    pub capacity: usize,
    /// How the last generation ended.
    pub last_end: Option<End>,
    /// For a supervisor: its children in the order of their start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
}

impl Node {
    /// The nodes from here down, with their paths (`root/storage/writer`).
    pub fn walk(&self) -> Vec<(String, &Self)> {
        let mut found = Vec::new();
        let mut open = vec![(self.id.clone(), self)];
        while let Some((path, node)) = open.pop() {
            open.extend(node.children.iter().rev().map(|child| (format!("{path}/{}", child.id), child)));
            found.push((path, node));
        }
        found
    }
}

/// A child's status, written by its supervisor, read by anyone.
#[derive(Debug)]
pub(crate) struct Vitals {
    id: String,
    kind: &'static str,
    capacity: usize,
    status: Mutex<Status>,
    queued: QueueLength,
    children: Arc<Mutex<Vec<Arc<Vitals>>>>,
}

/// What changes together, so that a reader never sees one generation's state beside another's end.
#[derive(Clone, Debug)]
struct Status {
    state: State,
    generation: u64,
    last_end: Option<End>,
}

/// Reads the length of a queue that may be gone.
pub(crate) struct QueueLength(pub(crate) Weak<dyn Queued>);

/// Something that messages wait in.
pub(crate) trait Queued: Send + Sync {
    fn queued(&self) -> usize;
}

impl std::fmt::Debug for QueueLength {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("QueueLength")
    }
}

/// A queue for those that have none: supervisors.
pub(crate) struct NoQueue;

impl Queued for NoQueue {
    fn queued(&self) -> usize {
        0
    }
}

impl Vitals {
    pub(crate) fn new(id: String, kind: &'static str, capacity: usize, queued: QueueLength) -> Self {
        let status = Status { state: State::Waiting, generation: 0, last_end: None };
        Self { id, kind, capacity, status: Mutex::new(status), queued, children: Arc::default() }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn generation(&self) -> u64 {
        self.status().generation
    }

    pub(crate) fn last_end(&self) -> Option<End> {
        self.status().last_end.clone()
    }

    pub(crate) fn children(&self) -> &Arc<Mutex<Vec<Arc<Self>>>> {
        &self.children
    }

    pub(crate) fn set_state(&self, state: State) {
        self.status().state = state;
    }

    /// Begins the next generation and returns its number.
    pub(crate) fn next_generation(&self) -> u64 {
        let mut status = self.status();
        status.state = State::Starting;
        status.generation += 1;
        status.generation
    }

    /// A generation ended, and this is what follows.
    pub(crate) fn ended(&self, end: End, state: State) {
        let mut status = self.status();
        status.state = state;
        status.last_end = Some(end);
    }

    pub(crate) fn node(&self) -> Node {
        let status = self.status().clone();
        let children = self.children.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Node {
            id: self.id.clone(),
            kind: self.kind,
            state: status.state,
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
