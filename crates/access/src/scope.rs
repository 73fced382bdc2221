//! The scopes: a closed set, each a kind of door.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// What a key may be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Calling models through the dialects' doors.
    Gateway,
    /// Starting, watching and stopping workflows.
    Workflows,
    /// The servers for clients that speak MCP.
    Mcp,
    /// Acting on the tree and on keys: whoever has it can give himself every other one.
    Admin,
    /// Reading what was counted.
    Metrics,
}

/// Some scopes. Empty until something is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Gateway, Self::Workflows, Self::Mcp, Self::Admin, Self::Metrics];

    /// Its word, as it is written and stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Workflows => "workflows",
            Self::Mcp => "mcp",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Scopes {
    /// Whether `scope` is among them.
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = || Error::NoScope { found: text.chars().take(64).collect() };
        Self::ALL.into_iter().find(|scope| scope.word() == text).ok_or_else(found)
    }
}

/// Their words with commas between them.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, scope) in self.iter().enumerate() {
            write!(f, "{}{scope}", if place == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for Scopes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        text.split(',').filter(|word| !word.is_empty()).map(str::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_of_scopes_reads_back_what_it_wrote() {
        for bits in 0..1 << Scope::ALL.len() {
            let scopes = Scopes(bits);
            assert_eq!(scopes.to_string().parse(), Ok(scopes));
        }
        assert_eq!("admin,metrics".parse::<Scopes>().unwrap().to_string(), "admin,metrics");
        assert!("admin,root".parse::<Scopes>().unwrap_err().to_string().contains("`root`"));
    }

    #[test]
    fn no_scope_brings_another_one_along() {
        for scope in Scope::ALL {
            let only: Scopes = [scope].into_iter().collect();
            assert!(Scope::ALL.into_iter().all(|other| only.has(other) == (other == scope)), "{scope}");
        }
    }
}
