//! What a seed is made of: a tree as it is described, and the steps that are taken against it.

use std::fmt;

pub(crate) use supervision::{AutoShutdown, Restart, Strategy};

/// How long restarts are counted, in milliseconds.
pub(crate) const PERIOD: u64 = 5_000;

/// A tree, and what happens to it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) root: Branch,
    /// Arbiters that carry its actors.
    pub(crate) threads: usize,
    pub(crate) steps: Vec<Step>,
}

/// A supervisor as it is described.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Branch {
    pub(crate) strategy: Strategy,
    pub(crate) limit: Bound,
    pub(crate) auto_shutdown: AutoShutdown,
    pub(crate) max_children: usize,
    pub(crate) children: Vec<Sprout>,
}

/// Whose restarts are counted, and how many are put up with within [`PERIOD`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    Shared(usize),
    PerChild(usize),
}

/// A child as it is described.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sprout {
    pub(crate) id: String,
    pub(crate) restart: Restart,
    pub(crate) significant: bool,
    pub(crate) patience: Patience,
    /// The wait before each restart, in milliseconds.
    pub(crate) backoff: u64,
    /// The intensity of its compensating role, if it has one.
    pub(crate) compensates: Option<usize>,
    /// How its first starts go, if not well.
    pub(crate) births: Vec<Birth>,
    pub(crate) body: Body,
}

/// How long it may take to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Patience {
    None,
    Millis(u64),
    Endless,
}

/// What lives there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    Worker(Worker),
    Supervisor(Branch),
}

/// An actor as it is described.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Worker {
    pub(crate) capacity: usize,
    /// Refuses messages while it is down, instead of keeping them.
    pub(crate) refuses: bool,
    /// Does not stop when it is told to.
    pub(crate) stubborn: bool,
}

/// How one start goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Birth {
    Fails,
    PanicsInFactory,
    PanicsInStarted,
    Ignores,
}

/// What a message makes its actor do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Letter {
    /// Nothing but answer with its generation.
    Note,
    /// Panic in the handler.
    Panic,
    /// Panic in a task beside the mailbox.
    PanicInTask,
    /// Say that the world failed it.
    Fail,
    /// End as done.
    Finish,
    /// End by stopping its context.
    Stop,
    /// End as passivated.
    Passivate,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// The next starts of a place go thus.
    Rig { path: String, births: Vec<Birth> },
    /// Messages reach an actor all at once.
    Send { path: String, letters: Vec<Letter> },
    /// Time passes, in milliseconds.
    Advance { by: u64 },
    /// A supervisor is asked for something.
    Ask { supervisor: String, request: Request },
}

/// What a supervisor is asked for; the text is the child's id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    Start(Box<Sprout>),
    Terminate(String),
    Restart(String),
    Delete(String),
    Kill(String),
    Suspend(String),
    Resume(String),
    Describe(String),
    Which,
    Count,
}

impl Letter {
    /// Whether it ends the life that handles it.
    pub(crate) fn is_fatal(self) -> bool {
        self != Self::Note
    }

    /// Whether the end comes after the handler, so that it is open what else is handled before.
    pub(crate) fn ends_later(self) -> bool {
        match self {
            Self::PanicInTask => true,
            Self::Note | Self::Panic | Self::Fail | Self::Finish | Self::Stop | Self::Passivate => false,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tree on {} threads:", self.threads)?;
        self.root.write(f, "root", "  ")?;
        writeln!(f, "steps:")?;
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {number}: {step:?}")?;
        }
        Ok(())
    }
}

impl Branch {
    fn write(&self, f: &mut fmt::Formatter<'_>, id: &str, indent: &str) -> fmt::Result {
        let Self { strategy, limit, auto_shutdown, max_children, children } = self;
        writeln!(f, "{indent}{id}: {strategy:?}, {limit:?}, auto {auto_shutdown:?}, at most {max_children}")?;
        let indent = format!("{indent}  ");
        for child in children {
            let Sprout { id, restart, significant, patience, backoff, compensates, births, body } = child;
            write!(f, "{indent}{id}: {restart:?}, stop {patience:?}, backoff {backoff}")?;
            write!(f, "{}", if *significant { ", significant" } else { "" })?;
            if let Some(restarts) = compensates {
                write!(f, ", compensates with {restarts}")?;
            }
            if !births.is_empty() {
                write!(f, ", at first {births:?}")?;
            }
            match body {
                Body::Worker(worker) => writeln!(f, ", {worker:?}")?,
                Body::Supervisor(branch) => {
                    writeln!(f)?;
                    branch.write(f, id, &format!("{indent}= "))?;
                }
            }
        }
        Ok(())
    }
}
