//! A restart that takes siblings along: they are stopped in reverse, held, and started again in order.

use std::time::Instant;

use super::Family;
use crate::supervisor::Strategy;
use crate::supervisor::member::{Child, Phase};
use crate::view::State;

/// A restart that takes siblings along: from this serial on all are stopped, and start again when it is time.
#[derive(Clone, Copy)]
pub(super) struct Regroup {
    pub(super) from: u64,
    pub(super) until: Instant,
}

impl Family {
    /// Stops bystanders one by one from the youngest; once all are down and it is time, all wait for their start.
    pub(super) fn advance_regroup(&mut self) {
        let Some(Regroup { from, until }) = self.regroup else { return };
        let next = self
            .roster
            .iter()
            .rev()
            .take_while(|child| child.serial >= from)
            .find(|child| child.phase.is_alive())
            .map(|child| (child.serial, child.phase));
        match next {
            Some((_, Phase::Stopping { .. })) => return,
            Some((serial, _)) => return self.begin_stop(serial, false),
            None => {}
        }
        if self.surroundings.clock.now() < until {
            return;
        }
        self.regroup = None;
        let is_due = |phase| matches!(phase, Phase::Held | Phase::BackingOff { .. });
        let held: Vec<_> = self
            .roster
            .iter()
            .filter(|child| child.serial >= from && is_due(child.phase))
            .map(|child| child.serial)
            .collect();
        for serial in held {
            self.roster.enter(serial, Phase::Waiting);
            if let Some(child) = self.roster.get(serial) {
                child.spec.body.vitals().set_state(State::Waiting);
            }
        }
    }

    /// Whether a restart that is under way has stopped this child, or is about to.
    pub(super) fn is_bystander(&self, serial: u64) -> bool {
        self.ending.is_none() && self.regroup.is_some_and(|regroup| serial >= regroup.from)
    }

    pub(super) fn take_along(&mut self, serial: u64, until: Instant) {
        let from = match self.spec.strategy {
            Strategy::OneForOne | Strategy::Dynamic => return,
            Strategy::OneForAll => 0,
            Strategy::RestForOne => serial,
        };
        let wider = self.regroup.map_or(Regroup { from, until }, |under_way| Regroup {
            from: from.min(under_way.from),
            until: until.max(under_way.until),
        });
        self.regroup = Some(wider);
        // Who has not had its turn yet waits with the others: nobody starts before its elders are back.
        for serial in self.roster.waiting_from(wider.from) {
            self.roster.enter(serial, Phase::Held);
            if let Some(child) = self.roster.get(serial) {
                child.spec.body.vitals().set_state(State::BackingOff);
            }
        }
    }

    /// Who took the others along is not coming back: they need not wait for it.
    pub(super) fn release(&mut self) {
        let Some(from) = self.regroup.map(|regroup| regroup.from) else { return };
        let waits = |child: &Child| child.serial >= from && matches!(child.phase, Phase::BackingOff { .. });
        if self.roster.iter().any(waits) {
            return;
        }
        let until = self.surroundings.clock.now();
        self.regroup = Some(Regroup { from, until });
    }
}
