//! What a supervisor answers when it is asked, by OTP's rules.

use super::family::{Family, Manner, Outcome};
use super::member::{Member, Phase};
use super::scene::{End, Scene};
use crate::plan::{AutoShutdown, Body, Request, Restart, Sprout, Strategy};

/// What a supervisor said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Done,
    Lives,
    Ignored,
    AlreadyStarted,
    AlreadyPresent,
    TooMany(usize),
    StartFailed(String),
    NotFound,
    Running,
    Restarting,
    Dynamic,
    BadCombination,
    NotAnActor,
    Busy,
    Unavailable,
    Children(Vec<Described>),
    Counts { specs: usize, active: usize, supervisors: usize, workers: usize },
}

/// A child as its supervisor describes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Described {
    pub(crate) id: String,
    pub(crate) is_supervisor: bool,
    pub(crate) state: &'static str,
    pub(crate) generation: u64,
    pub(crate) restart: Restart,
    pub(crate) significant: bool,
}

impl Answer {
    /// Whether a factory was asked for a child.
    pub(crate) fn is_of_a_start(&self) -> bool {
        matches!(self, Self::Lives | Self::Ignored | Self::StartFailed(_))
    }
}

impl Family {
    /// Does what is asked; the family may end by it.
    pub(crate) fn serve(&mut self, request: &Request, scene: &mut Scene) -> (Answer, Option<End>) {
        let answer = match request {
            Request::Start(sprout) => self.start_child(sprout, scene),
            Request::Terminate(id) => {
                let answer = self.terminate_child(id, scene);
                return (answer, self.release(scene));
            }
            Request::Restart(id) => self.restart_child(id, scene),
            Request::Delete(id) => self.delete_child(id, scene),
            Request::Kill(id) => return self.kill_child(id, scene),
            Request::Suspend(id) => self.suspend_child(id, true, scene),
            Request::Resume(id) => self.suspend_child(id, false, scene),
            Request::Describe(id) => match self.find(id) {
                Some(member) => Answer::Children(vec![self.describe(member, scene)]),
                None => Answer::NotFound,
            },
            Request::Which => {
                Answer::Children(self.members.iter().map(|member| self.describe(member, scene)).collect())
            }
            Request::Count => self.count(),
        };
        (answer, None)
    }

