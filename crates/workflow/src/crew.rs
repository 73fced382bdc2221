//! Who worked in a run: a fold of its history beside the state, one entry for each step that an agent took.
//!
//! The history says when something was stored, and of an answer how long it took: an agent's beginning is that of its
//! first call. Whoever is not through when the run ends has ended with it.

use std::collections::BTreeMap;

use units::{DeploymentId, UnixMillis};

use crate::event::Event;
use crate::step::{CallKey, Step};

/// All agents of a run, by their steps. A default crew is one without history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crew {
    members: BTreeMap<Step, Member>,
    over: bool,
}

/// An agent: who asked what, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The template of its prompt and the version of that; none where no answer has come, or the history is too old.
    pub prompt: Option<(String, String)>,
    /// Who answered last.
    pub deployment: Option<DeploymentId>,
    /// How many answers it got.
    pub calls: u32,
    /// How often the world failed it.
    pub failures: u32,
    /// When its first call began, or what is known of it first.
    pub started_at: UnixMillis,
    /// When it was through.
    pub ended_at: Option<UnixMillis>,
    /// What came of its answer.
    pub result: Option<Yield>,
}

/// What came of an agent's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yield {
    /// It was taken: a plan that stands, a commit, a review.
    Accepted,
    /// It was of no use, and another attempt had to follow.
    Rejected,
    /// The run was over first.
    CutOff,
}

impl Yield {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::CutOff => "cut_off",
        }
    }
}

impl Step {
    /// Which attempt it is, counted from 1.
    pub const fn attempt(&self) -> u32 {
        match self {
            Self::Plan { attempt } | Self::Edit { attempt, .. } | Self::Review { attempt, .. } => *attempt,
        }
    }
}

impl Crew {
    /// The agents, by their steps.
    pub fn members(&self) -> impl Iterator<Item = (&Step, &Member)> {
        self.members.iter()
    }

    /// What is known of the agent of a step.
    pub fn member(&self, step: &Step) -> Option<&Member> {
        self.members.get(step)
    }

    /// The crew after `event`, which was stored at `at`. Total, as is the fold of the state.
    #[must_use]
    pub fn after(mut self, event: &Event, at: UnixMillis) -> Self {
        if self.over {
            return self;
        }
        match event {
            Event::CallAnswered { key, deployment, asked, .. } => {
                let took = asked.as_ref().map_or(0, |asked| asked.took_ms.try_into().unwrap_or(i64::MAX));
                let member = self.at(key, UnixMillis(at.0.saturating_sub(took)));
                member.calls = member.calls.saturating_add(1);
                member.deployment = Some(deployment.clone());
                if let Some(asked) = asked {
                    member.prompt = Some((asked.template.clone(), asked.version.clone()));
                }
            }
            Event::Planned { attempt, .. } => {
                self.end(Step::Plan { attempt: *attempt }, Yield::Accepted, at);
            }
            Event::PlanRejected { attempt, .. } => {
                self.end(Step::Plan { attempt: *attempt }, Yield::Rejected, at);
            }
            Event::EditRejected { task, attempt, .. } => {
                self.end(Step::Edit { task: task.clone(), attempt: *attempt }, Yield::Rejected, at);
            }
            Event::Committed { task, attempt, .. } => {
                self.end(Step::Edit { task: task.clone(), attempt: *attempt }, Yield::Accepted, at);
            }
            Event::Reviewed { round, .. } => self.reviewed(*round, at),
            Event::ReviewRejected { round, attempt, .. } => {
                self.end(Step::Review { round: *round, attempt: *attempt }, Yield::Rejected, at);
            }
            Event::StepFailed { step, .. } => {
                let member = self.member_mut(step.clone(), at);
                member.failures = member.failures.saturating_add(1);
            }
            Event::CommitUndone { task, attempt, .. } => {
                let step = Step::Edit { task: task.clone(), attempt: *attempt };
                let member = self.member_mut(step, at);
                member.failures = member.failures.saturating_add(1);
            }
            Event::Finished { .. } => self.finish(at),
            Event::Started { .. }
            | Event::CommitStarted { .. }
            | Event::AbortRequested { .. }
            | Event::GaveUp { .. }
            | Event::Compensated { .. }
            | Event::CompensationFailed { .. } => {}
        }
        self
    }

    fn at(&mut self, key: &CallKey, began: UnixMillis) -> &mut Member {
        self.member_mut(key.step().clone(), began)
    }

    fn member_mut(&mut self, step: Step, began: UnixMillis) -> &mut Member {
        let member = self.members.entry(step).or_insert_with(|| Member {
            prompt: None,
            deployment: None,
            calls: 0,
            failures: 0,
            started_at: began,
            ended_at: None,
            result: None,
        });
        member.started_at = member.started_at.min(began);
        member
    }

    /// The first end stands.
    fn end(&mut self, step: Step, result: Yield, at: UnixMillis) {
        let member = self.member_mut(step, at);
        if member.result.is_none() {
            member.result = Some(result);
            member.ended_at = Some(at);
        }
    }

    /// A review says its round alone: it is that of the latest attempt.
    fn reviewed(&mut self, round: u32, at: UnixMillis) {
        let first = Step::Review { round, attempt: 0 };
        let last = Step::Review { round, attempt: u32::MAX };
        let latest = self
            .members
            .range(first..=last)
            .next_back()
            .map(|(step, member)| (step.attempt(), member.result));
        let attempt = match latest {
            None => 1,
            // Nothing was asked after the one that was rejected: its answer is older than this program.
            Some((attempt, Some(Yield::Rejected))) => attempt.saturating_add(1),
            Some((attempt, _)) => attempt,
        };
        self.end(Step::Review { round, attempt }, Yield::Accepted, at);
    }

    fn finish(&mut self, at: UnixMillis) {
        self.over = true;
        for member in self.members.values_mut().filter(|member| member.result.is_none()) {
            member.result = Some(Yield::CutOff);
            member.ended_at = Some(at);
        }
    }
}
