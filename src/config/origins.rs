//! Where each effective value comes from.

use std::collections::BTreeMap;
use std::fmt;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nobody says otherwise.
    Default,
    /// The configuration file.
    File {
        /// Its name.
        name: String,
        /// The line of the key, from 1.
        line: Option<usize>,
    },
    /// An environment variable of this name.
    Variable(String),
    /// A flag, after what it adds to where it only adds.
    Flag {
        /// Its name.
        name: &'static str,
        /// Where the rest comes from.
        beside: Option<Box<Origin>>,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { name, line: Some(line) } => write!(f, "{name}:{line}"),
            Self::File { name, line: None } => f.write_str(name),
            Self::Variable(name) => f.write_str(name),
            Self::Flag { name, beside: None } => f.write_str(name),
            Self::Flag { name, beside: Some(beside) } => write!(f, "{beside} and {name}"),
        }
    }
}

/// The origin of each value that is not a default, by its path.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins(BTreeMap<Vec<String>, Origin>);

impl Origins {
    /// The value at `path` comes from here now, and so does all that stood above or below it.
    pub(super) fn set(&mut self, path: &[String], origin: Origin) {
        self.0.retain(|known, _| !known.starts_with(path) && !path.starts_with(known));
        self.0.insert(path.to_vec(), origin);
    }

    /// Where the value at `path` comes from.
    pub(super) fn of(&self, path: &[String]) -> Origin {
        let nearest = (0..=path.len()).rev().find_map(|end| self.0.get(&path[..end]));
        nearest.cloned().unwrap_or(Origin::Default)
    }

    /// Whether anybody says anything at `path` or below it.
    pub(super) fn say(&self, path: &[&str]) -> bool {
        let begins = |known: &[String]| known.iter().zip(path).all(|(known, key)| known == key);
        self.0.keys().any(|known| known.len() >= path.len() && begins(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(ToOwned::to_owned).collect()
    }

    #[test]
    fn the_last_layer_counts_also_over_what_was_a_mapping_before() {
        let mut origins = Origins::default();
        let variable = |name: &str| Origin::Variable(name.to_owned());
        origins.set(&path("a.b.c"), variable("ONE"));
        origins.set(&path("a.x"), variable("TWO"));
        origins.set(&path("a.b"), variable("THREE"));
        assert_eq!(origins.of(&path("a.b.c")), variable("THREE"));
        assert_eq!(origins.of(&path("a.x")), variable("TWO"));
        origins.set(&path("a.b.c"), variable("FOUR"));
        assert_eq!(origins.of(&path("a.b")), Origin::Default);
        assert_eq!(origins.of(&path("a.b.c")), variable("FOUR"));
    }

    #[test]
    fn each_origin_says_where_to_look() {
        let file = Origin::File { name: "x.yaml".to_owned(), line: Some(3) };
        assert_eq!(file.to_string(), "x.yaml:3");
        let both = Origin::Flag { name: "--root", beside: Some(Box::new(file)) };
        assert_eq!(both.to_string(), "x.yaml:3 and --root");
    }
}
