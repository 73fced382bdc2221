//! Reads a client's request, and says of a wrong one which field is wrong and what it should be, never what it was.

mod place;

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::Invalid;

/// The most levels of JSON that is kept as text; some are left for what it is put into.
const MAX_DEPTH: usize = 100;

/// Reads a whole body.
pub(crate) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Invalid> {
    let text = std::str::from_utf8(body).map_err(|_| Invalid::new("body", "must be UTF-8"))?;
    serde_json::from_str(text).map_err(|error| invalid(&error, text))
}

fn invalid(error: &serde_json::Error, text: &str) -> Invalid {
    let words = error.to_string();
    if words.starts_with("recursion limit exceeded") {
        return Invalid::new("body", "must not be nested deeper than 128 levels");
    }
    if error.is_eof() {
        return Invalid::new("body", "must be JSON; it ends too early");
    }
    if !error.is_data() {
        let (line, column) = (error.line(), error.column());
        return Invalid::new(
            "body",
            format!("must be JSON; it cannot be read at line {line}, column {column}"),
        );
    }
    let path = place::path(text, error.line(), error.column());
    if let Some(field) = quoted(&words, "missing field ") {
        let path = if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
        return Invalid::new(path, "is required");
    }
    let path = if path.is_empty() { "body".to_owned() } else { path };
    if quoted(&words, "duplicate field ").is_some() {
        return Invalid::new(path, "must not be given twice");
    }
    Invalid::new(path, rule(&words))
}

fn quoted<'a>(words: &'a str, beginning: &str) -> Option<&'a str> {
    words.strip_prefix(beginning)?.strip_prefix('`')?.split('`').next()
}

/// What was expected. All that stands after the last `expected` is ours and holds nothing of the body.
fn rule(words: &str) -> String {
    let words = words.rfind(" at line ").map_or(words, |end| &words[..end]);
    if words.starts_with("must ") {
        return words.to_owned();
    }
    let Some((_, expected)) = words.rsplit_once(", expected ") else {
        return "must be of the documented type".to_owned();
    };
    match expected {
        "u32" | "u64" | "usize" => "must be a whole number that is not negative".to_owned(),
        "i64" => "must be a whole number".to_owned(),
        "f64" => "must be a number".to_owned(),
        "a sequence" => "must be a list".to_owned(),
        "a map" => "must be an object".to_owned(),
        expected if expected.starts_with("struct ") => "must be an object".to_owned(),
        expected => format!("must be {expected}"),
    }
}

/// A list of at most `MOST`; null is an empty one.
#[derive(Debug)]
pub(crate) struct List<T, const MOST: usize>(pub(crate) Vec<T>);

impl<T, const MOST: usize> Default for List<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MOST: usize> IntoIterator for List<T, MOST> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for List<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for ListVisitor<T, MOST> {
    type Value = List<T, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(List::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        entries(list, MOST).map(List)
    }
}

/// The entries of a list.
pub(crate) fn entries<'de, T, A>(mut list: A, most: usize) -> Result<Vec<T>, A::Error>
where
    T: Deserialize<'de>,
    A: SeqAccess<'de>,
{
    let mut entries = Vec::new();
    while let Some(entry) = list.next_element()? {
        if entries.len() == most {
            return Err(de::Error::custom(format_args!("must have at most {most} entries")));
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// Passes by an object.
pub(crate) fn pass_by<'de, A: MapAccess<'de>>(mut object: A) -> Result<(), A::Error> {
    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Whether JSON that is kept as text is nested deeper than what is read: nobody after us could read it.
pub(crate) fn is_too_deep(json: &str) -> bool {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    json.bytes().any(|byte| {
        match byte {
            _ if std::mem::take(&mut is_escaped) => {}
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => depth += 1,
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MAX_DEPTH
    })
}

/// Where something stands, for whoever finds it wrong after it was read; written out only then.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    within: Option<&'a Path<'a>>,
    step: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Field(&'static str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// A field of the body.
    pub(crate) fn of(field: &'static str) -> Self {
        Self { within: None, step: Step::Field(field) }
    }

    /// A field of what stands here.
    pub(crate) fn field(&'a self, field: &'static str) -> Self {
        Self { within: Some(self), step: Step::Field(field) }
    }

    /// An entry of the list that stands here.
    pub(crate) fn index(&'a self, index: usize) -> Self {
        Self { within: Some(self), step: Step::Index(index) }
    }

    /// The field of what stands here breaks this rule.
    pub(crate) fn breaks(&self, field: &'static str, rule: &str) -> Invalid {
        Invalid::new(self.field(field).to_string(), rule)
    }

    /// The field of what stands here, which has to be there.
    pub(crate) fn needs<T>(&self, field: &'static str, value: Option<T>) -> Result<T, Invalid> {
        value.ok_or_else(|| self.breaks(field, "is required"))
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(within) = self.within {
            within.fmt(f)?;
        }
        match (self.step, self.within) {
            (Step::Field(field), None) => f.write_str(field),
            (Step::Field(field), Some(_)) => write!(f, ".{field}"),
            (Step::Index(index), _) => write!(f, "[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests;
