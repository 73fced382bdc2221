//! Which paths a model may name: relative ones that stay in the workspace and out of its history.

/// The longest path, in bytes.
pub const MAX_PATH_BYTES: usize = 1024;

/// Why a path may not be named; the texts tell a model what to send instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// Nothing is no path.
    #[error("a path is empty; name a file relative to the workspace's root")]
    Empty,
    /// Over [`MAX_PATH_BYTES`].
    #[error("a path has {bytes} bytes; at most {MAX_PATH_BYTES} are allowed")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It starts with `/`.
    #[error("the path `{path}` is absolute; name it relative to the workspace's root")]
    Absolute {
        /// The path.
        path: String,
    },
    /// It has a backslash or a control character.
    #[error("the path {path:?} has a backslash or a control character; separate folders by `/`")]
    BadCharacter {
        /// The path.
        path: String,
    },
    /// It has a part `..`.
    #[error("the path `{path}` climbs with `..`; name it from the workspace's root")]
    Climbs {
        /// The path.
        path: String,
    },
    /// It has an empty part or a part `.`, also at its end, where a folder was meant.
    #[error("the path `{path}` has an empty part or a part `.`; name a file, as in `src/lib.rs`")]
    NotPlain {
        /// The path.
        path: String,
    },
    /// It is `.git` or lies in one.
    #[error("the path `{path}` lies in `.git`, which nobody may touch")]
    History {
        /// The path.
        path: String,
    },
}

/// Checks the form of a path; whether there is such a file is another question.
///
/// # Errors
/// When the path is empty, too long, absolute, has `..`, `.`, an empty part, a backslash or a control character,
/// or lies in `.git`.
pub fn check_path(path: &str) -> Result<(), BadPath> {
    let owned = || path.to_owned();
    if path.is_empty() {
        return Err(BadPath::Empty);
    }
    if path.len() > MAX_PATH_BYTES {
        return Err(BadPath::TooLong { bytes: path.len() });
    }
    if path.contains(|c: char| c == '\\' || c.is_control()) {
        return Err(BadPath::BadCharacter { path: owned() });
    }
    if path.starts_with('/') {
        return Err(BadPath::Absolute { path: owned() });
    }
    for part in path.split('/') {
        match part {
            ".." => return Err(BadPath::Climbs { path: owned() }),
            "" | "." => return Err(BadPath::NotPlain { path: owned() }),
            // Some file systems do not tell upper case from lower.
            _ if part.eq_ignore_ascii_case(".git") => return Err(BadPath::History { path: owned() }),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_plain_relative_paths() {
        for path in ["a", "src/lib.rs", "a b/ü.txt", ".gitignore", ".github/ci.yml", "..a/b...", "a:b"] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn refuses_what_could_leave_the_workspace_or_touch_its_history() {
        let long = "x".repeat(MAX_PATH_BYTES + 1);
        let bad = [
            "",
            "/etc/passwd",
            "..",
            "../a",
            "a/../../b",
            "a/..",
            ".",
            "./a",
            "a//b",
            "a/",
            "a\\b",
            "..\\a",
            "a\0b",
            "a\nb",
            ".git",
            ".git/config",
            ".GIT/hooks/x",
            "sub/.git/config",
            &long,
        ];
        for path in bad {
            assert!(check_path(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_path() {
        assert!(check_path("a/../b").unwrap_err().to_string().contains("`a/../b`"));
    }
}
