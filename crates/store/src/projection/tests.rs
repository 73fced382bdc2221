//! Agents and tasks: written with the events or not at all, replaced row by row, and made anew.

use units::Fence;

use super::*;
use crate::fixture::{Place, Running, append};
use crate::{Append, Upkeep, Write};

fn agent(step: &str, calls: u32, outcome: Option<&str>) -> AgentRow {
    AgentRow {
        step: step.to_owned(),
        role: "planner".to_owned(),
        attempt: 1,
        prompt: Some(("planning/task-graph".to_owned(), "abc".to_owned())),
        deployment: Some("demo/org/one".parse().unwrap()),
        calls,
        failures: 0,
        started_at: UnixMillis(5),
        ended_at: outcome.map(|_| UnixMillis(9)),
        outcome: outcome.map(str::to_owned),
    }
}

fn task(name: &str, place: u32, status: &str) -> TaskRow {
    TaskRow {
        task: name.parse().unwrap(),
        place,
        title: format!("Do {name}"),
        group: 1,
        status: status.to_owned(),
        attempt: 0,
        depends_on: "[]".to_owned(),
        reads: "[]".to_owned(),
        writes: "[\"a.rs\"]".to_owned(),
    }
}

fn telling(append: Append, agents: Vec<AgentRow>, tasks: Vec<TaskRow>) -> Append {
    Append { projection: Some(Projection { agents, tasks }), ..append }
}

fn renew(running: &Running, of: Unprojected, agents: Vec<AgentRow>) -> u64 {
    let rows = Projection { agents, tasks: Vec::new() };
    running.ask(|reply| Write::Upkeep { upkeep: Upkeep::Project { of, rows }, reply }).unwrap()
}

#[test]
fn rows_come_with_their_events_and_take_the_place_of_those_before() {
    let place = Place::new();
    let running = place.start();
    let (id, claimed) = running.owned(1);
    let first = append(&id, claimed.fence, Seq(0), &[1]);
    let rows = (vec![agent("plan/1", 1, None)], vec![task("b", 1, "waiting"), task("a", 0, "waiting")]);
    running.append(telling(first, rows.0, rows.1)).unwrap();
    let second = append(&id, claimed.fence, Seq(1), &[2]);
    let rows = (vec![agent("plan/1", 2, Some("accepted"))], vec![task("a", 0, "editing")]);
    running.append(telling(second, rows.0, rows.1)).unwrap();

    let readers = place.readers();
    assert_eq!(readers.agents_of(&id).unwrap(), [agent("plan/1", 2, Some("accepted"))]);
    assert_eq!(readers.tasks_of(&id).unwrap(), [task("a", 0, "editing"), task("b", 1, "waiting")]);
    assert!(readers.agents_of(&WorkflowId::from_random(9)).unwrap().is_empty());
}

#[test]
fn an_append_that_is_refused_tells_nothing_of_its_agents() {
    let place = Place::new();
    let running = place.start();
    let (id, claimed) = running.owned(1);
    let leftover = Fence(claimed.fence.0 - 1);
    let refused =
        running.append(telling(append(&id, leftover, Seq(0), &[1]), vec![agent("plan/1", 1, None)], vec![]));
    assert!(matches!(refused, Err(WriteError::Fenced { .. })));
    let mut bad = agent("plan/1", 1, None);
    bad.step = "\0".to_owned();
    let refused = running.append(telling(append(&id, claimed.fence, Seq(0), &[1]), vec![bad], vec![]));
    assert!(matches!(refused, Err(WriteError::NotText { .. })), "{refused:?}");
    assert!(place.readers().agents_of(&id).unwrap().is_empty());
}

#[test]
fn what_a_finished_history_did_not_tell_is_made_anew_once() {
    let place = Place::new();
    let running = place.start();
    let (id, claimed) = running.owned(1);
    let told = telling(
        append(&id, claimed.fence, Seq(0), &[1]),
        vec![agent("plan/7", 1, None)],
        vec![task("a", 0, "x")],
    );
    running.append(told).unwrap();
    let mut last = append(&id, claimed.fence, Seq(1), &[2]);
    last.outcome = Some("done".to_owned());
    running.append(last).unwrap();
    let (other, claimed) = running.owned(2);
    running.append(append(&other, claimed.fence, Seq(0), &[1])).unwrap();

    let readers = place.readers();
    let of = Unprojected { workflow: id.clone(), last_seq: Seq(2) };
    assert_eq!(readers.unprojected().unwrap(), std::slice::from_ref(&of), "only what has finished");
    let stale = Unprojected { last_seq: Seq(1), ..of.clone() };
    assert_eq!(renew(&running, stale, vec![agent("plan/2", 1, None)]), 0);
    assert_eq!(renew(&running, of, vec![agent("plan/1", 1, Some("accepted"))]), 1);
    assert_eq!(readers.agents_of(&id).unwrap(), [agent("plan/1", 1, Some("accepted"))]);
    assert!(readers.tasks_of(&id).unwrap().is_empty());
    assert!(readers.unprojected().unwrap().is_empty());
}
