//! Texts in a model's answer, and the text that tells it what to mend.

use std::fmt;

/// How many defects [`write_defects`] spells out.
pub const SHOWN_DEFECTS: usize = 40;

/// The most that [`brief`] keeps, in characters.
const BRIEF: usize = 300;

/// Why a text cannot stay as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    /// Nothing but white space.
    #[error("is empty; write one")]
    Blank,
    /// Over its limit.
    #[error("has {bytes} bytes; write at most {limit}")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The most it may have.
        limit: usize,
    },
}

/// Checks that a text has words and at most `limit` bytes.
///
/// # Errors
/// When it has none, or more.
pub fn check_text(text: &str, limit: usize) -> Result<(), BadText> {
    if text.trim().is_empty() {
        return Err(BadText::Blank);
    }
    if text.len() > limit {
        return Err(BadText::TooLong { bytes: text.len(), limit });
    }
    Ok(())
}

/// What a parser says about a part of an answer, cut where it repeats too much of it.
pub fn brief(error: &serde_json::Error) -> String {
    let mut text: String = error.to_string().chars().take(BRIEF + 1).collect();
    if let Some((cut, _)) = text.char_indices().nth(BRIEF) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// Writes a heading and a list of defects under it, at most [`SHOWN_DEFECTS`] of them.
///
/// # Errors
/// When `f` cannot be written to.
pub fn write_defects<D: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    heading: &str,
    defects: &[D],
) -> fmt::Result {
    write!(f, "{heading}:")?;
    for defect in defects.iter().take(SHOWN_DEFECTS) {
        write!(f, "\n- {defect}")?;
    }
    match defects.len().saturating_sub(SHOWN_DEFECTS) {
        0 => Ok(()),
        more => write!(f, "\n- and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_words_and_an_end() {
        assert_eq!(check_text("é", 2), Ok(()));
        assert_eq!(check_text("é", 1), Err(BadText::TooLong { bytes: 2, limit: 1 }));
        assert_eq!(check_text(" \n", 1), Err(BadText::Blank));
    }

    #[test]
    fn what_a_parser_repeats_is_cut() {
        let long = serde_json::Value::String("é".repeat(5_000));
        let error = serde_json::from_value::<u8>(long).unwrap_err();
        assert_eq!(brief(&error).chars().count(), BRIEF + 1);
        let short = serde_json::from_value::<u8>(serde_json::Value::Null).unwrap_err();
        assert_eq!(brief(&short), short.to_string());
    }
}
