//! One generation's handle on its own life: to end it, to work beside its mailbox, to tie it to another.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use clock::Clock;
use futures_util::FutureExt;
use tokio::task::AbortHandle;

use crate::control::Control;
use crate::end::{End, Failure, panic_message};
use crate::place::Place;
use crate::supervisor::Handle;
use crate::vitals::Vitals;

/// One generation's handle on its own life. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Life(Arc<Core>);

/// What a generation, its tasks, its supervisor and those that are linked to it share.
#[derive(Debug)]
pub(crate) struct Core {
    control: Control,
    /// `None` once it is over.
    tasks: Mutex<Option<Vec<AbortHandle>>>,
    place: Place,
    generation: u64,
    clock: Clock,
    siblings: Option<Handle>,
}

impl Life {
    /// The next life at the place that `vitals` tells of.
    pub(crate) fn begin(vitals: &Arc<Vitals>, clock: Clock, siblings: Option<Handle>) -> Self {
        vitals.begin(|generation| {
            let place = Place(vitals.clone());
            let (control, tasks) = (Control::default(), Mutex::new(Some(Vec::new())));
            Self(Arc::new(Core { control, tasks, place, generation, clock, siblings }))
        })
    }

    /// Ends this generation as failed by the world. Nothing more of it runs, not even `stopped`.
    pub fn fail(&self, failure: Failure) {
        self.0.control.settle(End::Failed(failure));
    }

    /// Ends this generation as done.
    pub fn finish(&self) {
        self.0.control.settle(End::Normal);
    }

    /// Stops this generation to sleep until a message comes; one that waits already starts the next at once.
    pub fn passivate(&self) {
        self.0.control.ask_to_sleep();
    }

    /// Runs work beside the mailbox, for as long as this generation lives; its panic is the actor's panic.
    ///
    /// Call it on the actor's own thread: in its factory, its lifecycle or a handler.
    pub fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        let life = self.clone();
        let task = actix_rt::spawn(async move {
            if let Err(payload) = std::panic::AssertUnwindSafe(work).catch_unwind().await {
                life.control().settle(End::Panicked { message: panic_message(payload) });
            }
        });
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        match tasks.as_mut() {
            Some(tasks) => {
                tasks.retain(|task| !task.is_finished());
                tasks.push(task.abort_handle());
            }
            None => task.abort(),
        }
    }

    /// Ties the life that is led at `other` now to this one: whichever ends first ends the other as [`End::Linked`],
    /// unless it ends as normal or to sleep. When nobody lives there, this life ends.
    pub fn link(&self, other: &Place) {
        // A life that is over has nothing to tie: what it leads now is another one.
        if !self.is_led() {
            return;
        }
        let Some(life) = other.0.life() else { return self.end_with(other) };
        other.0.link(life.0.generation, &self.0);
        self.0.place.0.link(self.0.generation, &life.0);
        // It may have ended between the question and the tie.
        if !other.0.life().is_some_and(|now| Arc::ptr_eq(&now.0, &life.0)) {
            self.end_with(other);
        }
    }

    fn is_led(&self) -> bool {
        self.0.place.0.life().is_some_and(|now| Arc::ptr_eq(&now.0, &self.0))
    }

    fn end_with(&self, other: &Place) {
        self.0.control.settle(End::Linked { path: other.path().to_string(), end: Box::new(other.absence()) });
    }

    /// Its place in the tree.
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// Where it lives in the tree, such as `root/storage/writer`.
    pub fn path(&self) -> &str {
        self.0.place.0.path()
    }

    /// Which life of the child this is; the first is 1.
    pub fn generation(&self) -> u64 {
        self.0.generation
    }

    /// Its own supervisor, to start and stop siblings; never await it in a handler, it may be waiting for this child.
    pub fn siblings(&self) -> Option<&Handle> {
        self.0.siblings.as_ref()
    }

    /// The tree's clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn control(&self) -> &Control {
        &self.0.control
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.0.place.0.is_suspended()
    }

    pub(crate) fn has_tasks(&self) -> bool {
        let tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().flatten().any(|task| !task.is_finished())
    }

    pub(crate) fn end_tasks(&self) {
        let tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        for task in tasks.into_iter().flatten() {
            task.abort();
        }
    }
}

impl Core {
    pub(crate) fn control(&self) -> &Control {
        &self.control
    }
}
