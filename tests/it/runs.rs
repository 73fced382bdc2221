//! Whole runs: done, failed, aborted.

use impresario::http::views::NewWorkflow;
use units::Nanodollars;
use workflow::{Event, Mode, Outcome, Rejection};

use crate::folder::{self, Files};
use crate::house::House;
use crate::speech::{approve, delete, edits, is_for, plan, replace, task};
use crate::story::{Story, assert_paid_once, count};
use crate::vendor::{Asked, INPUT_TOKENS, OUTPUT_TOKENS, Says};

/// Calls of an ordinary run: a plan, three edits, a review.
pub(crate) const CALLS: usize = 5;

/// Three tasks, two of them side by side, which change, make and delete files.
pub(crate) fn ordinary(asked: &Asked) -> Says {
    match asked.model.as_str() {
        "planner" => plan(&[
            task("first", &[], &["a.txt", "made.txt"]),
            task("second", &[], &["b.txt"]),
            task("third", &["first", "second"], &["sub/c.txt", "gone.txt"]),
        ]),
        "reviewer" => approve(),
        _ if is_for(asked, "first") => {
            edits(&[replace("a.txt", "alpha\n", "ALPHA\n"), replace("made.txt", "", "made\n")])
        }
        _ if is_for(asked, "second") => edits(&[replace("b.txt", "beta\n", "BETA\n")]),
        _ => edits(&[replace("sub/c.txt", "gamma\n", "GAMMA\n"), delete("gone.txt")]),
    }
}

/// A house where [`ordinary`] fits.
pub(crate) fn ordinary_house() -> House {
    let house = House::new(ordinary);
    furnish(&house);
    house
}

pub(crate) fn furnish(house: &House) {
    for (name, text) in
        [("a.txt", "alpha\n"), ("b.txt", "beta\n"), ("sub/c.txt", "gamma\n"), ("gone.txt", "x\n")]
    {
        house.write(name, text);
    }
}

/// What [`ordinary`] makes of the workspace.
pub(crate) fn afterwards(before: &Files) -> Files {
    let mut after = before.clone();
    let permissions = before["a.txt"].0;
    after.remove("gone.txt");
    for (name, text) in
        [("a.txt", "ALPHA\n"), ("b.txt", "BETA\n"), ("sub/c.txt", "GAMMA\n"), ("made.txt", "made\n")]
    {
        after.insert(name.to_owned(), (permissions, text.to_owned()));
    }
    after
}

#[tokio::test]
async fn a_whole_run_ends_done_and_every_answer_is_in_the_books_once() {
    let mut house = ordinary_house();
    let before = house.files();
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    let heard = Story::follow(&client, &id).done().await;

    assert_eq!(house.files(), afterwards(&before));
    assert_paid_once(&client, &id, &heard, &house.vendor, CALLS).await;
    let view = client.workflow(&id).await.unwrap();
    let cost: Nanodollars = view.totals.iter().map(|total| total.cost_nanodollars).sum();
    // A dollar for a million tokens of input, two for output: 1,000 and 2,000 nanodollars each.
    let each = INPUT_TOKENS * 1_000 + OUTPUT_TOKENS * 2_000;
    assert_eq!(cost.0, i64::try_from(each).unwrap() * i64::try_from(CALLS).unwrap());
    assert_eq!(view.totals.iter().map(|total| total.unpriced_calls).sum::<u64>(), 0);
    assert_eq!((view.phase.as_str(), view.line.status.as_str()), ("finished", "done"));
    let groups: Vec<usize> = view.plan.unwrap().tasks.iter().map(|task| task.group).collect();
    assert_eq!(groups, [1, 1, 2]);

    // Who comes later hears the same story.
    assert_eq!(Story::follow(&client, &id).done().await, heard);
    let diff = client.diff(&id).await.unwrap();
    for line in ["-alpha", "+ALPHA", "+made", "-x", "+++ /dev/null"] {
        assert!(diff.lines().any(|found| found == line), "no line `{line}` in\n{diff}");
    }
}

