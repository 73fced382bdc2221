//! Whole runs: to their end, through crashes of their instance, through an abort, in plan mode.

use std::time::Duration;

use actors::provider::{GetEnds, Provider};
use supervision::State;
use workflow::{Event, Mode, Outcome};

use crate::house::{Place, bytes_of, end_of, history_until};

const FILES: &[(&str, &str)] = &[("one.txt", "one\n"), ("two.txt", "two\n")];

/// Two tasks side by side, a third after them; the editor's first try at `one` does not fit.
const SCRIPT: &str = r#"
rules:
  - match: {role: planner}
    answer:
      text: |
        {"summary": "three tasks", "tasks": [
          {"id": "one", "title": "One", "detail": "change one", "writes": ["one.txt"]},
          {"id": "two", "title": "Two", "detail": "change two", "writes": ["two.txt"]},
          {"id": "three", "title": "Three", "detail": "add three", "depends_on": ["one", "two"], "writes": ["three.txt"]}
        ]}
  - match: {role: editor, prompt: {contains: ["change one"], lacks: ["do not apply"]}}
    answer:
      text: "one.txt\n<<<<<<< SEARCH\nnot there\n=======\nuno\n>>>>>>> REPLACE\n"
  - match: {role: editor, prompt: {contains: ["change one"]}}
    answer:
      text: "one.txt\n<<<<<<< SEARCH\none\n=======\nuno\n>>>>>>> REPLACE\n"
  - match: {role: editor, prompt: {contains: ["change two"]}}
    answer:
      text: "two.txt\n<<<<<<< SEARCH\ntwo\n=======\ndue\n>>>>>>> REPLACE\n"
  - match: {role: editor, prompt: {contains: ["add three"]}}
    answer:
      text: "three.txt\n<<<<<<< SEARCH\n=======\ntre\n>>>>>>> REPLACE\n"
  - match: {role: reviewer, prompt: {contains: ["+uno", "+due", "+tre"]}}
    answer:
      REVIEW
"#;

pub(crate) const APPROVES: &str = r#"text: '{"verdict": "approve", "summary": "good", "findings": []}'"#;
/// The review never comes: the run stays where it is until it is aborted.
const HANGS: &str = r#"{text: "x", fault: {kind: hang, after_bytes: 0}}"#;

pub(crate) fn place(review: &str) -> Place {
    Place::new(FILES, &SCRIPT.replace("REVIEW", review))
}

#[actix_rt::test]
async fn a_run_goes_to_its_end_and_the_workspace_has_the_edits() {
    let place = place(APPROVES);
    let house = place.open().await;
    let id = house.doors().workflows.start(place.order(Mode::Run)).await.unwrap();

    let (outcome, history) = end_of(&house, &id).await;

    assert_eq!(outcome, Outcome::Done);
    assert_eq!(place.read("one.txt").unwrap(), "uno\n");
    assert_eq!(place.read("two.txt").unwrap(), "due\n");
    assert_eq!(place.read("three.txt").unwrap(), "tre\n");
    let rejected = history.iter().filter(|event| matches!(event, Event::EditRejected { .. })).count();
    assert_eq!(rejected, 1, "the edit that did not fit was made again");
    let answers = history.iter().filter(|event| matches!(event, Event::CallAnswered { .. })).count();
    assert_eq!(house.doors().readers.usage_of(&id).unwrap().len(), answers, "a usage row for each answer");
    house.stop().await;
}

#[actix_rt::test]
async fn plan_mode_plans_and_writes_nothing() {
    let place = place(APPROVES);
    let before = bytes_of(place.workspace.path());
    let house = place.open().await;
    let id = house.doors().workflows.start(place.order(Mode::PlanOnly)).await.unwrap();

    assert_eq!(end_of(&house, &id).await.0, Outcome::Planned);
    assert_eq!(bytes_of(place.workspace.path()), before);
    house.stop().await;
}

#[actix_rt::test]
async fn a_model_that_calls_tools_that_write_is_told_that_there_are_none() {
    let calls = r#"
rules:
  - match: {role: planner, prompt: {lacks: ["there is no tool"]}}
    answer:
      tool_calls:
        - {name: write_file, arguments: {path: one.txt, content: gone}}
        - {name: bash, arguments: {command: "rm -rf ."}}
        - {name: read_file, arguments: {path: ../../etc/passwd}}
        - {name: read_file, arguments: {path: /etc/passwd}}
  - match: {role: planner}
    answer:
      text: '{"summary": "s", "tasks": [{"id": "a", "title": "t", "detail": "d", "writes": ["one.txt"]}]}'
"#;
    let place = Place::new(FILES, calls);
    let before = bytes_of(place.workspace.path());
    let house = place.open().await;
    let id = house.doors().workflows.start(place.order(Mode::PlanOnly)).await.unwrap();

    let (outcome, history) = end_of(&house, &id).await;

    assert_eq!(outcome, Outcome::Planned, "{history:?}");
    assert_eq!(bytes_of(place.workspace.path()), before);
    house.stop().await;
}

