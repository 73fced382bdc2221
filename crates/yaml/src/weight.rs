//! What a document would weigh with its aliases written out, found without building it.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Visitor};

/// The most that a document may weigh with its aliases written out: bytes of text, and [`NODE_BYTES`] for each node.
pub(crate) const MAX_EXPANDED_BYTES: usize = 64 * 1024 * 1024;

const NODE_BYTES: usize = 32;

/// Reads a node for its weight alone and fails when the whole outgrows [`MAX_EXPANDED_BYTES`].
#[derive(Clone, Copy)]
pub(crate) struct Weigh<'a>(pub(crate) &'a Cell<usize>);

impl Weigh<'_> {
    fn add<E: serde::de::Error>(self, bytes: usize) -> Result<(), E> {
        let total = self.0.get().saturating_add(bytes).saturating_add(NODE_BYTES);
        self.0.set(total);
        if total > MAX_EXPANDED_BYTES {
            let limit = MAX_EXPANDED_BYTES / (1024 * 1024);
            return Err(E::custom(format!(
                "over {limit} MiB with its aliases written out; write fewer aliases"
            )));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Weigh<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Weigh<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.add(0)
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.add(0)
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<(), E> {
        self.add(0)
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.add(0)
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<(), E> {
        self.add(0)
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.add(0)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.add(0)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.add(0)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.add(text.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.add(0)?;
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.add(0)?;
        while entries.next_key_seed(self)?.is_some() {
            entries.next_value_seed(self)?;
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom("tags are not read here; remove the `!…`"))
    }
}
