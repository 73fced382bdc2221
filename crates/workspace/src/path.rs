//! A path inside a workspace, checked once so that it can never name anything outside.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const MAX_BYTES: usize = 1024;
const MAX_PART_BYTES: usize = 255;

/// How the names of the server's own temporary files begin; nobody else may use such names.
pub(crate) const RESERVED_PREFIX: &str = ".impresario-";

/// What a path inside a workspace may not be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no path inside a workspace: {rule}")]
pub struct BadPath {
    found: String,
    rule: &'static str,
}

impl BadPath {
    /// The rule that it broke, in words.
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

/// A relative path with `/` between its parts: never absolute, never `..`, never inside `.git`; at most 1,024 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelPath(String);

impl RelPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders above it, outermost first, without the workspace itself.
    pub fn parents(&self) -> impl Iterator<Item = RelPath> + '_ {
        self.0.match_indices('/').map(|(at, _)| Self(self.0[..at].to_owned()))
    }

    /// Whether it lies beneath `folder`.
    pub fn is_beneath(&self, folder: &RelPath) -> bool {
        self.0.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RelPath {
    type Err = BadPath;

    fn from_str(text: &str) -> Result<Self, BadPath> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for RelPath {
    type Error = BadPath;

    fn try_from(text: String) -> Result<Self, BadPath> {
        match broken_rule(&text) {
            None => Ok(Self(text)),
            Some(rule) => Err(BadPath { found: text.chars().take(120).collect(), rule }),
        }
    }
}

impl From<RelPath> for String {
    fn from(path: RelPath) -> Self {
        path.0
    }
}

fn broken_rule(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() > MAX_BYTES {
        return Some("it has more than 1024 bytes");
    }
    if text.starts_with('/') {
        return Some("write it relative to the workspace, without a leading `/`");
    }
    if text.contains(['\0', '\\']) {
        return Some("separate its parts with `/`; a backslash or NUL is not allowed");
    }
    text.split('/').find_map(broken_part_rule)
}

fn broken_part_rule(part: &str) -> Option<&'static str> {
    match part {
        "" => Some("a part of it is empty"),
        "." | ".." => Some("`.` and `..` are not allowed"),
        // File systems that ignore case would find the real folder behind `.GIT`.
        _ if part.eq_ignore_ascii_case(".git") => Some("`.git` belongs to git alone"),
        _ if part.starts_with(RESERVED_PREFIX) => Some("names that begin with `.impresario-` are reserved"),
        _ if part.len() > MAX_PART_BYTES => Some("a part of it has more than 255 bytes"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_ordinary_paths_as_they_are() {
        for text in
            ["a", "src/main.rs", ".gitignore", ".github/x.yml", "a b/ü.txt", "..a/b..", "gitdir/.gitx"]
        {
            assert_eq!(text.parse::<RelPath>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_could_lead_out_or_into_git() {
        let long = "x/".repeat(600);
        let bad =
            ["", "/", "/etc/passwd", "..", "a/../b", "a/..", "./a", "a/.", "a//b", "a/", "a\\b", "a\0b"];
        for text in bad.into_iter().chain([".git", "a/.git/config", ".GIT/hooks/x", ".impresario-t-0", &long])
        {
            assert!(text.parse::<RelPath>().is_err(), "{text:?}");
            assert!(serde_json::from_value::<RelPath>(text.into()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn knows_the_folders_above_it() {
        let path: RelPath = "a/b/c.txt".parse().unwrap();
        assert_eq!(path.parents().map(String::from).collect::<Vec<_>>(), ["a", "a/b"]);
        assert!(path.is_beneath(&"a/b".parse().unwrap()));
        assert!(!path.is_beneath(&"a/b/c".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn whatever_parses_stays_inside(text in "[a./\\\\\\x00]{0,12}") {
            if let Ok(path) = text.parse::<RelPath>() {
                let joined = std::path::Path::new("/root").join(path.as_str());
                prop_assert!(joined.starts_with("/root"));
                prop_assert!(joined.components().all(|part| part != std::path::Component::ParentDir));
                prop_assert_eq!(path.as_str(), text);
            }
        }
    }
}
