//! Plays a written transcript through a decoder, for the tests of all dialects.

use chat::Event;

use crate::{Decode, Error, sse};

/// All events until the end or the first error, `bytes` arriving in pieces of `piece` bytes.
pub(crate) fn play(mut decoder: impl Decode, bytes: &[u8], piece: usize) -> (Vec<Event>, Result<(), Error>) {
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
