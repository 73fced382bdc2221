//! An answer on its way to its client, made one that is kept here: it has a name of ours, and says what it goes on from.
//!
//! Whoever answered was asked to keep nothing, and says so; the few places that tell are changed, and no other byte is.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::Error;
use crate::hot::Fields;
use crate::patch::Patch;
use crate::watch::framing::Framing;

/// The most bytes of one event.
const MAX_EVENT_BYTES: usize = 32 * 1024 * 1024;
/// The events that hold the answer.
const HOLDERS: [&str; 7] = [
    "response.created",
    "response.queued",
    "response.in_progress",
    "response.completed",
    "response.incomplete",
    "response.failed",
    "response.cancelled",
];

/// What an answer says of being kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// What it is called here; `None` where it is not kept.
    pub id: Option<String>,
    /// The answer that it goes on from.
    pub previous: Option<String>,
}

/// A part of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Goes on.
    Bytes(Vec<u8>),
    /// Goes on when the answer is kept.
    Last {
        /// The event that ends the answer.
        event: Vec<u8>,
        /// The answer in it.
        answer: String,
        /// The event's own number.
        sequence: u64,
    },
}

/// An answer that comes whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The answer.
    pub answer: String,
    /// Whether it is worth being kept: one that failed is not.
    pub is_answer: bool,
}

/// Marks a stream.
#[derive(Debug)]
pub struct Marking {
    mark: Mark,
    framing: Framing,
    open: Vec<u8>,
}

#[derive(Deserialize)]
struct Holder<'a> {
    #[serde(borrow)]
    r#type: std::borrow::Cow<'a, str>,
    #[serde(default)]
    sequence_number: u64,
    #[serde(rename = "response")]
    _response: IgnoredAny,
}

impl Mark {
    /// The fields of an answer that tell it, as JSON.
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("store", json!(self.id.is_some()).to_string()),
            ("previous_response_id", json!(self.previous).to_string()),
        ];
        fields.extend(self.id.as_deref().map(|id| ("id", json!(id).to_string())));
        fields
    }

    /// Marks an answer that comes whole; nothing where it is no object.
    pub fn whole(&self, answer: &[u8]) -> Option<Marked> {
        let answer = std::str::from_utf8(answer).ok()?;
        let read: Value = serde_json::from_str(answer).ok()?;
        let status = read.as_object()?.get("status").and_then(Value::as_str);
        let is_answer = matches!(status, None | Some("completed" | "incomplete"));
        let fields = Fields::at(answer, &(0..answer.len())).ok()?;
        let mut patch = Patch::new(answer.as_bytes(), &fields).ok()?;
        for (name, value) in self.fields() {
            patch.set(name, value);
        }
        let answer = patch.apply().and_then(|answer| String::from_utf8(answer).ok())?;
        Some(Marked { answer, is_answer })
    }
}

impl Marking {
    /// Marks a stream from its beginning.
    pub fn new(mark: Mark) -> Self {
        Self { mark, framing: Framing::default(), open: Vec::new() }
    }

    /// Takes the next bytes, and appends the events that they complete.
    ///
    /// # Errors
    /// When an event is too large.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Piece>) -> Result<(), Error> {
        let mut rest = bytes;
        while let Some(length) = self.framing.next(rest) {
            self.open.extend_from_slice(&rest[..length]);
            rest = &rest[length..];
            let event = std::mem::take(&mut self.open);
            out.push(self.event(event));
        }
        if self.open.len() + rest.len() > MAX_EVENT_BYTES {
            return Err(Error::FrameTooLarge { limit: MAX_EVENT_BYTES });
        }
        self.open.extend_from_slice(rest);
        Ok(())
    }

    /// What came after the last whole event.
    pub fn finish(mut self, out: &mut Vec<Piece>) {
        let open = std::mem::take(&mut self.open);
        if open.is_empty() {
            return;
        }
        out.push(if self.framing.is_at_end() { self.event(open) } else { Piece::Bytes(open) });
    }

    fn event(&self, event: Vec<u8>) -> Piece {
        self.marked(&event).unwrap_or(Piece::Bytes(event))
    }

    /// The event with its answer marked; nothing where it holds none.
    fn marked(&self, event: &[u8]) -> Option<Piece> {
        if !HOLDERS.iter().any(|kind| memchr::memmem::find(event, kind.as_bytes()).is_some()) {
            return None;
        }
        let event = std::str::from_utf8(event).ok()?;
        let data: Vec<&str> = event.lines().filter_map(data_of).collect();
        let data = data.join("\n");
        let holder: Holder<'_> = serde_json::from_str(&data).ok()?;
        if !HOLDERS.contains(&&*holder.r#type) {
            return None;
        }
        let fields = Fields::at(&data, &(0..data.len())).ok()?;
        let mut patch = Patch::new(data.as_bytes(), &fields).ok()?;
        for (name, value) in self.mark.fields() {
            patch.set_within("response", name, &value).ok()?;
        }
        let marked = String::from_utf8(patch.apply()?).ok()?;
        let place = Fields::at(&marked, &(0..marked.len())).ok()?.get("response")?.value.clone();
        let changed = with_data(event, &marked);
        let is_last = matches!(&*holder.r#type, "response.completed" | "response.incomplete");
        Some(if is_last && self.mark.id.is_some() {
            let answer = marked[place].to_owned();
            Piece::Last { event: changed, answer, sequence: holder.sequence_number }
        } else {
            Piece::Bytes(changed)
        })
    }
}

