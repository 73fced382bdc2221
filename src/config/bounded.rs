//! Numbers with bounds: each refuses where it stands what it may not be, so that the error has its line.

use std::fmt;

use serde::de::{self, Deserializer, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

/// A whole number from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Bounded<const LEAST: u64, const MOST: u64>(u64);

impl<const LEAST: u64, const MOST: u64> Bounded<LEAST, MOST> {
    pub(super) const fn new(number: u64) -> Self {
        assert!(LEAST <= number && number <= MOST, "a default within its own bounds");
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Bounded<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(Number)
    }
}

struct Number<const LEAST: u64, const MOST: u64>;

impl<const LEAST: u64, const MOST: u64> Visitor<'_> for Number<LEAST, MOST> {
    type Value = Bounded<LEAST, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {LEAST} to {MOST}")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        if !(LEAST..=MOST).contains(&number) {
            return Err(E::invalid_value(Unexpected::Unsigned(number), &self));
        }
        Ok(Bounded(number))
    }
}

/// How freely a model chooses its words, from 0 to 2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Temperature(f64);

impl Temperature {
    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Temperature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(Degree)
    }
}

struct Degree;

impl Visitor<'_> for Degree {
    type Value = Temperature;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 0 to 2")
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Temperature, E> {
        if !(0.0..=2.0).contains(&number) {
            return Err(E::invalid_value(Unexpected::Float(number), &self));
        }
        Ok(Temperature(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Temperature, E> {
        let number = u32::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self));
        self.visit_f64(number?.into())
    }
}
