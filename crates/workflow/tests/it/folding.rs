//! What makes no sense where it stands is counted and changes nothing.

use workflow::{CallKey, Event, Rejection, apply, pending};

use crate::run::{Run, begin};
use crate::samples::{answer, deployment, id, owned, plan, settings, small_plan};

fn answered(text: &str) -> Event {
    Event::CallAnswered {
        key: CallKey::plan(1, 1),
        answer: answer(text),
        deployment: deployment("p/m"),
        cost: None,
        asked: None,
    }
}

fn commit_started(task: &str, attempt: u32, transaction: &str) -> Event {
    let paths = owned(&["z.rs"]);
    Event::CommitStarted { task: id(task), attempt, transaction: transaction.to_owned(), paths }
}

fn committed(task: &str, attempt: u32, transaction: &str) -> Event {
    Event::Committed { task: id(task), attempt, transaction: transaction.to_owned() }
}

fn edit_rejected(task: &str, attempt: u32) -> Event {
    let reason = Rejection::Unparseable { detail: String::new() };
    Event::EditRejected { task: id(task), attempt, reason }
}

#[test]
fn senseless_events_are_counted_and_change_nothing() {
    let mut run = Run::planned(&plan());
    run.state = apply(run.state, &answered("first"));
    run.events.push(answered("first"));
    run.ok(begin("a", 1, "t1", &["a.rs"]), &["commit_started"]);

    let senseless = [
        Event::Started {
            goal: "Other".to_owned(),
            root: "/other".to_owned(),
            check: vec!["make".to_owned()],
            settings: settings(),
            requester: None,
        },
        answered("second"),
        Event::Planned { attempt: 2, plan: small_plan() },
        commit_started("b", 1, "t2"),
        committed("b", 1, "t1"),
        committed("a", 2, "t1"),
        committed("a", 1, "t2"),
        Event::CommitUndone { task: id("b"), attempt: 1, transaction: "t1".to_owned() },
        edit_rejected("b", 2),
        edit_rejected("a", 3),
        edit_rejected("z", 1),
        Event::ReviewRejected { round: 2, attempt: 1, reason: String::new() },
        Event::Compensated { transaction: "t1".to_owned(), conflicts: owned(&["a.rs"]) },
    ];
    for event in senseless {
        let after = apply(run.state.clone(), &event);
        assert_eq!(after.seq(), run.state.seq().next(), "{event:?}");
        assert_eq!(pending(&after), pending(&run.state), "{event:?}");
        assert_eq!((after.goal(), after.plan()), (Some("Mend it"), Some(&plan())), "{event:?}");
        assert_eq!((after.open_commit(), after.commits()), (run.state.open_commit(), &[][..]), "{event:?}");
        assert_eq!(after.answer(&CallKey::plan(1, 1)).unwrap().answer.text, "first", "{event:?}");
    }
}

#[test]
fn a_commit_for_a_task_or_attempt_that_is_not_pending_does_not_open() {
    let run = Run::planned(&plan());
    for event in [commit_started("c", 1, "t1"), commit_started("a", 2, "t1"), commit_started("z", 1, "t1")] {
        assert_eq!(apply(run.state.clone(), &event).open_commit(), None, "{event:?}");
    }
}
