//! The templates as they are shipped, and what rendering refuses.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::*;

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn source(inputs: &str, user: &str) -> String {
    format!(
        "name: general/t\nversion: 3\ndescription: d\ninputs: [{inputs}]\nsystem: s\nuser: {}\n",
        json!(user)
    )
}

fn required(name: &str) -> String {
    format!("{{name: {name}, description: d, required: true}}")
}

fn one(inputs: &str, user: &str) -> Result<Catalogue, Error> {
    Catalogue::parse([("general/t.yaml", source(inputs, user))])
}

fn render(user: &str, x: Value) -> Result<String, Error> {
    Ok(one(&required("x"), user)?.render("general/t", &map(json!({ "x": x })))?.user)
}

fn samples(name: &str) -> Map<String, Value> {
    let files =
        json!([{"path": "src/lib.rs", "text": "fn a() {}\n"}, {"path": "b.txt", "text": "{{ 7*7 }}"}]);
    map(match name {
        "planning/task-graph" => json!({
            "goal": "Add dates.", "files": "src/lib.rs\nb.txt", "contents": files, "feedback": "no tasks"
        }),
        "editing/search-replace" => json!({
            "goal": "Add dates.", "title": "Parse dates", "detail": "Write it.", "writes": ["src/date.rs"],
            "files": files, "feedback": "test failed"
        }),
        "review/diff" => json!({
            "goal": "Add dates.", "plan": "one task", "diff": "-a\n+b", "tests": "1 passed", "feedback": "no JSON"
        }),
        "general/ask" => json!({"question": "Why?", "context": files}),
        other => panic!("give sample inputs for {other}"),
    })
}

#[test]
fn every_template_of_the_folder_is_embedded_as_it_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates");
    let mut found = BTreeSet::new();
    for family in std::fs::read_dir(&folder).unwrap() {
        let family = family.unwrap();
        for file in std::fs::read_dir(family.path()).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            found.insert((path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned(), text));
        }
    }
    let embedded: BTreeSet<_> =
        FILES.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    assert_eq!(embedded, found);
}

#[test]
fn every_template_renders_with_all_inputs_and_with_the_required_ones_alone() {
    let catalogue = Catalogue::embedded();
    assert_eq!(catalogue.templates().count(), FILES.len());
    for template in catalogue.templates() {
        let all = samples(&template.name);
        let full = catalogue.render(&template.name, &all).unwrap();
        let mut few = all.clone();
        few.retain(|name, _| template.inputs.iter().any(|input| input.name == *name && input.required));
        let bare = catalogue.render(&template.name, &few).unwrap();
        assert!(bare.user.len() < full.user.len(), "{}", template.name);
        for text in [&full.system, &full.user, &bare.user] {
            assert!(!text.contains("{%") && !text.contains("\n\n\n") && text.trim_start() == *text, "{text}");
        }
    }
}

#[test]
fn the_forms_that_templates_ask_for_are_the_forms_that_are_read() {
    let catalogue = Catalogue::embedded();
    let system = |name: &str| catalogue.render(name, &samples(name)).unwrap().system;
    let json_of = |text: &str| text[text.find("\n{\n").unwrap()..=text.find("\n}\n").unwrap() + 1].to_owned();
    plan::Plan::parse(&json_of(&system("planning/task-graph"))).unwrap();
    review::Review::parse(&json_of(&system("review/diff"))).unwrap();
    let editing = system("editing/search-replace");
    let end = editing.find("REPLACE\n").unwrap() + "REPLACE\n".len();
    let edits = edits::parse(&editing[..end]).unwrap();
    assert_eq!((edits.len(), edits[0].path.as_str()), (1, "src/greeting.rs"));
}

#[test]
fn limits_in_the_words_of_a_template_are_the_limits_in_force() {
    let text = |name: &str| FILES.iter().find(|file| file.0 == name).unwrap().1;
    assert!(text("planning/task-graph.yaml").contains(&format!("At most {} tasks", plan::MAX_TASKS)));
    assert!(text("review/diff.yaml").contains(&format!("at most {} findings", review::MAX_FINDINGS)));
}

#[test]
fn a_prompt_says_which_template_it_came_from() {
    let text = source("", "u");
    let rendered =
        Catalogue::parse([("general/t.yaml", &text)]).unwrap().render("general/t", &Map::new()).unwrap();
    assert_eq!((rendered.name.as_str(), rendered.version.get()), ("general/t", 3));
    let other = Catalogue::parse([("general/t.yaml", text + "\n")])
        .unwrap()
        .render("general/t", &Map::new())
        .unwrap();
    assert_ne!(rendered.hash, other.hash);
}