#[tokio::test]
async fn an_edit_that_breaks_the_checks_never_reaches_the_workspace_and_is_mended() {
    let mut house = House::new(|asked| match asked.model.as_str() {
        "planner" => plan(&[task("only", &[], &["a.txt"])]),
        "reviewer" => approve(),
        _ if asked.text.contains("a text is BROKEN") => edits(&[replace("a.txt", "alpha\n", "mended\n")]),
        _ => edits(&[replace("a.txt", "alpha\n", "BROKEN\n")]),
    });
    furnish(&house);
    house.vendor.hold("editor", "a text is BROKEN");
    let before = house.files();
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    house.vendor.await_asked("editor", "a text is BROKEN", 1);
    assert_eq!(house.files(), before);
    house.vendor.release("editor", "a text is BROKEN");
    let heard = Story::follow(&client, &id).done().await;

    assert_eq!(house.read("a.txt"), "mended\n");
    let rejected = |event: &Event| {
        matches!(event, Event::EditRejected { reason: Rejection::ValidationFailed { .. }, attempt: 1, .. })
    };
    assert_eq!(count(&heard, rejected), 1);
    assert_paid_once(&client, &id, &heard, &house.vendor, 4).await;
}

#[tokio::test]
async fn an_abort_in_the_middle_gives_the_workspace_back_as_it_was() {
    let mut house = ordinary_house();
    let before = house.files();
    house.vendor.hold("editor", "does <third>");
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    let mut story = Story::follow(&client, &id);
    house.vendor.await_asked("editor", "does <third>", 1);
    assert_ne!(house.files(), before);
    let committed = |event: &Event| matches!(event, Event::Committed { .. });
    story.until("a commit", committed).await;
    client.abort(&id, "a test").await.unwrap();
    let (outcome, heard) = story.end().await;

    assert_eq!(outcome, Outcome::Aborted { by: "a test".to_owned(), kept: Vec::new() });
    assert_eq!(count(&heard, |event| matches!(event, Event::Compensated { .. })), 2);
    assert_eq!(house.files(), before);
    // What was answered before is paid for and stays in the books.
    assert_paid_once(&client, &id, &heard, &house.vendor, 3).await;
}

#[tokio::test]
async fn a_model_that_needs_too_many_attempts_fails_the_run_and_all_is_undone() {
    let mut house = House::new(|asked| match asked.model.as_str() {
        "editor" if is_for(asked, "third") => edits(&[replace("sub/c.txt", "gamma\n", "BROKEN\n")]),
        _ => ordinary(asked),
    });
    furnish(&house);
    let before = house.files();
    let client = house.serve().await;
    let order = NewWorkflow { edit_attempts: Some(2), ..house.order() };
    let id = client.start(&order).await.unwrap();
    let (outcome, heard) = Story::follow(&client, &id).end().await;

    let Outcome::Failed { reason, kept } = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("third") && reason.contains("2 times"), "{reason}");
    assert!(kept.is_empty(), "{kept:?}");
    assert_eq!(count(&heard, |event| matches!(event, Event::EditRejected { .. })), 2);
    assert_eq!(count(&heard, |event| matches!(event, Event::Compensated { .. })), 2);
    assert_eq!(house.files(), before);
}

