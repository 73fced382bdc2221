//! The rules of supervision: what a supervisor does when a child ends, when time passes, and when it ends itself.
//!
//! Everything happens in one go and in one order. Where OTP has the rule it is OTP's; backoff, compensation, sleep and
//! limits by child are the house's own.

use super::member::{Member, Phase, is_one_too_many};
use super::scene::{End, Gate, Scene};
use crate::plan::{AutoShutdown, Birth, Body, Bound, Branch, Patience, Restart, Sprout, Strategy};

/// A life of a supervisor.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) path: String,
    pub(crate) branch: Branch,
    /// In the order of their start.
    pub(crate) members: Vec<Member>,
    /// When restarts were counted against the shared limit.
    window: Vec<u64>,
    /// A restart that takes siblings along and waits for its time.
    group: Option<Group>,
    serials: u64,
}

/// From this serial on all start again at that time.
#[derive(Clone, Copy, Debug)]
struct Group {
    from: u64,
    until: u64,
}

/// How a start went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    Lives,
    Ignored,
    Failed,
}

/// How a child is ended by its supervisor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Manner {
    Orderly,
    Kill,
}

/// What follows from an end.
enum Verdict {
    Sleep,
    Done,
    Restart,
    Compensate,
    GiveUp,
}

impl Family {
    pub(crate) fn new(path: &str, branch: &Branch) -> Self {
        let (path, branch) = (path.to_owned(), branch.clone());
        Self { path, branch, members: Vec::new(), window: Vec::new(), group: None, serials: 0 }
    }

    pub(crate) fn member(&mut self, id: &str) -> &mut Member {
        let member = self.members.iter_mut().find(|member| member.sprout.id == id);
        member.expect("rules speak of those who are known")
    }

    pub(crate) fn path_of(&self, id: &str) -> String {
        format!("{}/{id}", self.path)
    }

    fn is_dynamic(&self) -> bool {
        self.branch.strategy == Strategy::Dynamic
    }

    // === Starting ===

    /// All children start in order; one that does not start ends those before it, in reverse, and the whole.
    pub(crate) fn rise(&mut self, scene: &mut Scene) -> Result<(), End> {
        let sprouts = self.branch.children.clone();
        let ids: Vec<_> = sprouts.iter().map(|sprout| sprout.id.clone()).collect();
        for sprout in sprouts {
            self.adopt(sprout, false, scene);
        }
        for id in ids {
            if self.start(&id, scene) == Outcome::Failed {
                scene.heard(&self.path_of(&id), &End::StartFailed, "nothing");
                self.member(&id).phase = Phase::Ended;
                self.fall(Manner::Orderly, scene);
                return Err(End::StartFailed);
            }
        }
        scene.touch();
        Ok(())
    }

    pub(crate) fn adopt(&mut self, sprout: Sprout, is_guest: bool, scene: &mut Scene) {
        self.serials += 1;
        let path = self.path_of(&sprout.id);
        if is_guest || !scene.places.contains_key(&path) {
            scene.furnish(&path, &sprout);
        }
        self.members.push(Member {
            sprout,
            phase: Phase::Held,
            family: None,
            serial: self.serials,
            is_guest,
            is_compensating: false,
            window: Vec::new(),
        });
    }

    /// The next life of a child, if it comes to one.
    pub(crate) fn start(&mut self, id: &str, scene: &mut Scene) -> Outcome {
        let path = self.path_of(id);
        scene.touch();
        let place = scene.place(&path);
        place.generation += 1;
        let birth = place.rigged.pop_front();
        let is_suspended = place.suspended;
        match birth {
            Some(Birth::Fails | Birth::PanicsInFactory) => return Outcome::Failed,
            Some(Birth::PanicsInStarted) => {
                if is_suspended {
                    scene.race("whether who is suspended panics in its start or when it is resumed");
                }
                // It came as far as to take messages in.
                scene.place(&path).gate = Gate::Open;
                return Outcome::Failed;
            }
            Some(Birth::Ignores) => {
                self.retire(id, Phase::Ignored, scene);
                return Outcome::Ignored;
            }
            None => {}
        }
        let member = self.member(id);
        match &member.sprout.body {
            Body::Worker(_) => {
                scene.started(&path, if member.is_compensating { "compensating" } else { "regular" });
            }
            Body::Supervisor(branch) => {
                let mut family = Self::new(&path, branch);
                if family.rise(scene).is_err() {
                    return Outcome::Failed;
                }
                member.family = Some(family);
            }
        }
        member.phase = Phase::Running;
        Outcome::Lives
    }

