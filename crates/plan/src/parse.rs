//! From a planner's answer to a plan, or to all that is wrong with it.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_json::Value;
use units::TaskId;

use crate::{Defect, Error, Plan, Task, graph};

/// The most tasks of a plan.
pub const MAX_TASKS: usize = 200;
/// The longest summary, in bytes.
pub const MAX_SUMMARY_BYTES: usize = 4 * 1024;
/// The longest title of a task, in bytes.
pub const MAX_TITLE_BYTES: usize = 200;
/// The longest detail of a task, in bytes.
pub const MAX_DETAIL_BYTES: usize = 16 * 1024;
/// The most entries in each of a task's lists.
pub const MAX_LIST: usize = 200;

/// The outermost object; its tasks stay unread, so that one bad task does not hide the others' defects.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlan {
    summary: String,
    tasks: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTask {
    id: String,
    title: String,
    detail: String,
    #[serde(default)]
    depends_on: Vec<String>,
    #[serde(default)]
    reads: Vec<String>,
    #[serde(default)]
    writes: Vec<String>,
}

pub(crate) fn plan(answer: &str) -> Result<Plan, Error> {
    let only = |defect| Error { defects: vec![defect] };
    let json = answers::json(answer).map_err(|error| only(error.into()))?;
    let raw: RawPlan = serde_json::from_value(json).map_err(|error| {
        only(Defect::Shape { place: "the plan".to_owned(), message: answers::brief(&error) })
    })?;
    match raw.tasks.len() {
        0 => return Err(only(Defect::NoTasks)),
        found if found > MAX_TASKS => return Err(only(Defect::TooManyTasks { found, limit: MAX_TASKS })),
        _ => {}
    }
    let mut defects = Vec::new();
    check_text(&mut defects, "`summary`".to_owned(), &raw.summary, MAX_SUMMARY_BYTES);
    let raw_tasks = read_tasks(&mut defects, raw.tasks);
    check_names(&mut defects, &raw_tasks);
    let tasks: Vec<Task> =
        raw_tasks.into_iter().filter_map(|(place, task)| check(&mut defects, place, task)).collect();
    for cycle in graph::cycles(&tasks) {
        defects
            .push(Defect::Cycle { tasks: cycle.into_iter().map(|place| tasks[place].id.clone()).collect() });
    }
    if defects.is_empty() { Ok(Plan { summary: raw.summary, tasks }) } else { Err(Error { defects }) }
}

/// The tasks that have a task's shape, each with the name to call it by.
fn read_tasks(defects: &mut Vec<Defect>, values: Vec<Value>) -> Vec<(String, RawTask)> {
    let mut tasks = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        let id = value.get("id").and_then(Value::as_str).filter(|id| id.parse::<TaskId>().is_ok());
        let place = id.map_or_else(|| format!("tasks[{index}]"), str::to_owned);
        match serde_json::from_value::<RawTask>(value) {
            Ok(task) => tasks.push((place, task)),
            Err(error) => defects.push(Defect::Shape { place, message: answers::brief(&error) }),
        }
    }
    tasks
}

/// Ids against one another: repeated ones, and dependencies on what is not there.
fn check_names(defects: &mut Vec<Defect>, tasks: &[(String, RawTask)]) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, task) in tasks {
        *counts.entry(&task.id).or_default() += 1;
    }
    let repeated = counts.iter().filter(|&(_, &count)| count > 1);
    defects.extend(repeated.map(|(id, &count)| Defect::DuplicateId { id: (*id).to_owned(), count }));
    for (place, task) in tasks {
        for dependency in &task.depends_on {
            if *dependency == task.id {
                defects.push(Defect::SelfDependency { task: place.clone() });
            } else if !counts.contains_key(dependency.as_str()) {
                let dependency = dependency.chars().take(80).collect();
                defects.push(Defect::UnknownDependency { task: place.clone(), dependency });
            }
        }
    }
}

/// One task by itself. `None` only where a defect was found.
fn check(defects: &mut Vec<Defect>, place: String, task: RawTask) -> Option<Task> {
    check_text(defects, format!("`{place}`, `title`"), &task.title, MAX_TITLE_BYTES);
    check_text(defects, format!("`{place}`, `detail`"), &task.detail, MAX_DETAIL_BYTES);
    let lists = [("depends_on", &task.depends_on), ("reads", &task.reads), ("writes", &task.writes)];
    for (list, entries) in lists {
        if entries.len() > MAX_LIST {
            let (found, limit) = (entries.len(), MAX_LIST);
            defects.push(Defect::TooMany { task: place.clone(), list, found, limit });
        }
    }
    if task.writes.is_empty() {
        defects.push(Defect::NoWrites { task: place.clone() });
    }
    for (list, paths) in [("reads", &task.reads), ("writes", &task.writes)] {
        let faults = paths.iter().filter_map(|path| answers::check_path(path).err());
        defects.extend(faults.map(|fault| Defect::BadPath { task: place.clone(), list, fault }));
    }
    let id = match task.id.parse() {
        Ok(id) => id,
        Err(fault) => {
            defects.push(Defect::BadId { task: place, fault });
            return None;
        }
    };
    let mut seen = HashSet::new();
    // What does not parse names no task, and was reported as unknown.
    let depends_on =
        task.depends_on.iter().filter(|id| seen.insert(id.as_str())).filter_map(|id| id.parse().ok());
    let depends_on = depends_on.collect();
    Some(Task {
        id,
        title: task.title,
        detail: task.detail,
        depends_on,
        reads: task.reads,
        writes: task.writes,
    })
}

fn check_text(defects: &mut Vec<Defect>, place: String, text: &str, limit: usize) {
    if let Err(fault) = answers::check_text(text, limit) {
        defects.push(Defect::BadText { place, fault });
    }
}
