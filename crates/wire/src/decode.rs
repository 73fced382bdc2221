//! What all decoders have in common.

use chat::Event;
use serde::Deserialize;

use crate::{Error, sse};

/// The most tool calls of one answer.
pub(crate) const MAX_TOOL_CALLS: u32 = 128;

/// Turns the frames of one answer into events.
pub trait Decode: Send {
    /// Takes the next frame.
    ///
    /// # Errors
    /// When it is not of the dialect, or when the provider reports an error in it.
    fn push(&mut self, frame: &sse::Frame) -> Result<Vec<Event>, Error>;

    /// Whether the dialect's own end has come: no frame that matters can follow.
    fn ended(&self) -> bool;

    /// The stream is over: what is still to be told, if this was its proper end.
    ///
    /// # Errors
    /// [`Error::Cut`] when the answer was not whole.
    fn finish(&mut self) -> Result<Vec<Event>, Error>;
}

/// Reads JSON; the error tells the place but never the content, which may be a model's words.
pub(crate) fn parse<'a, T: Deserialize<'a>>(
    dialect: &'static str,
    what: &'static str,
    json: &'a [u8],
) -> Result<T, Error> {
    serde_json::from_slice(json).map_err(|error| {
        let rule = if error.is_data() { "a field has another type than documented" } else { "it is no JSON" };
        Error::Malformed { dialect, what, column: error.column(), rule }
    })
}

/// The next tool call's index, `so_far` of them being known.
pub(crate) fn next_tool_call(so_far: usize) -> Result<u32, Error> {
    u32::try_from(so_far)
        .ok()
        .filter(|index| *index < MAX_TOOL_CALLS)
        .ok_or(Error::TooManyToolCalls { limit: MAX_TOOL_CALLS })
}
