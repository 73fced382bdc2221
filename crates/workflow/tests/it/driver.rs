//! A lawful but unlucky driver: it does what is pending in a random order with random outcomes, dies and refolds,
//! loses the end of what it stores, is aborted, and says things twice. The world below it keeps the truth.

use std::collections::BTreeSet;

use plan::{Plan, Task};
use units::TaskId;
use workflow::{
    Action, CallKey, Command, Event, Refused, Rejection, Settings, State, Step, apply, decide, pending,
};

use crate::samples::{answer, approval, deployment, json, request};

/// How often things go wrong, in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Odds {
    /// Models answer rubbish.
    pub(crate) bad: u64,
    /// The world fails.
    pub(crate) failed: u64,
    /// The driver dies.
    pub(crate) death: u64,
    /// Somebody aborts, or supervision gives up.
    pub(crate) abort: u64,
    /// A person edits the same files.
    pub(crate) conflict: u64,
}

/// How often the end of a stored batch may get lost.
pub(crate) const MAX_TORN: u32 = 3;

pub(crate) struct Driver {
    pub(crate) settings: Settings,
    pub(crate) state: State,
    pub(crate) events: Vec<Event>,
    pub(crate) torn: u32,
    /// Transactions that are in the workspace, by the world's own book.
    pub(crate) standing: Vec<String>,
    plan: Plan,
    odds: Odds,
    undone_last: Option<String>,
    transactions: u32,
    said: Vec<Command>,
    random: u64,
}

impl Driver {
    pub(crate) fn new(plan: Plan, settings: Settings, odds: Odds, seed: u64) -> Self {
        Self {
            settings,
            state: State::default(),
            events: Vec::new(),
            torn: 0,
            standing: Vec::new(),
            plan,
            odds,
            undone_last: None,
            transactions: 0,
            said: Vec::new(),
            random: seed,
        }
    }

    /// Runs to the end; panics where a law is broken on the way.
    pub(crate) fn run(&mut self, most_events: usize) {
        self.tell(Command::Start {
            goal: "Go".to_owned(),
            root: "/w".to_owned(),
            check: Vec::new(),
            settings: self.settings,
            requester: None,
        })
        .unwrap();
        while self.state.outcome().is_none() {
            assert!(self.events.len() < most_events, "no end after {most_events} events");
            self.interrupt();
            let actions = pending(&self.state);
            let Some(last) = actions.len().checked_sub(1) else {
                assert!(self.state.outcome().is_some(), "stuck in {}", self.state.status());
                break;
            };
            self.check_pending(&actions);
            let chosen = self.below(last as u64 + 1) as usize;
            self.perform(actions[chosen].clone());
        }
    }

    fn interrupt(&mut self) {
        if self.chance(self.odds.abort) {
            let both =
                [Command::Abort { by: "ada".to_owned() }, Command::GiveUp { reason: "bugs".to_owned() }];
            let chosen = self.below(2) as usize;
            let _already = self.tell(both[chosen].clone());
        }
        if self.chance(self.odds.death) {
            self.die();
        }
        if !self.said.is_empty() && self.chance(10) {
            let said = self.below(self.said.len() as u64) as usize;
            let again = self.said[said].clone();
            let refused = decide(&self.state, again.clone());
            assert!(refused.is_err(), "said twice and believed twice: {again:?}");
        }
    }