#[test]
fn a_value_is_never_a_template() {
    for value in ["{{7*7}}", "{% for a in b %}", "{# c #}", "<b>&\"'", "{{ x }}"] {
        assert_eq!(
            render("{{ x }}|{{ x | fenced('l') }}", json!(value)).unwrap().split('|').next(),
            Some(value)
        );
        assert!(render("{{ x | fenced('l') }}", json!(value)).unwrap().contains(value));
    }
}

#[test]
fn names_the_missing_and_the_unknown_input() {
    let catalogue = one(&required("x"), "{{ x }}").unwrap();
    let refusal = |inputs| catalogue.render("general/t", &map(inputs)).unwrap_err().to_string();
    assert_eq!(refusal(json!({})), "template `general/t` needs the input `x`");
    assert_eq!(refusal(json!({"x": null})), "template `general/t` needs the input `x`");
    assert_eq!(refusal(json!({"x": 1, "y": 2})), "template `general/t` has no input `y`; it has x");
}

#[test]
fn an_unknown_template_is_answered_with_near_names() {
    let catalogue = Catalogue::embedded();
    let near = |name| {
        let refused = catalogue.render(name, &Map::new()).unwrap_err();
        let Error::UnknownTemplate { near_names, .. } = refused else { panic!("{refused}") };
        near_names
    };
    assert_eq!(near("planning/taskgraph")[0], "planning/task-graph");
    assert_eq!(near("?").len(), FILES.len());
}

#[test]
fn what_an_input_lacks_is_an_error_and_no_gap() {
    let refused = render("\n{{ x.title }}", json!({"name": "n"})).unwrap_err();
    assert!(matches!(refused, Error::Render { part: Part::User, line: 2, .. }), "{refused}");
    assert!(render("{% for a in x %}{{ a.path }}{% endfor %}", json!([{}])).is_err());
}

#[test]
fn a_template_uses_its_inputs_and_nothing_else() {
    assert!(matches!(one("", "{{ y }}"), Err(Error::Undeclared { input, .. }) if input == "y"));
    assert!(matches!(one(&required("x"), "u"), Err(Error::Idle { input, .. }) if input == "x"));
    let twice = format!("{0}, {0}", required("x"));
    assert!(matches!(one(&twice, "{{ x }}"), Err(Error::Idle { .. })));
    assert!(one(&required("x"), "{% for i in range(2) %}{{ loop.index }}{{ i }}{{ x }}{% endfor %}").is_ok());
}

#[test]
fn refuses_files_that_are_no_templates() {
    let at = |path: &str, text: &str| Catalogue::parse([(path, text)]).unwrap_err();
    let text = source("", "u");
    assert!(matches!(at("general/other.yaml", &text), Error::Misnamed { .. }));
    assert!(matches!(at("other/t.yaml", &text), Error::UnknownFamily { .. }));
    assert!(matches!(at("general/t.yaml", &text.replace("version: 3", "version: 0")), Error::File(_)));
    let misspelt = at("general/t.yaml", &text.replace("system:", "sistem:")).to_string();
    assert_eq!(misspelt, "general/t.yaml:5:1: unknown key `sistem`; did you mean `system`?");
    assert!(matches!(one("", "a\n{% if %}"), Err(Error::Syntax { part: Part::User, line: 2, .. })));
    let twice = Catalogue::parse([("general/t.yaml", &text), ("general/t.yaml", &text)]);
    assert!(matches!(twice, Err(Error::Duplicate { .. })));
}

#[test]
fn a_template_reaches_no_other_file() {
    assert!(render("{{ x }}{% include 'general/ask' %}", json!(1)).is_err());
    assert!(render("{{ x }}{% include x %}", json!("/etc/passwd")).is_err());
}

#[test]
fn a_template_that_runs_on_is_stopped() {
    let endless = "{{ x }}{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    assert!(matches!(render(endless, json!(1)), Err(Error::Render { .. })));
}

#[test]
fn refuses_a_text_over_the_limit() {
    let half = "x".repeat(MAX_OUTPUT_BYTES / 2);
    assert!(render("{{ x }}", json!(half)).is_ok());
    assert!(matches!(render("{{ x }}{{ x }}", json!(half)), Err(Error::TooLarge { .. })));
}
