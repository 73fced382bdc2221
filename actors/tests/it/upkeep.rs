//! What is kept beside the histories: agents and tasks, prompts, statistics; what goes, and when nothing may begin.

use std::collections::BTreeSet;
use std::time::Duration;

use actors::retention::{Limits, Order, older_than};
use actors::tree::House;
use actors::workflows::Error;
use histogram::Histogram;
use store::Readers;
use units::{Seq, UnixMillis, WorkflowId};
use workflow::{Crew, Event, Mode, Outcome, State};

use crate::house::{bytes_of, end_of, history_until};
use crate::runs::{APPROVES, place};

/// The agents and tasks that the stored history tells, in the words of the tables.
type Told = (Vec<(String, u32, u32, Option<String>)>, Vec<(String, String, u32)>);

fn told_by_history(readers: &Readers, id: &WorkflowId) -> Told {
    let (mut state, mut crew) = (State::default(), Crew::default());
    for row in readers.events_after(id, Seq(0), 1_000).unwrap() {
        let event = Event::decode(&row.payload).unwrap();
        state = workflow::apply(state, &event);
        crew = crew.after(&event, row.at);
    }
    let mut members: Vec<_> = crew.members().collect();
    members.sort_by_key(|(step, member)| (member.started_at, step.to_string()));
    let agent = |(step, member): (&workflow::Step, &workflow::Member)| {
        let outcome = member.result.map(|result| result.name().to_owned());
        (step.to_string(), member.calls, member.failures, outcome)
    };
    let task = |progress: workflow::Progress| {
        (progress.task.id.to_string(), progress.stage.name().to_owned(), progress.attempt)
    };
    (members.into_iter().map(agent).collect(), state.progress().into_iter().map(task).collect())
}

fn told_by_tables(readers: &Readers, id: &WorkflowId) -> Told {
    let agents = readers.agents_of(id).unwrap().into_iter();
    let tasks = readers.tasks_of(id).unwrap().into_iter();
    (
        agents.map(|row| (row.step, row.calls, row.failures, row.outcome)).collect(),
        tasks.map(|row| (row.task.to_string(), row.status, row.attempt)).collect(),
    )
}

/// Kills the instance of a workflow and waits for its next life.
async fn kill_instance(house: &House, id: &WorkflowId) {
    let path = format!("root/workflows/{id}");
    let family = house.doors().registry.supervisor(&path).unwrap();
    // One that has just ended by itself is as good as killed.
    let _ = family.kill_child("instance").await;
}

#[actix_rt::test]
async fn agents_and_tasks_are_what_the_history_says_though_its_instance_was_killed() {
    let place = place(APPROVES);
    let house = place.open().await;
    let id = house.doors().workflows.start(place.order(Mode::Run)).await.unwrap();
    let committed = |history: &[Event]| history.iter().any(|event| matches!(event, Event::Committed { .. }));
    history_until(&house, &id, committed).await;
    kill_instance(&house, &id).await;
    assert_eq!(end_of(&house, &id).await.0, Outcome::Done);

    let readers = house.doors().readers.clone();
    let told = told_by_tables(&readers, &id);
    assert_eq!(told, told_by_history(&readers, &id));
    let tasks: Vec<_> = told.1.iter().map(|(task, status, _)| (task.as_str(), status.as_str())).collect();
    assert_eq!(tasks, [("one", "committed"), ("two", "committed"), ("three", "committed")]);
    let versions: BTreeSet<_> = loop {
        // They are stored beside the first workflow, not before it.
        let prompts = readers.prompts().unwrap();
        if !prompts.is_empty() {
            break prompts.into_iter().map(|row| (row.name, row.version)).collect();
        }
        tokio::task::yield_now().await;
    };
    for agent in readers.agents_of(&id).unwrap() {
        assert!(versions.contains(&agent.prompt.clone().unwrap()), "{agent:?}");
        assert_eq!(agent.deployment.unwrap().provider.as_str(), "demo");
        assert!(agent.ended_at.unwrap() >= agent.started_at);
    }
    house.stop().await;
}

#[actix_rt::test]
async fn what_models_did_is_there_after_a_restart() {
    let place = place(APPROVES);
    let house = place.open().await;
    let mut calls = 0;
    for _ in 0..2 {
        let id = house.doors().workflows.start(place.order(Mode::PlanOnly)).await.unwrap();
        end_of(&house, &id).await;
        calls += house.doors().readers.usage_of(&id).unwrap().len();
    }
    house.stop().await;

    let house = place.open().await;
    let rows = house.doors().readers.model_metrics(UnixMillis(0)).unwrap();
    let answered: u64 = rows.iter().map(|row| row.calls.answered).sum();
    assert_eq!(answered, calls as u64);
    let mut latency = Histogram::default();
    rows.iter().for_each(|row| latency.merge(&row.latency.parse().unwrap()));
    assert_eq!(latency.count(), calls as u64);
    assert!(latency.percentile(99).unwrap() < Duration::from_secs(600).as_millis() as u64);
    assert!(rows.iter().all(|row| row.unpriced == 0 && row.cost.0 > 0));
    house.stop().await;
}