    // === Stopping ===

    /// Ends a child that lives, and everything below it; says how it ended.
    pub(crate) fn stop(&mut self, id: &str, manner: Manner, scene: &mut Scene) -> End {
        let path = self.path_of(id);
        let member = self.member(id);
        let kills = manner == Manner::Kill || member.sprout.patience == Patience::None;
        if let Some(mut family) = member.family.take() {
            family.fall(if kills { Manner::Kill } else { Manner::Orderly }, scene);
        } else {
            let is_stubborn = matches!(&member.sprout.body, Body::Worker(worker) if worker.stubborn);
            if let (false, true, Patience::Millis(timeout)) = (kills, is_stubborn, member.sprout.patience) {
                scene.wait(&path, timeout);
                scene.gone(&path);
                return End::Killed;
            }
            scene.gone(&path);
        }
        if kills { End::Killed } else { End::Shutdown }
    }

    /// The family's own end: all its children are stopped in reverse; dynamic or killed ones all at once.
    pub(crate) fn fall(&mut self, manner: Manner, scene: &mut Scene) {
        let at_once = manner == Manner::Kill || self.is_dynamic();
        let living = self.members.iter().rev().filter(|member| member.phase == Phase::Running);
        let living: Vec<_> = living.map(|member| member.sprout.id.clone()).collect();
        let mut stop = |id: String, scene: &mut Scene| {
            let end = self.stop(&id, manner, scene);
            scene.heard(&self.path_of(&id), &end, "nothing");
        };
        match at_once {
            true => scene.beside(living, stop),
            false => living.into_iter().for_each(|id| stop(id, scene)),
        }
        for member in std::mem::take(&mut self.members) {
            let path = self.path_of(&member.sprout.id);
            match member.is_guest {
                true => scene.close_all(&path, &member.sprout),
                // It is in the next life of this supervisor, if there is one.
                false => scene.go_down(&path),
            }
        }
    }

    /// A child that will not start again by itself; it stays known unless it is temporary or dynamic.
    pub(crate) fn retire(&mut self, id: &str, phase: Phase, scene: &mut Scene) {
        let path = self.path_of(id);
        let member = self.member(id);
        (member.phase, member.is_compensating) = (phase, false);
        member.begins_anew();
        let sprout = member.sprout.clone();
        scene.close_all(&path, &sprout);
        if self.is_dynamic() || sprout.restart == Restart::Temporary {
            self.forget(id);
        }
    }

    /// A child of which nothing more is known from now on.
    pub(crate) fn forget(&mut self, id: &str) {
        self.members.retain(|member| member.sprout.id != id);
    }

    // === Ends ===

