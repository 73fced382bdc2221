//! Where a frame ends, on bytes alone: an empty line of server-sent events, or an element of a JSON list.
//!
//! Gemini streams a list when it is not asked for events, and some servers answer a streamed request with plain JSON;
//! the first byte tells. All state is kept from piece to piece, so that a piece may end anywhere.

use memchr::{memchr2, memchr3};

/// Finds the ends of frames.
#[derive(Debug, Default)]
pub(crate) enum Framing {
    /// Nothing but blanks has come.
    #[default]
    Unknown,
    Events(Lines),
    Elements(Elements),
}

/// Server-sent events: lines that end with LF, CR or both.
#[derive(Debug)]
pub(crate) struct Lines {
    is_line_empty: bool,
    is_after_cr: bool,
    /// An empty line ended with CR: an LF that follows still belongs to it.
    is_ending: bool,
}

/// A list of objects, or one object.
#[derive(Debug, Default)]
pub(crate) struct Elements {
    /// Whether there is a list around the objects.
    is_list: bool,
    /// How many lists and objects are open within the list.
    depth: usize,
    is_in_text: bool,
    is_escaped: bool,
    is_closed: bool,
}

impl Framing {
    /// How many of these bytes belong to the open frame when it ends in them; nothing when it goes on.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Unknown => {
                let first = bytes.iter().position(|byte| !byte.is_ascii_whitespace())?;
                *self = match bytes[first] {
                    b'[' => Self::Elements(Elements { is_list: true, ..Elements::default() }),
                    b'{' => Self::Elements(Elements::default()),
                    _ => Self::Events(Lines { is_line_empty: true, is_after_cr: false, is_ending: false }),
                };
                // The list's own bracket opens no element.
                let from = if bytes[first] == b'[' { first + 1 } else { first };
                self.next(&bytes[from..]).map(|length| from + length)
            }
            Self::Events(lines) => lines.next(bytes),
            Self::Elements(elements) => elements.next(bytes),
        }
    }

    /// Whether the end of the stream is also the end of a frame.
    pub(crate) fn is_at_end(&self) -> bool {
        matches!(self, Self::Events(Lines { is_ending: true, .. }))
    }

    /// Whether a list that was opened was closed.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Unknown | Self::Events(_) => true,
            Self::Elements(elements) => elements.is_closed || !elements.is_list,
        }
    }
}

impl Lines {
    fn next(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            if self.is_ending {
                let next = bytes.get(at)?;
                self.is_ending = false;
                return Some(if *next == b'\n' { at + 1 } else { at });
            }
            let Some(length) = memchr2(b'\n', b'\r', &bytes[at..]) else {
                if at < bytes.len() {
                    (self.is_line_empty, self.is_after_cr) = (false, false);
                }
                return None;
            };
            let is_cr = bytes[at + length] == b'\r';
            at += length + 1;
            let is_second_half = length == 0 && self.is_after_cr && !is_cr;
            let is_empty = length == 0 && self.is_line_empty && !is_second_half;
            (self.is_line_empty, self.is_after_cr) = (true, is_cr);
            if is_empty && !is_cr {
                return Some(at);
            }
            if is_empty {
                (self.is_ending, self.is_after_cr) = (true, false);
            }
        }
    }
}

impl Elements {
    fn next(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if std::mem::take(&mut self.is_escaped) {
                at += 1;
                continue;
            }
            if self.is_in_text {
                at += memchr2(b'"', b'\\', &bytes[at..])?;
                (self.is_in_text, self.is_escaped) = (bytes[at] == b'\\', bytes[at] == b'\\');
                at += 1;
                continue;
            }
            // A quote is by far the most frequent of what matters.
            let quote = memchr3(b'"', b'}', b']', &bytes[at..]).unwrap_or(bytes.len() - at);
            let opened = bytes[at..at + quote].iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
            self.depth += opened;
            at += quote;
            match bytes.get(at) {
                Some(b'"') => self.is_in_text = true,
                Some(_) if self.depth == 0 => self.is_closed = true,
                Some(byte) => {
                    self.depth -= 1;
                    if self.depth == 0 && *byte == b'}' {
                        return Some(at + 1);
                    }
                }
                None => {}
            }
            at += 1;
        }
        None
    }
}
