//! Why a text cannot be read.

use std::fmt;

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// It says nothing.
    Empty,
    /// A number was expected.
    NoNumber,
    /// A number has no unit behind it.
    NoUnit,
    /// A unit is not known.
    UnknownUnit(String),
    /// The value is larger than can be counted.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the text is empty"),
            Self::NoNumber => write!(f, "a number is missing"),
            Self::NoUnit => write!(f, "a unit is missing"),
            Self::UnknownUnit(unit) => write!(f, "the unit `{unit}` is not known"),
            Self::TooLarge => write!(f, "the value is too large"),
        }
    }
}

impl std::error::Error for Error {}
