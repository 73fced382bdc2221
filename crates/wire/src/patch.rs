//! Changes a few fields of a JSON body and leaves every other byte as it was, the order of keys included.
//!
//! A provider's prompt cache keys on the bytes, and a client may rely on what we do not know; so a body that is relayed
//! is never written anew.

mod rename;
mod unseal;
mod unthink;

pub use rename::rename;
pub use unseal::{Unsealed, unseal};
pub use unthink::unthink;

use std::borrow::Cow;
use std::ops::Range;

use crate::Invalid;
use crate::hot::{Field, Fields};

/// Bytes to take out, and what to put in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cut {
    place: Range<usize>,
    instead: Vec<u8>,
}

/// Changes that wait to be made, in any order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cuts {
    list: Vec<Cut>,
}

impl Cuts {
    pub(crate) fn replace(&mut self, place: Range<usize>, instead: impl Into<Vec<u8>>) {
        self.list.push(Cut { place, instead: instead.into() });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The body with all changes; one within another one is passed by.
    pub(crate) fn apply(mut self, body: &[u8]) -> Vec<u8> {
        self.list.sort_by_key(|cut| (cut.place.start, cut.place.end));
        let more: usize = self.list.iter().map(|cut| cut.instead.len()).sum();
        let mut patched = Vec::with_capacity(body.len() + more);
        let mut at = 0;
        for cut in &self.list {
            if cut.place.start < at {
                continue;
            }
            patched.extend_from_slice(&body[at..cut.place.start]);
            patched.extend_from_slice(&cut.instead);
            at = cut.place.end;
        }
        patched.extend_from_slice(&body[at..]);
        patched
    }

    /// Takes members or elements out of their container, and a comma with each. `items` are all of them, each with
    /// whether it goes; some may stay.
    pub(crate) fn remove(&mut self, items: &[(Range<usize>, bool)]) {
        let last_kept = items.iter().rposition(|(_, goes)| !goes);
        let tail = last_kept.map_or(0, |last| last + 1);
        for pair in items[..tail].windows(2) {
            if let [(place, true), (next, _)] = pair {
                self.replace(place.start..next.start, []);
            }
        }
        if let (Some((first, _)), Some((last, _))) = (items.get(tail), items.last()) {
            let start = last_kept.map_or(first.start, |kept| items[kept].0.end);
            self.replace(start..last.end, []);
        }
    }
}

/// Changes to one request's body.
#[derive(Debug)]
pub struct Patch<'a> {
    body: &'a str,
    fields: &'a Fields<'a>,
    changes: Vec<(Cow<'a, str>, Option<String>)>,
    inner: Cuts,
}

impl<'a> Patch<'a> {
    /// No changes yet. `fields` are those of the body's outermost object.
    ///
    /// # Errors
    /// When the body is not UTF-8, which no body is that was read before.
    pub fn new(body: &'a [u8], fields: &'a Fields<'a>) -> Result<Self, Invalid> {
        let body = std::str::from_utf8(body).map_err(|_| Invalid::new("body", "must be UTF-8"))?;
        Ok(Self { body, fields, changes: Vec::new(), inner: Cuts::default() })
    }

    /// Sets a field of the outermost object to a value, which is JSON; a new one is put last.
    pub fn set(&mut self, name: &'a str, json: impl Into<String>) -> &mut Self {
        self.change(name, Some(json.into()))
    }

    /// Sets a field of the outermost object to a text.
    pub fn set_text(&mut self, name: &'a str, text: &str) -> &mut Self {
        self.set(name, serde_json::Value::from(text).to_string())
    }

    /// Takes a field out of the outermost object, as often as it stands there.
    pub fn remove(&mut self, name: &'a str) -> &mut Self {
        self.change(name, None)
    }

    /// Sets a field of an object in the outermost object; where there is no such object, one is put there. A change to
    /// that object as a whole goes before.
    ///
    /// # Errors
    /// When that object has too many fields.
    pub fn set_within(&mut self, outer: &'a str, name: &str, json: &str) -> Result<&mut Self, Invalid> {
        let whole = || format!("{{{}:{json}}}", serde_json::Value::from(name));
        let Some(field) = self.fields.get(outer) else { return Ok(self.set(outer, whole())) };
        if self.body.as_bytes()[field.value.start] != b'{' {
            return Ok(self.set(outer, whole()));
        }
        let fields = Fields::at(self.body, &field.value)?;
        let changes = [(Cow::Borrowed(name), Some(json.to_owned()))];
        cut(&mut self.inner, &fields, &changes, field.value.end);
        Ok(self)
    }

    /// Has Chat Completions tell at the stream's end what was used.
    ///
    /// # Errors
    /// When its options have too many fields.
    pub fn include_usage(&mut self) -> Result<&mut Self, Invalid> {
        self.set_within("stream_options", "include_usage", "true")
    }

    /// The changed body; nothing when there is nothing to change.
    pub fn apply(mut self) -> Option<Vec<u8>> {
        let end = self.body.trim_end_matches([' ', '\n', '\r', '\t']).len();
        cut(&mut self.inner, self.fields, &self.changes, end);
        (!self.inner.is_empty()).then(|| self.inner.apply(self.body.as_bytes()))
    }

    fn change(&mut self, name: &'a str, json: Option<String>) -> &mut Self {
        self.changes.retain(|(known, _)| known != name);
        self.changes.push((Cow::Borrowed(name), json));
        self
    }
}

/// Adds the cuts that change the fields of one object, which ends before `end`.
fn cut(cuts: &mut Cuts, fields: &Fields<'_>, changes: &[(Cow<'_, str>, Option<String>)], end: usize) {
    let change_of = |field: &Field<'_>| changes.iter().find(|(name, _)| *name == field.name);
    let items: Vec<(Range<usize>, bool)> = fields
        .iter()
        .map(|field| (field.start..field.value.end, matches!(change_of(field), Some((_, None)))))
        .collect();
    cuts.remove(&items);
    for field in fields.iter() {
        if let Some((_, Some(json))) = change_of(field) {
            cuts.replace(field.value.clone(), json.as_str());
        }
    }
    let mut is_first = items.iter().all(|(_, goes)| *goes);
    for (name, json) in changes {
        let Some(json) = json.as_ref().filter(|_| fields.get(name).is_none()) else { continue };
        let comma = if std::mem::replace(&mut is_first, false) { "" } else { "," };
        let member = format!("{comma}{}:{json}", serde_json::Value::from(name.as_ref()));
        cuts.replace(end - 1..end - 1, member);
    }
}

#[cfg(test)]
mod tests;
