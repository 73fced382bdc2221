//! What follows from a child's end: its restart, a bystander's, its sleep, its compensation, or its supervisor's end.
//!
//! In this order: its supervisor ends, it did not start for the first time, or somebody waits for its stop: nothing;
//! a restart that is under way had it stopped: it starts again with the others, but for a temporary one; it was told to
//! stop: nothing; it went to sleep: sleep; else its restart rule and the intensity decide.

use tracing::info;

use super::{Family, tell_cell};
use crate::backoff::later;
use crate::child::{Restart, Role};
use crate::end::{Down, End, Follows};
use crate::summons::Summon;
use crate::supervisor::handle::{Birth, ChildError};
use crate::supervisor::member::{Child, Phase};
use crate::supervisor::{AutoShutdown, Limit};
use crate::view::State;
use crate::vitals::tell;

impl Family {
    pub(super) fn on_ended(&mut self, serial: u64, end: End) {
        let follows = self.what_follows(serial, &end);
        let now = self.surroundings.clock.now();
        let Some(child) = self.roster.get_mut(serial) else { return };
        let was_told = matches!(child.phase, Phase::Stopping { .. });
        let until = if let Follows::Restart { after } = follows { Some(later(now, after)) } else { None };
        tell_cell(child, |cell| cell.down(&end, until));
        match follows {
            Follows::Restart { after } => {
                if self.is_bystander(serial) {
                    return self.hold(serial, end, after);
                }
                let until = later(now, after);
                self.settle(serial, &end, follows, Phase::BackingOff { until }, State::BackingOff);
                if let Some(child) = self.roster.get(serial) {
                    child.spec.body.go_down(Some(until));
                }
                self.take_along(serial, until);
            }
            Follows::Sleep => self.fall_asleep(serial, &end),
            Follows::Compensation => self.compensate(serial, &end),
            Follows::GivenUp => self.give_up(serial, &end),
            Follows::Nothing => self.on_done(serial, end, !was_told),
        }
    }

    fn what_follows(&mut self, serial: u64, end: &End) -> Follows {
        let now = self.surroundings.clock.now();
        let is_bystander = self.is_bystander(serial);
        let (limit, until) = (self.spec.limit, self.regroup.map(|regroup| regroup.until));
        let Some(child) = self.roster.get_mut(serial) else { return Follows::Nothing };
        let was_told = matches!(child.phase, Phase::Stopping { .. });
        let is_first_start = child.on_start.is_some() || (self.is_starting && !child.added);
        let did_not_start = is_first_start && child.has_failed_to_start(end);
        if self.ending.is_some() || did_not_start || !child.on_stop.is_empty() {
            return Follows::Nothing;
        }
        if is_bystander {
            child.running_since = None;
            let after = until.map(|until| until.saturating_duration_since(now)).unwrap_or_default();
            return if child.spec.restart == Restart::Temporary {
                Follows::Nothing
            } else {
                Follows::Restart { after }
            };
        }
        if was_told {
            Follows::Nothing
        } else if *end == End::Passivated {
            Follows::Sleep
        } else {
            child.after(end, limit, &mut self.window, now)
        }
    }

    /// Tells of an end before anything follows from it, and moves the child on.
    fn settle(&mut self, serial: u64, end: &End, follows: Follows, phase: Phase, state: State) {
        let Some(child) = self.roster.get(serial) else { return };
        child.log_end(end, follows);
        let vitals = child.spec.body.vitals();
        let (path, generation) = (vitals.path().clone(), vitals.generation());
        let down = Down { path, generation, end: end.clone(), follows };
        if let Some(monitor) = &child.spec.monitor {
            tell(monitor, &down);
        }
        vitals.end(&down, state);
        self.roster.enter(serial, phase);
    }

    /// A bystander is down until the child that began it starts again.
    fn hold(&mut self, serial: u64, end: End, after: std::time::Duration) {
        self.settle(serial, &end, Follows::Restart { after }, Phase::Held, State::BackingOff);
        let until = self.regroup.map(|regroup| regroup.until);
        if let Some(child) = self.roster.get(serial) {
            child.spec.body.go_down(until);
        }
    }

    fn fall_asleep(&mut self, serial: u64, end: &End) {
        self.settle(serial, end, Follows::Sleep, Phase::Asleep, State::Asleep);
        let Some(child) = self.roster.get_mut(serial) else { return };
        child.forget_failures();
        if !child.spec.body.sleep(Summon { child: serial, to: self.summons.clone() }) {
            self.launch(serial);
        }
    }

