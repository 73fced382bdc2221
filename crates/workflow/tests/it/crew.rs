//! Who worked in a run, as its history tells it.

use proptest::prelude::*;
use units::UnixMillis;
use workflow::{Asked, CallKey, Command, Crew, Event, Step, Yield};

use crate::driver::{Driver, Odds};
use crate::run::{Run, begin, done, failed, plan_answered, rejected};
use crate::samples::{answer, deployment, id, json, small_plan};

fn crew(events: &[Event]) -> Crew {
    let timed = events.iter().zip(1_000..);
    timed.fold(Crew::default(), |crew, (event, at)| crew.after(event, UnixMillis(at)))
}

fn asked(key: CallKey) -> Command {
    let asked = Asked { template: "planning/x".to_owned(), version: "abc".to_owned(), took_ms: 400 };
    let (answer, deployment) = (answer("text"), deployment("p/m"));
    Command::RecordAnswer { key, answer, deployment, cost: None, asked: Some(asked) }
}

#[test]
fn an_agent_says_who_answered_from_which_prompt_and_since_when() {
    let mut run = Run::new();
    run.ok(failed("plan/1"), &["step_failed"]);
    run.ok(asked(CallKey::plan(1, 1)), &["call_answered"]);
    run.ok(asked(CallKey::plan(1, 2)), &["call_answered"]);
    let planner = Step::Plan { attempt: 1 };
    let at_work = crew(&run.events);
    let member = at_work.member(&planner).unwrap();
    assert_eq!((member.calls, member.failures, member.result), (2, 1, None));
    assert_eq!(member.started_at, UnixMillis(1_002 - 400));
    assert_eq!(member.prompt, Some(("planning/x".to_owned(), "abc".to_owned())));
    assert_eq!(member.deployment, Some(deployment("p/m")));

    run.ok(plan_answered(1, &json(&small_plan())), &["planned"]);
    run.ok(rejected("a", 1), &["edit_rejected"]);
    run.ok(begin("a", 2, "t2", &["a.rs"]), &["commit_started"]);
    run.ok(done("a", 2, "t2"), &["committed"]);
    let crew = crew(&run.events);
    let result = |step: Step| crew.member(&step).and_then(|member| member.result);
    assert_eq!(result(planner), Some(Yield::Accepted));
    assert_eq!(result(Step::Edit { task: id("a"), attempt: 1 }), Some(Yield::Rejected));
    assert_eq!(result(Step::Edit { task: id("a"), attempt: 2 }), Some(Yield::Accepted));
}

proptest! {
    #[test]
    fn whoever_worked_has_ended_with_the_run_and_counts_each_answer_once(seed in any::<u64>()) {
        let odds = Odds { bad: 15, failed: 15, death: 15, abort: 5, conflict: 15 };
        let mut driver = Driver::new(crate::samples::plan(), crate::samples::settings(), odds, seed);
        driver.run(crate::laws::most_events(&crate::samples::plan(), crate::samples::settings()));
        let crew = crew(&driver.events);
        prop_assert!(crew.members().all(|(_, member)| member.result.is_some() && member.ended_at.is_some()));
        let calls: u32 = crew.members().map(|(_, member)| member.calls).sum();
        prop_assert_eq!(u64::from(calls), driver.state.spent().calls);
        let accepted = |step: &Step| crew.member(step).is_some_and(|member| member.result == Some(Yield::Accepted));
        for commit in driver.state.commits() {
            let step = Step::Edit { task: commit.task.clone(), attempt: commit.attempt };
            prop_assert!(accepted(&step));
        }
        let reviews = crew.members().filter(|(step, member)| {
            matches!(step, Step::Review { .. }) && member.result == Some(Yield::Accepted)
        });
        prop_assert_eq!(reviews.count(), driver.state.reviews().count());
    }
}
