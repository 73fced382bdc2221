//! Walks a JSON text without building anything: strict as RFC 8259, and every value known by its place.
//!
//! It accepts what `serde_json` accepts into a `Value`, but for the depth, which it bounds by what `serde_json` bounds
//! it for typed reading. Strings are passed over sixteen bytes and more at a time; that is what it is for.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;

use crate::Invalid;

/// The most lists and objects within each other.
pub(crate) const MAX_DEPTH: usize = 127;

/// What is wrong with a text, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) rule: &'static str,
}

impl From<Fault> for Invalid {
    fn from(fault: Fault) -> Self {
        Self::new("body", format!("must be JSON: {} (byte {})", fault.rule, fault.at))
    }
}

/// A place in a JSON text.
#[derive(Clone, Debug)]
pub(crate) struct Scan<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Scan<'a> {
    /// At the text's beginning.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// At the beginning of bytes.
    ///
    /// # Errors
    /// When they are not UTF-8.
    pub(crate) fn of_bytes(bytes: &'a [u8]) -> Result<Self, Fault> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(text)),
            Err(error) => Err(Fault { at: error.valid_up_to(), rule: "it is not UTF-8" }),
        }
    }

    /// At a place of a text, which is deemed outermost.
    pub(crate) fn from(text: &'a str, at: usize) -> Self {
        Self { text, at, depth: 0 }
    }

    /// Where it stands.
    pub(crate) fn place(&self) -> usize {
        self.at
    }

    fn fault<T>(&self, rule: &'static str) -> Result<T, Fault> {
        Err(Fault { at: self.at, rule })
    }

    /// The first byte of the next value; 0 at the text's end.
    pub(crate) fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Nothing but blanks may be left.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        self.peek();
        if self.at == self.text.len() { Ok(()) } else { self.fault("something follows its end") }
    }

    /// Passes by the next value and tells where it stands.
    pub(crate) fn skip(&mut self) -> Result<Range<usize>, Fault> {
        let first = self.peek();
        let start = self.at;
        match first {
            b'{' => self.members(|scan, _| scan.skip().map(drop))?,
            b'[' => self.elements(|scan| scan.skip().map(drop))?,
            b'"' => self.string()?,
            b'-' | b'0'..=b'9' => self.number()?,
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => return self.fault("a value is missing"),
        }
        Ok(start..self.at)
    }

    /// Passes by an object; `each` gets the place of each key, quotes included, and passes by its value.
    pub(crate) fn members(
        &mut self,
        mut each: impl FnMut(&mut Self, Range<usize>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.enter()?;
        if self.peek() == b'}' {
            self.leave();
            return Ok(());
        }
        loop {
            if self.peek() != b'"' {
                return self.fault("a key is missing");
            }
            let start = self.at;
            self.string()?;
            let key = start..self.at;
            if self.peek() != b':' {
                return self.fault("a colon is missing");
            }
            self.at += 1;
            each(self, key)?;
            if self.is_last(b'}')? {
                return Ok(());
            }
        }
    }

    /// Passes by a list; `each` passes by one element.
    pub(crate) fn elements(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.enter()?;
        if self.peek() == b']' {
            self.leave();
            return Ok(());
        }
        loop {
            each(self)?;
            if self.is_last(b']')? {
                return Ok(());
            }
        }
    }

    /// Passes by the next value as members of an object, or as a whole where it is none.
    pub(crate) fn members_if_any(
        &mut self,
        each: impl FnMut(&mut Self, Range<usize>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.peek() == b'{' { self.members(each) } else { self.skip().map(drop) }
    }

    /// Passes by the next value as elements of a list, or as a whole where it is none.
    pub(crate) fn elements_if_any(
        &mut self,
        each: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.peek() == b'[' { self.elements(each) } else { self.skip().map(drop) }
    }

    /// The next value's text, as it stands there.
    pub(crate) fn raw(&mut self) -> Result<&'a str, Fault> {
        let place = self.skip()?;
        Ok(&self.text[place])
    }

    /// The string at a place, its escapes resolved.
    pub(crate) fn string_at(&self, place: &Range<usize>) -> Cow<'a, str> {
        unquoted(&self.text[place.clone()])
    }

    /// What stands at a place.
    pub(crate) fn text_at(&self, place: &Range<usize>) -> &'a str {
        &self.text[place.clone()]
    }

    /// The key at a place, as it stands there: one that has escapes is none of those that matter.
    pub(crate) fn key_at(&self, place: &Range<usize>) -> &'a str {
        &self.text[place.start + 1..place.end - 1]
    }

    fn enter(&mut self) -> Result<(), Fault> {
        if self.depth == MAX_DEPTH {
            return self.fault("lists and objects are nested too deeply");
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
        self.at += 1;
    }

    /// After a member or an element: whether the end has come, or a comma before the next one.
    fn is_last(&mut self, end: u8) -> Result<bool, Fault> {
        match self.peek() {
            b',' => {
                self.at += 1;
                Ok(false)
            }
            byte if byte == end => {
                self.leave();
                Ok(true)
            }
            _ => self.fault("a comma or the end of a list or an object is missing"),
        }
    }

    fn word(&mut self, word: &'static str) -> Result<(), Fault> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return self.fault("a value is missing");
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { self.fault("a digit is missing") } else { Ok(()) }
    }

    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.byte() == b'-' {
            self.at += 1;
        }
        if self.byte() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.byte(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), Fault> {
        let bytes = self.text.as_bytes();
        self.at += 1;
        loop {
            let Some(length) = memchr2(b'"', b'\\', &bytes[self.at..]) else {
                return self.fault("a string has no end");
            };
            let plain = &bytes[self.at..self.at + length];
            // The least byte of all, so that it is found many bytes at a time.
            if plain.iter().fold(u8::MAX, |least, byte| least.min(*byte)) < b' ' {
                return self.fault("a string holds a control character");
            }
            self.at += length;
            if bytes[self.at] == b'"' {
                self.at += 1;
                return Ok(());
            }
            self.escape()?;
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match self.byte() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => match self.code_unit()? {
                0xD800..0xDC00 => {
                    if !(self.byte() == b'\\' && self.text.as_bytes().get(self.at + 1) == Some(&b'u')) {
                        return self.fault("half a character is escaped");
                    }
                    self.at += 1;
                    if !(0xDC00..0xE000).contains(&self.code_unit()?) {
                        return self.fault("half a character is escaped");
                    }
                }
                0xDC00..0xE000 => return self.fault("half a character is escaped"),
                _ => {}
            },
            _ => return self.fault("an escape is unknown"),
        }
        Ok(())
    }

    /// The four digits after `u`.
    fn code_unit(&mut self) -> Result<u16, Fault> {
        let digits = self.text.as_bytes().get(self.at + 1..self.at + 5);
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let unit = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let Some(unit) = unit.and_then(|digits| u16::from_str_radix(digits, 16).ok()) else {
            return self.fault("an escape is unknown");
        };
        self.at += 5;
        Ok(unit)
    }
}