#[tokio::test]
async fn a_plan_alone_changes_nothing_whatever_the_model_tries() {
    let secret = "the-neighbours-secret";
    let mut house = House::new(|asked| match asked.text.contains("nothing here writes") {
        true => plan(&[task("only", &[], &["a.txt"])]),
        false => Says::Calls(vec![
            ("write_file", serde_json::json!({"path": "a.txt", "content": "overwritten"})),
            ("edit", serde_json::json!({"path": "a.txt", "search": "alpha", "replace": "overwritten"})),
            ("bash", serde_json::json!({"command": "rm -rf ."})),
            ("read_file", serde_json::json!({"path": "../secret.txt"})),
            ("read_file", serde_json::json!({"path": "/etc/passwd"})),
            ("read_file", serde_json::json!({"path": "link.txt"})),
            ("read_file", serde_json::json!({"path": "b.txt", "write": "overwritten"})),
        ]),
    });
    furnish(&house);
    std::fs::write(house.path("secret.txt"), secret).unwrap();
    std::os::unix::fs::symlink("../secret.txt", house.workspace().join("link.txt")).unwrap();
    let (files, stamps) = (house.files(), folder::stamps(&house.workspace()));
    let client = house.serve().await;
    let order = NewWorkflow { mode: Some(Mode::PlanOnly), ..house.order() };
    let id = client.start(&order).await.unwrap();
    let (outcome, heard) = Story::follow(&client, &id).end().await;

    assert_eq!(outcome, Outcome::Planned, "{heard:#?}");
    assert_eq!(house.files(), files);
    assert_eq!(folder::stamps(&house.workspace()), stamps);
    let asked = house.vendor.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].text.matches("nothing here writes").count(), 3, "{}", asked[1].text);
    for asked in &asked {
        assert!(!asked.text.contains(secret) && !asked.text.contains("root:"), "{}", asked.text);
    }
}

#[tokio::test]
async fn a_review_that_requests_changes_is_followed_by_a_revision() {
    let mut house = House::new(|asked| {
        match asked.model.as_str() {
        "planner" => plan(&[task("only", &[], &["a.txt"])]),
        "reviewer" if asked.text.contains("+revised") => approve(),
        "reviewer" => Says::Text(
            serde_json::json!({
                "verdict": "request_changes",
                "summary": "a word is missing",
                "findings": [{
                    "severity": "error", "path": "a.txt", "line": 1, "title": "the word", "detail": "say revised",
                }],
            })
            .to_string(),
        ),
        _ if asked.text.contains("say revised") => edits(&[replace("a.txt", "first\n", "revised\n")]),
        _ => edits(&[replace("a.txt", "alpha\n", "first\n")]),
    }
    });
    furnish(&house);
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    let heard = Story::follow(&client, &id).done().await;

    assert_eq!(house.read("a.txt"), "revised\n");
    assert_eq!(count(&heard, |event| matches!(event, Event::Reviewed { .. })), 2);
    assert_paid_once(&client, &id, &heard, &house.vendor, 5).await;
}

#[tokio::test]
async fn two_runs_in_one_workspace_take_turns_and_both_are_done() {
    let mut house = House::new(|asked| {
        let (name, before, after) = match asked.text.contains("the first goal") {
            true => ("a.txt", "alpha\n", "ALPHA\n"),
            false => ("b.txt", "beta\n", "BETA\n"),
        };
        match asked.model.as_str() {
            "planner" => plan(&[task("only", &[], &[name])]),
            "reviewer" => approve(),
            _ => edits(&[replace(name, before, after)]),
        }
    });
    furnish(&house);
    house.vendor.hold("editor", "");
    let client = house.serve().await;
    let order = |goal: &str| NewWorkflow { goal: goal.to_owned(), ..house.order() };
    let first = client.start(&order("the first goal")).await.unwrap();
    let second = client.start(&order("the second goal")).await.unwrap();
    // Both have made their working copies from the same base.
    house.vendor.await_asked("editor", "", 2);
    house.vendor.release("editor", "");
    let first = Story::follow(&client, &first).done().await;
    let second = Story::follow(&client, &second).done().await;

    for heard in [first, second] {
        assert_eq!(count(&heard, |event| matches!(event, Event::EditRejected { .. })), 0, "{heard:#?}");
        assert_eq!(count(&heard, |event| matches!(event, Event::CallAnswered { .. })), 3);
    }
    assert_eq!((house.read("a.txt"), house.read("b.txt")), ("ALPHA\n".to_owned(), "BETA\n".to_owned()));
}
