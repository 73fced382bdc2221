//! What all encoders of answers have in common.

use chat::Event;

/// Writes the events of one answer as the bytes of one stream, in a client's dialect.
pub trait Encode: Send {
    /// Appends what an event is in this dialect; that may be nothing yet.
    fn event(&mut self, event: &Event, out: &mut Vec<u8>);

    /// Appends the dialect's own end of a whole answer. Called once, after [`Event::Stopped`] and the last usage.
    fn end(&mut self, out: &mut Vec<u8>);

    /// Appends the dialect's own end of an answer that broke off. Called once, instead of [`Encode::end`].
    fn fail(&mut self, failure: &Failure<'_>, out: &mut Vec<u8>);
}

/// What an answer says of itself.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// What the answer is called when the provider gave it no name that fits this dialect; unique, without prefix.
    pub id: &'a str,
    /// The model, as the client is to read it.
    pub model: &'a str,
    /// When it was asked, in seconds since 1970.
    pub created_s: i64,
    /// Whether the client wants to be told at a stream's end what was used.
    pub wants_usage: bool,
    /// Who seals thoughts in this answer.
    pub issuer: &'a str,
    /// What was asked: some dialects repeat it, and some tools are answered in another shape.
    pub request: &'a chat::Request,
}

/// Why there is no answer, or no whole one.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// The HTTP status that says it, in the stream too.
    pub status: u16,
    /// What happened and what to do, for a person.
    pub message: &'a str,
    /// What happened, for a program: a closed set of our own words, as `model_not_found`.
    pub code: &'a str,
    /// The field that is at fault.
    pub param: Option<&'a str>,
    /// What the request is called in the log.
    pub request_id: &'a str,
}