    /// A child ended by itself: what follows, up to the end of the whole family.
    pub(crate) fn ended(&mut self, id: &str, end: &End, scene: &mut Scene) -> Option<End> {
        let path = self.path_of(id);
        self.member(id).family = None;
        let wait = self.member(id).sprout.backoff;
        match self.verdict(id, end, scene) {
            Verdict::Sleep => {
                scene.heard(&path, end, "sleep");
                let member = self.member(id);
                member.phase = Phase::Asleep;
                member.begins_anew();
                scene.place(&path).gate = Gate::Open;
                None
            }
            Verdict::Done => self.done(id, end, scene),
            Verdict::Restart => {
                scene.heard(&path, end, format!("restart after {wait}"));
                scene.go_down(&path);
                self.restart(id, scene.now + wait, scene)
            }
            Verdict::Compensate => {
                scene.heard(&path, end, "compensation");
                scene.go_down(&path);
                let member = self.member(id);
                (member.is_compensating, member.window) = (true, Vec::new());
                self.relaunch(id, scene)
            }
            Verdict::GiveUp => {
                scene.heard(&path, end, "given up");
                let limit = self.branch.limit;
                let member = self.member(id);
                match limit {
                    Bound::PerChild(_) => {
                        member.phase = Phase::Parked;
                        let sprout = member.sprout.clone();
                        scene.close_all(&path, &sprout);
                        None
                    }
                    Bound::Shared(_) => {
                        member.phase = Phase::Ended;
                        self.fall(Manner::Orderly, scene);
                        Some(End::GaveUp(id.to_owned()))
                    }
                }
            }
        }
    }

    fn verdict(&mut self, id: &str, end: &End, scene: &mut Scene) -> Verdict {
        let limit = self.branch.limit;
        let place = self.members.iter().position(|member| member.sprout.id == id);
        let member = &mut self.members[place.expect("rules speak of those who are known")];
        if *end == End::Passivated {
            return Verdict::Sleep;
        }
        let comes_back = match member.sprout.restart {
            Restart::Permanent => end.is_abnormal() || !member.is_compensating,
            Restart::Transient => end.is_abnormal(),
            Restart::Temporary => false,
        };
        if !comes_back {
            return Verdict::Done;
        }
        if !end.counts() {
            return Verdict::Restart;
        }
        let (window, restarts) = match (member.is_compensating, member.sprout.compensates, limit) {
            (true, Some(restarts), _) | (false, _, Bound::PerChild(restarts)) => {
                (&mut member.window, restarts)
            }
            (_, _, Bound::Shared(restarts) | Bound::PerChild(restarts)) => (&mut self.window, restarts),
        };
        if !is_one_too_many(window, restarts, scene) {
            Verdict::Restart
        } else if member.sprout.compensates.is_some() && !member.is_compensating {
            Verdict::Compensate
        } else {
            Verdict::GiveUp
        }
    }

    /// A child is over for good, and with it perhaps the family.
    fn done(&mut self, id: &str, end: &End, scene: &mut Scene) -> Option<End> {
        let path = self.path_of(id);
        scene.heard(&path, end, "nothing");
        let is_significant = self.member(id).sprout.significant;
        self.retire(id, Phase::Ended, scene);
        let is_over = is_significant
            && match self.branch.auto_shutdown {
                AutoShutdown::Never => false,
                AutoShutdown::AnySignificant => true,
                AutoShutdown::AllSignificant => !self.members.iter().any(Member::is_significant_and_alive),
            };
        if !is_over {
            return None;
        }
        self.fall(Manner::Orderly, scene);
        Some(End::Shutdown)
    }

    // === Restarting ===

    /// A child starts again at `until`, with those that its strategy takes along; they are stopped now, in reverse.
    fn restart(&mut self, id: &str, until: u64, scene: &mut Scene) -> Option<End> {
        let from = match self.branch.strategy {
            Strategy::OneForOne | Strategy::Dynamic => {
                self.member(id).phase = Phase::Waiting { until };
                return if until <= scene.now { self.relaunch(id, scene) } else { None };
            }
            Strategy::OneForAll => 0,
            Strategy::RestForOne => self.member(id).serial,
        };
        let group = match self.group {
            None => Group { from, until },
            Some(other) => Group { from: from.min(other.from), until: until.max(other.until) },
        };
        self.group = Some(group);
        self.member(id).phase = Phase::Awaited;
        let bystanders = self.members.iter().rev().filter(|member| member.serial >= group.from);
        let bystanders: Vec<_> = bystanders
            .filter(|member| member.phase == Phase::Running)
            .map(|member| member.sprout.id.clone())
            .collect();
        for bystander in bystanders {
            self.hold(&bystander, group, scene);
        }
        self.regroup(scene)
    }

