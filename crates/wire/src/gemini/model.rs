//! What a model of this vendor takes, told by its name. Source: the vendor's pages on thinking, thought signatures,
//! function calling and structured output.

use chat::Effort;

/// A model, as far as its name says what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// As 2.5; `None` for a name that tells none.
    generation: Option<(u32, u32)>,
    is_pro: bool,
}

/// How a model is told how much to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It does not think, or not as it is told.
    Never,
    /// By a number of tokens.
    Budget {
        /// The most that it takes.
        most: u64,
        /// Whether it can be told not to think at all.
        can_rest: bool,
    },
    /// By a word; by a number, too, but it likes that less.
    Word,
}

impl Model {
    /// Of `gemini-2.5-pro`, `google/gemini-3.1-flash-preview`, `gemini-4-argon`.
    pub(super) fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let is_pro = name.contains("-pro");
        let Some((_, rest)) = name.split_once("gemini-") else { return Self { generation: None, is_pro } };
        let version = rest.split('-').next().unwrap_or_default();
        let mut numbers = version.split('.').map(str::parse::<u32>);
        let generation = match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
            (Some(Ok(major)), None) => Some((major, 0)),
            (_, _) => None,
        };
        Self { generation, is_pro }
    }

    /// Budgets came with 2.5, words with 3. A name that tells nothing, as `gemini-flash-latest`, is of the newest kind.
    pub(super) fn manner(self) -> Manner {
        match self.generation {
            Some(generation) if generation < (2, 5) => Manner::Never,
            Some(generation) if generation < (3, 0) && self.is_pro => {
                Manner::Budget { most: 32_768, can_rest: false }
            }
            Some(generation) if generation < (3, 0) => Manner::Budget { most: 24_576, can_rest: true },
            Some(_) | None => Manner::Word,
        }
    }

    /// The word for an effort. There is none above `HIGH` that all models know, and the great ones know no `MINIMAL`.
    pub(super) fn word(self, effort: Effort) -> &'static str {
        match effort {
            Effort::Minimal if !self.is_pro => "MINIMAL",
            Effort::Minimal | Effort::Low => "LOW",
            Effort::Medium => "MEDIUM",
            Effort::High | Effort::Higher | Effort::Max => "HIGH",
        }
    }

    /// Whether it takes JSON Schema for its answers: from 2.5 on; before, a subset of OpenAPI's.
    pub(super) fn takes_json_schema(self) -> bool {
        self.generation.is_none_or(|generation| generation >= (2, 5))
    }

    /// Whether it wants to see a signature on its calls, and takes pictures within results: from 3 on.
    pub(super) fn wants_signatures(self) -> bool {
        self.generation.is_some_and(|generation| generation >= (3, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_generation() {
        for (name, generation, is_pro) in [
            ("gemini-2.5-pro", Some((2, 5)), true),
            ("models/gemini-2.5-flash-lite", Some((2, 5)), false),
            ("google/gemini-3.1-pro-preview", Some((3, 1)), true),
            ("gemini-4-argon", Some((4, 0)), false),
            ("gemini-flash-latest", None, false),
            ("gemma-3", None, false),
        ] {
            assert_eq!(Model::of(name), Model { generation, is_pro }, "{name}");
        }
    }
}
