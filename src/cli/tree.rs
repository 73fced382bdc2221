//! The supervision tree of a running server, drawn with lines.

use serde_json::Value;

use super::printable;

/// The deepest level that is drawn.
const MAX_DEPTH: usize = 16;
/// The most words of ends within ends that are told.
const MAX_WHY: usize = 8;
/// How wide the column of names is at least.
const NAMES: usize = 44;

/// The lines of a tree as `GET /admin/tree` gives it.
pub(crate) fn draw(root: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    node(root, "", "", 0, &mut lines);
    lines
}

/// The node at a path from the root down; of a server that shows another tree, `None`.
pub(crate) fn at(root: Value, path: &str) -> Option<Value> {
    let mut ids = path.split('/');
    let mut found = (ids.next() == root["id"].as_str()).then_some(root)?;
    for id in ids {
        let children = found["children"].as_array_mut()?;
        let place = children.iter().position(|child| child["id"] == id)?;
        found = children.swap_remove(place);
    }
    Some(found)
}

fn node(value: &Value, head: &str, below: &str, depth: usize, lines: &mut Vec<String>) {
    lines.push(
        format!("{:<NAMES$}  {}", format!("{head}{}", text(value, "id")), facts(value)).trim_end().to_owned(),
    );
    let children = value["children"].as_array().map(Vec::as_slice).unwrap_or_default();
    if depth == MAX_DEPTH && !children.is_empty() {
        lines.push(format!("{below}└─ …"));
        return;
    }
    for (place, child) in children.iter().enumerate() {
        let (branch, rest) =
            if place + 1 == children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        node(child, &format!("{below}{branch}"), &format!("{below}{rest}"), depth + 1, lines);
    }
}

/// What is worth knowing of one: its state, and what is not as it is with everybody else.
pub(crate) fn facts(value: &Value) -> String {
    let number = |key: &str| value[key].as_u64().unwrap_or(0);
    let mut facts = vec![text(value, "state").replace('_', " ")];
    if value["suspended"] == true {
        facts.push("suspended".to_owned());
    }
    facts.push(format!("generation {}", number("generation")));
    match number("restarts") {
        0 => {}
        1 => facts.push("1 restart".to_owned()),
        restarts => facts.push(format!("{restarts} restarts")),
    }
    match number("queued") {
        0 => {}
        queued => facts.push(format!("{queued} of {} queued", number("capacity"))),
    }
    if let Some(end) = last_end(&value["last_end"]) {
        facts.push(format!("last end: {end}"));
    }
    facts.join(", ")
}

/// How the last life ended, and why; that of a linked one has an end within it.
fn last_end(mut end: &Value) -> Option<String> {
    let mut told: Vec<String> = Vec::new();
    while let Some(kind) = end["kind"].as_str()
        && told.len() < MAX_WHY
    {
        told.push(printable::line(&kind.replace('_', " ")));
        let why = ["reason", "message", "child", "path"].into_iter().find_map(|key| end[key].as_str());
        told.extend(why.map(printable::line));
        end = &end["end"];
    }
    (!told.is_empty()).then(|| told.join(": "))
}

fn text(value: &Value, key: &str) -> String {
    printable::line(value[key].as_str().unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn draws_branches_and_says_what_is_unusual() {
        let calm = |id: &str| json!({"id": id, "state": "running", "generation": 1, "restarts": 0});
        let root = json!({
            "id": "root", "state": "running", "generation": 1, "restarts": 0, "queued": 0, "last_end": null,
            "children": [
                {"id": "providers", "state": "running", "generation": 1, "children": [
                    {"id": "large", "state": "backing_off", "generation": 2, "restarts": 1, "queued": 3,
                     "capacity": 16, "last_end": {"kind": "failed", "reason": "down\u{7}"}},
                ]},
                calm("workflows"),
            ],
        });
        let lines: Vec<String> =
            draw(&root).iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            [
                "root running, generation 1",
                "├─ providers running, generation 1",
                "│ └─ large backing off, generation 2, 1 restart, 3 of 16 queued, last end: failed: down\u{fffd}",
                "└─ workflows running, generation 1",
            ]
        );
    }

    #[test]
    fn says_why_somebody_is_down() {
        let ends = [
            (json!({"kind": "killed"}), "killed"),
            (json!({"kind": "failed", "reason": "no route", "retry_after": null}), "failed: no route"),
            (json!({"kind": "gave_up", "child": "x"}), "gave up: x"),
            (
                json!({"kind": "linked", "path": "root/a", "end": {"kind": "panicked", "message": "a bug"}}),
                "linked: root/a: panicked: a bug",
            ),
        ];
        for (end, why) in ends {
            assert_eq!(last_end(&end).as_deref(), Some(why));
        }
        let mut endless = json!({"kind": "killed"});
        for _ in 0..100 {
            endless = json!({"kind": "linked", "path": "root/a", "end": endless});
        }
        assert!(last_end(&endless).unwrap().len() < 200);
        assert_eq!(last_end(&json!(null)), None);
    }

    #[test]
    fn a_suspended_one_and_one_that_sleeps_are_told_apart() {
        let one = json!({"id": "x", "state": "running", "suspended": true, "generation": 1, "queued": 2, "capacity": 4});
        assert_eq!(facts(&one), "running, suspended, generation 1, 2 of 4 queued");
        let other = json!({"state": "asleep", "suspended": false, "generation": 2, "restarts": 1});
        assert_eq!(facts(&other), "asleep, generation 2, 1 restart");
    }

    #[test]
    fn a_place_is_found_by_its_path() {
        let root = json!({"id": "root", "children": [{"id": "a"}, {"id": "b", "children": [{"id": "c", "state": "x"}]}]});
        assert_eq!(at(root.clone(), "root/b/c").unwrap()["state"], "x");
        assert_eq!(at(root.clone(), "root").unwrap()["id"], "root");
        for path in ["", "a", "root/c", "root/a/c", "root/b/c/d", "root/"] {
            assert!(at(root.clone(), path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_tree_without_an_end_is_cut() {
        let mut root = json!({"id": "x"});
        for _ in 0..100 {
            root = json!({"id": "x", "children": [root]});
        }
        assert_eq!(draw(&root).len(), MAX_DEPTH + 2);
    }
}
