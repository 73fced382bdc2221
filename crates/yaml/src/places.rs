//! Where the keys of a document stand.
//!
//! serde_yaml tells places in errors alone, and goes on after an error about a scalar. So each key is refused while it
//! is read, the place is taken from the refusal, and the refusal goes no further.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::{Error, MAX_LEAVES};

/// A line and a column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

type Places = BTreeMap<Vec<String>, Place>;

/// The places of all keys of a document that has been read already; `[0]` stands for the first entry of a list.
pub(crate) fn places(name: &str, text: &str) -> Result<Places, Error> {
    let found = RefCell::new(Places::new());
    let walk = Walk { found: &found, path: Vec::new() };
    let walked = walk.deserialize(serde_yaml::Deserializer::from_str(text));
    walked.map_err(|error| Error::located(name, &error))?;
    Ok(found.into_inner())
}

/// The place at the end of an error's text; the beginning of the document has none there.
fn place_of(error: &str) -> Place {
    let at = error.rsplit_once(" at line ").and_then(|(_, at)| at.split_once(" column "));
    let numbers = at.and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
    let (line, column) = numbers.unwrap_or((1, 1));
    Place { line, column }
}

/// Walks through a node.
struct Walk<'a> {
    found: &'a RefCell<Places>,
    path: Vec<String>,
}

impl Walk<'_> {
    fn below(&self, key: String) -> Self {
        let mut path = self.path.clone();
        path.push(key);
        Self { found: self.found, path }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i128<E>(self, _: i128) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u128<E>(self, _: u128) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut number = 0_usize;
        while items.next_element_seed(self.below(format!("[{number}]")))?.is_some() {
            number += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        loop {
            let key = Cell::new(None);
            match entries.next_key_seed(Key(&key)) {
                Ok(None) => return Ok(()),
                // A list or a mapping as a key: no setting is called so.
                Ok(Some(())) => {
                    entries.next_value::<IgnoredAny>()?;
                }
                Err(refusal) => {
                    let Some(key) = key.take() else { return Err(refusal) };
                    let below = self.below(key);
                    let mut found = self.found.borrow_mut();
                    if found.len() < MAX_LEAVES {
                        found.insert(below.path.clone(), place_of(&refusal.to_string()));
                    }
                    drop(found);
                    entries.next_value_seed(below)?;
                }
            }
        }
    }
}

/// Takes a scalar key down and refuses it.
struct Key<'a>(&'a Cell<Option<String>>);

impl Key<'_> {
    fn take<E: serde::de::Error>(self, key: impl ToString) -> Result<(), E> {
        self.0.set(Some(key.to_string()));
        Err(E::custom("here"))
    }
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bool<E: serde::de::Error>(self, key: bool) -> Result<(), E> {
        self.take(key)
    }

    fn visit_i64<E: serde::de::Error>(self, key: i64) -> Result<(), E> {
        self.take(key)
    }

    fn visit_u64<E: serde::de::Error>(self, key: u64) -> Result<(), E> {
        self.take(key)
    }

    fn visit_f64<E: serde::de::Error>(self, key: f64) -> Result<(), E> {
        self.take(key)
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<(), E> {
        self.take(key)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.take("null")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_enum<A: serde::de::EnumAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom("tags are not read here; remove the `!…`"))
    }
}
