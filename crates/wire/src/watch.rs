//! Watches a provider's answer on its way past: what was used, whether it began, whether it ended as it should.
//!
//! The bytes go on as they came; only a frame that a byte search finds worth it is parsed. Two things may be kept from a
//! client: the usage chunk that Chat Completions sends because we asked for it, and, by whoever holds the pieces back
//! until [`Watch::start`] has decided, an answer that is an error from its beginning.

mod frame;
pub(crate) mod framing;
mod glance;
mod usage;
mod whole;

pub use glance::Glance;
pub use whole::whole;

use bytes::Bytes;
use memchr::memmem::Finder;

use crate::{Dialect, Error};
use framing::Framing;

/// The most bytes of one frame; a picture of a model's making is one frame.
pub const MAX_FRAME_BYTES: usize = 32 * 1024 * 1024;
/// The most bytes of a frame that is kept for its usage alone, should it prove to be the last.
const MAX_KEPT_BYTES: usize = 16 * 1024;

/// How an answer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing has come yet that a client would miss: another provider can still be asked.
    Waiting,
    /// There is output, or a proper end without any.
    Output,
    /// It is an error, see [`Watch::fault`]: another provider can still be asked.
    Failed,
}

/// What was seen of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// What the provider calls the answer.
    pub id: Option<String>,
    /// Which model answers, in the provider's words.
    pub model: Option<String>,
    /// What was used, as far as it was told.
    pub usage: Option<chat::Usage>,
    /// Whether the model said why it stopped.
    pub is_stopped: bool,
}

/// Watches one stream.
#[derive(Debug)]
pub struct Watch {
    dialect: Dialect,
    drops_usage: bool,
    framing: Framing,
    /// What came of the frame that is not whole yet.
    open: Vec<u8>,
    markers: Vec<Finder<'static>>,
    start: Start,
    /// What Anthropic has told of the usage, piece by piece.
    counted: usage::Anthropic,
    /// Gemini tells the usage with each chunk: the last frame that does, unread.
    kept: Vec<u8>,
    /// What that frame tells, once somebody asked.
    told: Option<Option<chat::Usage>>,
    seen: Seen,
    events: u64,
    has_ended: bool,
    fault: Option<Error>,
}

