//! What a run looks like when it is told.

use chat::{Answer, StopReason, Usage};
use workflow::{CallKey, Mode, Outcome, Settings};

use super::*;

const PLAN: &str = r#"{
    "summary": "s",
    "tasks": [
        {"id": "a", "title": "First", "detail": "d", "writes": ["a.rs"]},
        {"id": "b", "title": "Second", "detail": "d", "writes": ["b.rs"]},
        {"id": "c", "title": "Third", "detail": "d", "depends_on": ["a"], "writes": ["c.rs"]}
    ]
}"#;

fn task(id: &str) -> TaskId {
    id.parse().unwrap()
}

fn shown(told: Vec<Told>) -> Vec<String> {
    told.into_iter()
        .flat_map(|told| match told {
            Told::Line(line) => {
                let first = format!("{:?} {}", line.mark, line.text);
                std::iter::once(first)
                    .chain(line.details.into_iter().map(|detail| format!("  {detail}")))
                    .collect()
            }
            Told::Begins { step, label } => vec![format!("> {step} = {label}")],
            Told::Notes { step, text } => vec![format!("= {step}: {text}")],
            Told::Ends { step } => vec![format!("< {step}")],
        })
        .collect()
}

fn started(check: &[&str]) -> Event {
    Event::Started {
        goal: "Do it".to_owned(),
        root: "/w".to_owned(),
        check: check.iter().map(|word| (*word).to_owned()).collect(),
        settings: Settings {
            mode: Mode::Run,
            plan_attempts: 3,
            edit_attempts: 3,
            review_rounds: 2,
            parallel_editors: 2,
            step_failures: 1,
        },
        requester: None,
    }
}

fn planned() -> Event {
    Event::Planned { attempt: 1, plan: Plan::parse(PLAN).unwrap() }
}

#[test]
fn tells_the_plan_by_its_groups() {
    let mut story = Story::default();
    assert_eq!(
        shown(story.event(&started(&["cargo", "test"]))),
        ["Said goal", "  Do it", "  in /w", "  checked by `cargo test`"]
    );
    assert_eq!(
        shown(story.event(&planned())),
        ["< plan/1", "Done plan: 3 tasks in 2 groups", "  1  a: First", "  1  b: Second", "  2  c: Third"]
    );
}

#[test]
fn says_that_nothing_checks_the_edits() {
    let told = shown(Story::default().event(&started(&[])));
    assert!(told[3].contains("edits are not tested"), "{told:?}");
}

#[test]
fn a_rejected_edit_says_why_and_that_nothing_was_written() {
    let mut story = Story::default();
    story.event(&planned());
    story.progress(Progress::StepStarted { step: "edit/a/1".to_owned() });
    let output = "running 1 test\nthread 'x' panicked at a.rs:1:1:\nleft: 1\n".to_owned();
    let event =
        Event::EditRejected { task: task("a"), attempt: 1, reason: Rejection::ValidationFailed { output } };
    assert_eq!(
        shown(story.event(&event)),
        [
            "< edit/a/1",
            "Failed edit a (attempt 1): the check failed → rolled back, nothing was written to the workspace",
            "  thread 'x' panicked at a.rs:1:1:",
            "  left: 1",
        ]
    );
}

#[test]
fn a_commit_names_its_files_and_so_does_its_undoing() {
    let mut story = Story::default();
    story.event(&planned());
    let paths = vec!["a.rs".to_owned(), "b.rs".to_owned()];
    let transaction = "t1".to_owned();
    let begun = Event::CommitStarted { task: task("a"), attempt: 2, transaction: transaction.clone(), paths };
    assert_eq!(shown(story.event(&begun)), ["= edit/a/2: commits 2 files"]);
    let done = Event::Committed { task: task("a"), attempt: 2, transaction: transaction.clone() };
    assert_eq!(shown(story.event(&done)), ["< edit/a/2", "Done committed a: First", "  2 files: a.rs, b.rs"]);
    let undone = Event::Compensated { transaction, conflicts: vec!["b.rs".to_owned()] };
    assert_eq!(
        shown(story.event(&undone)),
        ["Undone undone: a (2 files)", "  left as somebody changed it: b.rs"]
    );
}

#[test]
fn a_review_shows_its_findings_and_ends_its_step_whatever_the_attempt() {
    let mut story = Story::default();
    story.progress(Progress::StepStarted { step: "review/1/2".to_owned() });
    let review = Review::parse(
        r#"{"verdict": "request_changes", "summary": "No.", "findings":
            [{"severity": "error", "path": "a.rs", "line": 3, "title": "Wrong", "detail": "d"}]}"#,
    )
    .unwrap();
    assert_eq!(
        shown(story.event(&Event::Reviewed { round: 1, review })),
        ["< review/1/2", "Failed review 1: changes requested: No.", "  error in a.rs:3: Wrong"]
    );
}

#[test]
fn a_step_begins_once_and_what_comes_after_its_end_is_not_shown() {
    let mut story = Story::default();
    let note = |text: &str| Progress::Note { step: "plan/1".to_owned(), text: text.to_owned() };
    // Who comes late has missed the start.
    assert_eq!(shown(story.progress(note("reads"))), ["> plan/1 = plan", "= plan/1: reads"]);
    assert!(story.progress(Progress::StepStarted { step: "plan/1".to_owned() }).is_empty());
    let output = Progress::Output { step: "plan/1".to_owned(), text: "x".repeat(1_250) };
    assert_eq!(shown(story.progress(output)), ["= plan/1: writes, 1.2 kB"]);
    story.event(&planned());
    assert!(story.progress(note("late")).is_empty());
    // The world failed it, and it is tried again.
    assert_eq!(
        shown(story.progress(Progress::StepStarted { step: "plan/1".to_owned() })),
        ["> plan/1 = plan"]
    );
}

#[test]
fn the_end_takes_every_step_off_the_screen() {
    let mut story = Story::default();
    story.progress(Progress::StepStarted { step: "edit/a/2".to_owned() });
    assert_eq!(shown(story.event(&Event::Finished { outcome: Outcome::Done })), ["< edit/a/2"]);
}

#[test]
fn an_answer_alone_tells_nothing() {
    let answer = Answer {
        text: "x".to_owned(),
        tool_calls: Vec::new(),
        stop: StopReason::EndOfTurn,
        usage: Usage::default(),
    };
    let event = Event::CallAnswered {
        key: CallKey::plan(1, 1),
        answer,
        deployment: "demo/large".parse().unwrap(),
        cost: None,
        asked: None,
    };
    assert!(Story::default().event(&event).is_empty());
}
