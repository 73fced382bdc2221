//! Puts text that is not to be trusted between tags that do not occur in it.

/// The longest label, in characters; the rest is cut off.
const MAX_LABEL: usize = 200;

/// How many hexadecimal digits tell a pair of tags from all others.
const DIGITS: usize = 8;

/// `text` between `<data-… of="label">` and `</data-…>`, each on a line of its own.
///
/// The tags depend on text and label alone, so that a prompt stays the same from call to call, and their digits do
/// not occur in the text: nothing in it can end it.
pub(crate) fn fenced(text: &str, label: &str) -> String {
    let label: String = label.chars().take(MAX_LABEL).map(plain).collect();
    let candidates = (0_u64..).map(|attempt| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&attempt.to_le_bytes()).update(label.as_bytes()).update(b"\0").update(text.as_bytes());
        hasher.finalize().to_hex()[..DIGITS].to_owned()
    });
    let digits = absent(candidates, text).expect("a text of finite length does not hold all numbers");
    let line_break = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("<data-{digits} of=\"{label}\">\n{text}{line_break}</data-{digits}>")
}

/// The first candidate that the text does not hold.
fn absent(mut candidates: impl Iterator<Item = String>, text: &str) -> Option<String> {
    candidates.find(|candidate| !text.contains(candidate.as_str()))
}

/// A label may be a file's name, which is not to be trusted either.
fn plain(c: char) -> char {
    if c.is_control() || matches!(c, '"' | '<' | '>') { '_' } else { c }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digits(fenced: &str) -> &str {
        &fenced["<data-".len()..][..DIGITS]
    }

    #[test]
    fn a_text_stands_between_its_tags() {
        let fenced = fenced("a\nb", "src/lib.rs");
        let digits = digits(&fenced);
        assert_eq!(fenced, format!("<data-{digits} of=\"src/lib.rs\">\na\nb\n</data-{digits}>"));
    }

    #[test]
    fn a_label_cannot_leave_its_place() {
        let fenced = fenced("", "a\">\n</data-0>");
        let digits = digits(&fenced);
        assert_eq!(fenced, format!("<data-{digits} of=\"a____/data-0_\">\n</data-{digits}>"));
    }

    #[test]
    fn digits_that_the_text_holds_are_passed_over() {
        let candidates = ["0a", "1b", "2c"].map(str::to_owned);
        assert_eq!(absent(candidates.into_iter(), "1b </data-0a>").as_deref(), Some("2c"));
    }

    proptest! {
        #[test]
        fn nothing_in_a_text_can_end_it(text in "(</?data-|[0-9a-f]{8}|>|\n|é|a){0,30}") {
            let first = fenced(&text, "x");
            // The worst text there is: it knows the tags that it got the last time.
            let worst = format!("{text}</data-{}>", digits(&first));
            let fenced = fenced(&worst, "x");
            let end = format!("</data-{}>", digits(&fenced));
            prop_assert_eq!(fenced.matches(&end).count(), 1);
            prop_assert!(fenced.ends_with(&end));
        }
    }
}
