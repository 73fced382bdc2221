//! What a model is asked.

use serde::{Deserialize, Serialize};
use units::TokenCount;

/// One call to a model; the model's name is not in it, the router chooses that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Instructions that stand before the conversation.
    pub system: Option<String>,
    /// The conversation so far, oldest first; the last turn is the user's.
    pub turns: Vec<Turn>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// The most that may be answered.
    pub max_output: TokenCount,
    /// 0 is the most predictable; `None` leaves it to the provider.
    pub temperature: Option<f32>,
}

/// What a request may leave to the provider, and some models refuse to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// How freely words are chosen.
    Temperature,
}

/// What one side said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Who said it.
    pub role: Role,
    /// What was said, in order.
    pub parts: Vec<Part>,
}

/// A side of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Who asks; tool results are the user's too.
    User,
    /// The model.
    Assistant,
}

/// A piece of a turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Part {
    /// Plain text.
    Text {
        /// The text itself.
        text: String,
    },
    /// The model wants a tool to run.
    ToolCall(ToolCall),
    /// What the tool answered.
    ToolResult(ToolResult),
}

/// A tool as it is offered to a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// What the model calls it by.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: serde_json::Value,
}

/// A model's wish to run a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Pairs the call with its result.
    pub id: String,
    /// The tool's name, as the model wrote it.
    pub name: String,
    /// The arguments as JSON text, as the model wrote them: they may not parse.
    pub arguments: String,
}

/// The answer to a tool call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call it answers.
    pub call_id: String,
    /// What the tool said.
    pub content: String,
    /// Whether the tool failed.
    pub is_error: bool,
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

impl Turn {
    /// A user's turn of plain text.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, parts: vec![Part::Text { text: text.into() }] }
    }
}
