//! In which order candidates are asked: the strategies that work, and what is said about those that do not.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

/// In which order candidates are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// In the order of preference: as a role lists them, else as the configuration does.
    Preference,
}

/// Names of it; the first is the one that is printed.
const PREFERENCE: [&str; 2] = ["preference", "priority"];
/// What the design has a place for.
const NOT_BUILT: [&str; 6] =
    ["round_robin", "weighted", "least_connections", "least_latency", "lowest_cost", "affinity"];

impl<'de> Deserialize<'de> for Strategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Name)
    }
}

struct Name;

impl Visitor<'_> for Name {
    type Value = Strategy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a strategy")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Strategy, E> {
        if PREFERENCE.contains(&text) {
            return Ok(Strategy::Preference);
        }
        let plain = |name: &str| -> String {
            name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
        };
        let is_planned = NOT_BUILT.iter().any(|name| plain(name) == plain(text));
        let found = if is_planned { "is not built yet" } else { "is no strategy" };
        let works = PREFERENCE.map(|name| format!("`{name}`")).join(" or ");
        Err(E::custom(format!(
            "`{}` {found}; what works is {works}: candidates in the order in which a role or the configuration lists them",
            text.chars().take(64).collect::<String>(),
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Strategy, String> {
        yaml::from_str("x", text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_works_is_read_by_each_of_its_names() {
        assert_eq!(PREFERENCE.map(read), [Ok(Strategy::Preference), Ok(Strategy::Preference)]);
        assert_eq!(yaml::to_string(&Strategy::Preference).unwrap().trim(), "preference");
    }

    #[test]
    fn what_does_not_work_is_refused_with_what_does() {
        for name in ["round_robin", "roundRobin", "round-robin", "lowestCost"] {
            let refused = read(name).unwrap_err();
            assert!(refused.contains("is not built yet; what works is `preference`"), "{refused}");
        }
        assert!(read("nonsense").unwrap_err().contains("is no strategy; what works is `preference`"));
        assert!(read("[a]").unwrap_err().contains("the name of a strategy"));
    }
}
