//! What the model's families act on: the time, the places that outlive their lives, and the record of it all.

use std::collections::{BTreeMap, VecDeque};

use crate::ledger::{Entry, Order};
use crate::plan::{Birth, Body, Branch, Letter, Sprout, Worker};

/// How a life ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    Normal,
    Shutdown,
    Passivated,
    Failed,
    Panicked,
    Killed,
    StartFailed,
    /// Over the child of that id.
    GaveUp(String),
}

/// Who may come in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Gate {
    Open,
    Down,
    Closed,
}

/// What belongs to a path and outlives each life there.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) generation: u64,
    pub(crate) last_end: Option<End>,
    pub(crate) suspended: bool,
    pub(crate) gate: Gate,
    pub(crate) queue: VecDeque<(usize, Letter)>,
    pub(crate) rigged: VecDeque<Birth>,
    /// Nothing for a supervisor's place.
    pub(crate) worker: Option<Worker>,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    Waits,
    Answered {
        generation: u64,
    },
    Panicked,
    Busy,
    Down,
    Closed,
    /// Its actor took it and ended before it answered: never foreseen.
    Unanswered,
}

/// A stop that takes until its timeout is over and its child is killed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wait {
    pub(crate) path: String,
    pub(crate) generation: u64,
    pub(crate) since: u64,
    pub(crate) until: u64,
}

/// The world of one tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    /// Milliseconds since the tree began.
    pub(crate) now: u64,
    pub(crate) places: BTreeMap<String, Place>,
    pub(crate) fates: Vec<Fate>,
    /// What happened in this step.
    pub(crate) ledger: Vec<Order>,
    pub(crate) waits: Vec<Wait>,
    /// What in this step may end in more than one way.
    pub(crate) races: Vec<&'static str>,
    /// Who was started by what goes on now and finds messages waiting.
    fresh: Vec<String>,
    /// Somebody fresh finds a message that ends it.
    loaded: bool,
}

impl End {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Normal => "normal".to_owned(),
            Self::Shutdown => "shutdown".to_owned(),
            Self::Passivated => "passivated".to_owned(),
            Self::Failed => "failed".to_owned(),
            Self::Panicked => "panicked".to_owned(),
            Self::Killed => "killed".to_owned(),
            Self::StartFailed => "start_failed".to_owned(),
            Self::GaveUp(child) => format!("gave_up over {child}"),
        }
    }

    /// Whether a transient child comes back after it.
    pub(crate) fn is_abnormal(&self) -> bool {
        match self {
            Self::Normal | Self::Shutdown | Self::Passivated => false,
            Self::Failed | Self::Panicked | Self::Killed | Self::StartFailed | Self::GaveUp(_) => true,
        }
    }

    /// Whether it counts against an intensity: the world's failures and sleep do not.
    pub(crate) fn counts(&self) -> bool {
        match self {
            Self::Failed | Self::Passivated => false,
            Self::Normal
            | Self::Shutdown
            | Self::Panicked
            | Self::Killed
            | Self::StartFailed
            | Self::GaveUp(_) => true,
        }
    }
}

impl Place {
    pub(crate) fn new(worker: Option<Worker>) -> Self {
        let refuses = worker.is_some_and(|worker| worker.refuses);
        Self {
            generation: 0,
            last_end: None,
            suspended: false,
            gate: if refuses { Gate::Down } else { Gate::Open },
            queue: VecDeque::new(),
            rigged: VecDeque::new(),
            worker,
        }
    }
}

// === Scene ===

impl Scene {
    pub(crate) fn place(&mut self, path: &str) -> &mut Place {
        self.places.get_mut(path).expect("whoever lives has a place")
    }

    pub(crate) fn race(&mut self, what: &'static str) {
        self.races.push(what);
    }

    /// Something else begins: what was fresh has come to rest.
    pub(crate) fn settle(&mut self) {
        self.fresh.clear();
        self.loaded = false;
    }

    /// Something goes on, after all that went on before.
    pub(crate) fn touch(&mut self) {
        if self.loaded {
            self.race("a fresh child may end before, within or after what else follows");
        }
    }

    pub(crate) fn started(&mut self, path: &str, role: &'static str) {
        let place = self.place(path);
        place.gate = Gate::Open;
        let generation = place.generation;
        let (finds_mail, is_loaded) = match place.suspended {
            true => (false, false),
            false => (!place.queue.is_empty(), place.queue.iter().any(|(_, letter)| letter.is_fatal())),
        };
        self.write(Entry::Started { path: path.to_owned(), generation, role });
        if finds_mail {
            self.fresh.push(path.to_owned());
        }
        self.loaded |= is_loaded;
    }

