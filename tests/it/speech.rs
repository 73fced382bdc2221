//! What the played models say: plans, edits and reviews in the forms that the house reads.

use serde_json::{Value, json};

use crate::vendor::{Asked, Says};

/// A task whose title is its id.
pub(crate) fn task(id: &str, depends_on: &[&str], writes: &[&str]) -> Value {
    json!({"id": id, "title": title(id), "detail": "as asked", "depends_on": depends_on, "writes": writes})
}

/// A title that no other text of a prompt holds.
pub(crate) fn title(id: &str) -> String {
    format!("does <{id}>")
}

/// A plan of these tasks.
pub(crate) fn plan(tasks: &[Value]) -> Says {
    Says::Text(json!({"summary": "does what was asked", "tasks": tasks}).to_string())
}

/// An edit block; an empty `search` makes a file.
pub(crate) fn replace(path: &str, search: &str, replace: &str) -> String {
    format!("{path}\n<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n")
}

/// A block that deletes a file.
pub(crate) fn delete(path: &str) -> String {
    format!("{path}\n<<<<<<< DELETE\n")
}

/// An editor's answer.
pub(crate) fn edits(blocks: &[String]) -> Says {
    Says::Text(format!("As asked.\n\n{}", blocks.join("\n")))
}

/// A review without findings.
pub(crate) fn approve() -> Says {
    Says::Text(json!({"verdict": "approve", "summary": "it does what was asked", "findings": []}).to_string())
}

/// Whether an editor is asked for this task.
pub(crate) fn is_for(asked: &Asked, id: &str) -> bool {
    asked.text.contains(&format!("# Your task: {}", title(id)))
}
