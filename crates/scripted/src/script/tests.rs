//! Which rule answers, what it says, and what is refused.

use std::time::Duration;

use chat::{Assembler, Event, Part, Role, StopReason, ToolResult, Turn, Usage};
use proptest::prelude::*;
use units::TokenCount;

use super::*;
use crate::Fault;

const RULES: &str = r#"
models: [small, large]
rules:
  - match: {role: planner, model: large, prompt: {contains: [cart, total], lacks: ["second try"], regex: "(?m)^goal: "}}
    answer: {text: planned}
  - match: {role: editor}
    answer:
      text: I edit.
      tool_calls:
        - {name: write, arguments: {path: src/lib.rs, lines: [1, 2]}}
        - {name: done}
  - match: {role: reviewer}
    answer: {text: "Grüße 😀", piece_bytes: 1, first_byte_ms: 7, between_pieces_ms: 3, usage: {input: 10, output: 4, cached_input: 2}, stop: max_output}
"#;

fn script(text: &str) -> Script {
    Script::parse("script.yaml", text).unwrap()
}

fn request(prompt: &str) -> Request {
    Request { turns: vec![Turn::user(prompt)], ..Request::default() }
}

fn ask(script: &Script, role: &str, model: &str, request: &Request) -> Result<Vec<Step>, NoRule> {
    script.answer(&Question { role, model: &model.parse().unwrap(), request })
}

fn said(steps: &[Step]) -> Assembler {
    let mut assembler = Assembler::default();
    for step in steps {
        if let Step::Emit(event) = step {
            assembler.push(event);
        }
    }
    assembler
}

#[test]
fn every_condition_of_a_rule_must_hold() {
    let script = script(RULES);
    let goal = "goal: fix the cart's total";
    let steps = ask(&script, "planner", "large", &request(goal)).unwrap();
    assert_eq!(said(&steps).finish().unwrap().text, "planned");

    let others = [
        ("planner", "small", goal.to_owned()),
        ("other", "large", goal.to_owned()),
        ("planner", "large", "goal: fix the cart".to_owned()),
        ("planner", "large", format!("{goal} (second try)")),
        ("planner", "large", format!("my {goal}")),
    ];
    for (role, model, prompt) in others {
        assert!(ask(&script, role, model, &request(&prompt)).is_err(), "{role} {model} {prompt}");
    }
}

#[test]
fn the_prompt_is_the_system_text_all_turns_and_all_tool_results() {
    let script = script("rules: [{match: {prompt: {contains: [alpha, beta, gamma]}}, answer: {text: x}}]");
    let result = ToolResult::text("1", "gamma", false);
    let turns = vec![
        Turn { role: Role::Assistant, parts: vec![Part::Text { text: "beta".to_owned() }] },
        Turn { role: Role::User, parts: vec![Part::ToolResult(result)] },
    ];
    let request = Request { system: vec![Part::text("alpha")], turns, ..Request::default() };
    assert!(ask(&script, "any", "scripted", &request).is_ok());
}

#[test]
fn the_first_rule_that_matches_wins_and_keeps_no_state() {
    let script = script("rules: [{answer: {text: first}}, {answer: {text: second}}]");
    for _ in 0..3 {
        let steps = ask(&script, "r", "m", &request("p")).unwrap();
        assert_eq!(said(&steps).finish().unwrap().text, "first");
    }
}

