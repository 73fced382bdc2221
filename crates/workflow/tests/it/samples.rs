//! Plans, reviews, answers and settings to test with.

use plan::{Plan, Task};
use review::{Finding, Review, Severity, Verdict};
use units::{DeploymentId, TaskId, TokenCount};
use workflow::{Mode, Settings};

pub(crate) fn settings() -> Settings {
    Settings {
        mode: Mode::Run,
        plan_attempts: 2,
        edit_attempts: 2,
        review_rounds: 2,
        parallel_editors: 2,
        step_failures: 1,
    }
}

pub(crate) fn id(text: &str) -> TaskId {
    text.parse().unwrap()
}

pub(crate) fn deployment(text: &str) -> DeploymentId {
    text.parse().unwrap()
}

pub(crate) fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(crate) fn task(name: &str, depends_on: &[&str], reads: &[&str], writes: &[&str]) -> Task {
    Task {
        id: id(name),
        title: format!("Do {name}"),
        detail: format!("Do {name} well."),
        depends_on: depends_on.iter().map(|name| id(name)).collect(),
        reads: owned(reads),
        writes: owned(writes),
    }
}

/// `a` and `b` side by side, then `c`.
pub(crate) fn plan() -> Plan {
    let tasks = vec![
        task("a", &[], &[], &["a.rs"]),
        task("b", &[], &[], &["b.rs"]),
        task("c", &["a", "b"], &["a.rs"], &["c.rs"]),
    ];
    Plan { summary: "Three tasks.".to_owned(), tasks }
}

/// One task that writes two files.
pub(crate) fn small_plan() -> Plan {
    Plan { summary: "One task.".to_owned(), tasks: vec![task("a", &[], &[], &["a.rs", "b.rs"])] }
}

pub(crate) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

pub(crate) fn approval() -> Review {
    Review { verdict: Verdict::Approve, summary: "Good.".to_owned(), findings: Vec::new() }
}

pub(crate) fn request(path: &str) -> Review {
    let finding = Finding {
        severity: Severity::Error,
        path: path.to_owned(),
        line: Some(7),
        title: "Off by one".to_owned(),
        detail: "The loop ends too early.".to_owned(),
    };
    let summary = "The loop is wrong.".to_owned();
    Review { verdict: Verdict::RequestChanges, summary, findings: vec![finding] }
}

pub(crate) fn answer(text: &str) -> chat::Answer {
    let usage = chat::Usage { input: TokenCount(100), output: TokenCount(10), ..Default::default() };
    chat::Answer { text: text.to_owned(), tool_calls: Vec::new(), usage, stop: chat::StopReason::EndOfTurn }
}
