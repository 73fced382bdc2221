//! The start, the planner, and the answers that are remembered.

use units::Nanodollars;
use workflow::{
    Action, CallKey, Command, Event, MAX_ANSWER_BYTES, MAX_GOAL_BYTES, MAX_LIMIT, MAX_REASON_BYTES,
    MAX_TURNS, Mode, Refused, Role, Settings, State, pending,
};

use crate::run::{Run, abort, failed, give_up, plan_answered};
use crate::samples::{answer, deployment, json, plan, settings, small_plan, task};

fn start(goal: &str, root: &str, settings: Settings) -> Command {
    Command::Start {
        goal: goal.to_owned(),
        root: root.to_owned(),
        check: Vec::new(),
        settings,
        requester: None,
    }
}

fn record(key: CallKey, text: &str) -> Command {
    let cost = Some(Nanodollars(1_000));
    Command::RecordAnswer { key, answer: answer(text), deployment: deployment("p/m"), cost, asked: None }
}

#[test]
fn nothing_comes_before_the_start_and_it_comes_once() {
    let mut run = Run::default();
    assert_eq!((run.state.status(), run.pending()), ("new", Vec::new()));
    for command in [plan_answered(1, "{}"), abort(), give_up(), Command::Conclude, failed("plan/1")] {
        assert_eq!(run.refused(command), Refused::NotStarted);
    }
    run.ok(start("Mend it", "/w", settings()), &["started"]);
    assert_eq!((run.state.status(), run.pending()), ("planning", vec!["plan/1".to_owned()]));
    assert_eq!((run.state.goal(), run.state.root()), (Some("Mend it"), Some("/w")));
    run.duplicate(start("Mend it", "/w", settings()));
}

#[test]
fn refuses_a_start_that_cannot_be_carried_out() {
    let mut run = Run::default();
    assert_eq!(run.refused(start(" \n", "/w", settings())), Refused::Empty { what: "goal" });
    assert_eq!(run.refused(start("x", "", settings())), Refused::Empty { what: "root" });
    for long in ["x".repeat(MAX_GOAL_BYTES + 1), format!("x{}", " ".repeat(MAX_GOAL_BYTES))] {
        assert!(matches!(
            run.refused(start(&long, "/w", settings())),
            Refused::TooLarge { what: "goal", .. }
        ));
    }
    let bad = [
        Settings { plan_attempts: 0, ..settings() },
        Settings { edit_attempts: 0, ..settings() },
        Settings { review_rounds: 0, ..settings() },
        Settings { parallel_editors: 0, ..settings() },
        Settings { step_failures: MAX_LIMIT + 1, ..settings() },
    ];
    for settings in bad {
        assert!(
            matches!(run.refused(start("x", "/w", settings)), Refused::BadSetting { .. }),
            "{settings:?}"
        );
    }
    run.ok(start("x", "/w", Settings { step_failures: 0, ..settings() }), &["started"]);
}

#[test]
fn a_plan_that_cannot_be_read_is_asked_for_again_with_what_was_wrong() {
    let mut run = Run::new();
    run.ok(plan_answered(1, "no JSON here"), &["plan_rejected"]);
    let [Action::Plan { attempt: 2, feedback: Some(feedback) }] = &pending(&run.state)[..] else {
        panic!("{:?}", run.pending())
    };
    assert!(!feedback.is_empty());
    run.duplicate(plan_answered(1, "no JSON here"));
    run.out_of_turn(plan_answered(3, "{}"));
    run.out_of_turn(plan_answered(0, "{}"));

    run.ok(plan_answered(2, &json(&plan())), &["planned"]);
    assert_eq!((run.state.status(), run.state.plan()), ("editing", Some(&plan())));
    run.duplicate(plan_answered(2, &json(&plan())));
    run.out_of_turn(plan_answered(3, &json(&plan())));
    run.stale(failed("plan/2"));
}

#[test]
fn gives_up_after_the_last_attempt_at_a_plan() {
    let mut run = Run::new();
    run.ok(plan_answered(1, "?"), &["plan_rejected"]);
    run.ok(plan_answered(2, "?"), &["plan_rejected", "gave_up", "finished"]);
    assert!(run.ended_as("failed").contains("no plan after 2 attempts"));
}

#[test]
fn a_plan_only_run_ends_with_its_plan_and_writes_nothing() {
    let mut run = Run::with(Settings { mode: Mode::PlanOnly, ..settings() });
    run.ok(plan_answered(1, &json(&plan())), &["planned", "finished"]);
    assert_eq!(run.ended_as("planned"), "planned");
    assert_eq!(run.refused(abort()), Refused::Finished { status: "planned" });
    assert!(matches!(run.refused(start("x", "/w", settings())), Refused::Finished { .. }));
}

