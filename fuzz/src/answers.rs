//! Laws of answers, whole or as events.

use chat::{Assembler, Event, Message, Part, Request, ToolCall};
use wire::watch;

use super::dialects::{Words, head};

/// How much longer than an answer its other words may be, and what any may be long.
const MOST: (usize, usize) = (64, 16 * 1024);

pub(crate) fn a_whole_answer_is_the_same_in_all_words(words: &Words, body: &[u8]) {
    let seen = watch::whole(words.dialect, body);
    let Ok(events) = (words.answer)(body) else { return };
    let mut assembler = Assembler::default();
    events.iter().for_each(|event| assembler.push(event));
    let used = assembler.usage();
    if let Ok(seen) = seen
        && let Some(usage) = seen.usage
    {
        assert_eq!(usage, used, "who watches counts as who understands does");
    }
    let Ok(message) = assembler.message() else { return };
    let request = Request::default();
    for other in Words::all() {
        let said = wire::whole(other.dialect, &message, &head(&request));
        assert!(said.len() <= MOST.0 * body.len() + MOST.1, "{} bytes became {}", body.len(), said.len());
        let events = (other.answer)(&said)
            .unwrap_or_else(|error| panic!("{:?} does not read its own words: {error}", other.dialect));
        same(other, &message, &events);
    }
}

/// These events make up that message, as far as each dialect can say it.
pub(crate) fn same(words: &Words, message: &Message, events: &[Event]) {
    // Two calls of one name are one call, told twice.
    let ids: Vec<&str> = message.parts.iter().filter_map(call).map(|call| call.id.as_str()).collect();
    if ids.iter().enumerate().any(|(place, id)| ids[..place].contains(id)) {
        return;
    }
    let mut assembler = Assembler::default();
    events.iter().for_each(|event| assembler.push(event));
    let found = assembler.message().expect("an answer that was said has an end");
    let (told, understood) = (told(message), told(&found));
    assert_eq!(told, understood, "in the words of {:?}", words.dialect);
}

fn call(part: &Part) -> Option<&ToolCall> {
    if let Part::ToolCall(call) = part { Some(call) } else { None }
}

/// The text of a message, and its calls by name.
fn told(message: &Message) -> (String, Vec<&str>) {
    let (mut text, mut calls) = (String::new(), Vec::new());
    for part in &message.parts {
        match part {
            // Not every dialect tells a refusal from a text.
            Part::Text { text: more } | Part::Refusal { text: more } => text.push_str(more),
            Part::ToolCall(call) => calls.push(call.name.as_str()),
            Part::Image(_)
            | Part::Document(_)
            | Part::Audio(_)
            | Part::Thought(_)
            | Part::ToolResult(_)
            | Part::CachePoint { .. } => {}
        }
    }
    (text, calls)
}