/// A string's content; `raw` has its quotes and is valid JSON.
pub(crate) fn unquoted(raw: &str) -> Cow<'_, str> {
    let inner = &raw[1..raw.len() - 1];
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Cow::Borrowed(inner);
    }
    Cow::Owned(serde_json::from_str(raw).expect("a string that was passed by is valid"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn is_json(text: &str) -> bool {
        let mut scan = Scan::new(text);
        scan.skip().and_then(|_| scan.end()).is_ok()
    }

    /// Whether both judge alike. Serde reads no further than a number that no `f64` holds, and so judges nothing there.
    fn agrees_with_serde(text: &str) -> bool {
        match serde_json::from_str::<Value>(text) {
            Ok(_) => is_json(text),
            Err(error) => error.to_string().contains("out of range") || !is_json(text),
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec((".{0,4}", inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_accepted_and_what_is_spoilt_is_judged_as_by_serde(
            value in json(), at: proptest::sample::Index, byte: char, pretty: bool,
        ) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            prop_assert!(is_json(&text));
            let mut spoilt: Vec<char> = text.chars().collect();
            let at = at.index(spoilt.len());
            spoilt[at] = byte;
            let spoilt: String = spoilt.into_iter().collect();
            prop_assert!(agrees_with_serde(&spoilt), "{}", spoilt);
            let cut: String = text.chars().take(at).collect();
            prop_assert!(agrees_with_serde(&cut), "{}", cut);
        }

        #[test]
        fn any_jumble_is_judged_as_by_serde(text in r#"[\[\]{},:"\\ute0-9.+ \x00-\x1fabflrsn]{0,24}"#) {
            prop_assert!(agrees_with_serde(&text));
        }
    }

    #[test]
    fn judges_the_corners_as_serde_does() {
        for text in [
            "01",
            "-",
            "-0",
            "1.",
            ".1",
            "1e",
            "1e+",
            "1e5",
            "+1",
            "tru",
            "nul",
            "\"",
            "\"\\",
            "\"\\u12",
            "\"\\u12g4\"",
            "\"\\ud800\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\\u0041\"",
            "\"\\ude00\"",
            "\"\t\"",
            "\"\u{7f}\"",
            "[1,]",
            "{\"a\":1,}",
            "{,}",
            "{1:2}",
            "[]]",
            "",
            " ",
            "{\"a\" 1}",
            "\u{feff}{}",
        ] {
            assert!(agrees_with_serde(text), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded_as_for_typed_reading() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        for depth in [MAX_DEPTH, MAX_DEPTH + 1] {
            assert_eq!(
                is_json(&nested(depth)),
                serde_json::from_str::<Value>(&nested(depth)).is_ok(),
                "{depth}"
            );
        }
        let mut scan = Scan::new("");
        let deep = nested(10_000);
        scan.text = &deep;
        assert_eq!(scan.skip().unwrap_err().at, MAX_DEPTH);
    }
}