#[actix_rt::test]
async fn an_abort_undoes_what_was_committed() {
    let place = place(HANGS);
    let before = bytes_of(place.workspace.path());
    let house = place.open().await;
    let workflows = &house.doors().workflows;
    let id = workflows.start(place.order(Mode::Run)).await.unwrap();
    let three_committed = |history: &[Event]| {
        history.iter().filter(|event| matches!(event, Event::Committed { .. })).count() == 3
    };
    history_until(&house, &id, three_committed).await;
    assert_ne!(bytes_of(place.workspace.path()), before);

    workflows.abort(&id, "a person").await.unwrap();
    let (outcome, _) = end_of(&house, &id).await;

    assert_eq!(outcome, Outcome::Aborted { by: "a person".to_owned(), kept: Vec::new() });
    assert_eq!(bytes_of(place.workspace.path()), before);
    assert!(workflows.abort(&id, "again").await.is_err());
    house.stop().await;
}

#[actix_rt::test]
async fn what_a_person_changed_since_is_kept_and_named() {
    let place = place(HANGS);
    let house = place.open().await;
    let workflows = &house.doors().workflows;
    let id = workflows.start(place.order(Mode::Run)).await.unwrap();
    let three_committed = |history: &[Event]| {
        history.iter().filter(|event| matches!(event, Event::Committed { .. })).count() == 3
    };
    history_until(&house, &id, three_committed).await;
    std::fs::write(place.workspace.path().join("two.txt"), "a person's\n").unwrap();

    workflows.abort(&id, "a person").await.unwrap();
    let (outcome, _) = end_of(&house, &id).await;

    let kept = vec!["two.txt".to_owned()];
    assert_eq!(outcome, Outcome::Aborted { by: "a person".to_owned(), kept });
    assert_eq!(place.read("one.txt").unwrap(), "one\n");
    assert_eq!(place.read("two.txt").unwrap(), "a person's\n");
    assert_eq!(place.read("three.txt"), None);
    house.stop().await;
}

#[actix_rt::test]
async fn an_instance_killed_at_each_event_goes_on_and_asks_nothing_twice() {
    let place = place(APPROVES);
    let house = place.open().await;
    let doors = house.doors();
    let id = doors.workflows.start(place.order(Mode::Run)).await.unwrap();

    // Once in each phase; more within a minute would be held for a bug and undone.
    for kind in ["planned", "committed", "call_answered"] {
        let from = doors.readers.events_after(&id, units::Seq(0), 256).unwrap().len();
        history_until(&house, &id, |history| {
            history.len() >= from && history.iter().any(|event| event.kind() == kind)
                || matches!(history.last(), Some(Event::Finished { .. }))
        })
        .await;
        if let Some(family) = doors.workflows.family(&id) {
            // The run may have ended meanwhile, and its instance with it.
            let _ = family.kill_child("instance").await;
        }
    }
    let (outcome, history) = end_of(&house, &id).await;

    assert_eq!(outcome, Outcome::Done);
    let mut keys: Vec<String> = history
        .iter()
        .filter_map(|event| {
            let Event::CallAnswered { key, .. } = event else { return None };
            Some(key.to_string())
        })
        .collect();
    let all = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), all, "each call was answered once");
    assert_eq!(doors.readers.usage_of(&id).unwrap().len(), all);
    let account = doors.registry.find::<Provider>("root/providers/demo/account").unwrap();
    let ends = account.ask(GetEnds, Duration::from_secs(20)).await.unwrap();
    assert_eq!(ends.get("answered"), Some(&(all as u64)), "nothing was asked twice: {ends:?}");
    house.stop().await;
}

