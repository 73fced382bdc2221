//! Plays a written transcript through a decoder, for the tests of all dialects.

use chat::Event;

use crate::{Decode, Error, sse};

/// All events until the end or the first error, `bytes` arriving in pieces of `piece` bytes.
pub(crate) fn play(mut decoder: impl Decode, bytes: &[u8], piece: usize) -> (Vec<Event>, Result<(), Error>) {
    play_any(&mut decoder, bytes, piece)
}

/// The same, of any dialect.
pub(crate) fn play_any(
    decoder: &mut dyn Decode,
    bytes: &[u8],
    piece: usize,
) -> (Vec<Event>, Result<(), Error>) {
    let mut frames = sse::Decoder::default();
    let mut events = Vec::new();
    for bytes in bytes.chunks(piece.max(1)) {
        for frame in frames.push(bytes).unwrap() {
            match decoder.push(&frame) {
                Ok(more) => events.extend(more),
                Err(error) => return (events, Err(error)),
            }
        }
    }
    let end = decoder.finish().map(|more| events.extend(more));
    (events, end)
}

pub(crate) fn text(text: &str) -> Event {
    Event::Text { text: text.to_owned() }
}

pub(crate) fn began(id: &str, model: &str) -> Event {
    Event::Began { id: Some(id.to_owned()), model: Some(model.to_owned()) }
}

pub(crate) fn thought(text: &str) -> Event {
    Event::Thought { text: text.to_owned() }
}

/// A seal as a decoder of answers gives it.
pub(crate) fn sealed(value: &str, whole: bool) -> Event {
    Event::Sealed(chat::Seal { issuer: None, value: value.to_owned(), whole })
}

pub(crate) fn started(index: u32, id: &str, name: &str) -> Event {
    Event::ToolCallStarted { index, id: id.to_owned(), name: name.to_owned() }
}

pub(crate) fn arguments(index: u32, json: &str) -> Event {
    Event::ToolCallArguments { index, json: json.to_owned() }
}

/// Input, cached, written, output, reasoning.
pub(crate) fn usage(counts: [u64; 5]) -> Event {
    let [input, cached_input, cache_written, output, reasoning] = counts.map(units::TokenCount);
    Event::Usage(chat::Usage { input, cached_input, cache_written, output, reasoning })
}

/// A conversation with all that a request can hold.
pub(crate) fn request() -> chat::Request {
    use chat::{Part, Role, Tool, ToolCall, ToolResult, Turn};
    let call = |id: &str, arguments: &str| {
        Part::ToolCall(ToolCall {
            id: id.to_owned(),
            name: "read".to_owned(),
            arguments: arguments.to_owned(),
        })
    };
    let result =
        |id: &str, content: &str, is_error| Part::ToolResult(ToolResult::text(id, content, is_error));
    let said = |text: &str| Part::Text { text: text.to_owned() };
    let calls = vec![said("I look."), call("a", "{\"path\":\"x\"}"), call("b", ""), call("c", "{\"path")];
    // The text stands first on purpose: no wire takes it before the results.
    let results =
        vec![said("go on"), result("a", "ok", false), result("b", "gone", true), result("c", "bad", true)];
    chat::Request {
        system: vec![said("Be brief.")],
        turns: vec![
            Turn::user("hello"),
            Turn { role: Role::Assistant, parts: calls },
            Turn { role: Role::Assistant, parts: vec![said("")] },
            Turn { role: Role::User, parts: results },
        ],
        tools: vec![Tool::new("read", "Reads a file.", serde_json::json!({"type": "object"}))],
        max_output: Some(units::TokenCount(100)),
        temperature: Some(0.2),
        ..chat::Request::default()
    }
}

/// To whom the tests encode.
pub(crate) fn to(model: &str) -> crate::To<'_> {
    crate::To { model, is_streamed: true, issuer: "tests" }
}

/// What the tests' answers say of themselves.
pub(crate) fn head(request: &chat::Request) -> crate::Head<'_> {
    crate::Head { id: "1", model: "m", created_s: 0, wants_usage: true, issuer: "tests", request }
}

/// Events with pieces of the same kind joined, and with only the last usage, at the end.
pub(crate) fn joined(events: &[Event]) -> Vec<Event> {
    let mut joined: Vec<Event> = Vec::new();
    let mut used = None;
    for event in events {
        match (joined.last_mut(), event) {
            (_, Event::Usage(_)) => used = Some(event.clone()),
            (Some(Event::Text { text: before }), Event::Text { text })
            | (Some(Event::Thought { text: before }), Event::Thought { text }) => before.push_str(text),
            (
                Some(Event::ToolCallArguments { index: same, json: before }),
                Event::ToolCallArguments { index, json },
            ) if same == index => before.push_str(json),
            _ => joined.push(event.clone()),
        }
    }
    joined.extend(used);
    joined
}
