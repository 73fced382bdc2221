//! One stored history with every kind of event: what is on disk today must be readable tomorrow.

use std::collections::BTreeSet;

use units::Nanodollars;
use workflow::{CallKey, Command, Event, MAX_ANSWER_BYTES, Phase, State};

use crate::run::{
    Run, abort, begin, compensated, failed, give_up, lost, not_compensated, plan_answered, rejected, reviewed,
};
use crate::samples::{answer, deployment, json, request, small_plan};

const STORED: &str = include_str!("../history.jsonl");
const ADVICE: &str = "the stored format has changed: raise VERSION and keep reading the old one";

/// A run that meets everything.
fn eventful() -> Run {
    let mut run = Run::new();
    // Rejected for its length: the reason is this crate's own text.
    let too_long = " ".repeat(MAX_ANSWER_BYTES + 1);
    run.ok(plan_answered(1, &too_long), &["plan_rejected"]);
    let (answer, deployment) = (answer("the plan"), deployment("p/meta/m-4"));
    let cost = Some(Nanodollars(1_500));
    run.ok(
        Command::RecordAnswer { key: CallKey::plan(2, 1), answer, deployment, cost, asked: None },
        &["call_answered"],
    );
    run.ok(failed("plan/2"), &["step_failed"]);
    run.ok(plan_answered(2, &json(&small_plan())), &["planned"]);
    run.ok(rejected("a", 1), &["edit_rejected"]);
    run.ok(begin("a", 2, "t1", &["a.rs"]), &["commit_started"]);
    run.ok(lost("a", 2, "t1"), &["commit_undone"]);
    run.commit("a", 2, "t2", &["a.rs", "b.rs"]);
    run.ok(Command::ReviewAnswered { round: 1, attempt: 1, text: too_long }, &["review_rejected"]);
    run.ok(reviewed(1, 2, &request("a.rs")), &["reviewed"]);
    run.commit("revise-1", 1, "t3", &["a.rs"]);
    run.ok(abort(), &["abort_requested"]);
    run.ok(give_up(), &["gave_up"]);
    run.ok(compensated("t3", &["a.rs"]), &["compensated"]);
    run.ok(not_compensated("t2"), &["compensation_failed", "finished"]);
    run
}

fn stored() -> Vec<Event> {
    STORED.lines().map(|line| Event::decode(line).expect(ADVICE)).collect()
}

#[test]
fn the_stored_history_is_still_what_the_same_commands_give() {
    let run = eventful();
    let lines: Vec<String> = run.events.iter().map(Event::encode).collect();
    for (number, (stored, now)) in STORED.lines().zip(&lines).enumerate() {
        assert_eq!(stored, now, "event {}: {ADVICE}", number + 1);
    }
    assert_eq!(STORED.lines().count(), lines.len(), "{ADVICE}; now:\n{}", lines.join("\n"));
}

#[test]
fn the_stored_history_folds_to_its_end() {
    let state = State::fold(&stored());
    assert_eq!((state.seq().0, state.status()), (19, "needs_attention"));
    assert!(matches!(state.phase(), Phase::Finished(_)));
    assert_eq!(state.spent().cost, Nanodollars(1_500));
    let undone: Vec<(&str, bool)> =
        state.commits().iter().map(|commit| (commit.transaction.as_str(), commit.compensated)).collect();
    assert_eq!(undone, [("t2", false), ("t3", true)]);
}

#[test]
fn the_stored_history_has_every_kind_of_event() {
    let kinds: BTreeSet<&str> = stored().iter().map(Event::kind).collect();
    assert_eq!(kinds.len(), 16);
}
