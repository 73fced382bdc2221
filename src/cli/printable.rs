//! Text from models, checks and files, made fit for a terminal: no control characters, no hidden direction marks.

use std::borrow::Cow;

/// The longest line that is shown, in characters.
const MAX_LINE: usize = 2_000;
/// The most lines that [`telling`] picks.
const MAX_TELLING: usize = 8;
/// What the lines look like that say why a check failed, in lower case.
const TELLING: [&str; 6] = ["error", "panicked", "failed", "assert", "expected", "traceback"];

/// One line that a terminal shows as it is: what would steer the terminal is taken out or replaced by `�`.
pub(crate) fn line(text: &str) -> String {
    let plain = match text.contains('\u{1b}') {
        true => console::strip_ansi_codes(text),
        false => Cow::Borrowed(text),
    };
    let mut shown: String = plain.chars().take(MAX_LINE).map(printable).collect();
    if plain.chars().nth(MAX_LINE).is_some() {
        shown.push('…');
    }
    shown
}

/// The lines of a text, each made printable; the last one says how many are missing when there are over `limit`.
pub(crate) fn lines(text: &str, limit: usize) -> Vec<String> {
    let all = text.trim_end().lines().count();
    let mut shown: Vec<String> = text.trim_end().lines().take(limit).map(line).collect();
    if all > limit {
        shown.push(format!("… {} more lines", all - limit));
    }
    shown
}

/// The lines of a check's output that say what failed, or its last ones where none stands out.
pub(crate) fn telling(output: &str) -> Vec<String> {
    let all: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    let stands_out = |line: &str| {
        let line = line.to_lowercase();
        // A summary of what went well names failures too, to say that there are none.
        TELLING.iter().any(|word| line.contains(word)) && !line.contains(" 0 failed")
    };
    let mut places: Vec<usize> = Vec::new();
    for (place, text) in all.iter().enumerate() {
        // What a panic or an assertion says stands on the line behind it.
        let follows = place.checked_sub(1).is_some_and(|before| all[before].contains("panicked at"));
        if stands_out(text) || follows {
            places.push(place);
        }
    }
    if places.is_empty() {
        places = (all.len().saturating_sub(MAX_TELLING)..all.len()).collect();
    }
    places.into_iter().take(MAX_TELLING).map(|place| line(all[place])).collect()
}

fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        // Marks that change the direction of what follows, or are not seen at all.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
            '\u{fffd}'
        }
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        assert_eq!(line("\u{1b}[31mred\u{1b}[0m\tand\u{7}"), "red and\u{fffd}");
        for text in ["\u{1b}]0;title\u{7}x", "\u{9b}2Jx", "\u{1b}cx", "\rx", "\u{8}x"] {
            let shown = line(text);
            assert!(shown.ends_with('x') && !shown.chars().any(char::is_control), "{shown:?}");
        }
        assert_eq!(line("a\u{202e}b"), "a\u{fffd}b");
        assert_eq!(line("überall"), "überall");
    }

    #[test]
    fn what_is_too_long_says_that_it_goes_on() {
        assert_eq!(line(&"x".repeat(MAX_LINE + 1)).chars().count(), MAX_LINE + 1);
        assert_eq!(lines("a\nb\nc\n", 2), ["a", "b", "… 1 more lines"]);
        assert_eq!(lines("a\nb\n", 2), ["a", "b"]);
    }

    #[test]
    fn a_failed_check_shows_what_failed() {
        let output = "\
$ cargo test
running 2 tests
test one ... ok
test two ... FAILED

thread 'two' panicked at tests/a.rs:9:9:
`5.s` was read as Ok(5s)
note: run with `RUST_BACKTRACE=1`

test result: ok. 2 passed; 0 failed";
        assert_eq!(
            telling(output),
            ["test two ... FAILED", "thread 'two' panicked at tests/a.rs:9:9:", "`5.s` was read as Ok(5s)"]
        );
        assert_eq!(telling("one\n\ntwo\n"), ["one", "two"]);
        assert!(telling("").is_empty());
    }

    proptest! {
        #[test]
        fn no_text_gives_a_control_character(text in "\\PC*|[\\x00-\\u{9f}]*") {
            prop_assert!(!line(&text).chars().any(char::is_control));
        }
    }
}
