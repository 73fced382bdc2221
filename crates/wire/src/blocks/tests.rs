//! Blocks never overlap, and nothing of them is lost.

use chat::{Assembler, StopReason};
use proptest::prelude::*;

use super::*;
use crate::transcript::{arguments, started, text};

/// What is told, a line for each step.
fn told(events: &[Event]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut blocks = Blocks::default();
    let mut tell = |step: Step<'_>| {
        lines.push(match step {
            Step::Begin(kind) => format!("begin {}", word(kind)),
            Step::More(_, text) => format!("more {text}"),
            Step::Cited(citation) => format!("cited {}", citation.url),
            Step::End { kind, .. } => format!("end {}", word(kind)),
        });
    };
    events.iter().for_each(|event| blocks.push(event, &mut tell));
    blocks.close(&mut tell);
    lines
}

fn word(kind: &Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Refusal => "refusal".to_owned(),
        Kind::Thought { seal, .. } => format!("thought {:?}", seal.as_ref().map(|seal| &seal.value)),
        Kind::Tool { id, .. } => format!("tool {id}"),
        Kind::Media(_) => "media".to_owned(),
    }
}

#[test]
fn a_call_that_begins_while_another_is_open_waits_for_it() {
    let lines = told(&[
        started(0, "a", "read"),
        arguments(0, "{\"x\""),
        started(1, "b", "read"),
        arguments(1, "{\"y\":\"}\\\"\"}"),
        arguments(0, ":\"{\"}"),
        text("and"),
    ]);
    assert_eq!(
        lines,
        [
            "begin tool a",
            "more {\"x\"",
            "more :\"{\"}",
            "end tool a",
            "begin tool b",
            "more {\"y\":\"}\\\"\"}",
            "end tool b",
            "begin text",
            "more and",
            "end text",
        ]
    );
}

#[test]
fn a_seal_ends_its_thought_or_is_a_block_of_its_own() {
    let seal = |value: &str| Event::Sealed(Seal { issuer: None, value: value.to_owned(), whole: false });
    let thought = |text: &str| Event::Thought { text: text.to_owned() };
    assert_eq!(
        told(&[thought("h"), thought("m"), seal("1"), seal("2"), thought("x"), text("t")]),
        [
            "begin thought None",
            "more h",
            "more m",
            "end thought Some(\"1\")",
            "begin thought Some(\"2\")",
            "end thought Some(\"2\")",
            "begin thought None",
            "more x",
            "end thought None",
            "begin text",
            "more t",
            "end text",
        ]
    );
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        "[a-z]{0,3}".prop_map(|text| Event::Text { text }),
        "[a-z]{1,3}".prop_map(|text| Event::Thought { text }),
        (0u32..3, "[{}\"a]{0,4}").prop_map(|(index, json)| Event::ToolCallArguments { index, json }),
    ]
}

proptest! {
    /// Calls that are whole at their end keep all of their arguments, whatever comes in between.
    #[test]
    fn blocks_do_not_overlap_and_keep_what_came(events in prop::collection::vec(event(), 0..30)) {
        let calls = (0..3).map(|index| started(index, &index.to_string(), "n"));
        let events: Vec<Event> = calls.chain(events).collect();
        let lines = told(&events);
        let mut open = None;
        let (mut said, mut thought) = (String::new(), String::new());
        for line in &lines {
            let (verb, rest) = line.split_once(' ').unwrap();
            match verb {
                "begin" => prop_assert_eq!(open.replace(rest.to_owned()), None),
                "end" => prop_assert!(open.take().is_some()),
                _ if open.as_deref() == Some("text") => said.push_str(rest),
                _ if open.as_deref().is_some_and(|open| open.starts_with("thought")) => thought.push_str(rest),
                _ => {}
            }
        }
        let mut assembler = Assembler::default();
        events.iter().for_each(|event| assembler.push(event));
        assembler.push(&Event::Stopped { reason: StopReason::EndOfTurn });
        let parts = assembler.message().unwrap().parts;
        let expected: String = parts.iter().filter_map(Part::as_text).collect();
        prop_assert_eq!(said, expected);
        prop_assert_eq!(lines.iter().filter(|line| line.starts_with("begin tool")).count(), 3);
    }
}

#[test]
fn where_a_text_comes_from_is_told_within_it_also_where_it_had_to_wait() {
    let text = |text: &str| Event::Text { text: text.to_owned() };
    let cited = |url: &str| {
        Event::Cited(chat::Citation { url: url.to_owned(), title: None, quoted: None, from: 0, to: 1 })
    };
    let call = |index| Event::ToolCallStarted { index, id: format!("c{index}"), name: "n".to_owned() };
    let arguments = |json: &str| Event::ToolCallArguments { index: 0, json: json.to_owned() };
    let events = [
        text("a"),
        cited("one"),
        call(0),
        arguments("{"),
        text("b"),
        cited("two"),
        arguments("}"),
        cited("three"),
    ];
    let expected = [
        "begin text",
        "more a",
        "cited one",
        "end text",
        "begin tool c0",
        "more {",
        "more }",
        "end tool c0",
        "begin text",
        "more b",
        "cited two",
        "cited three",
        "end text",
    ];
    assert_eq!(told(&events), expected);
}
