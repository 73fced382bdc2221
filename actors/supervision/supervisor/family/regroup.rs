//! A restart that takes siblings along: they are stopped in reverse, held, and started again in order.

use std::time::Instant;

use super::Family;
use crate::end::End;
use crate::supervisor::Strategy;
use crate::supervisor::member::Phase;
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
        let now = self.surroundings.clock.now();
        for child in self.children.iter_mut().rev().take_while(|child| child.serial >= from) {
            match child.phase {
                Phase::Starting | Phase::Running => return child.begin_stop(now),
                Phase::Stopping { .. } => return,
                Phase::Waiting | Phase::Held | Phase::BackingOff { .. } | Phase::Parked | Phase::Ended => {}
            }
        }
        if now < until {
            return;
        }
        self.regroup = None;
        for child in self.children.iter_mut().filter(|child| child.serial >= from) {
            if matches!(child.phase, Phase::Held | Phase::BackingOff { .. }) {
                child.phase = Phase::Waiting;
                child.spec.body.vitals().set_state(State::Waiting);
            }
        }
    }

    /// A bystander is down until the child that began it starts again.
    pub(super) fn hold(&mut self, place: usize, end: End) {
        let child = &mut self.children[place];
        child.phase = Phase::Held;
        child.running_since = None;
        child.spec.body.go_down(self.regroup.map(|regroup| regroup.until));
        if let Some(monitor) = &child.spec.monitor {
            monitor(&end, false);
        }
        child.spec.body.vitals().ended(end, State::BackingOff);
    }

    pub(super) fn take_along(&mut self, place: usize, until: Instant) {
        let serial = self.children[place].serial;
        let from = match self.spec.strategy {
            Strategy::OneForOne => return,
            Strategy::OneForAll => 0,
            Strategy::RestForOne => serial,
        };
        let wider = self.regroup.map_or(Regroup { from, until }, |under_way| Regroup {
            from: from.min(under_way.from),
            until: until.max(under_way.until),
        });
        self.regroup = Some(wider);
    }
}
