//! Aborting and giving up in every phase, and undoing in reverse.

use workflow::{Command, Event, Outcome, Refused, State};

use crate::run::{
    Run, abort, begin, compensated, done, failed, give_up, lost, not_compensated, plan_answered, rejected,
    reviewed,
};
use crate::samples::{approval, json, owned, plan, small_plan};

/// `a` and `b` are committed, `c` is next.
fn two_commits() -> Run {
    let mut run = Run::planned(&plan());
    run.commit("a", 1, "t1", &["a.rs"]);
    run.commit("b", 1, "t2", &["b.rs"]);
    run
}

fn abandon() -> Command {
    Command::AbandonCompensation { reason: "it died 5 times more".to_owned() }
}

#[test]
fn with_nothing_committed_an_abort_is_the_end() {
    let mut planning = Run::new();
    planning.ok(abort(), &["abort_requested", "finished"]);
    assert_eq!(planning.ended_as("aborted"), "aborted by ada");

    let mut editing = Run::planned(&plan());
    editing.ok(give_up(), &["gave_up", "finished"]);
    assert_eq!(editing.ended_as("failed"), "failed: it died 5 times");
    for command in [abort(), give_up(), abandon(), Command::Conclude, rejected("a", 1)] {
        assert_eq!(editing.refused(command), Refused::Finished { status: "failed" });
    }
}

#[test]
fn commits_are_undone_in_reverse_each_once() {
    let mut run = two_commits();
    run.out_of_turn(compensated("t2", &[]));
    run.out_of_turn(abandon());
    run.ok(abort(), &["abort_requested"]);
    assert_eq!((run.state.status(), run.pending()), ("compensating", vec!["compensate/t2".to_owned()]));
    run.duplicate(abort());
    run.out_of_turn(compensated("t1", &[]));
    run.out_of_turn(compensated("t9", &[]));
    run.ok(compensated("t2", &[]), &["compensated"]);
    run.duplicate(compensated("t2", &[]));
    assert_eq!(run.pending(), ["compensate/t1"]);
    assert_eq!(run.state.changed().into_iter().collect::<Vec<_>>(), ["a.rs"]);
    run.ok(compensated("t1", &[]), &["compensated", "finished"]);
    assert_eq!(run.ended_as("aborted"), "aborted by ada");
}

#[test]
fn an_aborted_workflow_begins_nothing_new() {
    let mut run = two_commits();
    run.ok(abort(), &["abort_requested"]);
    for command in
        [begin("c", 1, "t3", &["c.rs"]), rejected("c", 1), failed("edit/c/1"), failed("review/1/1")]
    {
        assert_eq!(run.refused(command), Refused::Ending);
    }
    let mut reviewing = Run::reviewing();
    reviewing.ok(give_up(), &["gave_up"]);
    assert_eq!(reviewing.refused(reviewed(1, 1, &approval())), Refused::Ending);
}

#[test]
fn an_open_commit_is_resolved_before_anything_is_undone() {
    let mut found = Run::planned(&small_plan());
    found.ok(begin("a", 1, "t1", &["a.rs"]), &["commit_started"]);
    found.ok(abort(), &["abort_requested"]);
    assert_eq!(found.pending(), ["commit/a/1/t1"]);
    found.out_of_turn(compensated("t1", &[]));
    found.ok(done("a", 1, "t1"), &["committed"]);
    assert_eq!(found.pending(), ["compensate/t1"]);
    found.ok(compensated("t1", &[]), &["compensated", "finished"]);

    let mut second = two_commits();
    second.ok(begin("c", 1, "t3", &["c.rs"]), &["commit_started"]);
    second.ok(give_up(), &["gave_up"]);
    second.out_of_turn(compensated("t2", &[]));
    second.ok(lost("c", 1, "t3"), &["commit_undone"]);
    second.ok(compensated("t2", &[]), &["compensated"]);

    for end in [lost("a", 1, "t1"), rejected("a", 1)] {
        let mut gone = Run::planned(&small_plan());
        gone.ok(begin("a", 1, "t1", &["a.rs"]), &["commit_started"]);
        gone.ok(abort(), &["abort_requested"]);
        assert_eq!(gone.send(end).unwrap().last(), Some(&"finished"));
        gone.ended_as("aborted");
    }
}

