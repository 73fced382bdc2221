//! Who said what: turns and their pieces.

use serde::{Deserialize, Serialize};

use crate::Media;

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
    /// Who instructs the model in the middle of the conversation; first instructions are the request's `system`.
    System,
}

/// A piece of a turn, of the system's instructions or of a tool's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Part {
    /// Plain text.
    Text {
        /// The text itself.
        text: String,
    },
    /// A picture.
    Image(Media),
    /// A PDF, or a text with a name.
    Document(Media),
    /// A sound.
    Audio(Media),
    /// What the model thought before it said the rest.
    Thought(Thought),
    /// The model does not want to answer, and says so.
    Refusal {
        /// Its words.
        text: String,
    },
    /// The model wants a tool to run.
    ToolCall(ToolCall),
    /// What the tool answered.
    ToolResult(ToolResult),
    /// All that stands before this is worth keeping in the provider's cache.
    CachePoint {
        /// For how long.
        lifetime: Lifetime,
    },
}

/// How long a provider's cache keeps a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifetime {
    /// Five minutes, or what the provider usually does.
    #[default]
    Short,
    /// One hour.
    Hour,
}

/// A model's reasoning. With no text and only a seal, the seal belongs to the part that follows (Gemini seals calls).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thought {
    /// What may be read of it; empty when it is hidden.
    pub text: String,
    /// What proves to its issuer that the model thought so.
    pub seal: Option<Seal>,
}

/// Opaque bytes of a vendor that have to come back to it unchanged, and to nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Who gave it; `None` when the client spoke the issuer's own dialect and nothing tells which account's it is.
    pub issuer: Option<String>,
    /// As it was given.
    pub value: String,
    /// It holds the thought itself, encrypted, and not only a signature of what can be read.
    pub whole: bool,
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
    /// What the tool said: text, images, documents.
    pub content: Vec<Part>,
    /// Whether the tool failed.
    pub is_error: bool,
}

impl Turn {
    /// A user's turn of plain text.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, parts: vec![Part::text(text)] }
    }
}

impl Part {
    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// What can be read of it as plain text; `None` for what is no text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text } | Self::Refusal { text } => Some(text),
            Self::Image(_)
            | Self::Document(_)
            | Self::Audio(_)
            | Self::Thought(_)
            | Self::ToolCall(_)
            | Self::ToolResult(_)
            | Self::CachePoint { .. } => None,
        }
    }
}

impl ToolResult {
    /// A tool's answer in plain text.
    pub fn text(call_id: impl Into<String>, text: impl Into<String>, is_error: bool) -> Self {
        Self { call_id: call_id.into(), content: vec![Part::text(text)], is_error }
    }
}