#[actix_rt::test]
async fn no_workflow_starts_on_a_disk_that_runs_low_and_the_refusal_says_what_to_do() {
    let place = place(APPROVES);
    let mut blueprint = place.blueprint();
    blueprint.min_free_bytes = u64::MAX;
    let house = actors::tree::build(blueprint).await.unwrap();
    let refused = house.doors().workflows.start(place.order(Mode::Run)).await.unwrap_err();
    let Error::Low(low) = refused else { panic!("{refused}") };
    assert!(low.free > 0 && low.needed == u64::MAX);
    let text = low.to_string();
    assert!(text.contains("impresario purge") && text.contains("disk.min_free_mb"), "{text}");
    assert!(
        house.doors().readers.workflows(9, None).unwrap().is_empty(),
        "refused before a row of it exists"
    );
    house.stop().await;
}

#[actix_rt::test]
async fn a_finished_workflow_goes_with_its_journals_and_one_that_lives_stays() {
    let hangs = r#"{text: "x", fault: {kind: hang, after_bytes: 0}}"#;
    let place = place(hangs);
    let house = place.open().await;
    let doors = house.doors();
    let committed = |history: &[Event]| {
        history.iter().filter(|event| matches!(event, Event::Committed { .. })).count() == 3
    };
    let done = doors.workflows.start(place.order(Mode::Run)).await.unwrap();
    history_until(&house, &done, committed).await;
    doors.workflows.abort(&done, "a person").await.unwrap();
    end_of(&house, &done).await;
    let alive = doors.workflows.start(place.order(Mode::Run)).await.unwrap();
    history_until(&house, &alive, committed).await;
    let journals = place.state.path().join("journals");
    let of = |id: &WorkflowId| {
        bytes_of(&journals).into_keys().filter(|path| path.contains(id.as_str())).collect::<Vec<_>>()
    };
    let kept = of(&alive);
    assert!(!of(&done).is_empty() && !kept.is_empty());

    let week = Order { rules: older_than(7, None), dry: false };
    assert!(doors.sweeper.sweep(&week).await.unwrap().iter().all(|swept| swept.count == 0));
    let light = Limits { days: None, bytes: Some(0) };
    let all = |dry| Order { rules: vec![("workflows", light)], dry };
    let would = doors.sweeper.sweep(&all(true)).await.unwrap();
    assert!(doors.readers.workflow(&done).unwrap().is_some(), "only told");
    let went = doors.sweeper.sweep(&all(false)).await.unwrap();
    assert_eq!((went[0].count, went[0].bytes), (1, would[0].bytes));

    assert_eq!(doors.readers.workflow(&done).unwrap(), None);
    assert!(doors.readers.agents_of(&done).unwrap().is_empty());
    assert_eq!(of(&done), Vec::<String>::new());
    assert_eq!(of(&alive), kept);
    assert!(doors.readers.workflow(&alive).unwrap().is_some());
    house.stop().await;
}

#[cfg(unix)]
#[actix_rt::test]
async fn a_workflow_stays_while_its_workspace_cannot_be_opened_and_goes_when_that_is_gone() {
    let place = place(APPROVES);
    let house = place.open().await;
    let doors = house.doors();
    let old = doors.workflows.start(place.order(Mode::Run)).await.unwrap();
    end_of(&house, &old).await;
    // A plan commits nothing: whatever became of its workspace, it goes, though it is younger.
    let young = doors.workflows.start(place.order(Mode::PlanOnly)).await.unwrap();
    end_of(&house, &young).await;
    let (root, aside) = (place.workspace.path().to_owned(), place.state.path().join("aside"));
    std::fs::rename(&root, &aside).unwrap();
    // A loop is an error, and no workspace that is gone.
    std::os::unix::fs::symlink(&root, &root).unwrap();
    let light = Limits { days: None, bytes: Some(0) };
    let all = |dry| Order { rules: vec![("workflows", light)], dry };
    assert_eq!(doors.sweeper.sweep(&all(true)).await.unwrap()[0].count, 2);
    assert_eq!(doors.sweeper.sweep(&all(false)).await.unwrap()[0].count, 1);
    assert!(doors.readers.workflow(&old).unwrap().is_some());
    assert_eq!(doors.readers.workflow(&young).unwrap(), None);

    std::fs::remove_file(&root).unwrap();
    assert_eq!(doors.sweeper.sweep(&all(false)).await.unwrap()[0].count, 1);
    assert_eq!(doors.readers.workflow(&old).unwrap(), None);
    std::fs::rename(&aside, &root).unwrap();
    house.stop().await;
}
