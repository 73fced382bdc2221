//! Takes out of foreign words what looks like a secret: for bodies that a person wants to look at afterwards.
//!
//! It reads JSON, also where it is cut off, written into a string, or between other text such as the lines of an event
//! stream; assignments; the shapes of known keys; and the same in base64, in hexadecimal and with percent signs. It knows
//! no grammar of a whole, and rather takes out too much. What is told in prose, or spelled out over several strings, it
//! cannot know.

mod assigned;
mod coded;
mod json;
mod names;
mod shapes;
#[cfg(test)]
mod tests;

use crate::{REDACTED, Secret};

/// How often one text may be written into another, as JSON in a string of JSON is.
const MAX_DEPTH: usize = 5;
/// What is shorter is found in ordinary words.
const SHORTEST_KNOWN: usize = 6;
/// The most bytes at a cut that may be a part of something.
const LONGEST_CUT_WORD: usize = 4_096;

/// Takes secrets out of texts. Knows some by heart.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    known: Vec<Secret>,
}

impl Redactor {
    /// One that also knows these; those of less than six bytes would be found everywhere, and are not looked for.
    pub fn new(known: impl IntoIterator<Item = Secret>) -> Self {
        let mut known: Vec<Secret> =
            known.into_iter().filter(|secret| secret.expose().len() >= SHORTEST_KNOWN).collect();
        // One that is a part of another must not leave the rest of it.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Self { known }
    }

    /// The text without what looks like a secret.
    pub fn redact(&self, text: &str) -> String {
        self.at_depth(text, 0)
    }

    /// As [`Redactor::redact`], for the beginning of a text: its last word may be half a secret, and is left out.
    pub fn redact_cut(&self, text: &str) -> String {
        let is_part = |c: char| c.is_alphanumeric() || "_-.~+/=%\\".contains(c);
        let whole = text.trim_end_matches(is_part);
        let floor = text.floor_char_boundary(text.len().saturating_sub(LONGEST_CUT_WORD));
        self.redact(if whole.len() < floor { &text[..floor] } else { whole })
    }

    fn at_depth(&self, text: &str, depth: usize) -> String {
        if depth > MAX_DEPTH {
            return REDACTED.to_owned();
        }
        let mut text = json::walk(text, &|inner| self.at_depth(inner, depth + 1));
        for secret in &self.known {
            text = secret.redact(&text);
        }
        let text = shapes::blot(&text);
        let text = coded::blot(&text, &|inner| self.at_depth(inner, depth + 1) != inner);
        assigned::blot(&text)
    }
}
