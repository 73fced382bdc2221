//! The providers of a configuration, in the order of preference: an ordered mapping by name.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use units::ProviderId;

use super::settings::Provider;

/// Providers by name, the most preferred first; and those that are set to null, which do not count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Providers {
    present: Vec<(ProviderId, Provider)>,
    /// Kept, so that what is printed does not bring them back.
    absent: Vec<ProviderId>,
}

impl Providers {
    /// The providers, the most preferred first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ProviderId, &Provider)> {
        self.present.iter().map(|(id, provider)| (id, provider))
    }

    /// Puts those that `first` names before the others, in its order.
    pub(super) fn prefer(&mut self, first: &Self) {
        let rank =
            |id: &ProviderId| first.present.iter().position(|(named, _)| named == id).unwrap_or(usize::MAX);
        self.present.sort_by_key(|(id, _)| rank(id));
    }
}

impl<'de> Deserialize<'de> for Providers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Providers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping from names to providers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Providers, A::Error> {
        let mut providers = Providers::default();
        while let Some((id, provider)) = map.next_entry::<ProviderId, Option<Provider>>()? {
            match provider {
                Some(provider) => providers.present.push((id, provider)),
                None => providers.absent.push(id),
            }
        }
        Ok(providers)
    }
}

impl Serialize for Providers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.present.len() + self.absent.len()))?;
        for (id, provider) in &self.present {
            map.serialize_entry(id, provider)?;
        }
        for id in &self.absent {
            map.serialize_entry(id, &())?;
        }
        map.end()
    }
}
