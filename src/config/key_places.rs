//! Where the keys of a provider are: one place, or a list of them for keys that take turns.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use upstream::MAX_KEYS;

use super::key_place::KeyPlace;

/// The places of a provider's keys: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPlaces(pub Vec<KeyPlace>);

impl Serialize for KeyPlaces {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [only] => only.serialize(serializer),
            places => places.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for KeyPlaces {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Places)
    }
}

struct Places;

impl<'de> Visitor<'de> for Places {
    type Value = KeyPlaces;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{env: NAME}, {file: PATH} or {command: [PROGRAM, ARGUMENT]}, or a list of these")
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<KeyPlaces, E> {
        KeyPlace::refuse()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<KeyPlaces, E> {
        KeyPlace::refuse()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<KeyPlaces, E> {
        KeyPlace::refuse()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<KeyPlaces, E> {
        KeyPlace::refuse()
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<KeyPlaces, A::Error> {
        KeyPlace::deserialize(MapAccessDeserializer::new(map)).map(|place| KeyPlaces(vec![place]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<KeyPlaces, A::Error> {
        let mut places = Vec::new();
        while let Some(place) = sequence.next_element::<KeyPlace>()? {
            if places.len() == MAX_KEYS {
                return Err(de::Error::custom(format!("more than {MAX_KEYS} keys: remove some")));
            }
            places.push(place);
        }
        if places.is_empty() {
            return Err(de::Error::custom("an empty list: name the place of a key, or leave `api_key` out"));
        }
        Ok(KeyPlaces(places))
    }
}
