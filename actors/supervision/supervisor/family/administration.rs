//! What a supervisor does when it is asked: start, restart, terminate, delete, kill, suspend, tell.

use super::Family;
use crate::child::ChildSpec;
use crate::control::Request;
use crate::end::End;
use crate::supervisor::handle::{Birth, ChildError, Command, Counts, Reply};
use crate::supervisor::member::{Child, Origin, Phase};
use crate::view::{Kind, State};

impl Family {
    pub(super) fn on_command(&mut self, command: Command) {
        // Who ends takes no requests: the dropped reply says so.
        if self.ending.is_some() || command.is_abandoned() {
            return;
        }
        match command {
            Command::Start(spec, reply) => self.start(*spec, reply),
            Command::Restart(id, reply) => self.restart(&id, reply),
            Command::Terminate(id, reply) => match self.find(&id) {
                Ok(serial) => self.terminate(serial, reply),
                Err(error) => answer(reply, Err(error)),
            },
            Command::Delete(id, reply) => {
                let deleted = self.delete(&id);
                answer(reply, deleted);
            }
            Command::Kill(id, reply) => {
                let child = self.known(&id);
                answer(reply, child.map(|child| child.ask_for(Request::Kill)));
            }
            Command::Suspend(id, suspended, reply) => {
                let done = self.known(&id).and_then(|child| suspend(child, suspended));
                answer(reply, done);
            }
            Command::Child(id, reply) => {
                let info = self.known(&id).map(Child::info);
                answer(reply, info);
            }
            Command::Which(reply) => answer(reply, Ok(self.roster.iter().map(Child::info).collect())),
            Command::Count(reply) => answer(reply, Ok(self.count())),
        }
    }

    fn start(&mut self, spec: ChildSpec, reply: Reply<Birth>) {
        let id = spec.id().to_owned();
        let refusal = if let Some(why) = self.spec.contradiction(&spec) {
            ChildError::BadCombination { id, why }
        } else if let Ok(known) = self.known(&id) {
            match known.phase {
                Phase::Parked | Phase::Ended => ChildError::AlreadyPresent(id),
                Phase::Waiting
                | Phase::Starting
                | Phase::Running
                | Phase::Held
                | Phase::BackingOff { .. }
                | Phase::Asleep
                | Phase::Stopping { .. } => ChildError::AlreadyStarted(id),
            }
        } else if self.roster.len() >= self.spec.max_children {
            ChildError::TooMany(self.spec.max_children)
        } else {
            let serial = self.adopt(spec, Origin::Added);
            return self.start_for(serial, reply);
        };
        answer(reply, Err(refusal));
    }

    fn restart(&mut self, id: &str, reply: Reply<Birth>) {
        match self.over(id) {
            Ok(serial) => self.start_for(serial, reply),
            Err(error) => answer(reply, Err(error)),
        }
    }

    /// Who was asked for starts at once, in no order with others.
    fn start_for(&mut self, serial: u64, reply: Reply<Birth>) {
        if let Some(child) = self.roster.get_mut(serial) {
            child.on_start = Some(reply);
            child.forget_failures();
        }
        self.launch_in_peace(serial);
    }

    fn terminate(&mut self, serial: u64, reply: Reply<()>) {
        let Some(child) = self.roster.get_mut(serial) else { return };
        child.on_stop.push(reply);
        match child.phase {
            Phase::Starting | Phase::Running => self.begin_stop(serial, false),
            Phase::Stopping { .. } => {}
            Phase::Waiting
            | Phase::Held
            | Phase::BackingOff { .. }
            | Phase::Asleep
            | Phase::Parked
            | Phase::Ended => {
                child.spec.body.vitals().set_state(State::Ended);
                if let Some(reply) = child.on_start.take() {
                    answer(reply, Err(ChildError::StartFailed(End::Shutdown)));
                }
                self.roster.enter(serial, Phase::Ended);
                self.retire(serial, false);
                self.release();
            }
        }
    }

    fn delete(&mut self, id: &str) -> Result<(), ChildError> {
        let serial = self.over(id)?;
        self.forget(serial);
        Ok(())
    }

    fn count(&self) -> Counts {
        let mut counts = Counts { specs: self.roster.len(), ..Counts::default() };
        for child in self.roster.iter() {
            counts.active += usize::from(child.phase.is_active());
            match child.spec.body.vitals().kind() {
                Kind::Actor => counts.workers += 1,
                Kind::Supervisor => counts.supervisors += 1,
            }
        }
        counts
    }

    fn find(&self, id: &str) -> Result<u64, ChildError> {
        self.roster.serial_of(id).ok_or_else(|| ChildError::NotFound(id.to_owned()))
    }

    fn known(&self, id: &str) -> Result<&Child, ChildError> {
        let serial = self.find(id)?;
        self.roster.get(serial).ok_or_else(|| ChildError::NotFound(id.to_owned()))
    }

    /// A child that is known and does not live, nor is about to.
    fn over(&self, id: &str) -> Result<u64, ChildError> {
        let parked = self.known(id).ok().filter(|child| child.phase == Phase::Parked);
        if let Some(child) = parked {
            return Ok(child.serial);
        }
        if self.is_dynamic() {
            return Err(ChildError::Dynamic);
        }
        let child = self.known(id)?;
        match child.phase {
            Phase::Parked | Phase::Ended => Ok(child.serial),
            Phase::Waiting | Phase::Starting | Phase::Held | Phase::BackingOff { .. } => {
                Err(ChildError::Restarting(id.to_owned()))
            }
            Phase::Running | Phase::Asleep | Phase::Stopping { .. } => {
                Err(ChildError::Running(id.to_owned()))
            }
        }
    }
}

fn suspend(child: &Child, suspended: bool) -> Result<(), ChildError> {
    let vitals = child.spec.body.vitals();
    match vitals.kind() {
        Kind::Actor => {
            vitals.suspend(suspended);
            Ok(())
        }
        Kind::Supervisor => Err(ChildError::NotAnActor(vitals.id().to_string())),
    }
}

fn answer<T>(reply: Reply<T>, result: Result<T, ChildError>) {
    // Who asked may have stopped waiting.
    let _ = reply.send(result);
}
