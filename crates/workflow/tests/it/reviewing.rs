//! Rounds of review, and the revisions they ask for.

use workflow::{Action, Command, Settings, pending};

use crate::run::{Run, failed, plan_answered, reviewed};
use crate::samples::{approval, id, json, owned, plan, request, settings, small_plan};

fn garbage(round: u32, attempt: u32) -> Command {
    Command::ReviewAnswered { round, attempt, text: "looks fine".to_owned() }
}

#[test]
fn an_approval_is_the_end() {
    let mut run = Run::reviewing();
    run.ok(reviewed(1, 1, &approval()), &["reviewed", "finished"]);
    assert_eq!(run.ended_as("done"), "done");
}

#[test]
fn a_review_before_its_time_is_refused() {
    let mut run = Run::planned(&small_plan());
    run.out_of_turn(reviewed(1, 1, &approval()));
    run.out_of_turn(failed("review/1/1"));
    run.commit("a", 1, "t1", &["a.rs"]);
    run.out_of_turn(reviewed(2, 1, &approval()));
    run.out_of_turn(reviewed(1, 2, &approval()));
    run.out_of_turn(reviewed(1, 0, &approval()));
    run.out_of_turn(reviewed(0, 1, &approval()));
}

#[test]
fn a_review_that_cannot_be_read_is_asked_for_again_but_not_for_ever() {
    let mut run = Run::reviewing();
    run.ok(garbage(1, 1), &["review_rejected"]);
    let [Action::Review { round: 1, attempt: 2, feedback: Some(_) }] = &pending(&run.state)[..] else {
        panic!("{:?}", run.pending())
    };
    run.duplicate(garbage(1, 1));
    run.stale(failed("review/1/1"));
    run.ok(garbage(1, 2), &["review_rejected"]);
    run.ok(garbage(1, 3), &["review_rejected", "gave_up"]);
    assert_eq!(run.pending(), ["compensate/t1"]);
}

#[test]
fn requested_changes_become_a_task_that_goes_the_same_way() {
    let mut run = Run::planned(&plan());
    for (task, transaction, path) in [("a", "t1", "a.rs"), ("b", "t2", "b.rs"), ("c", "t3", "c.rs")] {
        run.commit(task, 1, transaction, &[path]);
    }
    run.ok(reviewed(1, 1, &request("b.rs")), &["reviewed"]);
    let [Action::Edit { task, attempt: 1, feedback: None }] = &pending(&run.state)[..] else {
        panic!("{:?}", run.pending())
    };
    assert_eq!(
        (&task.id, &task.writes, &task.reads),
        (&id("revise-1"), &owned(&["b.rs"]), &owned(&["a.rs", "c.rs"]))
    );
    for part in ["The loop is wrong.", "error in b.rs:7: Off by one", "ends too early"] {
        assert!(task.detail.contains(part), "{}", task.detail);
    }
    run.duplicate(reviewed(1, 1, &request("b.rs")));
    run.out_of_turn(reviewed(2, 1, &approval()));

    run.commit("revise-1", 1, "t4", &["b.rs"]);
    assert_eq!(run.pending(), ["review/2/1"]);
    run.duplicate(reviewed(1, 1, &request("b.rs")));
    run.ok(reviewed(2, 1, &approval()), &["reviewed", "finished"]);
    run.ended_as("done");
    assert_eq!(run.state.reviews().count(), 2);
}

#[test]
fn findings_elsewhere_open_all_that_the_workflow_changed() {
    let mut run = Run::reviewing();
    run.ok(reviewed(1, 1, &request("tests/z.rs")), &["reviewed"]);
    let revision = run.state.tasks().last().unwrap();
    assert_eq!((&revision.writes, &revision.reads), (&owned(&["a.rs", "b.rs"]), &owned(&["tests/z.rs"])));
}

#[test]
fn a_workflow_that_changed_nothing_revises_what_it_claimed() {
    let mut run = Run::planned(&small_plan());
    run.commit("a", 1, "t1", &[]);
    run.ok(reviewed(1, 1, &request("a.rs")), &["reviewed"]);
    assert_eq!(run.state.tasks().last().unwrap().writes, ["a.rs"]);
}

#[test]
fn the_last_round_has_to_approve() {
    let mut run = Run::with(Settings { review_rounds: 1, ..settings() });
    run.ok(plan_answered(1, &json(&small_plan())), &["planned"]);
    run.commit("a", 1, "t1", &["a.rs"]);
    run.ok(reviewed(1, 1, &request("a.rs")), &["reviewed", "gave_up"]);
    assert_eq!(run.pending(), ["compensate/t1"]);
}
