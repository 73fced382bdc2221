//! Reviews with every defect, and the round trip.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn finding(severity: &str) -> Value {
    json!({"severity": severity, "path": "src/lib.rs", "line": 3, "title": "t", "detail": "d"})
}

fn parse(verdict: &str, findings: &[Value]) -> Result<Review, Error> {
    Review::parse(&json!({"verdict": verdict, "summary": "s", "findings": findings}).to_string())
}

fn refusal(verdict: &str, findings: &[Value]) -> String {
    parse(verdict, findings).unwrap_err().to_string()
}

#[test]
fn reads_an_approval_from_a_chatty_answer() {
    let review =
        Review::parse("Fine.\n```json\n{\"verdict\": \"approve\", \"summary\": \"s\"}\n```").unwrap();
    assert_eq!(review, Review { verdict: Verdict::Approve, summary: "s".to_owned(), findings: vec![] });
}

#[test]
fn reads_findings_with_and_without_a_line() {
    let mut bare = finding("note");
    bare.as_object_mut().unwrap().remove("line");
    let review = parse("request_changes", &[finding("error"), bare]).unwrap();
    assert_eq!(review.findings.iter().map(|finding| finding.line).collect::<Vec<_>>(), [Some(3), None]);
    let stored = serde_json::to_string(&review).unwrap();
    assert_eq!(serde_json::from_str::<Review>(&stored).unwrap(), review);
}

#[test]
fn an_unknown_word_is_answered_with_the_allowed_ones() {
    let text = refusal("LGTM", &[finding("blocker")]);
    assert!(
        text.contains("`verdict`: unknown variant `LGTM`, expected `approve` or `request_changes`"),
        "{text}"
    );
    assert!(
        text.contains("findings[0]: unknown variant `blocker`, expected one of `error`, `warning`, `note`"),
        "{text}"
    );
}

#[test]
fn refuses_a_request_with_nothing_to_act_on() {
    assert_eq!(parse("request_changes", &[]).unwrap_err().defects, [Defect::NothingToActOn]);
}

#[test]
fn refuses_an_approval_of_an_error() {
    let defects = parse("approve", &[finding("warning"), finding("error")]).unwrap_err().defects;
    assert_eq!(defects, [Defect::ApprovedError { place: "findings[1]".to_owned() }]);
    assert!(parse("approve", &[finding("warning"), finding("note")]).is_ok());
}

#[test]
fn names_every_defect_at_once() {
    let mut one = finding("error");
    one["path"] = json!("../x");
    one["line"] = json!(0);
    one["title"] = json!("");
    let mut two = finding("error");
    two["detail"] = json!("x".repeat(MAX_DETAIL_BYTES + 1));
    let mut three = finding("error");
    three["fix"] = json!("y");
    let text = refusal("request_changes", &[one, two, three]);
    for part in [
        "findings[0]: the path `../x` climbs",
        "findings[0]: `line` counts from 1",
        "findings[0], `title` is empty",
        "findings[1], `detail` has 8193 bytes; write at most 8192",
        "findings[2]: unknown field `fix`",
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
}

#[test]
fn a_broken_finding_is_not_taken_for_none() {
    let text = refusal("request_changes", &[json!({"severity": "error"})]);
    assert!(text.contains("missing field `path`") && !text.contains("nothing to act on"), "{text}");
}

#[test]
fn refuses_more_findings_than_anyone_reads() {
    let many = vec![finding("note"); MAX_FINDINGS + 1];
    assert_eq!(
        parse("approve", &many).unwrap_err().defects,
        [Defect::TooManyFindings { found: 101, limit: 100 }]
    );
    assert!(parse("approve", &many[1..]).is_ok());
}

#[test]
fn refuses_what_is_no_review() {
    for text in [
        "",
        "LGTM",
        "{}",
        "{\"verdict\": \"approve\"}",
        "```json\n{\"verdict\"",
        "{\"verdict\": 1, \"summary\": \"s\"}",
    ] {
        assert_eq!(Review::parse(text).unwrap_err().defects.len(), 1, "{text}");
    }
}

fn any_review() -> impl Strategy<Value = Review> {
    let severity = prop_oneof![Just(Severity::Error), Just(Severity::Warning), Just(Severity::Note)];
    let words = || "[a-z\"\\\\\n`é]{0,20}x";
    let finding = (severity, "[a-z]{1,5}(/[a-z]{1,5}){0,3}", prop::option::of(1_u32..), words(), words())
        .prop_map(|(severity, path, line, title, detail)| Finding { severity, path, line, title, detail });
    (words(), prop::collection::vec(finding, 0..6)).prop_map(|(summary, findings)| {
        let worst = findings.iter().map(|finding| finding.severity).min();
        let verdict = if worst == Some(Severity::Error) { Verdict::RequestChanges } else { Verdict::Approve };
        Review { verdict, summary, findings }
    })
}

proptest! {
    #[test]
    fn a_review_in_a_fence_reads_back(review in any_review()) {
        let answer = format!("Here:\n```json\n{}\n```\n", serde_json::to_string_pretty(&review).unwrap());
        prop_assert_eq!(Review::parse(&answer), Ok(review));
    }

    #[test]
    fn never_panics(text in "(\\{|\\}|\\[|\\]|\"verdict\"|\"findings\"|\"approve\"|:|,|1|null|\n|```json|```){0,40}") {
        let _ = Review::parse(&text);
    }
}
