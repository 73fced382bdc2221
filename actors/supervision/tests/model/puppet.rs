//! The actor that every place of a tree under test holds: it does what its letters say and writes down its lives.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use actix::prelude::*;
use supervision::{Down, End, Failure, Follows, Life, NotStarted, Role, Start};

use crate::ledger::Entry;
use crate::plan::{Birth, Letter};

/// What every life of every actor of one tree writes into.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Vec<Entry>>>);

/// How the next starts of one place go; without a word they go well.
pub(crate) type Script = Arc<Mutex<VecDeque<Birth>>>;

/// One life of an actor.
pub(crate) struct Puppet {
    life: Life,
    ledger: Ledger,
    is_stubborn: bool,
    /// It began no life: it panics before.
    is_stillborn: bool,
}

/// A letter, answered with the generation that handled it.
#[derive(Message)]
#[rtype(result = "u64")]
pub(crate) struct Deliver(pub(crate) Letter);

/// Holds the mailbox until the sender is used or dropped.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Hold(pub(crate) tokio::sync::oneshot::Receiver<()>);

impl Ledger {
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What was written since the last time.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn hear(&self, down: &Down) {
        let follows = match down.follows {
            Follows::Restart { after } => format!("restart after {}", after.as_millis()),
            Follows::Compensation => "compensation".to_owned(),
            Follows::Sleep => "sleep".to_owned(),
            Follows::GivenUp => "given up".to_owned(),
            Follows::Nothing => "nothing".to_owned(),
        };
        let (path, generation) = (down.path.to_string(), down.generation);
        self.write(Entry::Heard { path, generation, end: name(&down.end), follows });
    }

    fn write(&self, entry: Entry) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
}

/// An end as the model names it.
pub(crate) fn name(end: &End) -> String {
    if let End::GaveUp { child } = end { format!("gave_up over {child}") } else { end.name().to_owned() }
}

impl Puppet {
    /// The factory's work.
    pub(crate) fn begin(
        start: Start<Self>,
        script: &Script,
        ledger: Ledger,
        is_stubborn: bool,
    ) -> Result<Self, NotStarted> {
        let birth = script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        match birth {
            Some(Birth::Fails) => return Err(Failure::new("told to fail").into()),
            Some(Birth::PanicsInFactory) => panic!("told to panic in the factory"),
            Some(Birth::Ignores) => return Err(NotStarted::Ignored),
            Some(Birth::PanicsInStarted) | None => {}
        }
        let is_stillborn = birth.is_some();
        if !is_stillborn {
            let (path, generation) = (start.life.path().to_owned(), start.life.generation());
            let role = match start.role {
                Role::Regular => "regular",
                Role::Compensating => "compensating",
            };
            ledger.write(Entry::Started { path, generation, role });
        }
        Ok(Self { life: start.life, ledger, is_stubborn, is_stillborn })
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        if !self.is_stillborn {
            let (path, generation) = (self.life.path().to_owned(), self.life.generation());
            self.ledger.write(Entry::Gone { path, generation });
        }
    }
}

impl Actor for Puppet {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        assert!(!self.is_stillborn, "told to panic in started()");
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        if self.is_stubborn { Running::Continue } else { Running::Stop }
    }
}

impl Handler<Deliver> for Puppet {
    type Result = MessageResult<Deliver>;

    fn handle(&mut self, Deliver(letter): Deliver, context: &mut Self::Context) -> Self::Result {
        match letter {
            Letter::Note => {}
            Letter::Panic => panic!("told to panic"),
            Letter::PanicInTask => self.life.spawn(async { panic!("told to panic in a task") }),
            Letter::Fail => self.life.fail(Failure::new("told to fail")),
            Letter::Finish => self.life.finish(),
            Letter::Stop => context.stop(),
            Letter::Passivate => self.life.passivate(),
        }
        MessageResult(self.life.generation())
    }
}

impl Handler<Hold> for Puppet {
    type Result = ();

    fn handle(&mut self, Hold(release): Hold, context: &mut Self::Context) {
        let released = async move {
            // Used or dropped, both mean: go on.
            let _ = release.await;
        };
        context.wait(released.into_actor(self));
    }
}
