//! The script against the project: each answer is read by the real parsers, and its edits are applied in turn.

use std::collections::{BTreeMap, BTreeSet};

use chat::{Event, Request, Turn};
use plan::{Plan, Task};
use review::{Review, Verdict};
use scripted::{Question, Script, Step};
use units::{ModelName, TokenCount};

use super::*;

type Project = BTreeMap<String, String>;

fn script() -> Script {
    Script::parse("demo.yaml", SCRIPT).unwrap()
}

fn project() -> Project {
    FILES.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

/// The events of the answer to a prompt, and how long it takes.
fn events(role: &str, prompt: &str) -> Vec<Event> {
    let request = Request {
        turns: vec![Turn::user(prompt.to_owned())],
        max_output: Some(TokenCount(4_096)),
        ..Request::default()
    };
    let model: ModelName = "small".parse().unwrap();
    let steps = script().answer(&Question { role, model: &model, request: &request }).unwrap();
    let event = |step| match step {
        Step::Emit(event) => Some(event),
        Step::Wait(_) => None,
        Step::Fail(fault) => panic!("{fault:?}"),
    };
    steps.into_iter().filter_map(event).collect()
}

fn text(role: &str, prompt: &str) -> String {
    let text = |event| if let Event::Text { text } = event { Some(text) } else { None };
    events(role, prompt).into_iter().filter_map(text).collect()
}

fn plan() -> Plan {
    Plan::parse(&text("planner", project()["src/scan.rs"].as_str())).unwrap()
}

fn task(id: &str) -> Task {
    plan().tasks.into_iter().find(|task| task.id.as_str() == id).unwrap()
}

/// What an editor is told about its task, its feedback behind it.
fn asked(task: &Task, feedback: &str) -> String {
    format!("{}\n{}\n{feedback}", task.title, task.detail)
}

fn refused() -> &'static str {
    "The change did not pass its checks:\nthread 'x' panicked at tests/refusals.rs:9:9:"
}

fn apply(project: &mut Project, answer: &str, writes: &[String]) {
    for (path, edits) in edits::by_path(edits::parse(answer).unwrap()) {
        assert!(writes.contains(&path), "{path} is not claimed");
        let after = edits::apply(project.get(&path).map(String::as_str), &edits).unwrap().unwrap();
        project.insert(path, after);
    }
}

/// The project after all tasks and the revision.
fn finished(order: [&str; 4]) -> Project {
    let mut project = project();
    for id in order {
        let task = task(id);
        let feedback = if id == "fractions" { refused() } else { "" };
        apply(&mut project, &text("editor", &asked(&task, feedback)), &task.writes);
    }
    let review = Review::parse(&text("reviewer", "the diff")).unwrap();
    let claimed: Vec<String> = review.findings.iter().map(|finding| finding.path.clone()).collect();
    let details: String = review.findings.iter().map(|finding| format!("{}\n", finding.title)).collect();
    let line = usize::try_from(review.findings[0].line.unwrap()).unwrap();
    assert!(project["src/scan.rs"].lines().nth(line - 1).unwrap().contains(".pow("), "line {line}");
    apply(&mut project, &text("editor", &details), &claimed);
    project
}

#[test]
fn every_file_of_the_project_is_carried() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/unitwise");
    let mut found = BTreeSet::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                // What a build by hand leaves.
                true if path.ends_with("target") => {}
                true => open.push(path),
                false => {
                    assert!(found.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()))
                }
            }
        }
    }
    let carried: BTreeSet<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(carried, found);
}

#[test]
fn what_is_unpacked_is_the_project() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("new/unitwise");
    unpack(&folder).unwrap();
    for (path, text) in FILES {
        assert_eq!(std::fs::read_to_string(folder.join(path)).unwrap(), *text, "{path}");
    }
}

#[test]
fn the_planner_first_reads_and_then_plans_tasks_side_by_side() {
    let first = events("planner", "the goal");
    assert!(
        first.iter().any(|event| matches!(event, Event::ToolCallStarted { name, .. } if name == "read_file"))
    );
    let groups: Vec<Vec<String>> =
        plan().groups().iter().map(|group| group.iter().map(ToString::to_string).collect()).collect();
    assert_eq!(groups, [["days", "fractions"], ["positions", "readme"]]);
}

#[test]
fn the_first_attempt_differs_from_the_one_that_was_told_what_failed() {
    let task = task("fractions");
    let (first, second) = (text("editor", &asked(&task, "")), text("editor", &asked(&task, refused())));
    assert_ne!(first, second);
    apply(&mut project(), &first, &task.writes);
    apply(&mut project(), &second, &task.writes);
}

#[test]
fn the_edits_apply_in_every_order_that_the_groups_allow() {
    let done = finished(["days", "fractions", "positions", "readme"]);
    assert_eq!(done, finished(["fractions", "days", "readme", "positions"]));
    assert!(done["src/scan.rs"].contains("MAX_PLACES"));
    assert!(done["tests/positions.rs"].contains("#[test]"));
}

#[test]
fn the_reviewer_sends_it_back_once_and_approves_what_it_asked_for() {
    assert_eq!(Review::parse(&text("reviewer", "+old")).unwrap().verdict, Verdict::RequestChanges);
    assert_eq!(Review::parse(&text("reviewer", "+MAX_PLACES")).unwrap().verdict, Verdict::Approve);
}
