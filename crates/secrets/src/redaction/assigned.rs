//! Assignments outside of JSON: `NAME=value`, `name: value`, `name = "value"`, in any text and on any line.

use super::names::{Says, says};
use crate::REDACTED;

/// The longest name that is looked at.
const LONGEST_NAME: usize = 128;

/// The most bytes of a line before a name that begins it.
const LONGEST_INDENT: usize = 128;

/// The text without the values of telling names.
pub(super) fn blot(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut at, mut copied) = (0, 0);
    while let Some(found) = text[at..].find([':', '=']) {
        let sign = at + found;
        at = sign + 1;
        let Some(name) = name_before(text, sign) else { continue };
        if !may_go(name.says, text, sign) {
            continue;
        }
        let (begin, end) = value_after(text, sign, name.extent);
        if begin == end || begin < copied || !goes(name.says, text, sign, begin, end) {
            continue;
        }
        out.push_str(&text[copied..begin]);
        out.push_str(REDACTED);
        (at, copied) = (end, end);
    }
    out.push_str(&text[copied..]);
    out
}

struct Name {
    says: Says,
    extent: Extent,
}

/// How far a value without quotes goes.
#[derive(Clone, Copy, PartialEq)]
enum Extent {
    /// To the next space.
    Word,
    /// To where a line of settings ends.
    Line,
    /// To where a header ends: schemes, spaces and all pairs among it.
    Header,
}

/// Headers whose whole value is a secret, whatever scheme it begins with.
const HEADERS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// The name that stands before a sign, in quotes or without.
fn name_before(text: &str, sign: usize) -> Option<Name> {
    let before = text[..sign].trim_end_matches([' ', '\t']);
    let before = before.trim_end_matches(['"', '\'', '\\', '`']);
    let is_part = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    let floor = before.floor_char_boundary(before.len().saturating_sub(LONGEST_NAME));
    let within = &before[floor..];
    let name = &within[within.trim_end_matches(is_part).len()..];
    let says = says(name);
    if name.is_empty() || says == Says::Nothing {
        return None;
    }
    let line = &before[..before.len() - name.len()];
    let near = &line[line.floor_char_boundary(line.len().saturating_sub(LONGEST_INDENT))..];
    let newline = near.rfind('\n');
    let is_near = newline.is_some() || near.len() == line.len();
    let indent = near[newline.map_or(0, |newline| newline + 1)..].trim();
    let begins_line = is_near && matches!(indent, "" | "-" | "export" | "set" | "+");
    let extent = if HEADERS.iter().any(|header| name.eq_ignore_ascii_case(header)) {
        Extent::Header
    } else if begins_line {
        Extent::Line
    } else {
        Extent::Word
    };
    Some(Name { says, extent })
}

/// Where its value begins and ends.
fn value_after(text: &str, sign: usize, extent: Extent) -> (usize, usize) {
    let rest = &text[sign + 1..];
    let rest = rest.strip_prefix('>').unwrap_or(rest).trim_start_matches([' ', '\t']);
    let slashes = rest.bytes().take_while(|byte| *byte == b'\\').count();
    let quote = rest[slashes..].chars().next().filter(|c| "\"'`".contains(*c));
    let begin = text.len() - rest.len();
    let Some(quote) = quote else {
        let ends = |c: char| match extent {
            Extent::Header => "\r\n\"'`".contains(c),
            Extent::Line => "\r\n&;\"'<>,)}]".contains(c),
            Extent::Word => "\r\n&;\"'<>,)}]".contains(c) || c.is_whitespace(),
        };
        // What is blotted out already has brackets.
        let from = if rest.starts_with(REDACTED) { REDACTED.len() } else { 0 };
        let length = from + rest[from..].find(ends).unwrap_or(rest.len() - from);
        return (begin, begin + rest[..length].trim_end().len());
    };
    let inner = begin + slashes + 1;
    let mut end = inner;
    while let Some(found) = text[end..].find(quote) {
        end += found;
        let before = text[inner..end].bytes().rev().take_while(|byte| *byte == b'\\').count();
        if before <= slashes {
            return (inner, end - before);
        }
        end += 1;
    }
    (inner, text.len())
}

/// Whether a value after this sign can go at all; asked first, so that no sign looks for the end of what stays.
fn may_go(says: Says, text: &str, sign: usize) -> bool {
    if says != Says::Perhaps {
        return true;
    }
    let rest = &text[sign + 1..];
    let is_parameter = text.as_bytes()[sign] == b'=' && !rest.starts_with([' ', '\t', '>']);
    let rest = rest.strip_prefix('>').unwrap_or(rest).trim_start_matches([' ', '\t']);
    is_parameter || rest.trim_start_matches('\\').starts_with(['"', '\'', '`'])
}

fn goes(says: Says, text: &str, sign: usize, begin: usize, end: usize) -> bool {
    let value = &text[begin..end];
    match says {
        Says::Nothing => false,
        Says::Secret => value != REDACTED,
        // A parameter of a query, or a text in quotes: code has both of neither.
        Says::Perhaps => {
            let is_parameter = text.as_bytes()[sign] == b'=' && begin == sign + 1;
            let is_quoted = text[..begin].ends_with(['"', '\'', '`']);
            value != REDACTED && (is_parameter || is_quoted)
        }
        Says::Tokens => !value.chars().all(|c| c.is_ascii_digit() || "._ {[".contains(c)),
    }
}
