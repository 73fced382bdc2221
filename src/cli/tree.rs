//! The supervision tree of a running server, drawn with lines.

use serde_json::Value;

use super::printable;

/// The deepest level that is drawn.
const MAX_DEPTH: usize = 16;
/// How wide the column of names is at least.
const NAMES: usize = 44;

/// The lines of a tree as `GET /admin/tree` gives it.
pub(crate) fn draw(root: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    node(root, "", "", 0, &mut lines);
    lines
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
fn facts(value: &Value) -> String {
    let number = |key: &str| value[key].as_u64().unwrap_or(0);
    let mut facts = vec![text(value, "state").replace('_', " ")];
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

fn last_end(end: &Value) -> Option<String> {
    let kind = end["kind"].as_str()?.replace('_', " ");
    let why = ["reason", "message", "child"].into_iter().find_map(|key| end[key].as_str());
    Some(match why {
        Some(why) => format!("{kind}: {}", printable::line(why)),
        None => kind,
    })
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
    fn a_tree_without_an_end_is_cut() {
        let mut root = json!({"id": "x"});
        for _ in 0..100 {
            root = json!({"id": "x", "children": [root]});
        }
        assert_eq!(draw(&root).len(), MAX_DEPTH + 2);
    }
}
