//! Groups of tasks, their rejections, and their commits one at a time.

use workflow::{Action, Command, MAX_OUTPUT_BYTES, Refused, Rejection, Settings, pending};

use crate::run::{Run, begin, done, failed, lost, plan_answered, rejected};
use crate::samples::{id, json, owned, plan, settings, small_plan};

#[test]
fn tasks_of_a_group_run_side_by_side_and_the_next_group_waits_for_all() {
    let mut run = Run::planned(&plan());
    assert_eq!(run.pending(), ["edit/a/1", "edit/b/1"]);
    run.commit("b", 1, "t1", &["b.rs"]);
    assert_eq!(run.pending(), ["edit/a/1"]);
    run.out_of_turn(begin("c", 1, "t2", &["c.rs"]));
    run.commit("a", 1, "t2", &["a.rs"]);
    assert_eq!(run.pending(), ["edit/c/1"]);
    run.commit("c", 1, "t3", &["c.rs"]);
    assert_eq!((run.state.status(), run.pending()), ("reviewing", vec!["review/1/1".to_owned()]));
    assert_eq!(run.state.changed().into_iter().collect::<Vec<_>>(), ["a.rs", "b.rs", "c.rs"]);
}

#[test]
fn no_more_editors_work_at_once_than_the_settings_allow() {
    let mut run = Run::with(Settings { parallel_editors: 1, ..settings() });
    run.ok(plan_answered(1, &json(&plan())), &["planned"]);
    assert_eq!(run.pending(), ["edit/a/1"]);
    run.out_of_turn(begin("b", 1, "t1", &["b.rs"]));
    run.commit("a", 1, "t1", &["a.rs"]);
    assert_eq!(run.pending(), ["edit/b/1"]);
}

#[test]
fn a_second_commit_waits_for_the_open_one() {
    let mut run = Run::planned(&plan());
    run.ok(begin("a", 1, "t1", &["a.rs"]), &["commit_started"]);
    assert_eq!(run.pending(), ["commit/a/1/t1", "edit/b/1"]);
    assert_eq!(
        run.refused(begin("b", 1, "t2", &["b.rs"])),
        Refused::CommitOpen { transaction: "t1".to_owned() }
    );
    assert_eq!(
        run.refused(begin("a", 1, "t2", &["a.rs"])),
        Refused::CommitOpen { transaction: "t1".to_owned() }
    );
    run.duplicate(begin("a", 1, "t1", &["a.rs"]));
    run.stale(done("a", 1, "t9"));
    run.stale(done("b", 1, "t1"));
    run.out_of_turn(done("a", 2, "t1"));
    run.out_of_turn(lost("z", 1, "t1"));

    run.ok(done("a", 1, "t1"), &["committed"]);
    run.duplicate(done("a", 1, "t1"));
    run.duplicate(begin("a", 1, "t1", &["a.rs"]));
    run.stale(lost("a", 1, "t1"));
    run.stale(begin("a", 1, "t2", &["a.rs"]));
    run.stale(rejected("a", 1));
    run.duplicate(begin("b", 1, "t1", &["b.rs"]));
    run.ok(begin("b", 1, "t2", &["b.rs"]), &["commit_started"]);
}

#[test]
fn a_commit_writes_only_what_its_task_claimed() {
    let mut run = Run::planned(&plan());
    let refused = run.refused(begin("a", 1, "t1", &["b.rs", "a.rs", "c.rs"]));
    assert_eq!(refused, Refused::OutsideClaim { task: id("a"), paths: owned(&["b.rs", "c.rs"]) });
    assert!(matches!(run.refused(begin("a", 1, "", &["a.rs"])), Refused::Empty { .. }));
    let long = "t".repeat(129);
    assert!(matches!(run.refused(begin("a", 1, &long, &["a.rs"])), Refused::TooLarge { .. }));
}

