//! What a model is asked.

use serde::{Deserialize, Serialize};
use units::TokenCount;

use crate::{Part, Thinking, Tool, ToolChoice, Turn};

/// One call to a model; the model's name is not in it, the router chooses that. What is `None` or empty is left to the
/// provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Instructions that stand before the conversation: text and cache points.
    pub system: Vec<Part>,
    /// The conversation so far, oldest first.
    pub turns: Vec<Turn>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Whether it has to.
    pub tool_choice: ToolChoice,
    /// Whether it may call several at once.
    pub parallel_tools: Option<bool>,
    /// The most that may be answered, thinking among it.
    pub max_output: Option<TokenCount>,
    /// 0 is the most predictable.
    pub temperature: Option<f64>,
    /// Only the likeliest words that together have this probability.
    pub top_p: Option<f64>,
    /// Only this many of the likeliest words.
    pub top_k: Option<u32>,
    /// How much words that came often are held back, from -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// How much words that came at all are held back, from -2 to 2.
    pub presence_penalty: Option<f64>,
    /// The same seed asks for the same answer.
    pub seed: Option<i64>,
    /// The answer ends before any of these.
    pub stop: Vec<String>,
    /// How much to think.
    pub thinking: Option<Thinking>,
    /// Whether thoughts are to be shown in words.
    pub show_thoughts: Option<bool>,
    /// What shape the text has to have.
    pub format: Format,
    /// Whom the client asks for, in its own opaque name.
    pub user: Option<String>,
    /// What requests with the same beginning have in common, to find the provider's cache again.
    pub cache_key: Option<String>,
}

/// What shape an answer's text has to have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Any.
    #[default]
    Text,
    /// Some JSON object.
    Json,
    /// JSON of this schema.
    Schema {
        /// What the schema is called.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// JSON Schema.
        schema: serde_json::Value,
        /// Whether it has to be followed to the letter.
        strict: Option<bool>,
    },
}

/// What a request may leave to the provider, and some models refuse to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// How freely words are chosen.
    Temperature,
}

impl Request {
    /// Whether the request tells the model this.
    pub fn has(&self, parameter: Parameter) -> bool {
        match parameter {
            Parameter::Temperature => self.temperature.is_some(),
        }
    }

    /// The same request, leaving this to the provider.
    #[must_use]
    pub fn without(&self, parameter: Parameter) -> Self {
        match parameter {
            Parameter::Temperature => Self { temperature: None, ..self.clone() },
        }
    }

    /// Whether thoughts are among what was said.
    pub fn has_thoughts(&self) -> bool {
        self.turns.iter().any(|turn| turn.parts.iter().any(is_thought))
    }

    /// The same request as if nobody had thought; a turn of nothing else is none.
    #[must_use]
    pub fn without_thoughts(&self) -> Self {
        let spoken = |turn: &Turn| {
            let parts: Vec<Part> = turn.parts.iter().filter(|part| !is_thought(part)).cloned().collect();
            let is_emptied = parts.is_empty() && !turn.parts.is_empty();
            (!is_emptied).then_some(Turn { role: turn.role, parts })
        };
        Self { turns: self.turns.iter().filter_map(spoken).collect(), ..self.clone() }
    }
}

fn is_thought(part: &Part) -> bool {
    matches!(part, Part::Thought(_))
}

impl Parameter {
    /// All there are.
    pub const ALL: [Self; 1] = [Self::Temperature];

    /// Its name, as the configuration has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Role, Thought};

    #[test]
    fn without_its_thoughts_a_conversation_says_the_same() {
        let thought = || Part::Thought(Thought { text: "hm".to_owned(), seal: None });
        let turn = |parts| Turn { role: Role::Assistant, parts };
        let asked = Request {
            turns: vec![
                Turn::user("hi"),
                turn(vec![thought(), Part::text("ho")]),
                turn(vec![thought()]),
                turn(vec![]),
            ],
            seed: Some(1),
            ..Request::default()
        };
        let without = asked.without_thoughts();
        let turns = vec![Turn::user("hi"), turn(vec![Part::text("ho")]), turn(vec![])];
        assert_eq!(without, Request { turns, ..asked.clone() });
        assert!(asked.has_thoughts() && !without.has_thoughts());
        assert_eq!(without.without_thoughts(), without);
    }
}