#[test]
fn an_open_commit_that_cannot_be_resolved_needs_a_person() {
    let mut run = Run::planned(&small_plan());
    run.ok(begin("a", 1, "t1", &["a.rs"]), &["commit_started"]);
    run.ok(failed("edit/a/1"), &["step_failed"]);
    run.ok(failed("edit/a/1"), &["step_failed", "gave_up"]);
    assert_eq!(run.pending(), ["commit/a/1/t1"]);
    // Undoing has failures of its own.
    run.ok(failed("edit/a/1"), &["step_failed"]);
    run.ok(failed("edit/a/1"), &["step_failed", "finished"]);
    assert!(run.ended_as("needs_attention").contains("`edit/a/1` failed 2 times"));
}

#[test]
fn what_a_person_changed_is_kept_and_named() {
    let mut run = two_commits();
    run.ok(abort(), &["abort_requested"]);
    run.ok(compensated("t2", &["b.rs"]), &["compensated"]);
    run.ok(compensated("t1", &["a.rs"]), &["compensated", "finished"]);
    let outcome = Outcome::Aborted { by: "ada".to_owned(), kept: owned(&["a.rs", "b.rs"]) };
    assert_eq!(run.state.outcome(), Some(&outcome));
    assert!(run.ended_as("aborted").ends_with("changed since: a.rs, b.rs"));
}

#[test]
fn what_cannot_be_undone_needs_a_person() {
    let mut run = two_commits();
    run.ok(give_up(), &["gave_up"]);
    run.out_of_turn(not_compensated("t1"));
    run.ok(compensated("t2", &["b.rs"]), &["compensated"]);
    run.ok(not_compensated("t1"), &["compensation_failed", "finished"]);
    let outcome = run.ended_as("needs_attention");
    assert!(
        outcome.contains("`t1` could not be undone: the journal is gone") && outcome.ends_with("b.rs"),
        "{outcome}"
    );
}

#[test]
fn supervision_may_give_up_on_undoing_too() {
    let mut run = two_commits();
    run.ok(give_up(), &["gave_up"]);
    run.duplicate(give_up());
    run.ok(abandon(), &["finished"]);
    assert_eq!(run.ended_as("needs_attention"), "needs attention: it died 5 times more");
}

#[test]
fn the_first_cause_of_the_end_stands() {
    let mut run = two_commits();
    run.ok(abort(), &["abort_requested"]);
    run.ok(give_up(), &["gave_up"]);
    run.duplicate(give_up());
    run.ok(compensated("t2", &[]), &["compensated"]);
    run.ok(compensated("t1", &[]), &["compensated", "finished"]);
    run.ended_as("aborted");

    let mut run = two_commits();
    run.ok(give_up(), &["gave_up"]);
    run.ok(abort(), &["abort_requested"]);
    run.duplicate(abort());
    run.ok(compensated("t2", &[]), &["compensated"]);
    run.ok(compensated("t1", &[]), &["compensated", "finished"]);
    run.ended_as("failed");
}

#[test]
fn a_history_cut_before_its_end_is_concluded() {
    let mut run = Run::new();
    run.ok(plan_answered(1, &json(&small_plan())), &["planned"]);
    run.out_of_turn(Command::Conclude);
    run.ok(abort(), &["abort_requested", "finished"]);
    let events: Vec<Event> = run.events[..run.events.len() - 1].to_vec();
    let mut cut = Run { state: State::fold(&events), events };
    assert_eq!(cut.pending(), ["conclude"]);
    cut.out_of_turn(give_up());
    cut.ok(Command::Conclude, &["finished"]);
    assert_eq!(cut.events, run.events);
}
