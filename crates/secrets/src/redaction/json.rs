//! JSON in any text, whole or cut off: the values of telling names go, and strings are looked into.

use super::names::{Says, says};
use crate::REDACTED;

/// A string as it stands in the text.
struct Literal<'a> {
    /// Between its quotes.
    inner: &'a str,
    /// Where it ends, its quote among it.
    end: usize,
    is_closed: bool,
}

/// Where a line ends.
struct LineEnds(usize);

/// The most bytes of numbers of tokens.
const LARGEST_COUNTS: usize = 1_024;

/// The text with the values of telling names blotted out, and each other string as `redact` leaves it.
pub(super) fn walk(text: &str, redact: &dyn Fn(&str) -> String) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let (mut at, mut copied) = (0, 0);
    while let Some(found) = text[at..].find('"') {
        let start = at + found;
        let literal = match literal(text, start) {
            Ok(literal) => literal,
            Err(LineEnds(there)) => {
                at = there;
                continue;
            }
        };
        out.push_str(&text[copied..start]);
        push_string(&mut out, text, start, &literal, redact);
        (at, copied) = (literal.end, literal.end);
        let colon = after_white(bytes, literal.end);
        if !literal.is_closed || bytes.get(colon) != Some(&b':') {
            continue;
        }
        let value = after_white(bytes, colon + 1);
        let name = unescaped(literal.inner).unwrap_or_else(|| literal.inner.to_owned());
        let says = says(&name);
        if says == Says::Nothing {
            continue;
        }
        // What is looked at goes, or is small: nothing is looked at again and again.
        let end = value_end(text, value);
        let is_count =
            says == Says::Tokens && end - value <= LARGEST_COUNTS && !holds_texts(&text[value..end]);
        if !is_count && end > value {
            out.push_str(&text[copied..value]);
            out.push_str(&format!("\"{REDACTED}\""));
            (at, copied) = (end, end);
        }
    }
    out.push_str(&text[copied..]);
    out
}

fn push_string(
    out: &mut String,
    text: &str,
    start: usize,
    literal: &Literal<'_>,
    redact: &dyn Fn(&str) -> String,
) {
    let decoded = unescaped(literal.inner);
    let decoded = decoded.as_deref().unwrap_or(literal.inner);
    let redacted = redact(decoded);
    if redacted == decoded {
        out.push_str(&text[start..literal.end]);
        return;
    }
    out.push('"');
    push_escaped(out, &redacted);
    if literal.is_closed {
        out.push('"');
    }
}

/// The string that begins at this quote; else where the line ends before it does, for it holds no other one then.
fn literal(text: &str, start: usize) -> Result<Literal<'_>, LineEnds> {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return Ok(Literal { inner: &text[start + 1..at], end: at + 1, is_closed: true }),
            b'\\' if bytes.get(at + 1).is_some_and(|next| *next != b'\n') => at += 2,
            b'\n' | b'\r' => return Err(LineEnds(at)),
            _ => at += 1,
        }
    }
    Ok(Literal { inner: &text[start + 1..], end: text.len(), is_closed: false })
}

/// Where the value ends that begins here; at the text's end when it is cut off.
fn value_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut open) = (start, 0usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = literal(text, at).map_or_else(|LineEnds(there)| there, |literal| literal.end);
                if open == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => open += 1,
            b'}' | b']' if open <= 1 => return at + open,
            b'}' | b']' => open -= 1,
            b',' | b' ' | b'\t' | b'\r' | b'\n' if open == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

fn after_white(bytes: &[u8], from: usize) -> usize {
    let white = bytes.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_whitespace());
    from + white.count()
}

/// Whether a value is a text, or holds one that is no name.
fn holds_texts(value: &str) -> bool {
    let mut at = 0;
    while let Some(found) = value[at..].find('"') {
        let Ok(literal) = literal(value, at + found) else { return true };
        if value.as_bytes().get(after_white(value.as_bytes(), literal.end)) != Some(&b':') {
            return true;
        }
        at = literal.end;
    }
    false
}

/// What a string of JSON says; none where it is no such string.
fn unescaped(inner: &str) -> Option<String> {
    if !inner.contains('\\') {
        return Some(inner.to_owned());
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => unicode(&mut chars)?,
            other @ ('"' | '\\' | '/') => other,
            _ => return None,
        });
    }
    Some(out)
}

fn unicode(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let unit = |chars: &mut std::str::Chars<'_>| {
        let digits: String = chars.by_ref().take(4).collect();
        u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4)
    };
    let high = unit(chars)?;
    if !(0xd800..0xdc00).contains(&high) {
        return char::from_u32(high);
    }
    let (Some('\\'), Some('u')) = (chars.next(), chars.next()) else { return None };
    let low = unit(chars).filter(|low| (0xdc00..0xe000).contains(low))?;
    char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
}

fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}
