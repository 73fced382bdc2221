//! Secrets that cannot be printed: whoever needs the text says `expose`, and every other way to it shows `[redacted]`.
//!
//! There is no `Serialize`, so a secret cannot slip into a response, an event or the database by derive.

mod redaction;

use std::fmt;

pub use redaction::Redactor;

const REDACTED: &str = "[redacted]";

/// A key, a token or a password. Compare and send it; never print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What cannot be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is nothing in it but white space.
    #[error("the secret is empty: set the variable or the key that holds it, or remove it")]
    Empty,
}

impl Secret {
    /// Wraps `text` without the white space around it: a key that was read from a file often ends in a newline.
    ///
    /// # Errors
    /// When nothing is left.
    pub fn try_new(text: impl AsRef<str>) -> Result<Self, Error> {
        match text.as_ref().trim() {
            "" => Err(Error::Empty),
            text => Ok(Self(text.to_owned())),
        }
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `text` with every occurrence of this secret blotted out: for words that come from where the secret was sent.
    pub fn redact(&self, text: &str) -> String {
        text.replace(&self.0, REDACTED)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Container {
        _key: Option<Secret>,
    }

    #[test]
    fn no_way_of_printing_shows_it() {
        let secret = Secret::try_new("sk-very-secret").unwrap();
        assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "[redacted] [redacted] [redacted]");
        let container = format!("{:?}", Container { _key: Some(secret) });
        assert!(container.contains(REDACTED) && !container.contains("very"), "{container}");
    }

    #[test]
    fn refuses_an_empty_one_and_trims_the_newline_of_a_file() {
        assert_eq!(Secret::try_new(" \n"), Err(Error::Empty));
        assert_eq!(Secret::try_new("abc\n").unwrap().expose(), "abc");
    }

    #[test]
    fn blots_itself_out_of_foreign_words() {
        let secret = Secret::try_new("sk-1").unwrap();
        assert_eq!(secret.redact("key sk-1 is bad: sk-1"), "key [redacted] is bad: [redacted]");
    }
}
