//! What holds for every history.

use std::collections::BTreeSet;

use plan::Plan;
use proptest::collection::vec;
use proptest::prelude::*;
use units::TaskId;
use workflow::{CallKey, Event, Outcome, Settings, State, apply, decide, pending};

use crate::arbitrary::{any_event, lawful_plan, lawful_settings};
use crate::driver::{Driver, MAX_TORN, Odds};

fn odds() -> impl Strategy<Value = Odds> {
    let percent = || prop_oneof![Just(0), 0..20u64, 0..70u64];
    let rare = prop_oneof![2 => Just(0), 1 => 0..10u64];
    (percent(), percent(), percent(), rare, percent())
        .prop_map(|(bad, failed, death, abort, conflict)| Odds { bad, failed, death, abort, conflict })
}

/// The most events that a run of these limits can have.
pub(crate) fn most_events(plan: &Plan, settings: Settings) -> usize {
    let torn = MAX_TORN as usize;
    let rounds = settings.review_rounds as usize + torn;
    let attempts = |limit: u32| limit as usize + torn;
    let tasks = plan.tasks.len() + rounds;
    let steps = attempts(settings.plan_attempts)
        + tasks * attempts(settings.edit_attempts)
        + rounds * attempts(workflow::REVIEW_ATTEMPTS);
    // Each step: an answer, its end, and per failure of the world two events at most. Each commit: begun, done, undone.
    let failures = 2 * (settings.step_failures as usize + 1 + torn);
    steps * (2 + 2 * failures) + 3 * tasks + 10
}

/// At most one commit is open, and each is of a task whose dependencies are committed.
fn check_commits(plan: &Plan, events: &[Event]) {
    let mut open: Option<&TaskId> = None;
    let mut done = BTreeSet::new();
    for event in events {
        match event {
            Event::CommitStarted { task, .. } => {
                assert_eq!(open, None, "a commit of {task} beside an open one");
                let waits = plan.tasks.iter().find(|known| known.id == *task).map(|task| &task.depends_on);
                assert!(
                    waits.into_iter().flatten().all(|before| done.contains(before)),
                    "{task} came too early"
                );
                open = Some(task);
            }
            Event::Committed { task, .. } => {
                assert_eq!(open.take(), Some(task));
                assert!(done.insert(task.clone()), "{task} was committed twice");
            }
            Event::CommitUndone { task, .. } => assert_eq!(open.take(), Some(task)),
            Event::EditRejected { task, .. } => {
                open.take_if(|open| *open == task);
            }
            Event::Started { .. }
            | Event::CallAnswered { .. }
            | Event::Planned { .. }
            | Event::PlanRejected { .. }
            | Event::Reviewed { .. }
            | Event::ReviewRejected { .. }
            | Event::StepFailed { .. }
            | Event::AbortRequested { .. }
            | Event::GaveUp { .. }
            | Event::Compensated { .. }
            | Event::CompensationFailed { .. }
            | Event::Finished { .. } => {}
        }
    }
}

/// Undone are the commits in reverse: all of them, or the last ones where a person has to look.
fn check_compensations(driver: &Driver) {
    let commits: Vec<&String> = driver
        .events
        .iter()
        .filter_map(
            |event| if let Event::Committed { transaction, .. } = event { Some(transaction) } else { None },
        )
        .collect();
    let undone: Vec<&String> = driver
        .events
        .iter()
        .filter_map(
            |event| if let Event::Compensated { transaction, .. } = event { Some(transaction) } else { None },
        )
        .collect();
    let reverse: Vec<&String> = commits.iter().rev().copied().collect();
    match driver.state.outcome().unwrap() {
        Outcome::Done => {
            assert!(undone.is_empty());
            assert_eq!(driver.standing.iter().collect::<Vec<_>>(), commits);
            assert!(commits.len() >= driver.state.plan().unwrap().tasks.len());
        }
        Outcome::Failed { .. } | Outcome::Aborted { .. } => {
            assert_eq!(undone, reverse);
            assert_eq!(driver.standing, [""; 0]);
            assert!(driver.state.changed().is_empty());
        }
        Outcome::NeedsAttention { .. } => assert_eq!(undone, reverse[..undone.len()]),
        Outcome::Planned => panic!("nobody wanted only a plan"),
    }
}

