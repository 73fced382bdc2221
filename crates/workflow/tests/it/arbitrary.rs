//! Events without rhyme or reason, and plans that a planner could make.

use plan::{Plan, Task};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use review::Review;
use units::{Nanodollars, TaskId};
use workflow::{CallKey, Event, Mode, Outcome, Rejection, Settings, Step};

use crate::samples::{answer, approval, deployment, id, owned, request, task};

const FILES: [&str; 5] = ["a.rs", "b.rs", "c.rs", "src/d.rs", "src/e.rs"];

fn files(least: usize) -> impl Strategy<Value = Vec<String>> {
    proptest::sample::subsequence(&FILES[..], least..=3).prop_map(|files| owned(&files))
}

/// A plan that parses: each task depends on some of those before it.
pub(crate) fn lawful_plan() -> impl Strategy<Value = Plan> {
    vec((any::<u8>(), files(0), files(1)), 1..=6).prop_map(|tasks| {
        let numbered = tasks.into_iter().enumerate();
        let tasks = numbered.map(|(number, (depends, reads, writes))| Task {
            depends_on: (0..number).filter(|n| depends >> n & 3 == 3).map(|n| id(&format!("t{n}"))).collect(),
            reads,
            writes,
            ..task(&format!("t{number}"), &[], &[], &[])
        });
        Plan { summary: "Some tasks.".to_owned(), tasks: tasks.collect() }
    })
}

pub(crate) fn lawful_settings() -> impl Strategy<Value = Settings> {
    let limits = (1..=3u32, 1..=3u32, 1..=3u32, 1..=3u32, 0..=2u32);
    limits.prop_map(|(plan_attempts, edit_attempts, review_rounds, parallel_editors, step_failures)| {
        Settings {
            mode: Mode::Run,
            plan_attempts,
            edit_attempts,
            review_rounds,
            parallel_editors,
            step_failures,
        }
    })
}

fn any_number() -> impl Strategy<Value = u32> {
    prop_oneof![5 => 1..=3u32, 1 => Just(u32::MAX)]
}

fn any_task() -> impl Strategy<Value = TaskId> {
    proptest::sample::select(vec!["a", "b", "c", "revise-1", "revise-2"]).prop_map(id)
}

/// Also what no planner's answer may be: no tasks, cycles, one id twice.
fn any_plan() -> impl Strategy<Value = Plan> {
    let any_task = (any_task(), vec(any_task(), 0..3), files(0), files(0));
    let any_task = any_task.prop_map(|(id, depends_on, reads, writes)| Task {
        id,
        depends_on,
        reads,
        writes,
        ..task("x", &[], &[], &[])
    });
    vec(any_task, 0..4).prop_map(|tasks| Plan { summary: String::new(), tasks })
}

fn any_review() -> impl Strategy<Value = Review> {
    proptest::sample::select(vec![approval(), request("a.rs"), request("elsewhere.rs")])
}

fn any_settings() -> impl Strategy<Value = Settings> {
    (any::<bool>(), 0..3u32).prop_map(|(plan_only, limit)| Settings {
        mode: if plan_only { Mode::PlanOnly } else { Mode::Run },
        plan_attempts: limit,
        edit_attempts: limit,
        review_rounds: limit,
        parallel_editors: limit,
        step_failures: limit,
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any_number().prop_map(|attempt| Step::Plan { attempt }),
        (any_task(), any_number()).prop_map(|(task, attempt)| Step::Edit { task, attempt }),
        (any_number(), any_number()).prop_map(|(round, attempt)| Step::Review { round, attempt }),
    ]
}

fn any_rejection() -> impl Strategy<Value = Rejection> {
    prop_oneof![
        any::<String>().prop_map(|detail| Rejection::Unparseable { detail }),
        any::<String>().prop_map(|detail| Rejection::DoesNotApply { detail }),
        files(0).prop_map(|paths| Rejection::OutsideClaim { paths }),
        any::<String>().prop_map(|output| Rejection::ValidationFailed { output }),
        files(0).prop_map(|paths| Rejection::Conflict { paths }),
    ]
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Done),
        Just(Outcome::Planned),
        (any::<String>(), files(0)).prop_map(|(reason, kept)| Outcome::Failed { reason, kept }),
        (any::<String>(), files(0)).prop_map(|(by, kept)| Outcome::Aborted { by, kept }),
        (any::<String>(), files(0)).prop_map(|(reason, kept)| Outcome::NeedsAttention { reason, kept }),
    ]
}

