//! The tree as a person may look at it; read from shared status, it asks no actor anything.

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
    /// It was idle and sleeps until a message comes.
    Asleep,
    /// It was told to stop.
    Stopping,
    /// It was restarted too often and is left alone; its cell keeps its rule.
    Parked,
    /// Its factory had nothing to start.
    Ignored,
    /// It ended, and nothing starts it again but a request.
    Ended,
}

/// Whether a place holds an actor or a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It handles messages.
    Actor,
    /// It has children.
    Supervisor,
}

/// A child as it is now, and its own children.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// Its id among its siblings.
    pub id: String,
    /// What lives there.
    pub kind: Kind,
    /// What it does now.
    pub state: State,
    /// It handles nothing until it is resumed.
    pub suspended: bool,
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

impl State {
    /// Nothing will live there again by itself.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Parked | Self::Ignored)
    }
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