impl Watch {
    /// Watches a stream that goes on as it is.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            drops_usage: false,
            framing: Framing::default(),
            open: Vec::new(),
            markers: frame::markers(dialect).iter().map(|marker| Finder::new(*marker)).collect(),
            start: Start::Waiting,
            counted: usage::Anthropic::default(),
            kept: Vec::new(),
            told: None,
            seen: Seen::default(),
            events: 0,
            has_ended: false,
            fault: None,
        }
    }

    /// Watches a stream of Chat Completions whose usage chunk the client did not ask for: it is taken out again.
    pub fn without_usage() -> Self {
        Self { drops_usage: true, ..Self::new(Dialect::OpenAiChat) }
    }

    /// Takes the next piece, and appends what may go on by now.
    ///
    /// # Errors
    /// When a frame is too large; what came of it is not given on, and the watch is of no further use.
    pub fn push(&mut self, piece: &Bytes, out: &mut Vec<Bytes>) -> Result<(), Error> {
        // Only whole frames go on, so that one that breaks off in the middle can still be followed by an error.
        // What of this piece may go on in one slice: from here to the last frame that was kept.
        let mut run = 0..0;
        self.read(piece, |frame, is_dropped| match frame {
            Framed::Spanning(bytes, end) => {
                if !is_dropped {
                    out.push(Bytes::copy_from_slice(bytes));
                }
                run = end..end;
            }
            Framed::Within(place) if is_dropped => {
                if !run.is_empty() {
                    out.push(piece.slice(run.clone()));
                }
                run = place.end..place.end;
            }
            Framed::Within(place) => run.end = place.end,
        })?;
        if !run.is_empty() {
            out.push(piece.slice(run));
        }
        Ok(())
    }

    /// How the answer begins, as far as it came.
    pub fn start(&self) -> Start {
        self.start
    }

    /// Whether the answer is whole already, whatever becomes of its connection. Gemini has no end of its own: there it is so
    /// between two frames, once the model has stopped.
    pub fn has_ended(&self) -> bool {
        let has_end = match self.dialect {
            Dialect::Anthropic | Dialect::OpenAiChat | Dialect::OpenAiResponses => self.has_ended,
            Dialect::Gemini => self.open.is_empty() && self.framing.is_closed(),
        };
        has_end && self.seen.is_stopped && self.fault.is_none()
    }

    /// What was seen, once the stream is over.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// How many events of Responses came whole: their number is what the next one would be called. Others have none.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// What was used so far; also what a stream is billed by that nobody waited for. Asking changes nothing: what comes
    /// of a stream may not depend on when somebody looked.
    pub fn usage(&mut self) -> Option<chat::Usage> {
        let told = *self.told.get_or_insert_with(|| frame::geminis_usage(&self.kept));
        told.or(self.seen.usage)
    }

    /// The error that the provider reported inside the stream, or what could not be read of it.
    pub fn fault(&self) -> Option<&Error> {
        self.fault.as_ref()
    }

    /// The stream is over: appends what was held back.
    ///
    /// # Errors
    /// What was wrong with the stream: an error that was reported in it, or [`Error::Cut`] when it was not whole.
    pub fn finish(&mut self, out: &mut Vec<Bytes>) -> Result<(), Error> {
        let open = std::mem::take(&mut self.open);
        // A frame without its end does not count, but for an error that a server wrote behind its stream as plain JSON.
        let counts = self.framing.is_at_end() || frame::is_plain_json(&open);
        let is_dropped = counts && self.frame(&open);
        if !is_dropped && !open.is_empty() {
            out.push(Bytes::from(open));
        }
        self.look_into_kept();
        match self.fault.take() {
            Some(fault) => Err(fault),
            None if self.is_whole() => Ok(()),
            None => Err(Error::Cut { dialect: self.dialect.name() }),
        }
    }

    /// Whether what came was all. Only two dialects have an end of their own that every server writes.
    fn is_whole(&self) -> bool {
        let has_end = match self.dialect {
            Dialect::Anthropic | Dialect::OpenAiResponses => self.has_ended,
            Dialect::OpenAiChat | Dialect::Gemini => self.framing.is_closed(),
        };
        self.seen.is_stopped && has_end
    }

    /// Cuts a piece into frames and looks into each; `each` is told about it, and whether it is to be dropped.
    fn read(&mut self, piece: &Bytes, mut each: impl FnMut(Framed<'_>, bool)) -> Result<(), Error> {
        let mut at = 0;
        while let Some(length) = self.framing.next(&piece[at..]) {
            let end = at + length;
            if self.open.is_empty() {
                let is_dropped = self.frame(&piece[at..end]);
                each(Framed::Within(at..end), is_dropped);
            } else {
                let mut open = std::mem::take(&mut self.open);
                open.extend_from_slice(&piece[at..end]);
                let is_dropped = self.frame(&open);
                each(Framed::Spanning(&open, end), is_dropped);
                open.clear();
                self.open = open;
            }
            at = end;
        }
        if self.open.len() + (piece.len() - at) > MAX_FRAME_BYTES {
            return Err(Error::FrameTooLarge { limit: MAX_FRAME_BYTES });
        }
        self.open.extend_from_slice(&piece[at..]);
        Ok(())
    }
}

/// Where a whole frame is.
enum Framed<'a> {
    /// In this piece alone.
    Within(std::ops::Range<usize>),
    /// Begun in an earlier piece: all of it, and where it ends in this one.
    Spanning(&'a [u8], usize),
}

#[cfg(test)]
mod tests;
