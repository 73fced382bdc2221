//! What a model may call, and whether it has to.

use serde::{Deserialize, Serialize};

/// A tool as it is offered to a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// What the model calls it by.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// What it takes.
    pub input: ToolInput,
    /// Whether arguments have to follow the schema to the letter; `None` leaves it to the provider.
    pub strict: Option<bool>,
    /// The tools up to this one are worth keeping in the provider's cache.
    pub cache: Option<crate::Lifetime>,
}

/// What a tool takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolInput {
    /// An object; this is its JSON Schema.
    Json(serde_json::Value),
    /// Any text. The grammar that it should follow, in the client's own terms, is only for a provider that knows them.
    Text {
        /// As the client wrote it.
        grammar: Option<serde_json::Value>,
    },
}

/// Whether the model has to call a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As it sees fit.
    #[default]
    Auto,
    /// None at all.
    None,
    /// At least one, whichever.
    Required,
    /// This one.
    Named(String),
    /// As it sees fit, of these.
    Among(Vec<String>),
    /// At least one of these.
    RequiredAmong(Vec<String>),
}

impl Tool {
    /// A tool that takes an object of this JSON Schema.
    pub fn new(name: impl Into<String>, description: impl Into<String>, schema: serde_json::Value) -> Self {
        let input = ToolInput::Json(schema);
        Self { name: name.into(), description: description.into(), input, ..Self::default() }
    }
}

impl Default for ToolInput {
    /// An object of anything.
    fn default() -> Self {
        Self::Json(serde_json::json!({"type": "object"}))
    }
}
