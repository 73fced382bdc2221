//! Plans with every defect, and the laws of groups.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn task(id: &str, depends_on: &[&str], writes: &[&str]) -> Value {
    json!({"id": id, "title": "t", "detail": "d", "depends_on": depends_on, "writes": writes})
}

fn answer(tasks: &[Value]) -> String {
    json!({"summary": "s", "tasks": tasks}).to_string()
}

fn defects(tasks: &[Value]) -> Vec<Defect> {
    Plan::parse(&answer(tasks)).unwrap_err().defects
}

fn groups(tasks: &[Value]) -> Vec<Vec<String>> {
    let groups = Plan::parse(&answer(tasks)).unwrap().groups();
    groups.into_iter().map(|group| group.into_iter().map(String::from).collect()).collect()
}

#[test]
fn reads_a_plan_from_a_chatty_answer() {
    let text = "I would do this:\n```json\n{\"summary\": \"s\", \"tasks\": [{\"id\": \"a\", \"title\": \"t\", \
                \"detail\": \"d\", \"reads\": [\"b.rs\"], \"writes\": [\"a.rs\"]}]}\n```\nShall I?";
    let plan = Plan::parse(text).unwrap();
    assert_eq!(plan.tasks[0].reads, ["b.rs"]);
    let stored = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&stored).unwrap(), plan);
}

