//! A snapshot of environment variables, so that nothing else reads them and tests can make them up.
//!
//! A variable that is set to nothing counts as not set. Values can be keys, so only names are shown.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use super::Error;

/// Variables of this program begin so.
const OWN_PREFIX: &str = "IMPRESARIO_";
/// Between the levels of a setting's name; single ones are part of keys.
const LEVELS: &str = "__";

/// Names the configuration file.
pub(super) const CONFIG: &str = "IMPRESARIO_CONFIG";
/// Names the state folder.
pub(super) const STATE_DIR: &str = "IMPRESARIO_STATE_DIR";
/// Names the server that commands ask over the network.
pub(super) const SERVER: &str = "IMPRESARIO_SERVER";
/// Is the key that opens it.
pub(super) const KEY: &str = "IMPRESARIO_KEY";
/// Names a file of CA certificates that are trusted there.
pub(super) const CA_FILE: &str = "IMPRESARIO_CA_FILE";
/// Ends the process at a chosen point, in debug builds.
pub(super) const FAIL_POINT: &str = "IMPRESARIO_FAILPOINT";
/// Name the server of PostgreSQL that the tests run against and its programs; the program itself passes them by.
const TESTS: [&str; 2] = ["IMPRESARIO_TEST_POSTGRES", "IMPRESARIO_TEST_POSTGRES_BIN"];
/// Those that are no settings.
pub(super) const RESERVED: [&str; 8] =
    [CONFIG, STATE_DIR, SERVER, KEY, CA_FILE, FAIL_POINT, TESTS[0], TESTS[1]];

/// Environment variables as they were at one moment.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// A variable's value, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// A variable's value as text.
    ///
    /// # Errors
    /// When it is no UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.to_str().map(Some).ok_or_else(|| Error::VariableNotText { name: name.to_owned() })
    }

    /// All variables, for a program that is to see what this one does.
    pub(super) fn all(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }

    /// The variables of these names that are set at all.
    pub fn only(&self, names: &[&str]) -> Vec<(OsString, OsString)> {
        let named = names.iter().filter_map(|name| self.0.get_key_value(OsStr::new(name)));
        named.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The user's home folder.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.absolute("HOME")
    }

    /// A folder of the XDG base directories: `variable`, else `fallback` beneath the home folder.
    pub(super) fn xdg(&self, variable: &str, fallback: &str) -> Option<PathBuf> {
        self.absolute(variable).or_else(|| Some(self.home()?.join(fallback)))
    }

    /// The XDG specification has relative paths ignored.
    fn absolute(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// The settings that variables of this program make: name, path of the key, text.
    ///
    /// # Errors
    /// When a value is no UTF-8.
    pub(super) fn settings(&self) -> Result<Vec<(String, Vec<String>, String)>, Error> {
        let own = self.0.keys().filter_map(|name| {
            let name = name.to_string_lossy();
            let key = name.strip_prefix(OWN_PREFIX)?.to_lowercase();
            (!RESERVED.contains(&&*name)).then(|| (name.to_string(), key))
        });
        let mut settings = Vec::new();
        for (name, key) in own {
            let path = key.split(LEVELS).map(ToOwned::to_owned).collect();
            if let Some(text) = self.text(&name)? {
                settings.push((name.clone(), path, text.to_owned()));
            }
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let environment: Environment = [("A", ""), ("B", "b")].into_iter().collect();
        assert_eq!(environment.get("A"), None);
        assert_eq!(environment.text("B").unwrap(), Some("b"));
        assert_eq!(environment.text("C").unwrap(), None);
    }

    #[test]
    fn two_underscores_separate_levels_and_reserved_names_are_no_settings() {
        let environment: Environment = [
            ("IMPRESARIO_AGENTS__EDITOR__WITHIN_S", "9"),
            ("IMPRESARIO_CONFIG", "x.yaml"),
            ("IMPRESARIO_LOG__LEVEL", ""),
            ("OTHER", "1"),
        ]
        .into_iter()
        .collect();
        let path = ["agents", "editor", "within_s"].map(str::to_owned).to_vec();
        let name = "IMPRESARIO_AGENTS__EDITOR__WITHIN_S".to_owned();
        assert_eq!(environment.settings().unwrap(), [(name, path, "9".to_owned())]);
    }

    #[test]
    fn refuses_what_is_no_text_where_text_is_wanted() {
        use std::os::unix::ffi::OsStringExt;
        let name = OsString::from("IMPRESARIO_LOG__LEVEL");
        let environment: Environment = [(name, OsString::from_vec(vec![0xff]))].into_iter().collect();
        assert!(matches!(environment.settings(), Err(Error::VariableNotText { .. })));
    }

    #[test]
    fn shows_names_and_no_values() {
        let environment: Environment = [("ANTHROPIC_API_KEY", "sk-very-secret")].into_iter().collect();
        let shown = format!("{environment:?}");
        assert!(shown.contains("ANTHROPIC_API_KEY") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_relative_base_folder_is_passed_over() {
        let of = |state: &str| -> Environment {
            [("HOME", "/me"), ("XDG_STATE_HOME", state)].into_iter().collect()
        };
        let found = |state: &str| of(state).xdg("XDG_STATE_HOME", ".local/state").unwrap();
        assert_eq!(found("/var/s"), PathBuf::from("/var/s"));
        assert_eq!(found("s"), PathBuf::from("/me/.local/state"));
        assert_eq!(Environment::default().xdg("XDG_STATE_HOME", ".local/state"), None);
    }
}
