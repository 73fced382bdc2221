//! Words that say something else once they are decoded: base64, hexadecimal, percent signs.

use crate::REDACTED;

/// What is shorter holds no secret worth the look.
const SHORTEST: usize = 16;

/// The text without the words that, decoded, hold a secret.
pub(super) fn blot(text: &str, is_secret: &dyn Fn(&str) -> bool) -> String {
    let text = each_word(text, is_of_a_url, &|word| {
        word.contains('%') && percent_decoded(word).is_some_and(|plain| is_secret(&plain))
    });
    // A path has slashes too: as a whole first, then piece by piece.
    let is_coded = |word: &str| {
        let decoded = [base64_decoded(word), hex_decoded(word)];
        word.len() >= SHORTEST && decoded.into_iter().flatten().any(|plain| is_secret(&plain))
    };
    let text = each_word(&text, |c| c.is_ascii_alphanumeric() || "+/-_".contains(c), &is_coded);
    each_word(&text, |c| c.is_ascii_alphanumeric() || "+-_".contains(c), &is_coded)
}

fn each_word(text: &str, is_part: impl Fn(char) -> bool, goes: &dyn Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(&is_part) {
        let (before, from) = rest.split_at(begin);
        let (word, after) = from.split_at(from.find(|c| !is_part(c)).unwrap_or(from.len()));
        out.push_str(before);
        out.push_str(if goes(word) { REDACTED } else { word });
        rest = after;
    }
    out + rest
}

fn is_of_a_url(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !"\"'`<>&,;(){}[]\\|".contains(c)
}

fn percent_decoded(word: &str) -> Option<String> {
    let (mut out, mut bytes) = (Vec::with_capacity(word.len()), word.bytes());
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let (high, low) = (hex_digit(bytes.next()?)?, hex_digit(bytes.next()?)?);
                out.push(high << 4 | low);
            }
            b'+' => out.push(b' '),
            byte => out.push(byte),
        }
    }
    readable(out)
}

/// Either alphabet, without its padding; what is cut off says what it says so far.
fn base64_decoded(word: &str) -> Option<String> {
    let (mut out, mut bits, mut count) = (Vec::with_capacity(word.len()), 0u32, 0u32);
    for byte in word.bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(digit)) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).expect("it is masked"));
        }
    }
    readable(out)
}

fn hex_decoded(word: &str) -> Option<String> {
    let digits: Option<Vec<u8>> = word.bytes().map(hex_digit).collect();
    let pairs = digits.filter(|digits| digits.len() % 2 == 0)?;
    readable(pairs.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn hex_digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

/// Bytes that are text for people.
fn readable(bytes: Vec<u8>) -> Option<String> {
    let mut text = String::from_utf8(bytes)
        .or_else(|error| {
            // The last character may be cut through.
            let valid = error.utf8_error();
            let mut bytes = error.into_bytes();
            if valid.error_len().is_some() {
                return Err(());
            }
            bytes.truncate(valid.valid_up_to());
            String::from_utf8(bytes).map_err(|_| ())
        })
        .ok()?;
    text.truncate(text.trim_end_matches('\0').len());
    (!text.contains(|c: char| c.is_control() && !c.is_ascii_whitespace())).then_some(text)
}
