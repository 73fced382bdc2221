//! Puts edits into a text, all or none.

use crate::nearest::nearest;
use crate::{Change, Edit, Failure, Mismatch, Reason};

/// The largest text that is edited, in bytes, before and after.
pub const MAX_FILE_BYTES: usize = 8 * 1024 * 1024;

/// How many blocks of a file get the lines they may have meant looked for.
const MAX_HINTS: usize = 10;

/// How many places of an ambiguous SEARCH are named.
const SHOWN_PLACES: usize = 10;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Applies the edits of one file, each to what the one before left. `None` is a file that is not there.
///
/// SEARCH must be in the text exactly once, as whole lines, alike to the last blank. Only the endings of lines may
/// differ: lines that stay keep theirs, new ones take that of the line in whose place they come. A missing final newline stays
/// missing, a byte order mark stays. A file that is made has `\n` after each line.
///
/// # Errors
/// Names every block that does not fit, with the nearest lines or the places of several. Then nothing is applied.
pub fn apply(text: Option<&str>, edits: &[Edit]) -> Result<Option<String>, Mismatch> {
    let mut text = text.map(str::to_owned);
    let mut failures = Vec::new();
    for edit in edits {
        match apply_one(text.as_deref(), &edit.change) {
            Ok(next) => text = next,
            Err(mut reason) => {
                if failures.len() < MAX_HINTS {
                    explain(&mut reason, text.as_deref(), &edit.change);
                }
                failures.push(Failure { path: edit.path.clone(), line: edit.line, reason });
            }
        }
    }
    if failures.is_empty() { Ok(text) } else { Err(Mismatch { failures }) }
}

fn apply_one(text: Option<&str>, change: &Change) -> Result<Option<String>, Reason> {
    let next = match (text, change) {
        (None, Change::Delete) => return Err(Reason::Absent),
        (Some(_), Change::Delete) => return Ok(None),
        (Some(text), _) if text.len() > MAX_FILE_BYTES => return Err(Reason::TooLarge { bytes: text.len() }),
        (None | Some(""), Change::Replace { search, replace }) if is_blank(search) => {
            replace.iter().flat_map(|line| [line, "\n"]).collect()
        }
        (None, Change::Replace { .. }) => return Err(Reason::Absent),
        (Some(_), Change::Replace { search, .. }) if search.is_empty() => return Err(Reason::Exists),
        (Some(text), Change::Replace { search, replace }) => substitute(text, search, replace)?,
    };
    if next.len() > MAX_FILE_BYTES {
        return Err(Reason::TooLarge { bytes: next.len() });
    }
    Ok(Some(next))
}

/// Says what a SEARCH that was not found may have meant: this costs more than to look for it.
fn explain(reason: &mut Reason, text: Option<&str>, change: &Change) {
    let (Reason::NotFound { already, nearest: meant }, Some(text)) = (reason, text) else { return };
    let Change::Replace { search, replace } = change else { return };
    let contents: Vec<&str> = split(text).1.into_iter().map(|line| line.0).collect();
    if !is_blank(replace) {
        *already = places(&contents, replace).first().map(|at| at + 1);
    }
    *meant = nearest(&contents, search);
}

fn is_blank(lines: &[String]) -> bool {
    lines.iter().all(|line| line.trim().is_empty())
}

/// A line and its ending, which the last one may lack.
type Line<'a> = (&'a str, &'a str);

fn substitute(text: &str, search: &[String], replace: &[String]) -> Result<String, Reason> {
    let (bom, lines) = split(text);
    let contents: Vec<&str> = lines.iter().map(|line| line.0).collect();
    let at = match places(&contents, search).as_slice() {
        [at] => *at,
        [] => return Err(Reason::NotFound { already: None, nearest: None }),
        several => return Err(Reason::Ambiguous { lines: several.iter().map(|at| at + 1).collect() }),
    };
    let (kept_before, kept_after) = kept(search, replace);
    let (from, to) = (at + kept_before, at + search.len() - kept_after);
    let ending = lines[from..].iter().chain(&lines).map(|line| line.1).find(|ending| !ending.is_empty());
    let ending = ending.unwrap_or("\n");

    let mut result: Vec<Line<'_>> = lines[..from].to_vec();
    result
        .extend(replace[kept_before..replace.len() - kept_after].iter().map(|line| (line.as_str(), ending)));
    result.extend(&lines[to..]);
    let last = result.len().saturating_sub(1);
    let ends_bare = lines.last().is_some_and(|line| line.1.is_empty());
    Ok(std::iter::once(bom)
        .chain(result.into_iter().enumerate().flat_map(|(index, (line, own))| {
            let own = if index == last && ends_bare {
                ""
            } else if own.is_empty() {
                ending
            } else {
                own
            };
            [line, own]
        }))
        .collect())
}

/// The byte order mark, if there is one, and the lines after it.
fn split(text: &str) -> (&str, Vec<Line<'_>>) {
    let body = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    (&text[..text.len() - body.len()], body.split_inclusive('\n').map(split_ending).collect())
}

fn split_ending(line: &str) -> Line<'_> {
    let content = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
    line.split_at(content.len())
}

/// How many lines at the start and at the end are alike on both sides: they stay as they are in the file.
fn kept(search: &[String], replace: &[String]) -> (usize, usize) {
    let before = search.iter().zip(replace).take_while(|(old, new)| old == new).count();
    let rest = search[before..].iter().rev().zip(replace[before..].iter().rev());
    (before, rest.take_while(|(old, new)| old == new).count())
}

/// The places of `wanted` in `lines`, overlapping ones too, the first few.
fn places(lines: &[&str], wanted: &[String]) -> Vec<usize> {
    if lines.is_empty() || wanted.len() > lines.len() {
        return Vec::new();
    }
    // Framed by line breaks on both sides, whole lines are found in linear time, however much they repeat.
    let hay = format!("\n{}\n", lines.join("\n"));
    let needle = format!("\n{}\n", wanted.join("\n"));
    let mut places = Vec::new();
    let (mut from, mut line) = (0, 0);
    while let Some(found) = hay[from..].find(&needle) {
        line += hay[from..from + found].matches('\n').count();
        places.push(line);
        if places.len() == SHOWN_PLACES {
            break;
        }
        from += found + 1;
        line += 1;
    }
    places
}