#[actix_rt::test]
async fn an_instance_that_crashes_too_often_comes_back_to_undo_and_takes_nobody_with_it() {
    let place = place(HANGS);
    let before = bytes_of(place.workspace.path());
    let house = place.open().await;
    let doors = house.doors();
    let id = doors.workflows.start(place.order(Mode::Run)).await.unwrap();
    let three_committed = |history: &[Event]| {
        history.iter().filter(|event| matches!(event, Event::Committed { .. })).count() == 3
    };
    history_until(&house, &id, three_committed).await;

    let path = format!("root/workflows/{id}/instance");
    for generation in 1..=4 {
        let running =
            |node: &supervision::Node| node.state == State::Running && node.generation == generation;
        while !(doors.view)().walk().iter().any(|(at, node)| *at == path && running(node)) {
            tokio::task::yield_now().await;
        }
        doors.workflows.family(&id).unwrap().kill_child("instance").await.unwrap();
    }
    let (outcome, _) = end_of(&house, &id).await;

    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert_eq!(bytes_of(place.workspace.path()), before);
    let workflow = format!("root/workflows/{id}");
    while (doors.view)().walk().iter().any(|(at, _)| at.starts_with(&workflow)) {
        tokio::task::yield_now().await;
    }
    let view = (doors.view)();
    assert!(
        view.walk().iter().all(|(_, node)| node.state == State::Running && node.generation == 1),
        "{view:?}"
    );
    house.stop().await;
}

#[actix_rt::test]
async fn a_second_house_on_the_same_state_goes_on_where_the_first_stopped() {
    let hanging = place(HANGS);
    let house = hanging.open().await;
    let id = house.doors().workflows.start(hanging.order(Mode::Run)).await.unwrap();
    let three_committed = |history: &[Event]| {
        history.iter().filter(|event| matches!(event, Event::Committed { .. })).count() == 3
    };
    let so_far = history_until(&house, &id, three_committed).await.len();
    house.stop().await;

    let place = Place { script: SCRIPT.replace("REVIEW", APPROVES), ..hanging };
    let house = place.open().await;
    assert_eq!(house.doors().workflows.resume().await.unwrap(), 1);
    let (outcome, history) = end_of(&house, &id).await;

    assert_eq!(outcome, Outcome::Done);
    let answers =
        history[so_far..].iter().filter(|event| matches!(event, Event::CallAnswered { .. })).count();
    assert_eq!(answers, 1, "only the review was asked for");
    house.stop().await;
}

#[actix_rt::test]
async fn an_agent_outlives_a_crash_of_its_instance_and_no_second_one_asks_beside_it() {
    let slow = r#"
rules:
  - match: {role: planner}
    answer:
      first_byte_ms: 500
      text: '{"summary": "s", "tasks": [{"id": "a", "title": "t", "detail": "d", "writes": ["one.txt"]}]}'
"#;
    let place = Place::new(FILES, slow);
    let house = place.open().await;
    let doors = house.doors();
    let id = doors.workflows.start(place.order(Mode::PlanOnly)).await.unwrap();
    let path = format!("root/workflows/{id}/planner-plan-1");
    while !(doors.view)().walk().iter().any(|(at, node)| *at == path && node.state == State::Running) {
        tokio::task::yield_now().await;
    }

    doors.workflows.family(&id).unwrap().kill_child("instance").await.unwrap();

    assert_eq!(end_of(&house, &id).await.0, Outcome::Planned);
    let account = doors.registry.find::<Provider>("root/providers/demo/account").unwrap();
    let ends = account.ask(GetEnds, Duration::from_secs(20)).await.unwrap();
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), [("answered", 1)]);
    house.stop().await;
}

/// The instance is killed after each answer, and the house is stopped and opened again between them: what was asked twice
/// was paid for twice, and nothing that was paid for is missing.
#[actix_rt::test]
async fn what_calls_used_is_stored_once_each_though_instances_are_killed_and_stopped() {
    let place = place(APPROVES);
    let mut house = place.open().await;
    let id = house.doors().workflows.start(place.order(Mode::Run)).await.unwrap();
    for wanted in 1..=5 {
        // A life that is cut in its commit twice ends the workflow: what it used counts all the same.
        let answered = |history: &[Event]| {
            let calls = history.iter().filter(|event| matches!(event, Event::CallAnswered { .. })).count();
            calls >= wanted || matches!(history.last(), Some(Event::Finished { .. }))
        };
        history_until(&house, &id, answered).await;
        if wanted % 2 == 0 {
            house.stop().await;
            house = place.open().await;
            house.doors().workflows.resume().await.unwrap();
        } else if let Some(family) = house.doors().workflows.family(&id) {
            // One that has just ended by itself is as good as killed.
            let _ = family.kill_child("instance").await;
        }
    }
    end_of(&house, &id).await;
    house.stop().await;

    let house = place.open().await;
    let readers = &house.doors().readers;
    let answered: u64 =
        readers.model_metrics(units::UnixMillis(0)).unwrap().iter().map(|row| row.calls.answered).sum();
    let usage = readers.usage_of(&id).unwrap();
    assert_eq!(usage.len() as u64, answered);
    let told: u64 = readers.agents_of(&id).unwrap().iter().map(|agent| u64::from(agent.calls)).sum();
    assert!(answered >= told, "{answered} calls, {told} told");
    house.stop().await;
}