#[test]
fn names_every_defect_at_once() {
    let mut tasks = vec![
        task("a", &["a", "ghost"], &[]),
        task("Bad Id", &[], &["x.rs"]),
        task("c", &["d"], &["/etc/passwd", "../x", "ok.rs"]),
        task("d", &["e"], &["d.rs"]),
        task("e", &["c"], &["e.rs"]),
        task("f", &[], &["f.rs"]),
        task("f", &[], &["f.rs"]),
        json!({"id": "g", "title": "t", "detail": "d", "writes": ["g"], "dependencies": ["a"]}),
    ];
    tasks[5]["title"] = json!(" ");
    tasks[6]["detail"] = json!("x".repeat(MAX_DETAIL_BYTES + 1));
    let error = Plan::parse(&answer(&tasks)).unwrap_err();
    let text = error.to_string();
    for part in [
        "`a` depends on itself",
        "`a` depends on `ghost`",
        "`a` writes no file",
        "tasks[1]: `Bad Id` is no task id",
        "`c`, `writes`: the path `/etc/passwd` is absolute",
        "`c`, `writes`: the path `../x` climbs",
        "c → d → e → c",
        "`f`: 2 tasks have this id",
        "`f`, `title` is empty",
        "`f`, `detail` has 16385 bytes",
        "g: unknown field `dependencies`, expected one of",
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
    assert_eq!(error.defects.len(), 11, "{text}");
}

#[test]
fn a_defect_of_one_task_makes_no_others_of_its_neighbours() {
    let tasks = [task("Bad Id", &[], &["x"]), task("b", &["Bad Id"], &["y"])];
    assert!(matches!(defects(&tasks).as_slice(), [Defect::BadId { .. }]));
}

#[test]
fn refuses_no_tasks_and_too_many() {
    assert_eq!(defects(&[]), [Defect::NoTasks]);
    let many: Vec<Value> = (0..=MAX_TASKS).map(|n| task(&format!("t{n}"), &[], &["x"])).collect();
    assert_eq!(defects(&many), [Defect::TooManyTasks { found: 201, limit: 200 }]);
    assert!(Plan::parse(&answer(&many[1..])).is_ok());
}

#[test]
fn refuses_lists_over_their_limit() {
    let paths: Vec<String> = (0..=MAX_LIST).map(|n| format!("f{n}")).collect();
    let mut long = task("a", &[], &["x"]);
    long["reads"] = json!(paths);
    let expected = Defect::TooMany { task: "a".to_owned(), list: "reads", found: 201, limit: 200 };
    assert_eq!(defects(&[long]), [expected]);
}

#[test]
fn refuses_what_is_no_plan() {
    for text in [
        "",
        "no",
        "{}",
        "[]",
        "{\"summary\": 1, \"tasks\": []}",
        "```json\n{\"summary\": \"s\"",
        "{\"tasks\": {}}",
    ] {
        assert_eq!(Plan::parse(text).unwrap_err().defects.len(), 1, "{text}");
    }
    assert!(matches!(defects(&[json!(7)]).as_slice(), [Defect::Shape { place, .. }] if place == "tasks[0]"));
}

#[test]
fn every_cycle_is_named_and_what_hangs_on_it_is_not() {
    let tasks = [
        task("leaf", &["a"], &["l"]),
        task("b", &["a"], &["b"]),
        task("a", &["b"], &["a"]),
        task("x", &["y"], &["x"]),
        task("y", &["x"], &["y"]),
    ];
    let named: Vec<String> = defects(&tasks).iter().map(Defect::to_string).collect();
    assert_eq!(named.len(), 2, "{named:?}");
    assert!(named[0].contains("b → a → b"), "{named:?}");
    assert!(named[1].contains("x → y → x"), "{named:?}");
}

#[test]
fn independent_tasks_share_a_group_in_their_order() {
    let tasks =
        [task("c", &[], &["c"]), task("a", &[], &["a"]), task("z", &["a"], &["z"]), task("b", &[], &["b"])];
    assert_eq!(groups(&tasks), [vec!["c", "a", "b"], vec!["z"]]);
}

#[test]
fn of_two_that_write_one_file_the_later_declared_waits() {
    assert_eq!(groups(&[task("b", &[], &["x"]), task("a", &[], &["x"])]), [["b"], ["a"]]);
}

#[test]
fn who_reads_what_another_writes_is_not_beside_it_but_readers_are() {
    let mut reader = task("reader", &[], &["r"]);
    reader["reads"] = json!(["x"]);
    let mut second = task("second", &[], &["s"]);
    second["reads"] = json!(["x"]);
    assert_eq!(
        groups(&[reader.clone(), second.clone(), task("writer", &[], &["x"])]),
        [vec!["reader", "second"], vec!["writer"]]
    );
    assert_eq!(
        groups(&[task("writer", &[], &["x"]), reader, second]),
        [vec!["writer"], vec!["reader", "second"]]
    );
}

#[test]
fn an_overlap_never_closes_a_cycle_with_the_dependencies() {
    // a waits for d, b for c; a and c overlap, b and d overlap: ordering both pairs as declared would close a circle.
    let tasks = [
        task("a", &["d"], &["x"]),
        task("b", &["c"], &["y"]),
        task("c", &[], &["x"]),
        task("d", &[], &["y"]),
    ];
    assert_eq!(groups(&tasks), [["d"], ["a"], ["c"], ["b"]].map(|group| group.to_vec()));
}

#[test]
fn a_declared_order_goes_before_the_order_of_declaration() {
    assert_eq!(groups(&[task("a", &["b"], &["x"]), task("b", &[], &["x"])]), [["b"], ["a"]]);
}

fn unchecked(id: String, depends_on: Vec<String>, writes: Vec<String>) -> Task {
    let depends_on = depends_on.into_iter().map(|id| id.parse().unwrap()).collect();
    Task {
        id: id.parse().unwrap(),
        title: String::new(),
        detail: String::new(),
        depends_on,
        reads: vec![],
        writes,
    }
}

#[test]
fn a_chain_of_ten_thousand_tasks_is_walked() {
    let chain = |n: usize| {
        let depends_on = n.checked_sub(1).map(|n| format!("t{n}")).into_iter().collect();
        unchecked(format!("t{n}"), depends_on, vec![format!("f{n}")])
    };
    let plan = Plan { summary: String::new(), tasks: (0..10_000).rev().map(chain).collect() };
    let groups = plan.groups();
    assert_eq!(groups.len(), 10_000);
    assert_eq!(groups[9_999][0].as_str(), "t9999");
}

#[test]
fn groups_are_total_over_plans_that_parse_would_refuse() {
    let one = |id: &str, on: &[&str]| {
        unchecked(id.to_owned(), on.iter().map(|&id| id.to_owned()).collect(), vec![])
    };
    let tasks = vec![
        one("leaf", &["b"]),
        one("a", &["b", "ghost"]),
        one("b", &["a"]),
        one("s", &["s"]),
        one("s", &[]),
    ];
    let groups = Plan { summary: String::new(), tasks }.groups();
    let flat: Vec<&str> = groups.iter().flatten().map(TaskId::as_str).collect();
    assert_eq!(flat, ["a", "s", "s", "b", "leaf"]);
}

/// Up to 14 tasks over few files, so that most plans have overlaps. An edge goes from a task to one of lower rank;
/// ranks are shuffled against the order of declaration.
fn any_plan() -> impl Strategy<Value = Plan> {
    let file = || prop::collection::btree_set("[a-f]", 0..3);
    let row = (file(), file(), prop::collection::vec(any::<prop::sample::Index>(), 0..3));
    let rows = prop::collection::vec(row, 1..14);
    (rows, any::<u64>()).prop_map(|(rows, seed)| {
        let mut ranks: Vec<usize> = (0..rows.len()).collect();
        ranks.sort_by_key(|&rank| (rank as u64 + 1).wrapping_mul(seed | 1).rotate_left(17));
        let id = |place: usize| format!("t{place}").parse::<TaskId>().unwrap();
        let task =
            |(place, (reads, mut writes, edges)): (usize, (BTreeSet<String>, BTreeSet<String>, Vec<_>))| {
                writes.insert(format!("own{}", place % 9));
                let lower: Vec<usize> =
                    (0..ranks.len()).filter(|&other| ranks[other] < ranks[place]).collect();
                let edge = |index: &prop::sample::Index| {
                    (!lower.is_empty()).then(|| id(lower[index.index(lower.len())]))
                };
                let depends_on: BTreeSet<TaskId> = edges.iter().filter_map(edge).collect();
                Task {
                    id: id(place),
                    title: "t".to_owned(),
                    detail: "d".to_owned(),
                    depends_on: depends_on.into_iter().collect(),
                    reads: reads.into_iter().collect(),
                    writes: writes.into_iter().collect(),
                }
            };
        Plan { summary: "s".to_owned(), tasks: rows.into_iter().enumerate().map(task).collect() }
    })
}

fn overlap(one: &Task, other: &Task) -> bool {
    let hits = |writes: &[String], task: &Task| {
        writes.iter().any(|path| task.reads.contains(path) || task.writes.contains(path))
    };
    hits(&one.writes, other) || hits(&other.writes, one)
}

proptest! {
    #[test]
    fn groups_keep_every_order_and_part_every_overlap(plan in any_plan()) {
        let parsed = Plan::parse(&serde_json::to_string(&plan).unwrap());
        prop_assert_eq!(parsed.as_ref(), Ok(&plan));
        let groups = plan.groups();
        prop_assert_eq!(&groups, &plan.groups());
        let mut level = BTreeMap::new();
        for (number, group) in groups.iter().enumerate() {
            prop_assert!(!group.is_empty());
            for id in group {
                prop_assert_eq!(level.insert(id.clone(), number), None, "{} twice", id);
            }
        }
        prop_assert_eq!(level.len(), plan.tasks.len());
        for (place, task) in plan.tasks.iter().enumerate() {
            for dependency in &task.depends_on {
                prop_assert!(level[dependency] < level[&task.id]);
            }
            for other in &plan.tasks[..place] {
                prop_assert!(!overlap(task, other) || level[&task.id] != level[&other.id]);
            }
        }
    }

    #[test]
    fn never_panics(text in "(\\{|\\}|\\[|\\]|\"tasks\"|\"summary\"|\"id\"|:|,|\"a\"|1|null|\n|```json|```){0,40}") {
        let _ = Plan::parse(&text);
    }
}