#[test]
fn the_next_attempt_learns_why_the_last_one_was_rejected() {
    let mut run = Run::planned(&plan());
    run.ok(rejected("a", 1), &["edit_rejected"]);
    let [Action::Edit { task, attempt: 2, feedback: Some(feedback) }, Action::Edit { feedback: None, .. }] =
        &pending(&run.state)[..]
    else {
        panic!("{:?}", run.pending())
    };
    assert_eq!(task.id, id("a"));
    assert!(feedback.contains("1 test failed"));
    run.duplicate(rejected("a", 1));
    run.stale(begin("a", 1, "t1", &["a.rs"]));
    run.stale(failed("edit/a/1"));
    run.out_of_turn(rejected("a", 3));
    run.out_of_turn(rejected("a", 0));
    run.out_of_turn(rejected("z", 1));
    run.out_of_turn(rejected("c", 1));
    run.commit("a", 2, "t1", &["a.rs"]);
}

#[test]
fn a_conflict_closes_the_commit_and_the_task_is_done_again() {
    let mut run = Run::planned(&small_plan());
    run.ok(begin("a", 1, "t1", &["a.rs"]), &["commit_started"]);
    let reason = Rejection::Conflict { paths: owned(&["a.rs"]) };
    run.ok(Command::EditRejected { task: id("a"), attempt: 1, reason }, &["edit_rejected"]);
    assert!(run.state.open_commit().is_none());
    run.stale(done("a", 1, "t1"));
    assert_eq!(run.pending(), ["edit/a/2"]);
}

#[test]
fn a_lost_commit_is_made_again_by_the_same_attempt_but_not_for_ever() {
    let mut run = Run::planned(&small_plan());
    run.ok(begin("a", 1, "t1", &["a.rs"]), &["commit_started"]);
    run.ok(lost("a", 1, "t1"), &["commit_undone"]);
    assert_eq!(run.pending(), ["edit/a/1"]);
    run.stale(lost("a", 1, "t1"));
    run.ok(begin("a", 1, "t1", &["a.rs"]), &["commit_started"]);
    run.ok(lost("a", 1, "t1"), &["commit_undone", "gave_up", "finished"]);
    assert!(run.ended_as("failed").contains("its commit was lost"));
}

#[test]
fn too_many_rejections_undo_what_was_committed() {
    let mut run = Run::planned(&plan());
    run.commit("b", 1, "t1", &["b.rs"]);
    run.ok(rejected("a", 1), &["edit_rejected"]);
    run.ok(rejected("a", 2), &["edit_rejected", "gave_up"]);
    assert_eq!((run.state.status(), run.pending()), ("compensating", vec!["compensate/t1".to_owned()]));
}

#[test]
fn the_output_of_a_validation_is_cut_where_it_says_least() {
    let mut run = Run::planned(&small_plan());
    let output = format!("first error{}summary", "x".repeat(2 * MAX_OUTPUT_BYTES));
    let reason = Rejection::ValidationFailed { output };
    run.ok(Command::EditRejected { task: id("a"), attempt: 1, reason }, &["edit_rejected"]);
    let [Action::Edit { feedback: Some(feedback), .. }] = &pending(&run.state)[..] else { panic!("no edit") };
    assert!(feedback.len() < MAX_OUTPUT_BYTES + 100);
    assert!(feedback.contains("first error") && feedback.ends_with("summary"));
}

#[test]
fn every_rejection_tells_the_next_attempt_what_to_mend() {
    let detail = "SEARCH of a.rs".to_owned();
    let rejections = [
        (Rejection::Unparseable { detail: detail.clone() }, "SEARCH of a.rs"),
        (Rejection::DoesNotApply { detail }, "SEARCH of a.rs"),
        (Rejection::OutsideClaim { paths: owned(&["x.rs", "y.rs"]) }, "x.rs, y.rs"),
        (Rejection::Conflict { paths: owned(&["x.rs"]) }, "x.rs"),
    ];
    for (reason, expected) in rejections {
        let mut run = Run::planned(&small_plan());
        run.ok(Command::EditRejected { task: id("a"), attempt: 1, reason }, &["edit_rejected"]);
        let [Action::Edit { feedback: Some(feedback), .. }] = &pending(&run.state)[..] else {
            panic!("no edit")
        };
        assert!(feedback.contains(expected), "{feedback}");
    }
}