#[test]
fn tool_calls_arrive_in_pieces_and_stop_for_the_tool() {
    let steps = ask(&script(RULES), "editor", "small", &request("p")).unwrap();
    let answer = said(&steps).finish().unwrap();
    let calls: Vec<_> =
        answer.tool_calls.iter().map(|call| (call.name.as_str(), call.arguments.as_str())).collect();
    assert_eq!(calls, [("write", r#"{"lines":[1,2],"path":"src/lib.rs"}"#), ("done", "{}")]);
    assert_eq!(answer.stop, StopReason::ToolUse);
    let length = |step: &Step| {
        if let Step::Emit(Event::ToolCallArguments { json, .. }) = step { Some(json.len()) } else { None }
    };
    let longest = steps.iter().filter_map(length);
    assert_eq!(longest.max(), Some(24));
    // One byte of prompt is less than a token.
    assert_eq!(answer.usage.input, TokenCount(1));
    assert!(answer.usage.output > TokenCount(1));
}

#[test]
fn pieces_are_whole_characters_with_the_written_waits_between_them() {
    let steps = ask(&script(RULES), "reviewer", "small", &request("p")).unwrap();
    let wait = |millis| Step::Wait(Duration::from_millis(millis));
    let text = |text: &str| Step::Emit(Event::Text { text: text.to_owned() });
    assert_eq!(steps[..6], [wait(7), text("G"), wait(3), text("r"), wait(3), text("ü")]);
    let usage = Usage {
        input: TokenCount(10),
        cached_input: TokenCount(2),
        output: TokenCount(4),
        ..Usage::default()
    };
    let end = [
        text("😀"),
        Step::Emit(Event::Usage(usage)),
        Step::Emit(Event::Stopped { reason: StopReason::MaxOutput }),
    ];
    assert_eq!(steps[steps.len() - 3..], end);
}

#[test]
fn no_rule_names_what_one_would_have_to_match() {
    let prompt = "ü".repeat(300);
    let error = ask(&script(RULES), "tester", "small", &request(&prompt)).unwrap_err();
    assert_eq!(error.prompt.chars().count(), 200);
    let shown = error.to_string();
    for part in ["script.yaml", "`tester`", "`small`", "add a rule"] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn a_status_fails_before_anything_is_said() {
    let text = "rules: [{answer: {text: never, first_byte_ms: 5, fault: {kind: status, status: 429, retry_after_s: 3, message: slow down}}}]";
    let fault = Fault::Status {
        status: 429,
        retry_after: Some(Duration::from_secs(3)),
        message: "slow down".to_owned(),
    };
    let steps = ask(&script(text), "r", "m", &request("p")).unwrap();
    assert_eq!(steps, [Step::Wait(Duration::from_millis(5)), Step::Fail(fault)]);
}

#[test]
fn models_default_to_one_called_scripted() {
    let names = |script: &Script| script.models().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&script(RULES)), ["small", "large"]);
    assert_eq!(names(&script("rules: [{answer: {text: x}}]")), ["scripted"]);
}

#[test]
fn what_is_wrong_is_said_with_its_rule() {
    let cases = [
        ("", "rules"),
        ("rules: []", "0 rules"),
        ("rules: [{answer: {txet: x}}]", "txet"),
        ("rules: [{match: {rol: x}, answer: {}}]", "rol"),
        ("rules: [{answer: {}}, {match: {prompt: {regex: '('}}, answer: {}}]", "regex of rule 2"),
        ("rules: [{match: {prompt: {regex: '(a{1000}){1000}'}}, answer: {}}]", "regex of rule 1"),
        ("rules: [{answer: {piece_bytes: 0}}]", "`piece_bytes` of rule 1 is 0"),
        ("rules: [{answer: {between_pieces_ms: 99999999}}]", "between_pieces_ms"),
        ("rules: [{answer: {fault: {kind: status, status: 200}}}]", "`status` of rule 1 is 200"),
        ("rules: [{answer: {fault: {kind: burn}}}]", "burn"),
        ("rules: [{answer: {fault: {kind: cut, after_bytes: 1, after: 2}}}]", "after"),
        ("models: ['a b']\nrules: [{answer: {}}]", "a b"),
    ];
    for (text, part) in cases {
        let error = Script::parse("script.yaml", text).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("script.yaml"), "{text} gave: {error}");
    }
    let many = format!("rules: [{}]", "{answer: {}},".repeat(1_001));
    assert!(matches!(Script::parse("s", &many), Err(Error::RuleCount { found: 1_001, .. })));
}

proptest! {
    #[test]
    fn a_fault_lets_through_a_prefix_of_at_most_its_bytes(text in "[aü😀]{0,30}", after in 0u64..60, hang: bool) {
        let kind = if hang { "hang" } else { "cut" };
        let yaml = format!("rules: [{{answer: {{text: '{text}', piece_bytes: 5, tool_calls: [{{name: t}}], fault: {{kind: {kind}, after_bytes: {after}}}}}}}]");
        let steps = ask(&script(&yaml), "r", "m", &request("p")).unwrap();
        let fault = if hang { Fault::Hang } else { Fault::Cut };
        prop_assert_eq!(steps.last(), Some(&Step::Fail(fault)));

        let incomplete = said(&steps).finish().unwrap_err();
        prop_assert!(text.starts_with(&incomplete.text));
        prop_assert!(incomplete.text.len() as u64 <= after);
        prop_assert!(incomplete.text.len() as u64 + 4 > after.min(text.len() as u64));
        let called = steps.iter().any(|step| matches!(step, Step::Emit(Event::ToolCallStarted { .. })));
        prop_assert_eq!(called, after > text.len() as u64);
    }

    #[test]
    fn pieces_join_to_what_was_written(text in "[a-zü€😀 ]{0,60}", piece in 1usize..9) {
        let yaml = format!("rules: [{{answer: {{text: '{text}', piece_bytes: {piece}}}}}]");
        let steps = ask(&script(&yaml), "r", "m", &request("p")).unwrap();
        prop_assert_eq!(said(&steps).finish().unwrap().text, text);
    }
}
