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

/// What keeps a silent stream open and means nothing, between two of its frames; `is_array` is Gemini's other form.
pub fn keep_alive(dialect: Dialect, is_array: bool) -> &'static [u8] {
    match dialect {
        Dialect::Anthropic => b"event: ping\ndata: {\"type\":\"ping\"}\n\n",
        Dialect::OpenAiChat | Dialect::OpenAiResponses => b": keep-alive\n\n",
        // Google's clients take a comment for an error, and some lose their place over an empty line.
        Dialect::Gemini if is_array => b"\r\n",
        Dialect::Gemini => crate::gemini::SILENCE,
    }
}

/// A client's request. Gemini says the model and whether it streams in the URL, all others in the body.
///
/// # Errors
/// When the request is none of the dialect, or goes on from an answer that would have to be kept here.
pub fn request(
    dialect: Dialect,
    body: &[u8],
    model: &str,
    is_streamed: bool,
) -> Result<crate::Asked, crate::Invalid> {
    match dialect {
        Dialect::Anthropic => crate::anthropic::request(body),
        Dialect::OpenAiChat => crate::openai_chat::request(body),
        Dialect::OpenAiResponses => {
            let (mut asked, kept) = crate::openai_responses::request(body)?;
            if kept.previous.is_some() {
                return Err(crate::Invalid::previous_response());
            }
            if kept.store == Some(true) {
                asked.unsaid.push("store".to_owned());
            }
            Ok(asked)
        }
        Dialect::Gemini => crate::gemini::request(body, model, is_streamed),
    }
}

/// Writes one answer as a stream of the dialect; `is_array` is Gemini's other form.
pub fn encoder(dialect: Dialect, is_array: bool, head: &crate::Head<'_>) -> Box<dyn crate::Encode> {
    match dialect {
        Dialect::Anthropic => Box::new(crate::anthropic::Encoder::new(head)),
        Dialect::OpenAiChat => Box::new(crate::openai_chat::Encoder::new(head)),
        Dialect::OpenAiResponses => Box::new(crate::openai_responses::Encoder::new(head)),
        Dialect::Gemini => {
            let form = if is_array { crate::gemini::Form::List } else { crate::gemini::Form::Sse };
            Box::new(crate::gemini::Encoder::new(head, form))
        }
    }
}

/// One answer that comes whole.
pub fn whole(dialect: Dialect, message: &chat::Message, head: &crate::Head<'_>) -> Vec<u8> {
    match dialect {
        Dialect::Anthropic => crate::anthropic::whole(message, head),
        Dialect::OpenAiChat => crate::openai_chat::whole(message, head),
        Dialect::OpenAiResponses => crate::openai_responses::whole(message, head),
        Dialect::Gemini => crate::gemini::whole(message, head),
    }
}
