//! Server-sent events, byte by byte.
//!
//! Lines are cut on bytes and decoded whole, so a piece may end anywhere: inside a character or between CR and LF.
//! Format: WHATWG HTML, section 9.2. A frame without its closing empty line is dropped, as it says there. Beyond it, an
//! object that stands bare between frames is a frame: so some vendors say amid a stream why they break off.

use crate::Error;
use crate::balance::Balance;

/// The most bytes of one frame, its field names and the line that is still open among them.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One event of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its `event` field.
    pub event: Option<String>,
    /// Its `data` fields, joined by newlines.
    pub data: String,
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub struct Decoder {
    line: Vec<u8>,
    event: Option<String>,
    data: Option<String>,
    /// An object without a field's name before it, as far as it has come.
    bare: Option<(String, Balance)>,
    frame_bytes: usize,
    after_first_line: bool,
    after_carriage_return: bool,
}

impl Decoder {
    /// Takes the next piece and returns the frames that it completes.
    ///
    /// # Errors
    /// When a frame is too large or not UTF-8; the decoder is of no further use then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, Error> {
        let mut frames = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_carriage_return) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            match rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
                Some(end) => {
                    self.extend(&rest[..end])?;
                    self.after_carriage_return = rest[end] == b'\r';
                    frames.extend(self.end_line()?);
                    rest = &rest[end + 1..];
                }
                None => {
                    self.extend(rest)?;
                    break;
                }
            }
        }
        Ok(frames)
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.frame_bytes += bytes.len();
        if self.frame_bytes > MAX_FRAME_BYTES {
            return Err(Error::FrameTooLarge { limit: MAX_FRAME_BYTES });
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<Frame>, Error> {
        let bytes = std::mem::take(&mut self.line);
        let first = !std::mem::replace(&mut self.after_first_line, true);
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).filter(|_| first).unwrap_or(&bytes);
        let line = std::str::from_utf8(bytes).map_err(|_| Error::NotUtf8)?;
        if line.is_empty() {
            self.frame_bytes = 0;
            self.bare = None;
            let event = self.event.take();
            return Ok(self.data.take().map(|data| Frame { event, data }));
        }
        let is_between = self.event.is_none() && self.data.is_none();
        if self.bare.is_some() || (is_between && line.starts_with('{')) {
            return Ok(self.end_bare_line(line));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.event = Some(value.to_owned()),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            // A comment has an empty name; keep-alives must not add up to a frame that is too large.
            "" if self.event.is_none() && self.data.is_none() => self.frame_bytes = 0,
            _ => {}
        }
        Ok(None)
    }

    fn end_bare_line(&mut self, line: &str) -> Option<Frame> {
        let (data, balance) = self.bare.get_or_insert_default();
        data.push_str(line);
        balance.read(line);
        if !balance.is_whole() {
            return None;
        }
        self.frame_bytes = 0;
        self.bare.take().map(|(data, _)| Frame { event: None, data })
    }
}

#[cfg(test)]
mod tests;
