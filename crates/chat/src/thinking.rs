//! How much a model is to think before it speaks.

use serde::{Deserialize, Serialize};
use units::TokenCount;

/// How much to think. A request without it leaves it to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// Not at all.
    Off,
    /// As much as the model finds right.
    Adaptive,
    /// At most so many tokens.
    Budget(TokenCount),
    /// By a word.
    Effort(Effort),
}

/// How much, by a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// As usual.
    Medium,
    /// Much.
    High,
    /// More than that.
    Higher,
    /// All it can.
    Max,
}

/// Where one word ends and the next begins, in tokens. Source: the budgets that LiteLLM and Google's own compatible
/// endpoint pair with the words (1,024; 8,192; 24,576), widened by one step at each end.
const BUDGETS: [(Effort, u64); 6] = [
    (Effort::Minimal, 512),
    (Effort::Low, 1_024),
    (Effort::Medium, 8_192),
    (Effort::High, 24_576),
    (Effort::Higher, 32_768),
    (Effort::Max, 65_536),
];

impl Effort {
    /// All words, least first.
    pub const ALL: [Self; 6] = [Self::Minimal, Self::Low, Self::Medium, Self::High, Self::Higher, Self::Max];

    /// The budget that stands for the word where only a number can be said.
    pub fn budget(self) -> TokenCount {
        let (_, tokens) = BUDGETS[self as usize];
        TokenCount(tokens)
    }

    /// The word for a budget where only a word can be said: the least one that grants it.
    pub fn of(budget: TokenCount) -> Self {
        BUDGETS.iter().find(|(_, tokens)| budget.0 <= *tokens).map_or(Self::Max, |(effort, _)| *effort)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_survives_its_number_and_a_number_is_never_cut_by_its_word() {
        for effort in Effort::ALL {
            assert_eq!(Effort::of(effort.budget()), effort);
        }
        for tokens in [0, 1, 1_023, 2_000, 10_000, 24_577, 65_536] {
            assert!(Effort::of(TokenCount(tokens)).budget().0 >= tokens);
        }
        assert_eq!(Effort::of(TokenCount(u64::MAX)), Effort::Max);
    }
}