    fn check_pending(&self, actions: &[Action]) {
        let task = |id: &TaskId| self.state.tasks().find(|task| task.id == *id).unwrap().clone();
        let tasks: Vec<Task> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Edit { task, .. } => Some(task.clone()),
                Action::ResolveCommit { task: id, .. } => Some(task(id)),
                Action::Plan { .. }
                | Action::Review { .. }
                | Action::Compensate { .. }
                | Action::Conclude => None,
            })
            .collect();
        assert!(tasks.len() <= self.settings.parallel_editors as usize);
        for (place, one) in tasks.iter().enumerate() {
            for other in &tasks[place + 1..] {
                assert!(!overlap(one, other) && !overlap(other, one), "{} and {} overlap", one.id, other.id);
            }
        }
        let names: BTreeSet<String> = actions.iter().map(Action::name).collect();
        assert_eq!(names.len(), actions.len(), "two actions of one name");
    }

    fn perform(&mut self, action: Action) {
        let step = action.step();
        match step {
            Some(step) if self.chance(self.odds.failed) => {
                self.tell(Command::StepFailed { step, reason: "upstream".to_owned() }).unwrap();
            }
            Some(_) | None => match action {
                Action::Plan { attempt, .. } => self.plan(attempt),
                Action::Edit { task, attempt, .. } => self.edit(&task, attempt),
                Action::ResolveCommit { task, attempt, transaction } => {
                    self.resolve(task, attempt, transaction)
                }
                Action::Review { round, attempt, .. } => self.review(round, attempt),
                Action::Compensate { transaction } => self.compensate(transaction),
                Action::Conclude => {
                    self.tell(Command::Conclude).unwrap();
                }
            },
        }
    }

    fn plan(&mut self, attempt: u32) {
        self.call(Step::Plan { attempt });
        let text = if self.chance(self.odds.bad) { "rubbish".to_owned() } else { json(&self.plan) };
        self.tell(Command::PlanAnswered { attempt, text }).unwrap();
    }

    fn review(&mut self, round: u32, attempt: u32) {
        self.call(Step::Review { round, attempt });
        let text = match self.below(4) {
            0 => json(&request("a.rs")),
            1 => json(&request("elsewhere.rs")),
            _ if self.chance(self.odds.bad) => "rubbish".to_owned(),
            _ => json(&approval()),
        };
        self.tell(Command::ReviewAnswered { round, attempt, text }).unwrap();
    }

    fn edit(&mut self, task: &Task, attempt: u32) {
        self.call(Step::Edit { task: task.id.clone(), attempt });
        if self.chance(self.odds.bad) {
            return self.reject(
                task.id.clone(),
                attempt,
                Rejection::Unparseable { detail: "rubbish".to_owned() },
            );
        }
        self.transactions += 1;
        let begin = |paths| Command::BeginCommit {
            task: task.id.clone(),
            attempt,
            transaction: format!("x{}", self.transactions),
            paths,
        };
        let outside = decide(&self.state, begin(vec!["outside.rs".to_owned()]));
        let begun = decide(&self.state, begin(task.writes.clone()));
        if self.state.open_commit().is_some() {
            assert!(matches!(begun, Err(Refused::CommitOpen { .. })), "{begun:?}");
            return;
        }
        assert!(matches!(outside, Err(Refused::OutsideClaim { .. })), "{outside:?}");
        let command = begin(task.writes.clone());
        self.tell(command).unwrap();
    }

    fn resolve(&mut self, task: TaskId, attempt: u32, transaction: String) {
        if !self.standing.contains(&transaction) {
            if self.chance(self.odds.conflict) {
                let reason = Rejection::Conflict { paths: vec!["a.rs".to_owned()] };
                return self.reject(task, attempt, reason);
            }
            if self.chance(self.odds.failed) {
                self.tell(Command::CommitLost { task, attempt, transaction }).unwrap();
                return;
            }
            self.standing.push(transaction.clone());
            if self.chance(self.odds.death) {
                return self.die();
            }
        }
        self.tell(Command::CommitDone { task, attempt, transaction }).unwrap();
    }

    fn compensate(&mut self, transaction: String) {
        if self.undone_last.as_ref() != Some(&transaction) {
            assert_eq!(self.standing.pop().as_ref(), Some(&transaction), "undone out of order");
            self.undone_last = Some(transaction.clone());
            if self.chance(self.odds.death) {
                return self.die();
            }
        }
        let conflicts = if self.chance(self.odds.conflict) { vec!["a.rs".to_owned()] } else { Vec::new() };
        let command = match self.below(100) {
            0 => Command::CompensationFailed { transaction, reason: "the journal is gone".to_owned() },
            1 => Command::AbandonCompensation { reason: "bugs".to_owned() },
            _ => Command::CompensationDone { transaction, conflicts },
        };
        self.tell(command).unwrap();
    }

    fn reject(&mut self, task: TaskId, attempt: u32, reason: Rejection) {
        self.tell(Command::EditRejected { task, attempt, reason }).unwrap();
    }

    /// A call to a model, unless its answer is remembered.
    fn call(&mut self, step: Step) {
        let key = CallKey::new(step, 1);
        if self.state.answer(&key).is_none() {
            let (answer, deployment) = (answer("text"), deployment("p/m"));
            self.tell(Command::RecordAnswer { key, answer, deployment, cost: None, asked: None }).unwrap();
        }
    }

    fn tell(&mut self, command: Command) -> Result<(), Refused> {
        let mut events = decide(&self.state, command.clone())?;
        assert!(!events.is_empty(), "accepted without an event: {command:?}");
        let torn = events.len() > 1 && self.torn < MAX_TORN && self.chance(self.odds.death);
        if torn {
            self.torn += 1;
            events.pop();
        }
        for event in events {
            self.state = apply(std::mem::take(&mut self.state), &event);
            self.events.push(event);
        }
        if torn {
            self.die();
        } else if !matches!(command, Command::StepFailed { .. } | Command::BeginCommit { .. }) {
            self.said.push(command);
        }
        Ok(())
    }

    fn die(&mut self) {
        let refolded = State::fold(&self.events);
        assert_eq!(refolded, self.state);
        self.state = refolded;
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// splitmix64
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

fn overlap(one: &Task, other: &Task) -> bool {
    one.writes.iter().any(|path| other.writes.contains(path) || other.reads.contains(path))
}