    fn compensate(&mut self, serial: u64, end: &End) {
        self.settle(serial, end, Follows::Compensation, Phase::Waiting, State::Waiting);
        let Some(child) = self.roster.get_mut(serial) else { return };
        child.role = Role::Compensating;
        child.forget_failures();
        child.spec.body.go_down(None);
    }

    fn give_up(&mut self, serial: u64, end: &End) {
        match self.spec.limit {
            Limit::PerChild(_) => {
                self.settle(serial, end, Follows::GivenUp, Phase::Parked, State::Parked);
                let Some(child) = self.roster.get_mut(serial) else { return };
                if let Some(reply) = child.on_start.take() {
                    let _ = reply.send(Err(ChildError::StartFailed(end.clone())));
                }
                child.spec.body.close(&self.surroundings.registry);
                self.surroundings.registry.enter(child.spec.body.vitals().path().clone(), child.spec.entry());
            }
            Limit::Shared(_) => {
                self.settle(serial, end, Follows::GivenUp, Phase::Ended, State::Ended);
                let child = self.roster.get(serial).map(|child| child.spec.id().to_owned());
                self.ending = Some(End::GaveUp { child: child.unwrap_or_default() });
            }
        }
    }

    /// It is over: `by_itself`, or because it was told to stop.
    fn on_done(&mut self, serial: u64, end: End, by_itself: bool) {
        let is_ending = self.ending.is_some();
        self.settle(serial, &end, Follows::Nothing, Phase::Ended, State::Ended);
        let Some(child) = self.roster.get_mut(serial) else { return };
        let did_not_start = child.has_failed_to_start(&end);
        let is_significant = child.spec.significant && !child.newborn;
        let was_first_start = self.is_starting && !child.added;
        let reply = child.on_start.take();
        if is_ending {
            self.forget(serial);
        } else if was_first_start && did_not_start && by_itself {
            let path = child.spec.body.vitals().path();
            let why = if let End::StartFailed { reason } = &end { reason.as_str() } else { end.name() };
            self.ending = Some(End::StartFailed { reason: format!("{path} did not start: {why}") });
        } else {
            let was_never_there = child.newborn;
            self.retire(serial, was_never_there);
            if is_significant && by_itself && reply.is_none() {
                self.consider_shutdown();
            }
        }
        // Only now: who is told of the failure finds the child gone.
        if let Some(reply) = reply {
            let _ = reply.send(Err(ChildError::StartFailed(end)));
        }
    }

    /// A child that is over stays known, unless it is temporary, dynamic, or was never there.
    pub(super) fn retire(&mut self, serial: u64, newborn_failed: bool) {
        let is_dynamic = self.is_dynamic();
        let Some(child) = self.roster.get_mut(serial) else { return };
        if is_dynamic || newborn_failed || child.spec.restart == Restart::Temporary {
            return self.forget(serial);
        }
        child.role = Role::Regular;
        child.forget_failures();
        child.spec.body.close(&self.surroundings.registry);
        // It can still be found: a restart brings it back.
        self.surroundings.registry.enter(child.spec.body.vitals().path().clone(), child.spec.entry());
        for reply in child.on_stop.drain(..) {
            // Who asked may have stopped waiting.
            let _ = reply.send(Ok(()));
        }
    }

    fn consider_shutdown(&mut self) {
        let lives = |child: &Child| {
            let phase = child.phase;
            child.spec.significant && (phase.is_alive() || phase.is_restarting() || phase == Phase::Asleep)
        };
        let is_over = match self.spec.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => !self.roster.iter().any(lives),
        };
        if is_over {
            self.ending = Some(End::Shutdown);
        }
    }

    pub(super) fn on_ignored(&mut self, serial: u64) {
        let is_dynamic = self.is_dynamic();
        let Some(child) = self.roster.get_mut(serial) else { return };
        let reply = child.on_start.take();
        child.newborn = false;
        let is_kept = !is_dynamic && child.spec.restart != Restart::Temporary;
        let vitals = child.spec.body.vitals();
        info!(child.path = %vitals.path(), generation = vitals.generation(), "nothing to start");
        vitals.ignored();
        self.roster.enter(serial, Phase::Ended);
        if self.ending.is_some() || !is_kept {
            self.forget(serial);
        } else {
            self.retire(serial, false);
        }
        if let Some(reply) = reply {
            let _ = reply.send(Ok(Birth::Ignored));
        }
    }
}
