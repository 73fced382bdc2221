//! A run under test: what is decided is stored as JSON, read back and folded, as an instance does.

use plan::Plan;
use review::Review;
use workflow::{Action, Command, Event, Phase, Refused, Rejection, Settings, State, apply, decide, pending};

use crate::samples::{id, json, owned, settings, small_plan};

#[derive(Default)]
pub(crate) struct Run {
    pub(crate) state: State,
    pub(crate) events: Vec<Event>,
}

impl Run {
    /// Started with these settings.
    pub(crate) fn with(settings: Settings) -> Self {
        let mut run = Self::default();
        run.ok(
            Command::Start {
                goal: "Mend it".to_owned(),
                root: "/w".to_owned(),
                check: Vec::new(),
                settings,
                requester: None,
            },
            &["started"],
        );
        run
    }

    pub(crate) fn new() -> Self {
        Self::with(settings())
    }

    pub(crate) fn planned(plan: &Plan) -> Self {
        let mut run = Self::new();
        run.ok(plan_answered(1, &json(plan)), &["planned"]);
        run
    }

    /// One task, committed as `t1`: the first review is next.
    pub(crate) fn reviewing() -> Self {
        let mut run = Self::planned(&small_plan());
        run.commit("a", 1, "t1", &["a.rs", "b.rs"]);
        run
    }

    pub(crate) fn send(&mut self, command: Command) -> Result<Vec<&'static str>, Refused> {
        let events = decide(&self.state, command)?;
        for event in events.iter().map(|event| Event::decode(&event.encode()).unwrap()) {
            self.state = apply(std::mem::take(&mut self.state), &event);
            self.events.push(event);
        }
        assert_eq!(self.state, State::fold(&self.events));
        Ok(events.iter().map(Event::kind).collect())
    }

    #[track_caller]
    pub(crate) fn ok(&mut self, command: Command, kinds: &[&str]) {
        let shown = format!("{command:?}");
        assert_eq!(self.send(command).as_deref(), Ok(kinds), "{shown}");
    }

    /// Refused, and nothing has changed.
    #[track_caller]
    pub(crate) fn refused(&mut self, command: Command) -> Refused {
        let (before, shown) = (self.state.clone(), format!("{command:?}"));
        let refused = self.send(command).expect_err(&shown);
        assert_eq!(self.state, before);
        refused
    }

    #[track_caller]
    pub(crate) fn duplicate(&mut self, command: Command) {
        let refused = self.refused(command);
        assert!(matches!(refused, Refused::Duplicate { .. }), "{refused:?}");
    }

    #[track_caller]
    pub(crate) fn stale(&mut self, command: Command) {
        let refused = self.refused(command);
        assert!(matches!(refused, Refused::Stale { .. }), "{refused:?}");
    }

    #[track_caller]
    pub(crate) fn out_of_turn(&mut self, command: Command) {
        let refused = self.refused(command);
        assert!(matches!(refused, Refused::OutOfTurn { .. }), "{refused:?}");
    }

    #[track_caller]
    pub(crate) fn commit(&mut self, task: &str, attempt: u32, transaction: &str, paths: &[&str]) {
        self.ok(begin(task, attempt, transaction, paths), &["commit_started"]);
        self.ok(done(task, attempt, transaction), &["committed"]);
    }

    /// The names of what is pending.
    pub(crate) fn pending(&self) -> Vec<String> {
        pending(&self.state).iter().map(Action::name).collect()
    }

    #[track_caller]
    pub(crate) fn ended_as(&self, status: &str) -> String {
        let Phase::Finished(outcome) = self.state.phase() else { panic!("still {}", self.state.status()) };
        assert_eq!(self.state.status(), status);
        assert_eq!(self.pending(), [""; 0]);
        outcome.to_string()
    }
}

pub(crate) fn plan_answered(attempt: u32, text: &str) -> Command {
    Command::PlanAnswered { attempt, text: text.to_owned() }
}

pub(crate) fn begin(task: &str, attempt: u32, transaction: &str, paths: &[&str]) -> Command {
    Command::BeginCommit { task: id(task), attempt, transaction: transaction.to_owned(), paths: owned(paths) }
}

pub(crate) fn done(task: &str, attempt: u32, transaction: &str) -> Command {
    Command::CommitDone { task: id(task), attempt, transaction: transaction.to_owned() }
}

pub(crate) fn lost(task: &str, attempt: u32, transaction: &str) -> Command {
    Command::CommitLost { task: id(task), attempt, transaction: transaction.to_owned() }
}

pub(crate) fn rejected(task: &str, attempt: u32) -> Command {
    let reason = Rejection::ValidationFailed { output: "1 test failed".to_owned() };
    Command::EditRejected { task: id(task), attempt, reason }
}

pub(crate) fn reviewed(round: u32, attempt: u32, review: &Review) -> Command {
    Command::ReviewAnswered { round, attempt, text: json(review) }
}

pub(crate) fn failed(step: &str) -> Command {
    Command::StepFailed { step: step.parse().unwrap(), reason: "no answer in 60 s".to_owned() }
}

pub(crate) fn abort() -> Command {
    Command::Abort { by: "ada".to_owned() }
}

pub(crate) fn give_up() -> Command {
    Command::GiveUp { reason: "it died 5 times".to_owned() }
}

pub(crate) fn compensated(transaction: &str, conflicts: &[&str]) -> Command {
    Command::CompensationDone { transaction: transaction.to_owned(), conflicts: owned(conflicts) }
}

pub(crate) fn not_compensated(transaction: &str) -> Command {
    let reason = "the journal is gone".to_owned();
    Command::CompensationFailed { transaction: transaction.to_owned(), reason }
}