    /// A bystander is stopped until its group starts again; a temporary one is over.
    fn hold(&mut self, id: &str, group: Group, scene: &mut Scene) {
        let path = self.path_of(id);
        let end = self.stop(id, Manner::Orderly, scene);
        if self.member(id).sprout.restart == Restart::Temporary {
            scene.heard(&path, &end, "nothing");
            self.retire(id, Phase::Ended, scene);
        } else {
            let wait = group.until.saturating_sub(scene.now);
            scene.heard(&path, &end, format!("restart after {wait}"));
            scene.go_down(&path);
            self.member(id).phase = Phase::Held;
        }
    }

    /// When it is time, all that are held start again in order.
    fn regroup(&mut self, scene: &mut Scene) -> Option<End> {
        if self.group.is_none_or(|group| group.until > scene.now) {
            return None;
        }
        self.group = None;
        for member in self.members.iter_mut().filter(|member| member.phase == Phase::Awaited) {
            member.phase = Phase::Held;
        }
        while let Some(next) = self.members.iter().find(|member| member.phase == Phase::Held) {
            let id = next.sprout.id.clone();
            if self.start(&id, scene) == Outcome::Failed {
                let end = self.ended(&id, &End::StartFailed, scene);
                if end.is_some() || self.group.is_some() {
                    return end;
                }
            }
        }
        None
    }

    /// Whom a group waited for may be gone: then it waits no longer.
    pub(crate) fn release(&mut self, scene: &mut Scene) -> Option<End> {
        let group = self.group.as_mut()?;
        if !self.members.iter().any(|member| member.phase == Phase::Awaited) {
            group.until = scene.now;
        }
        self.regroup(scene)
    }

    /// A child starts again by itself.
    fn relaunch(&mut self, id: &str, scene: &mut Scene) -> Option<End> {
        match self.start(id, scene) {
            Outcome::Lives | Outcome::Ignored => None,
            Outcome::Failed => self.ended(id, &End::StartFailed, scene),
        }
    }

    /// A sleeping child has mail.
    pub(crate) fn wake(&mut self, id: &str, scene: &mut Scene) -> Option<End> {
        let serial = self.member(id).serial;
        if self.is_down_from(serial) {
            scene.race("whether who sleeps among a group that is down wakes before the group does");
        }
        self.relaunch(id, scene)
    }

    /// Whether a restart that waits for its time has taken along all from this serial on.
    pub(crate) fn is_down_from(&self, serial: u64) -> bool {
        self.group.is_some_and(|group| serial >= group.from)
    }

    // === Time ===

    /// When something happens here by itself, here or below.
    pub(crate) fn timers(&self) -> Vec<u64> {
        let own = self.members.iter().filter_map(|member| match member.phase {
            Phase::Waiting { until } => Some(until),
            Phase::Running
            | Phase::Awaited
            | Phase::Held
            | Phase::Asleep
            | Phase::Parked
            | Phase::Ignored
            | Phase::Ended => None,
        });
        let below = self.members.iter().filter_map(|member| member.family.as_ref()).flat_map(Self::timers);
        own.chain(self.group.map(|group| group.until)).chain(below).collect()
    }

    /// What is due happens here, or below; at most one thing is.
    pub(crate) fn tick(&mut self, scene: &mut Scene) -> Option<End> {
        if self.group.is_some_and(|group| group.until <= scene.now) {
            return self.regroup(scene);
        }
        let is_due =
            |member: &&Member| matches!(member.phase, Phase::Waiting { until } if until <= scene.now);
        if let Some(due) = self.members.iter().find(is_due).map(|member| member.sprout.id.clone()) {
            return self.relaunch(&due, scene);
        }
        for place in 0..self.members.len() {
            let member = &mut self.members[place];
            let id = member.sprout.id.clone();
            if let Some(end) = member.family.as_mut().and_then(|family| family.tick(scene)) {
                return self.ended(&id, &end, scene);
            }
        }
        None
    }
}
