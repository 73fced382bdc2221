//! One generation's handle on its own life: to end it, to work beside its mailbox, to tie it to another.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use clock::Clock;
use futures_util::FutureExt;
use tokio::task::AbortHandle;

use crate::child::Launch;
use crate::control::Control;
use crate::end::{End, Failure, panic_message};
use crate::place::Place;
use crate::supervisor::Handle;
use crate::vitals::Vitals;

/// One generation's handle on its own life.
#[derive(Clone, Debug)]
pub struct Life {
    control: Arc<Control>,
    tasks: Arc<Mutex<Vec<AbortHandle>>>,
    place: Place,
    generation: u64,
    clock: Clock,
    siblings: Option<Handle>,
}

impl Life {
    pub(crate) fn new(launch: &Launch, vitals: &Arc<Vitals>) -> Self {
        Self {
            control: launch.control.clone(),
            tasks: Arc::default(),
            place: Place(vitals.clone()),
            generation: launch.generation,
            clock: launch.surroundings.clock.clone(),
            siblings: launch.parent.clone(),
        }
    }

    /// Ends this generation as failed by the world. Nothing more of it runs, not even `stopped`.
    pub fn fail(&self, failure: Failure) {
        self.control.settle(End::Failed(failure));
    }

    /// Ends this generation as done.
    pub fn finish(&self) {
        self.control.settle(End::Normal);
    }

    /// Stops this generation to sleep until a message comes; one that waits already starts the next at once.
    pub fn passivate(&self) {
        self.control.ask_to_sleep();
    }

    /// Runs work beside the mailbox, for as long as this generation lives; its panic is the actor's panic.
    ///
    /// Call it on the actor's own thread: in its factory, its lifecycle or a handler.
    pub fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        let control = self.control.clone();
        let task = actix_rt::spawn(async move {
            if let Err(payload) = std::panic::AssertUnwindSafe(work).catch_unwind().await {
                control.settle(End::Panicked { message: panic_message(payload.as_ref()) });
            }
        });
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task.abort_handle());
    }

    /// Ties the life that is led at `other` now to this one: whichever ends first ends the other as [`End::Linked`],
    /// unless it ends as normal or to sleep. When nobody lives there, this life ends.
    pub fn link(&self, other: &Place) {
        match other.0.control() {
            Some(control) => {
                other.0.link(other.generation(), &self.control);
                self.place.0.link(self.generation, &control);
                // It may have ended between the question and the tie.
                if !other.0.is_reached_by(&control) {
                    self.end_with(other);
                }
            }
            None => self.end_with(other),
        }
    }

    fn end_with(&self, other: &Place) {
        self.control.settle(End::Linked { path: other.path().to_string(), end: Box::new(other.absence()) });
    }

    /// Its place in the tree.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Where it lives in the tree, such as `root/storage/writer`.
    pub fn path(&self) -> &str {
        self.place.0.path()
    }

    /// Which life of the child this is; the first is 1.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Its own supervisor, to start and stop siblings; never await it in a handler, it may be waiting for this child.
    pub fn siblings(&self) -> Option<&Handle> {
        self.siblings.as_ref()
    }

    /// The tree's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.place.0.is_suspended()
    }

    pub(crate) fn has_tasks(&self) -> bool {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().any(|task| !task.is_finished())
    }

    pub(crate) fn end_tasks(&self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}
