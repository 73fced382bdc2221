//! A client's request, read field by field, so that what is wrong with it can be told with its place.
//!
//! Texts are moved out of the tree and never copied. What nobody has read when all is read is what nobody understood.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::Invalid;

/// The most names of fields that nobody understood which are told.
const MAX_UNSAID: usize = 32;
/// The most bytes of such a name.
const MAX_UNSAID_BYTES: usize = 64;
/// What the reader says of a key that stands twice in an object; the sender reads another sentence.
const TWICE: &str = "a key stands twice";

/// Where in the request something stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At<'a> {
    Body,
    Field(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => out.write_str("body"),
            Self::Field(Self::Body, name) => out.write_str(name),
            Self::Field(at, name) => write!(out, "{at}.{name}"),
            Self::Item(at, index) => write!(out, "{at}[{index}]"),
        }
    }
}

impl At<'_> {
    /// What stands here has to be something else.
    pub(crate) fn must(&self, rule: impl Into<String>) -> Invalid {
        Invalid::new(self.to_string(), rule)
    }
}

/// An object whose fields are taken out one by one. A null is as good as no field.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    at: &'a At<'a>,
    map: Map<String, Value>,
}

/// The whole body: an object in which no key stands twice.
pub(crate) fn body(bytes: &[u8]) -> Result<Fields<'static>, Invalid> {
    let Tree(value) = serde_json::from_slice(bytes).map_err(|error| {
        // The reader's own sentences may quote what was sent.
        let place = format!("line {}, column {}", error.line(), error.column());
        let rule = match error.classify() {
            serde_json::error::Category::Data => format!("a key must not stand twice in an object: {place}"),
            serde_json::error::Category::Eof => "must be whole JSON; it ends too early".to_owned(),
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
                let deep = error.to_string().starts_with("recursion limit");
                let rule =
                    if deep { "must not be nested deeper than 127 levels" } else { "must be JSON in UTF-8" };
                format!("{rule}: {place}")
            }
        };
        At::Body.must(rule)
    })?;
    Fields::of(&At::Body, value)
}

impl<'a> Fields<'a> {
    /// The fields of an object.
    pub(crate) fn of(at: &'a At<'a>, value: Value) -> Result<Self, Invalid> {
        match value {
            Value::Object(map) => Ok(Self { at, map }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(at.must("must be an object"))
            }
        }
    }

    /// Where the object stands.
    pub(crate) fn at(&self) -> &'a At<'a> {
        self.at
    }

    /// A field of this object has to be something else.
    pub(crate) fn must(&self, name: &str, rule: impl Into<String>) -> Invalid {
        At::Field(self.at, name).must(rule)
    }

