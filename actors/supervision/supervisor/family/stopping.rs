//! The end of a supervisor: its children first, the youngest first; dynamic or killed ones all at once.

use std::time::Instant;

use super::Family;
use crate::control::Request;
use crate::end::End;
use crate::supervisor::member::Phase;
use crate::view::State;

impl Family {
    pub(super) fn end_by(&mut self, request: Request) {
        self.heard = request;
        if request == Request::Kill {
            self.ending = Some(End::Killed);
            // Whoever was told to stop is now killed.
            self.all_told = false;
        } else {
            self.ending.get_or_insert(End::Shutdown);
        }
    }

    /// Goes on with stopping the children; the family's end once none is left.
    pub(super) fn stop_all(&mut self) -> Option<End> {
        let kill = self.heard == Request::Kill;
        if kill || self.is_dynamic() {
            if !self.all_told {
                self.all_told = true;
                for serial in self.roster.serials() {
                    self.stop_one(serial, kill);
                }
            }
            return if self.roster.is_empty() { self.ending.clone() } else { None };
        }
        while let Some(child) = self.roster.youngest() {
            let serial = child.serial;
            if matches!(child.phase, Phase::Stopping { .. }) {
                return None;
            }
            self.stop_one(serial, false);
        }
        self.ending.clone()
    }

    fn stop_one(&mut self, serial: u64, kill: bool) {
        match self.roster.get(serial).map(|child| child.phase) {
            Some(Phase::Starting | Phase::Running) => self.begin_stop(serial, kill),
            Some(Phase::Stopping { killed: false, .. }) if kill => self.begin_stop(serial, true),
            Some(Phase::Stopping { .. }) | None => {}
            Some(
                Phase::Waiting
                | Phase::Held
                | Phase::BackingOff { .. }
                | Phase::Asleep
                | Phase::Parked
                | Phase::Ended,
            ) => self.forget(serial),
        }
    }

    pub(super) fn begin_stop(&mut self, serial: u64, kill: bool) {
        let now = self.surroundings.clock.now();
        let Some(child) = self.roster.get(serial) else { return };
        let phase = child.begin_stop(kill, now);
        child.spec.body.vitals().set_state(State::Stopping);
        self.roster.enter(serial, phase);
    }

    /// Its time to stop is over.
    pub(super) fn kill(&mut self, serial: u64, now: Instant) {
        let Some(child) = self.roster.get(serial) else { return };
        child.ask_for(Request::Kill);
        let deadline = child.gone_by(now);
        self.roster.enter(serial, Phase::Stopping { deadline, killed: true });
    }

    /// Takes a child out of the family.
    pub(super) fn forget(&mut self, serial: u64) {
        let Some(child) = self.roster.remove(serial) else { return };
        let body = &child.spec.body;
        body.vitals().leave();
        if child.added || self.ending.is_none() {
            body.vitals().set_state(State::Ended);
            body.vitals().suspend(false);
            body.close(&self.surroundings.registry);
        } else {
            // A place that came with its supervisor outlives this life of it: the next one starts it again.
            body.vitals().set_state(State::BackingOff);
            body.go_down(None);
        }
        self.own.children().remove(&serial);
        for reply in child.on_stop {
            // Who asked may have stopped waiting.
            let _ = reply.send(Ok(()));
        }
    }
}