    pub(crate) fn gone(&mut self, path: &str) {
        if self.fresh.iter().any(|fresh| fresh == path) {
            self.race("a fresh child may or may not handle what waits before it is stopped");
        }
        let generation = self.place(path).generation;
        self.write(Entry::Gone { path: path.to_owned(), generation });
    }

    pub(crate) fn heard(&mut self, path: &str, end: &End, follows: impl Into<String>) {
        let place = self.place(path);
        place.last_end = Some(end.clone());
        let generation = place.generation;
        let (end, follows) = (end.name(), follows.into());
        self.write(Entry::Heard { path: path.to_owned(), generation, end, follows });
    }

    fn write(&mut self, entry: Entry) {
        self.touch();
        self.ledger.push(Order::One(entry));
    }

    /// It does not stop when it is told to, and time passes until it is killed.
    pub(crate) fn wait(&mut self, path: &str, timeout: u64) {
        let (generation, since) = (self.place(path).generation, self.now);
        self.now += timeout;
        self.waits.push(Wait { path: path.to_owned(), generation, since, until: self.now });
    }

    /// All of `acts` at once, each with its own course of time; the time after it is that of the slowest.
    pub(crate) fn beside<T>(&mut self, acts: impl IntoIterator<Item = T>, mut act: impl FnMut(T, &mut Self)) {
        let (before, start) = (std::mem::take(&mut self.ledger), self.now);
        let (mut branches, mut end) = (Vec::new(), start);
        for item in acts {
            self.now = start;
            act(item, self);
            end = end.max(self.now);
            branches.push(std::mem::take(&mut self.ledger));
        }
        self.now = end;
        self.ledger = before;
        self.ledger.push(Order::Beside(branches));
    }

    /// Nobody lives there for the moment.
    pub(crate) fn go_down(&mut self, path: &str) {
        let place = self.place(path);
        if place.worker.is_some_and(|worker| worker.refuses) {
            place.gate = Gate::Down;
            self.let_go(path, &Fate::Down);
        }
    }

    /// Nobody will live there again by itself.
    pub(crate) fn close(&mut self, path: &str) {
        self.place(path).gate = Gate::Closed;
        self.let_go(path, &Fate::Closed);
    }

    fn let_go(&mut self, path: &str, fate: &Fate) {
        for (letter, _) in std::mem::take(&mut self.place(path).queue) {
            self.fates[letter] = fate.clone();
        }
    }

    /// A message comes in, or does not.
    pub(crate) fn post(&mut self, path: &str, letter: Letter) {
        let number = self.fates.len();
        let fate = match self.places.get_mut(path) {
            None => Fate::Closed,
            Some(place) => match place.gate {
                Gate::Closed => Fate::Closed,
                Gate::Down => Fate::Down,
                Gate::Open if place.worker.is_some_and(|worker| place.queue.len() >= worker.capacity) => {
                    Fate::Busy
                }
                Gate::Open => {
                    place.queue.push_back((number, letter));
                    Fate::Waits
                }
            },
        };
        self.fates.push(fate);
    }
}

// === Places of a child and of all below it ===

impl Scene {
    /// The places of a whole tree.
    pub(crate) fn plant(&mut self, path: &str, branch: &Branch) {
        self.places.insert(path.to_owned(), Place::new(None));
        for child in &branch.children {
            self.furnish(&format!("{path}/{}", child.id), child);
        }
    }

    pub(crate) fn furnish(&mut self, path: &str, sprout: &Sprout) {
        let below = format!("{path}/");
        self.places.retain(|place, _| !place.starts_with(&below));
        match &sprout.body {
            Body::Worker(worker) => {
                let mut place = Place::new(Some(*worker));
                place.rigged.extend(&sprout.births);
                self.places.insert(path.to_owned(), place);
            }
            Body::Supervisor(branch) => self.plant(path, branch),
        }
    }

    /// Nobody will live here again by itself, nor any of those with whom it began.
    pub(crate) fn close_all(&mut self, path: &str, sprout: &Sprout) {
        self.close(path);
        if let Body::Supervisor(branch) = &sprout.body {
            for child in &branch.children {
                self.close_all(&format!("{path}/{}", child.id), child);
            }
        }
    }
}