fn data_of(line: &str) -> Option<&str> {
    let data = line.strip_prefix("data:")?;
    Some(data.strip_prefix(' ').unwrap_or(data))
}

/// The event with other data.
fn with_data(event: &str, data: &str) -> Vec<u8> {
    let mut changed = String::with_capacity(event.len() + 128);
    let mut data = Some(data);
    for line in event.split_inclusive('\n') {
        if data_of(line).is_none() {
            changed.push_str(line);
            continue;
        }
        let end = if line.ends_with("\r\n") { "\r\n" } else { "\n" };
        for line in data.take().into_iter().flat_map(str::lines) {
            changed.push_str("data: ");
            changed.push_str(line);
            changed.push_str(end);
        }
    }
    changed.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = concat!(
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":",
        "{\"id\":\"v\",\"zeta\":[1 , 2],\"previous_response_id\":null,\"store\":false}}\n\n",
        ": silence\n\n",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"response.completed\"}\n\n",
        "data: {\"response\":{\"status\":\"completed\",\"id\":\"v\",\"output\":[]},\r\ndata: \"sequence_number\":2,",
        "\"type\":\"response.completed\"}\r\n\r\n",
    );

    fn mark() -> Mark {
        Mark { id: Some("resp_ours".to_owned()), previous: Some("resp_0".to_owned()) }
    }

    fn marked(pieces: &[&[u8]], mark: Mark) -> (String, Vec<(String, u64)>) {
        let (mut marking, mut out) = (Marking::new(mark), Vec::new());
        pieces.iter().for_each(|piece| marking.push(piece, &mut out).unwrap());
        marking.finish(&mut out);
        let (mut text, mut answers) = (Vec::new(), Vec::new());
        for piece in out {
            match piece {
                Piece::Bytes(bytes) => text.extend(bytes),
                Piece::Last { event, answer, sequence } => {
                    text.extend(event);
                    answers.push((answer, sequence));
                }
            }
        }
        (String::from_utf8(text).unwrap(), answers)
    }

    #[test]
    fn the_answers_places_are_changed_and_no_other_byte() {
        let (text, answers) = marked(&[STREAM.as_bytes()], mark());
        let begun = r#"{"id":"resp_ours","zeta":[1 , 2],"previous_response_id":"resp_0","store":true}"#;
        let ended = r#"{"status":"completed","id":"resp_ours","output":[],"store":true,"previous_response_id":"resp_0"}"#;
        let old = [
            r#"{"id":"v","zeta":[1 , 2],"previous_response_id":null,"store":false}"#,
            r#"{"status":"completed","id":"v","output":[]}"#,
        ];
        assert_eq!(text, STREAM.replace(old[0], begun).replace(old[1], ended));
        assert_eq!(answers, [(ended.to_owned(), 2)]);
        let (text, answers) = marked(&[STREAM.as_bytes()], Mark { id: None, previous: None });
        assert!(text.contains("\"id\":\"v\"") && answers.is_empty(), "{text}");
    }

    #[test]
    fn an_answer_that_comes_whole_is_marked_and_one_that_failed_is_no_answer() {
        let whole = mark().whole(br#"{"id":"v","status":"completed","store":false}"#).unwrap();
        assert!(whole.is_answer);
        let expected =
            r#"{"id":"resp_ours","status":"completed","store":true,"previous_response_id":"resp_0"}"#;
        assert_eq!(whole.answer, expected);
        assert!(!mark().whole(br#"{"id":"v","status":"failed"}"#).unwrap().is_answer);
        assert_eq!(mark().whole(b"[]"), None);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(cuts in proptest::collection::vec(0..STREAM.len(), 0..6)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &STREAM.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(marked(&pieces, mark()), marked(&[STREAM.as_bytes()], mark()));
        }
    }
}
