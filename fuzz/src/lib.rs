//! What holds of `wire` whatever bytes come: the fuzz targets try it, and `crates/wire/tests/corpora.rs` replays what they found.
//!
//! The first bytes of an input choose what is tried with the rest. Each law panics when it is broken.

mod answers;
mod bodies;
mod dialects;
mod streams;

use dialects::Words;
use wire::Dialect;

/// A target by its name, which is also its corpus's.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 7] = [
    ("sse", sse),
    ("hot", hot),
    ("watch", watch),
    ("anthropic", anthropic),
    ("openai_chat", openai_chat),
    ("openai_responses", openai_responses),
    ("gemini", gemini),
];

/// Server-sent events: how long the pieces are, then the stream.
pub fn sse(data: &[u8]) {
    if let Some((piece, stream)) = data.split_first() {
        streams::frames_are_the_same_however_they_are_cut(stream, usize::from(*piece));
    }
}

/// What routing reads of a request, and changes in it: the dialect, then the body.
pub fn hot(data: &[u8]) {
    if let Some((letter, body)) = data.split_first() {
        bodies::what_is_read_is_what_stands_there(dialects::of_letter(*letter), body);
    }
}

/// A stream on its way past: the dialect, how long the pieces are, then the stream.
pub fn watch(data: &[u8]) {
    if let [letter, piece, stream @ ..] = data {
        streams::what_goes_past_goes_past_whole(*letter, stream, usize::from(*piece));
    }
}

/// All that is read of Anthropic's.
pub fn anthropic(data: &[u8]) {
    of_dialect(Dialect::Anthropic, data);
}

/// All that is read of Chat Completions.
pub fn openai_chat(data: &[u8]) {
    of_dialect(Dialect::OpenAiChat, data);
}

/// All that is read of Responses.
pub fn openai_responses(data: &[u8]) {
    of_dialect(Dialect::OpenAiResponses, data);
}

/// All that is read of Gemini's.
pub fn gemini(data: &[u8]) {
    of_dialect(Dialect::Gemini, data);
}

/// What it is: `q`uestion, `w`hole answer or stream, of which the next byte says how long its pieces are.
fn of_dialect(dialect: Dialect, data: &[u8]) {
    let words = Words::of(dialect);
    match data {
        [b'q', body @ ..] => bodies::what_was_understood_can_be_said_everywhere(words, body),
        [b'w', body @ ..] => answers::a_whole_answer_is_the_same_in_all_words(words, body),
        [_, piece, stream @ ..] => {
            streams::a_stream_is_the_same_in_all_words(words, stream, usize::from(*piece));
        }
        [] | [_] => {}
    }
}