#[test]
fn a_task_may_not_take_the_name_of_a_revision() {
    let mut run = Run::new();
    let mut plan = small_plan();
    plan.tasks.push(task("revise-1", &[], &[], &["z.rs"]));
    run.ok(plan_answered(1, &json(&plan)), &["plan_rejected"]);
    plan.tasks[1] = task("revise-docs", &[], &[], &["z.rs"]);
    run.ok(plan_answered(2, &json(&plan)), &["planned"]);
}

#[test]
fn an_answer_that_is_too_long_is_rejected_and_its_reason_is_bounded() {
    let mut run = Run::new();
    run.ok(plan_answered(1, &" ".repeat(MAX_ANSWER_BYTES + 1)), &["plan_rejected"]);
    let reason = "ä".repeat(MAX_REASON_BYTES);
    run.ok(Command::StepFailed { step: "plan/2".parse().unwrap(), reason }, &["step_failed"]);
    let Some(Event::StepFailed { reason, .. }) = run.events.last() else { panic!("no failure") };
    assert!(reason.len() <= MAX_REASON_BYTES && reason.contains("cut here"));
}

#[test]
fn the_world_may_fail_an_attempt_only_so_often() {
    let mut run = Run::new();
    run.ok(failed("plan/1"), &["step_failed"]);
    assert_eq!(run.pending(), ["plan/1"]);
    run.out_of_turn(failed("plan/2"));
    run.out_of_turn(failed("edit/a/1"));
    run.out_of_turn(failed("review/1/1"));
    // A new attempt has failures of its own.
    run.ok(plan_answered(1, "?"), &["plan_rejected"]);
    run.stale(failed("plan/1"));
    run.ok(failed("plan/2"), &["step_failed"]);
    run.ok(failed("plan/2"), &["step_failed", "gave_up", "finished"]);
    assert!(run.ended_as("failed").contains("`plan/2` failed 2 times; the last time: no answer in 60 s"));
}

#[test]
fn an_answer_is_remembered_once_and_counted() {
    let mut run = Run::new();
    let key = CallKey::plan(1, 1);
    run.ok(record(key.clone(), "first"), &["call_answered"]);
    run.duplicate(record(key.clone(), "second"));
    let restarted = State::fold(&run.events);
    assert_eq!(restarted.answer(&key).unwrap().answer.text, "first");
    assert!(restarted.answer(&CallKey::plan(1, 2)).is_none());

    let unpriced = Command::RecordAnswer {
        key: CallKey::plan(1, 2),
        answer: answer("more"),
        deployment: deployment("q/m"),
        cost: None,
        asked: None,
    };
    run.ok(unpriced, &["call_answered"]);
    let spent = run.state.spent();
    assert_eq!((spent.calls, spent.unpriced, spent.cost), (2, 1, Nanodollars(1_000)));
    assert_eq!(spent.usage.input.0, 200);
    let by = run.state.spent_by();
    assert_eq!(by.len(), 2);
    assert_eq!(by[&(deployment("q/m"), Role::Planner)].unpriced, 1);
}

#[test]
fn an_answer_is_taken_for_what_was_asked_and_nothing_else() {
    let mut run = Run::planned(&plan());
    let task = |name: &str| name.parse().unwrap();
    for key in [CallKey::plan(2, 1), CallKey::edit(task("z"), 1, 1), CallKey::edit(task("a"), 2, 1)] {
        run.out_of_turn(record(key, ""));
    }
    run.out_of_turn(record(CallKey::review(1, 2, 1), ""));
    run.out_of_turn(record(CallKey::review(2, 1, 1), ""));
    let too_late = run.refused(record(CallKey::plan(1, MAX_TURNS + 1), ""));
    assert!(matches!(too_late, Refused::TooLarge { what: "turn", .. }));
    let too_long = run.refused(record(CallKey::plan(1, 1), &"x".repeat(MAX_ANSWER_BYTES + 1)));
    assert!(matches!(too_long, Refused::TooLarge { what: "answer", .. }));

    // The largest answer, all of it escaped, still fits into an event.
    run.ok(record(CallKey::plan(1, 1), &"\u{1}".repeat(MAX_ANSWER_BYTES)), &["call_answered"]);
    // What was paid for counts, also when it comes after the abort.
    run.ok(crate::run::begin("a", 1, "t1", &[]), &["commit_started"]);
    run.ok(abort(), &["abort_requested"]);
    run.ok(record(CallKey::edit(task("b"), 1, 1), "late"), &["call_answered"]);
    assert_eq!(run.state.spent().calls, 2);
}