fn any_answer() -> impl Strategy<Value = chat::Answer> {
    let call = (any::<String>(), any::<String>()).prop_map(|(name, arguments)| chat::ToolCall {
        id: "call".to_owned(),
        name,
        arguments,
    });
    let stop = prop_oneof![
        Just(chat::StopReason::EndOfTurn),
        Just(chat::StopReason::MaxOutput),
        any::<String>().prop_map(chat::StopReason::Other),
    ];
    (any::<String>(), vec(call, 0..2), stop).prop_map(|(text, tool_calls, stop)| chat::Answer {
        tool_calls,
        stop,
        ..answer(&text)
    })
}

fn any_commit() -> impl Strategy<Value = (TaskId, u32, String)> {
    (any_task(), any_number(), proptest::sample::select(vec!["x", "y", "z"]).prop_map(str::to_owned))
}

fn working_event() -> impl Strategy<Value = Event> {
    let answered = (any_step(), any_number(), any_answer(), option::of(any::<i64>().prop_map(Nanodollars)));
    prop_oneof![
        (any::<String>(), vec(any::<String>(), 0..3), any_settings()).prop_map(|(goal, check, settings)| {
            Event::Started { goal, root: "/w".to_owned(), check, settings, requester: None }
        }),
        answered.prop_map(|(step, turn, answer, cost)| Event::CallAnswered {
            key: CallKey::new(step, turn),
            answer,
            deployment: deployment("p/m"),
            cost,
            asked: None,
        }),
        (any_number(), any_plan()).prop_map(|(attempt, plan)| Event::Planned { attempt, plan }),
        (any_number(), any::<String>()).prop_map(|(attempt, reason)| Event::PlanRejected { attempt, reason }),
        (any_task(), any_number(), any_rejection()).prop_map(|(task, attempt, reason)| Event::EditRejected {
            task,
            attempt,
            reason
        }),
        (any_commit(), files(0)).prop_map(|((task, attempt, transaction), paths)| Event::CommitStarted {
            task,
            attempt,
            transaction,
            paths,
        }),
        any_commit().prop_map(|(task, attempt, transaction)| Event::Committed { task, attempt, transaction }),
        any_commit().prop_map(|(task, attempt, transaction)| Event::CommitUndone {
            task,
            attempt,
            transaction
        }),
        (any_number(), any_review()).prop_map(|(round, review)| Event::Reviewed { round, review }),
        (any_number(), any_number(), any::<String>())
            .prop_map(|(round, attempt, reason)| Event::ReviewRejected { round, attempt, reason }),
    ]
}

fn ending_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (any_step(), any::<String>()).prop_map(|(step, reason)| Event::StepFailed { step, reason }),
        any::<String>().prop_map(|by| Event::AbortRequested { by }),
        any::<String>().prop_map(|reason| Event::GaveUp { reason }),
        (any_commit(), files(0))
            .prop_map(|((_, _, transaction), conflicts)| Event::Compensated { transaction, conflicts }),
        (any_commit(), any::<String>())
            .prop_map(|((_, _, transaction), reason)| Event::CompensationFailed { transaction, reason }),
        any_outcome().prop_map(|outcome| Event::Finished { outcome }),
    ]
}

/// Any event at all.
pub(crate) fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![8 => working_event(), 1 => ending_event()]
}
