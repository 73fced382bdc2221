//! What a key grants, within bounds; and its lists as text, one entry a line, for whoever stores them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use units::{KeyId, UnixMillis};

use crate::{Error, Models, Scope, Scopes};

/// The most bytes of a key's name.
pub const MAX_NAME_BYTES: usize = 128;
/// The most model rules of a key.
pub const MAX_MODELS: usize = 64;
/// The most roots of a key.
pub const MAX_ROOTS: usize = 64;
/// The most bytes of a root's path.
pub const MAX_ROOT_BYTES: usize = 1024;
/// The most tags of a key.
pub const MAX_TAGS: usize = 16;
/// The most bytes of a tag, its name and its value together.
pub const MAX_TAG_BYTES: usize = 256;

/// What a key is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The key's public part.
    pub id: KeyId,
    /// What people call it; need not be unique.
    pub name: String,
    /// Which doors it opens.
    pub scopes: Scopes,
    /// From then on it opens none.
    pub expires_at: Option<UnixMillis>,
    /// Which models it may use.
    pub models: Models,
    /// Beneath which folders it may work; without one, wherever the server may.
    pub roots: Vec<PathBuf>,
    /// What its holder wants to find again in the records.
    pub tags: BTreeMap<String, String>,
}

impl Grant {
    /// Refuses what is beyond a bound or could not be shown or stored.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn check(&self) -> Result<(), Error> {
        if self.scopes.is_empty() {
            return Err(Error::NoScopes);
        }
        if !(1..=MAX_NAME_BYTES).contains(&self.name.len()) || has_controls(&self.name) {
            return Err(Error::BadName { most: MAX_NAME_BYTES });
        }
        let counts = [
            ("models", self.models.0.len(), MAX_MODELS),
            ("roots", self.roots.len(), MAX_ROOTS),
            ("tags", self.tags.len(), MAX_TAGS),
        ];
        if let Some((what, found, most)) = counts.into_iter().find(|(_, found, most)| found > most) {
            return Err(Error::TooMany { what, found, most });
        }
        let is_root = |root: &PathBuf| {
            root.is_absolute()
                && root.to_str().is_some_and(|text| text.len() <= MAX_ROOT_BYTES && !has_controls(text))
        };
        if !self.roots.iter().all(is_root) {
            return Err(Error::BadRoot { most: MAX_ROOT_BYTES });
        }
        if !self.tags.iter().all(|(name, value)| is_tag(name, value)) {
            return Err(Error::BadTag { most: MAX_TAG_BYTES });
        }
        let confined = [("roots", self.roots.is_empty()), ("models", self.models.are_all())];
        match confined.into_iter().find(|(_, is_open)| !is_open) {
            Some((what, _)) if self.scopes.has(Scope::Admin) => Err(Error::ConfinedAdmin { what }),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether it names roots or models beside the scope `admin`, which no key may any more.
    pub fn is_confined_admin(&self) -> bool {
        self.scopes.has(Scope::Admin) && !(self.roots.is_empty() && self.models.are_all())
    }

    /// Whether what lies at `real`, a path without links, is within the key's roots, `roots` being their real paths.
    pub fn covers(&self, real: &Path, roots: &[PathBuf]) -> bool {
        self.roots.is_empty() || roots.iter().any(|root| real.starts_with(root))
    }

    /// The model rules, one a line.
    pub fn models_text(&self) -> String {
        lines(self.models.0.iter())
    }

    /// The roots, one a line.
    pub fn roots_text(&self) -> String {
        lines(self.roots.iter().map(|root| root.display()))
    }

    /// The tags, one `name=value` a line.
    pub fn tags_text(&self) -> String {
        lines(self.tags.iter().map(|(name, value)| format!("{name}={value}")))
    }
}

/// Reads `name=value`.
///
/// # Errors
/// When it is no tag.
pub(crate) fn tag(text: &str) -> Result<(String, String), Error> {
    let bad = Error::BadTag { most: MAX_TAG_BYTES };
    match text.split_once('=') {
        Some((name, value)) if is_tag(name, value) => Ok((name.to_owned(), value.to_owned())),
        _ => Err(bad),
    }
}

fn is_tag(name: &str, value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    !name.is_empty()
        && name.bytes().all(plain)
        && !has_controls(value)
        && name.len() + value.len() < MAX_TAG_BYTES
}

/// Line breaks among them, so that a line is one entry.
fn has_controls(text: &str) -> bool {
    text.chars().any(char::is_control)
}

fn lines(entries: impl Iterator<Item = impl std::fmt::Display>) -> String {
    let mut text = String::new();
    for entry in entries {
        writeln!(text, "{entry}").expect("a String takes all text");
    }
    text
}

impl Models {
    /// The rules of a text with one a line.
    ///
    /// # Errors
    /// At the first line that is none.
    pub fn from_lines(text: &str) -> Result<Self, Error> {
        text.lines().map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl Grant {
    /// The tags of a text with one `name=value` a line.
    ///
    /// # Errors
    /// At the first line that is none.
    pub fn tags_from_lines(text: &str) -> Result<BTreeMap<String, String>, Error> {
        text.lines().map(tag).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grant() -> Grant {
        Grant {
            id: KeyId::from_random(1),
            name: "ci".to_owned(),
            scopes: "workflows".parse().unwrap(),
            expires_at: None,
            models: Models::default(),
            roots: Vec::new(),
            tags: BTreeMap::new(),
        }
    }

    #[test]
    fn refuses_what_is_beyond_its_bounds_and_says_what_would_be_right() {
        let tags = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        let many: BTreeMap<_, _> = (0..=MAX_TAGS).map(|n| (format!("t{n}"), String::new())).collect();
        let admin: Scopes = "workflows,admin".parse().unwrap();
        let one_model = Models(vec!["demo".parse().unwrap()]);
        assert_eq!(grant().check(), Ok(()));
        assert_eq!(Grant { scopes: admin, ..grant() }.check(), Ok(()));
        for (bad, words) in [
            (Grant { scopes: Scopes::default(), ..grant() }, "at least one"),
            (Grant { name: String::new(), ..grant() }, "1 to 128"),
            (Grant { name: "a\nb".to_owned(), ..grant() }, "control characters"),
            (Grant { name: "x".repeat(129), ..grant() }, "1 to 128"),
            (Grant { roots: vec!["work".into()], ..grant() }, "from the root"),
            (Grant { roots: vec!["/a\nb".into()], ..grant() }, "control characters"),
            (Grant { roots: vec!["/".into(); MAX_ROOTS + 1], ..grant() }, "65 roots"),
            (Grant { tags: tags("Team", "x"), ..grant() }, "name=value"),
            (Grant { tags: tags("team", "a\u{1b}[31m"), ..grant() }, "control characters"),
            (Grant { tags: tags("team", &"x".repeat(MAX_TAG_BYTES)), ..grant() }, "256 bytes"),
            (Grant { tags: many, ..grant() }, "17 tags"),
            (Grant { scopes: admin, roots: vec!["/w".into()], ..grant() }, "cannot be confined to roots"),
            (Grant { scopes: admin, models: one_model, ..grant() }, "cannot be confined to models"),
        ] {
            let refused = bad.check().unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn a_root_covers_what_is_beneath_it_and_no_like_named_neighbour() {
        let confined = Grant { roots: vec!["/w".into()], ..grant() };
        for (path, covered) in [("/w", true), ("/w/a", true), ("/w-not", false), ("/", false)] {
            assert_eq!(confined.covers(path.as_ref(), &confined.roots), covered, "{path}");
        }
        assert!(grant().covers("/anywhere".as_ref(), &[]));
        assert!(!confined.covers("/w".as_ref(), &[]), "its root is gone");
    }

    proptest! {
        #[test]
        fn lists_read_back_what_they_wrote(
            tags in proptest::collection::btree_map("[a-z0-9_.-]{1,9}", "[^\\p{Cc}]{0,40}", 0..MAX_TAGS),
            models in proptest::collection::vec("[a-z]{1,9}(/[!-~]{1,9})?", 0..9),
        ) {
            let models = Models(models.iter().map(|rule| rule.parse().unwrap()).collect());
            let grant = Grant { tags, models, ..grant() };
            prop_assert_eq!(grant.check(), Ok(()));
            prop_assert_eq!(Grant::tags_from_lines(&grant.tags_text()).unwrap(), grant.tags.clone());
            prop_assert_eq!(Models::from_lines(&grant.models_text()).unwrap(), grant.models);
        }
    }
}