    /// Whatever the field holds.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.swap_remove(name).filter(|value| !value.is_null())
    }

    /// Takes away what need not be understood.
    pub(crate) fn pass_by(&mut self, names: &[&str]) {
        for name in names {
            self.map.swap_remove(*name);
        }
    }

    /// Gives back what was taken and not understood.
    pub(crate) fn put_back(&mut self, name: &str, value: Value) {
        self.map.insert(name.to_owned(), value);
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Invalid> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.must(name, "must be a string")),
        }
    }

    pub(crate) fn needed_text(&mut self, name: &str) -> Result<String, Invalid> {
        self.text(name)?.ok_or_else(|| self.must(name, "is needed, and must be a string"))
    }

    /// A text that is not empty and not longer than a name is.
    pub(crate) fn name(&mut self, name: &str, limit: usize) -> Result<String, Invalid> {
        let text = self.needed_text(name)?;
        if text.is_empty() || text.len() > limit {
            return Err(self.must(name, format!("must have 1 to {limit} bytes")));
        }
        Ok(text)
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, Invalid> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.must(name, "must be true or false")),
        }
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<Option<f64>, Invalid> {
        let Some(value) = self.take(name) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| self.must(name, "must be a number"))
    }

    pub(crate) fn integer(&mut self, name: &str) -> Result<Option<i64>, Invalid> {
        let Some(value) = self.take(name) else { return Ok(None) };
        value.as_i64().map(Some).ok_or_else(|| self.must(name, "must be an integer"))
    }

    /// An integer from 1.
    pub(crate) fn count(&mut self, name: &str) -> Result<Option<u64>, Invalid> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let count = value.as_u64().filter(|count| *count > 0);
        count.map(Some).ok_or_else(|| self.must(name, "must be an integer from 1"))
    }

    pub(crate) fn list(&mut self, name: &str, limit: usize) -> Result<Option<Vec<Value>>, Invalid> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(list)) if list.len() <= limit => Ok(Some(list)),
            Some(Value::Array(_)) => Err(self.must(name, format!("must have at most {limit} entries"))),
            Some(_) => Err(self.must(name, "must be a list")),
        }
    }

    /// Reads an object that is one of the fields, if it is there.
    pub(crate) fn object<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Invalid> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let at = At::Field(self.at, name);
        read(&mut Fields::of(&at, value)?).map(Some)
    }

    /// Reads an object that has to be one of the fields.
    pub(crate) fn needed_object<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, Invalid>,
    ) -> Result<T, Invalid> {
        self.object(name, read)?.ok_or_else(|| self.must(name, "is needed, and must be an object"))
    }

    /// Reads each object of a list.
    pub(crate) fn objects(
        &mut self,
        name: &str,
        limit: usize,
        read: impl FnMut(Fields<'_>) -> Result<(), Invalid>,
    ) -> Result<bool, Invalid> {
        let Some(list) = self.list(name, limit)? else { return Ok(false) };
        each(&At::Field(self.at, name), list, read).map(|()| true)
    }

    /// The names that nobody has read, `before` standing before each.
    pub(crate) fn unread(&self, before: &str, unsaid: &mut Vec<String>) {
        let mut names: Vec<&String> =
            self.map.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name).collect();
        names.sort_unstable();
        for name in names {
            let mut end = name.len().min(MAX_UNSAID_BYTES);
            while !name.is_char_boundary(end) {
                end -= 1;
            }
            note(unsaid, format!("{before}{}", &name[..end]));
        }
    }
}

/// Reads each object of a list.
pub(crate) fn each(
    at: &At<'_>,
    list: Vec<Value>,
    mut read: impl FnMut(Fields<'_>) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    for (index, value) in list.into_iter().enumerate() {
        read(Fields::of(&At::Item(at, index), value)?)?;
    }
    Ok(())
}

/// Notes once what cannot be said.
pub(crate) fn note(unsaid: &mut Vec<String>, name: impl Into<String>) {
    let name = name.into();
    if unsaid.len() < MAX_UNSAID && !unsaid.contains(&name) {
        unsaid.push(name);
    }
}

/// JSON in whose objects no key stands twice.
struct Tree(Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor).map(Tree)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Tree(value)) = items.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((name, Tree(value))) = entries.next_entry::<String, Tree>()? {
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(bytes: &[u8]) -> String {
        body(bytes).unwrap_err().to_string()
    }

    #[test]
    fn tells_what_is_wrong_with_a_body_and_never_shows_it() {
        let deep = [b"{\"a\":".as_slice(), &[b'['; 10_000]].concat();
        assert!(rule(&deep).contains("nested"));
        assert!(rule(b"{\"secret\": 1, \"secret\": 2}").contains("twice"));
        assert!(rule(b"{\"a\": {\"b\": 1, \"b\": 2}}").contains("twice"));
        assert!(rule(b"{\"a\": \"\xff\"}").contains("UTF-8"));
        assert!(rule(b"{\"secret\": ").contains("too early"));
        assert!(rule(b"[]").contains("object"));
        assert!(!rule(b"{\"secret\": 1, \"secret\": 2}").contains("secret"));
    }

    #[test]
    fn a_wrong_type_is_told_with_its_place() {
        let mut fields = body(br#"{"list": [{"text": "a"}, {"text": 5}]}"#).unwrap();
        let read = fields.objects("list", 9, |mut entry| entry.needed_text("text").map(drop));
        assert_eq!(read.unwrap_err(), Invalid::new("list[1].text", "must be a string"));
    }

    #[test]
    fn what_nobody_reads_is_told_and_a_null_is_nothing() {
        let mut fields = body(br#"{"z": 1, "read": "x", "none": null, "a": {}}"#).unwrap();
        assert_eq!(fields.text("read"), Ok(Some("x".to_owned())));
        let mut unsaid = Vec::new();
        fields.unread("x.", &mut unsaid);
        assert_eq!(unsaid, ["x.a", "x.z"]);
    }
}
