//! The dialects, by name.

/// A vendor's way to say requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Chat Completions, and what is compatible with it.
    OpenAiChat,
    /// OpenAI Responses.
    OpenAiResponses,
    /// Gemini's `generateContent`.
    Gemini,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Anthropic, Self::OpenAiChat, Self::OpenAiResponses, Self::Gemini];

    /// What the errors of this crate call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "Anthropic",
            Self::OpenAiChat => "OpenAI Chat",
            Self::OpenAiResponses => "OpenAI Responses",
            Self::Gemini => "Gemini",
        }
    }
}

/// The body of an error, as clients of the dialect read it.
pub fn error_body(dialect: Dialect, failure: &crate::Failure<'_>) -> Vec<u8> {
    match dialect {
        Dialect::Anthropic => crate::anthropic::error(failure),
        Dialect::OpenAiChat => crate::openai_chat::error(failure),
        Dialect::OpenAiResponses => crate::openai_responses::error(failure),
        Dialect::Gemini => crate::gemini::error(failure),
    }
}
