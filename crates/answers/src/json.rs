//! Finds the one JSON object of an answer: bare, or in its first `json` fence.

use serde_json::Value;

/// The longest answer that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Why an answer holds no JSON that can be read; each text tells a model what to send instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The answer is over [`MAX_BYTES`].
    #[error("the answer has {bytes} bytes; send at most {MAX_BYTES}")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Neither a bare object nor a fence.
    #[error("the answer holds no JSON; send one JSON object, alone or between ```json and ```")]
    Absent,
    /// The fence was opened and not closed, mostly because the answer was cut off.
    #[error("the ```json block is not closed; send it whole, shorter if the answer was cut off")]
    Unclosed,
    /// There is JSON, but a broken one.
    #[error("the JSON is broken at its line {line}, column {column}: {message}; send it whole and valid")]
    Broken {
        /// The line within the JSON, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What the parser says.
        message: String,
    },
}

/// Reads the JSON of `answer`: the whole answer when it starts with `{`, else its first ```` ```json ```` block.
///
/// # Errors
/// When the answer is too long, has no JSON, or one that is cut off or broken (also: nested over 128 levels).
pub fn json(answer: &str) -> Result<Value, Error> {
    if answer.len() > MAX_BYTES {
        return Err(Error::TooLong { bytes: answer.len() });
    }
    let bare = answer.trim();
    let text = if bare.starts_with('{') { bare } else { fenced(answer)? };
    serde_json::from_str(text).map_err(|error| {
        let full = error.to_string();
        let message = full.split(" at line ").next().unwrap_or(&full).to_owned();
        Error::Broken { line: error.line(), column: error.column(), message }
    })
}

/// A line of ``` cannot stand inside the block: JSON has no raw line breaks in its strings.
fn fenced(answer: &str) -> Result<&str, Error> {
    let mut start = None;
    let mut at = 0;
    for line in answer.split_inclusive('\n') {
        let end = at + line.len();
        match start {
            None if line.trim().eq_ignore_ascii_case("```json") => start = Some(end),
            Some(start) if line.trim() == "```" => return Ok(&answer[start..at]),
            None | Some(_) => {}
        }
        at = end;
    }
    Err(if start.is_some() { Error::Unclosed } else { Error::Absent })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json as literal;

    use super::*;

    #[test]
    fn reads_a_bare_object_and_a_fenced_one() {
        assert_eq!(json(" \n{\"a\": 1}\n"), Ok(literal!({"a": 1})));
        assert_eq!(json("Sure:\n```json\n{\"a\": 1}\n```\nDone."), Ok(literal!({"a": 1})));
        assert_eq!(json("Sure:\r\n  ```JSON\r\n  {\"a\":\r\n 1}\r\n  ```\r\n"), Ok(literal!({"a": 1})));
    }

    #[test]
    fn the_first_json_fence_counts_and_other_fences_do_not() {
        let answer = "```rust\nlet a = {};\n```\n```json\n{\"a\": \"```\"}\n```\n```json\n{\"b\": 2}\n```";
        assert_eq!(json(answer), Ok(literal!({"a": "```"})));
    }

    #[test]
    fn says_what_is_wrong_with_the_rest() {
        assert_eq!(json("I cannot do that."), Err(Error::Absent));
        assert_eq!(json(""), Err(Error::Absent));
        assert_eq!(json("```json\n{\"a\": 1}"), Err(Error::Unclosed));
        assert_eq!(json(&" ".repeat(MAX_BYTES + 1)), Err(Error::TooLong { bytes: MAX_BYTES + 1 }));
        let broken = json("```json\n{\n  \"a\": 1,\n}\n```").unwrap_err();
        assert!(matches!(&broken, Error::Broken { line: 3, column: 1, .. }), "{broken}");
        assert!(matches!(json("{\"a\": 1} and more"), Err(Error::Broken { line: 1, .. })));
    }

    #[test]
    fn a_tower_of_brackets_is_refused() {
        let tower = format!("{{\"a\": {}", "[".repeat(100_000));
        assert!(matches!(json(&tower), Err(Error::Broken { .. })));
    }

    proptest! {
        #[test]
        fn never_panics(answer in "(`{1,3}|json|\n|\\{|\\}|\"|a|é| ){0,40}") {
            let _ = json(&answer);
        }

        #[test]
        fn whatever_stands_in_a_fence_is_found(text in ".{0,60}", before in "[^`{]{0,40}") {
            let value = literal!({ "text": text });
            let answer = format!("{before}\n```json\n{value}\n```\n");
            prop_assert_eq!(json(&answer), Ok(value));
        }
    }
}
