//! What a SEARCH that is not in the file may have meant.

use std::collections::HashMap;

use similar::{ChangeTag, TextDiff, get_close_matches};

use crate::Nearest;

/// Above this many comparisons of lines no hint is looked for.
const MAX_COMPARISONS: usize = 4_000_000;
/// How many lines of the file are compared letter by letter.
const MAX_CLOSE_LINES: usize = 5_000;
/// The longest line that is compared letter by letter, in bytes.
const MAX_CLOSE_BYTES: usize = 200;
/// The likeness (0 to 1) from which a line counts as meant.
const CLOSE: f32 = 0.6;
/// The longest diff, in lines.
const SHOWN_LINES: usize = 30;
/// The longest line of a diff, in characters.
const SHOWN_CHARS: usize = 160;

/// The window of `lines` that is most like `search`: with the most lines alike but for white space around them, or
/// else around the line that is closest to the first one searched for.
pub(crate) fn nearest(lines: &[&str], search: &[String]) -> Option<Nearest> {
    let comparisons = lines.len().saturating_mul(search.len());
    if comparisons == 0 || comparisons > MAX_COMPARISONS {
        return None;
    }
    let start = most_alike(lines, search).or_else(|| closest(lines, search))?;
    let end = (start + search.len()).min(lines.len());
    Some(Nearest { line: start + 1, diff: diff(search, &lines[start..end]) })
}

fn most_alike(lines: &[&str], search: &[String]) -> Option<usize> {
    let mut numbers = HashMap::new();
    let mut number = |line: &str| {
        let next = numbers.len();
        (!line.trim().is_empty()).then(|| *numbers.entry(line.trim().to_owned()).or_insert(next))
    };
    let wanted: Vec<Option<usize>> = search.iter().map(|line| number(line)).collect();
    let found: Vec<Option<usize>> = lines.iter().map(|line| number(line)).collect();
    let alike = |start: usize| {
        let pairs = wanted.iter().zip(&found[start..]);
        pairs.filter(|(wanted, found)| wanted.is_some() && wanted == found).count()
    };
    let scored = (0..lines.len()).map(|start| (alike(start), start));
    let (score, start) = scored.max_by_key(|&(score, start)| (score, std::cmp::Reverse(start)))?;
    (score > 0).then_some(start)
}

fn closest(lines: &[&str], search: &[String]) -> Option<usize> {
    let (offset, wanted) = search.iter().enumerate().find(|(_, line)| !line.trim().is_empty())?;
    if wanted.len() > MAX_CLOSE_BYTES {
        return None;
    }
    let short = lines
        .iter()
        .take(MAX_CLOSE_LINES)
        .map(|line| line.trim())
        .filter(|line| line.len() <= MAX_CLOSE_BYTES);
    let short: Vec<&str> = short.collect();
    let meant = *get_close_matches(wanted.trim(), &short, 1, CLOSE).first()?;
    let place = lines.iter().position(|line| line.trim() == meant)?;
    Some(place.saturating_sub(offset))
}

fn diff(search: &[String], lines: &[&str]) -> String {
    let search: Vec<&str> = search.iter().map(String::as_str).collect();
    let diff = TextDiff::from_slices(&search, lines);
    let mut text: Vec<String> = Vec::new();
    for change in diff.iter_all_changes() {
        if text.len() == SHOWN_LINES {
            text.push("…".to_owned());
            break;
        }
        let sign = match change.tag() {
            ChangeTag::Equal => ' ',
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        let line: String = change.value().chars().take(SHOWN_CHARS).collect();
        text.push(format!("{sign}{line}"));
    }
    text.join("\n")
}
