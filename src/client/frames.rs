//! Cuts the server's own stream of events into frames: lines of `field: value`, an empty line after each frame.
//!
//! Only what the server writes is read: a frame's data is one line of JSON. `crates/wire` reads what vendors write,
//! and its frames are smaller than an event may be.

use std::collections::VecDeque;

use super::Error;

/// The most bytes of one line: an event and what stands around it.
const MAX_LINE_BYTES: usize = workflow::MAX_EVENT_BYTES + 64 * 1024;

/// One event of the stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) event: String,
    pub(super) data: String,
}

#[derive(Debug, Default)]
pub(super) struct Frames {
    line: Vec<u8>,
    open: Frame,
    ready: VecDeque<Frame>,
}

impl Frames {
    /// Takes the next piece, wherever it was cut.
    ///
    /// # Errors
    /// When a line is too long or no text.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.len() > MAX_LINE_BYTES {
                return Err(Error::TooLarge { what: "an event".to_owned(), most: MAX_LINE_BYTES });
            }
            if self.line.pop_if(|last| *last == b'\n').is_some() {
                let line = std::mem::take(&mut self.line);
                let malformed = |error: std::string::FromUtf8Error| Error::Malformed {
                    what: "an event".to_owned(),
                    detail: error.to_string(),
                };
                self.end_line(&String::from_utf8(line).map_err(malformed)?);
            }
        }
        Ok(())
    }

    /// The oldest whole frame.
    pub(super) fn next(&mut self) -> Option<Frame> {
        self.ready.pop_front()
    }

    fn end_line(&mut self, line: &str) {
        if line.is_empty() {
            let frame = std::mem::take(&mut self.open);
            // A comment, or the number alone.
            if !frame.data.is_empty() {
                self.ready.push_back(frame);
            }
            return;
        }
        match line.split_once(": ") {
            Some(("event", value)) => value.clone_into(&mut self.open.event),
            Some(("data", value)) => value.clone_into(&mut self.open.data),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "id: 1\nevent: event\ndata: {\"ä\":1}\n\n: still here\n\nevent: end\ndata: {}\n\n";

    fn frame(event: &str, data: &str) -> Frame {
        Frame { event: event.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn a_frame_is_whole_wherever_it_was_cut() {
        for cut in 0..STREAM.len() {
            let mut frames = Frames::default();
            frames.push(&STREAM.as_bytes()[..cut]).unwrap();
            frames.push(&STREAM.as_bytes()[cut..]).unwrap();
            assert_eq!(frames.next(), Some(frame("event", "{\"ä\":1}")), "cut at {cut}");
            assert_eq!(frames.next(), Some(frame("end", "{}")), "cut at {cut}");
            assert_eq!(frames.next(), None);
        }
    }

    #[test]
    fn refuses_a_line_without_an_end() {
        let mut frames = Frames::default();
        let piece = vec![b'x'; 1 << 20];
        let refused = (0..8).find_map(|_| frames.push(&piece).err());
        assert!(matches!(refused, Some(Error::TooLarge { .. })));
    }

    #[test]
    fn refuses_what_is_no_text() {
        assert!(matches!(Frames::default().push(b"data: \xff\n"), Err(Error::Malformed { .. })));
    }
}
