//! What of a client's request is not carried on, named: nothing is lost in silence.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// The most names; a request that holds more has made its point.
const MAX_NAMES: usize = 32;
/// The most characters of one name.
const MAX_NAME: usize = 64;

/// Names of fields that no other dialect can say, as a client wrote them: each once, and fit to stand in a header.
#[derive(Debug, Default)]
pub(crate) struct Names(Vec<String>);

impl Names {
    /// Names one.
    pub(crate) fn name(&mut self, name: &str) {
        let fit = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let name: String = name.chars().filter(fit).take(MAX_NAME).collect();
        if self.0.len() < MAX_NAMES && !name.is_empty() && !self.0.contains(&name) {
            self.0.push(name);
        }
    }

    /// Names one if it was given.
    pub(crate) fn name_if(&mut self, given: bool, name: &str) {
        if given {
            self.name(name);
        }
    }

    /// Names all that was not read and says something, but for what is `harmless`.
    pub(crate) fn unread(&mut self, within: &str, unread: &Unread, harmless: &[&str]) {
        for name in unread.names().filter(|name| !harmless.contains(name)) {
            if within.is_empty() {
                self.name(name);
            } else {
                self.name(&format!("{within}.{name}"));
            }
        }
    }

    /// All names.
    pub(crate) fn into_names(self) -> Vec<String> {
        self.0
    }
}

/// The fields of an object that its reader does not know, to be flattened into it.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Unread(BTreeMap<String, Option<IgnoredAny>>);

impl Unread {
    /// The names of those that are not null.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_few_short_and_fit_for_a_header() {
        let mut gathered = Names::default();
        for name in ["a", "a", "b\r\nset-cookie: x", "", "\u{e9}", &"x".repeat(100)] {
            gathered.name(name);
        }
        (0..100).for_each(|number| gathered.name(&format!("n{number}")));
        let names = gathered.into_names();
        assert_eq!(names.len(), MAX_NAMES);
        assert_eq!(names[..3], ["a".to_owned(), "bset-cookiex".to_owned(), "x".repeat(MAX_NAME)]);
    }

    #[test]
    fn what_is_null_says_nothing() {
        let unread: Unread = serde_json::from_str(r#"{"a":null,"b":[1],"c":false}"#).unwrap();
        assert_eq!(unread.names().collect::<Vec<_>>(), ["b", "c"]);
    }
}
