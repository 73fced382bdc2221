//! Money and tokens are integers.

use std::fmt;
use std::iter::Sum;

use serde::{Deserialize, Serialize};

/// An amount of money in 10⁻⁹ US dollars; up to some 9.2 billion dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanodollars(pub i64);

impl Nanodollars {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The sum, or the largest amount there is.
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The sum, unless it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

impl Sum for Nanodollars {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

/// As dollars with six digits behind the point, `$0.001234`; what is smaller is cut off for display only.
impl fmt::Display for Nanodollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let amount = self.0.unsigned_abs();
        let text = format!("{sign}${}.{:06}", amount / 1_000_000_000, amount % 1_000_000_000 / 1_000);
        f.pad(&text)
    }
}

/// A number of a model's tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenCount(pub u64);

impl TokenCount {
    /// The sum, or the largest count there is.
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for TokenCount {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self(0), Self::saturating_add)
    }
}

impl fmt::Display for TokenCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_reads_as_dollars() {
        assert_eq!(Nanodollars(1_234_567_890).to_string(), "$1.234567");
        assert_eq!(Nanodollars(-5_000).to_string(), "-$0.000005");
        assert_eq!(Nanodollars(i64::MIN).to_string(), "-$9223372036.854775");
    }

    #[test]
    fn a_sum_never_wraps() {
        let sum: Nanodollars = [Nanodollars(i64::MAX), Nanodollars(1)].into_iter().sum();
        assert_eq!(sum, Nanodollars(i64::MAX));
        assert_eq!(Nanodollars(i64::MAX).checked_add(Nanodollars(1)), None);
    }
}