    fn find(&self, id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.sprout.id == id)
    }

    fn start_child(&mut self, sprout: &Sprout, scene: &mut Scene) -> Answer {
        let never = self.branch.auto_shutdown == AutoShutdown::Never;
        if sprout.significant && (never || sprout.restart == Restart::Permanent) {
            return Answer::BadCombination;
        }
        match self.find(&sprout.id).map(|member| member.phase) {
            Some(Phase::Parked | Phase::Ignored | Phase::Ended) => return Answer::AlreadyPresent,
            Some(Phase::Running | Phase::Waiting { .. } | Phase::Awaited | Phase::Held | Phase::Asleep) => {
                return Answer::AlreadyStarted;
            }
            None => {}
        }
        if self.members.len() >= self.branch.max_children {
            return Answer::TooMany(self.branch.max_children);
        }
        if self.is_down_from(u64::MAX) {
            scene.race("whether a child that comes to a group that is down starts before the group does");
        }
        self.adopt(sprout.clone(), true, scene);
        let id = sprout.id.as_str();
        let answer = self.start_by_request(id, scene);
        // What is new and did not start is not kept.
        if matches!(answer, Answer::StartFailed(_)) {
            self.forget(id);
        }
        answer
    }

    fn restart_child(&mut self, id: &str, scene: &mut Scene) -> Answer {
        match self.over(id) {
            Err(refusal) => refusal,
            Ok(()) => {
                let serial = self.member(id).serial;
                if self.is_down_from(serial) {
                    scene.race("whether a child of a group that is down starts before the group does");
                }
                self.member(id).begins_anew();
                self.start_by_request(id, scene)
            }
        }
    }

    fn start_by_request(&mut self, id: &str, scene: &mut Scene) -> Answer {
        match self.start(id, scene) {
            Outcome::Lives => Answer::Lives,
            Outcome::Ignored => Answer::Ignored,
            Outcome::Failed => {
                scene.heard(&self.path_of(id), &End::StartFailed, "nothing");
                self.retire(id, Phase::Ended, scene);
                Answer::StartFailed(End::StartFailed.name())
            }
        }
    }

    fn terminate_child(&mut self, id: &str, scene: &mut Scene) -> Answer {
        match self.find(id).map(|member| member.phase) {
            None => return Answer::NotFound,
            Some(Phase::Running) => {
                let end = self.stop(id, Manner::Orderly, scene);
                scene.heard(&self.path_of(id), &end, "nothing");
            }
            Some(
                Phase::Waiting { .. }
                | Phase::Awaited
                | Phase::Held
                | Phase::Asleep
                | Phase::Parked
                | Phase::Ignored
                | Phase::Ended,
            ) => {}
        }
        self.retire(id, Phase::Ended, scene);
        Answer::Done
    }

    fn delete_child(&mut self, id: &str, scene: &mut Scene) -> Answer {
        match self.over(id) {
            Err(refusal) => refusal,
            Ok(()) => {
                self.retire(id, Phase::Ended, scene);
                self.forget(id);
                Answer::Done
            }
        }
    }

    /// Only who is known and does not live, nor is about to, can be restarted or deleted.
    fn over(&self, id: &str) -> Result<(), Answer> {
        let phase = self.find(id).map(|member| member.phase);
        if self.branch.strategy == Strategy::Dynamic && phase != Some(Phase::Parked) {
            return Err(Answer::Dynamic);
        }
        match self.find(id).map(|member| member.phase) {
            None => Err(Answer::NotFound),
            Some(Phase::Running | Phase::Asleep) => Err(Answer::Running),
            Some(Phase::Waiting { .. } | Phase::Awaited | Phase::Held) => Err(Answer::Restarting),
            Some(Phase::Parked | Phase::Ignored | Phase::Ended) => Ok(()),
        }
    }

    /// As a crash would; nothing happens to who does not live.
    fn kill_child(&mut self, id: &str, scene: &mut Scene) -> (Answer, Option<End>) {
        match self.find(id).map(|member| member.phase) {
            None => (Answer::NotFound, None),
            Some(Phase::Running) => {
                self.stop(id, Manner::Kill, scene);
                (Answer::Done, self.ended(id, &End::Killed, scene))
            }
            Some(_) => (Answer::Done, None),
        }
    }

    fn suspend_child(&mut self, id: &str, suspended: bool, scene: &mut Scene) -> Answer {
        match self.find(id).map(|member| &member.sprout.body) {
            None => Answer::NotFound,
            Some(Body::Supervisor(_)) => Answer::NotAnActor,
            Some(Body::Worker(_)) => {
                scene.place(&self.path_of(id)).suspended = suspended;
                Answer::Done
            }
        }
    }

    fn describe(&self, member: &Member, scene: &Scene) -> Described {
        let Sprout { id, restart, significant, body, .. } = &member.sprout;
        Described {
            id: id.clone(),
            is_supervisor: matches!(body, Body::Supervisor(_)),
            state: member.phase.name(),
            generation: scene.places[&self.path_of(id)].generation,
            restart: *restart,
            significant: *significant,
        }
    }

    fn count(&self) -> Answer {
        let is_supervisor = |member: &&Member| matches!(member.sprout.body, Body::Supervisor(_));
        let specs = self.members.len();
        let supervisors = self.members.iter().filter(is_supervisor).count();
        let active = self.members.iter().filter(|member| member.phase == Phase::Running).count();
        Answer::Counts { specs, active, supervisors, workers: specs - supervisors }
    }
}