/// Without this, the laws below could hold because nothing ever happens.
#[test]
fn the_driver_meets_every_event_and_every_end() {
    let (mut kinds, mut ends) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..400 {
        let abort = if seed % 2 == 0 { 0 } else { 5 };
        let odds = Odds { bad: 15, failed: 15, death: 15, abort, conflict: 15 };
        let mut driver = Driver::new(crate::samples::plan(), crate::samples::settings(), odds, seed);
        driver.run(most_events(&crate::samples::plan(), crate::samples::settings()));
        kinds.extend(driver.events.iter().map(Event::kind));
        ends.insert(driver.state.status());
    }
    assert_eq!(kinds.len(), 16, "{kinds:?}");
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), ["aborted", "done", "failed", "needs_attention"]);
}

proptest! {
    #[test]
    fn every_run_ends_within_its_bound_and_keeps_the_laws(
        plan in lawful_plan(), settings in lawful_settings(), odds in odds(), seed in any::<u64>(),
    ) {
        let mut driver = Driver::new(plan.clone(), settings, odds, seed);
        driver.run(most_events(&plan, settings));

        let finished = driver.events.iter().filter(|event| matches!(event, Event::Finished { .. })).count();
        prop_assert_eq!(finished, 1);
        prop_assert_eq!(driver.events.last().map(Event::kind), Some("finished"));
        prop_assert_eq!(driver.state.seq().0, driver.events.len() as u64);
        check_commits(&plan, &driver.events);
        check_compensations(&driver);

        let keys: Vec<&CallKey> = driver.events.iter()
            .filter_map(|event| if let Event::CallAnswered { key, .. } = event { Some(key) } else { None })
            .collect();
        prop_assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "a call was paid for twice");
        prop_assert_eq!(driver.state.spent().calls, keys.len() as u64);
    }

    #[test]
    fn every_prefix_folds_to_the_state_there_was(
        plan in lawful_plan(), settings in lawful_settings(), odds in odds(), seed in any::<u64>(),
    ) {
        let mut driver = Driver::new(plan.clone(), settings, odds, seed);
        driver.run(most_events(&plan, settings));
        let mut state = State::default();
        for (length, event) in driver.events.iter().enumerate() {
            prop_assert_eq!(&State::fold(&driver.events[..length]), &state);
            prop_assert_eq!(pending(&state).is_empty(), length == 0);
            state = apply(state, event);
        }
        prop_assert_eq!(state, driver.state);
    }

    #[test]
    fn luck_ends_in_done(plan in lawful_plan(), settings in lawful_settings(), seed in any::<u64>()) {
        let settings = Settings { review_rounds: 100, ..settings };
        let luck = Odds { bad: 0, failed: 0, death: 0, abort: 0, conflict: 0 };
        let mut driver = Driver::new(plan.clone(), settings, luck, seed);
        driver.run(most_events(&plan, settings));
        prop_assert_eq!(driver.state.status(), "done");
    }

    #[test]
    fn any_sequence_of_events_folds_without_panic(events in vec(any_event(), 0..60), start in any::<bool>()) {
        let settings = Settings { step_failures: 0, ..crate::samples::settings() };
        let started = Event::Started { goal: "Go".to_owned(), root: "/w".to_owned(), check: Vec::new(), settings, requester: None };
        let mut state = State::default();
        for event in start.then_some(started).iter().chain(&events) {
            let finished = state.outcome().is_some();
            let before = state.clone();
            let seq = state.seq();
            state = apply(state, event);
            prop_assert_eq!(state.seq(), seq.next());
            prop_assert!(pending(&state).len() <= crate::samples::settings().parallel_editors as usize);
            if finished {
                prop_assert_eq!(state.outcome(), before.outcome());
                prop_assert_eq!(state.commits(), before.commits());
            }
            let _any_answer = decide(&state, crate::run::abort());
        }
    }

    #[test]
    fn every_event_reads_back_as_it_was_written(event in any_event()) {
        let json = event.encode();
        prop_assert!(!json.contains('\n'));
        prop_assert_eq!(Event::decode(&json), Ok(event.clone()));
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&value["kind"], event.kind());
        prop_assert_eq!(&value["v"], workflow::VERSION);
    }

    #[test]
    fn damaged_text_is_an_error_and_no_panic(event in any_event(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = event.encode().into_bytes();
        let place = at.index(bytes.len());
        bytes[place] = byte;
        if let Ok(text) = String::from_utf8(bytes) {
            let _either = Event::decode(&text);
        }
    }
}
