//! What a client asks in its own dialect, understood.

/// A request as it came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The model, as the client calls it.
    pub model: String,
    /// Whether the answer is to come piece by piece.
    pub is_streamed: bool,
    /// Whether the client wants to be told at a stream's end what was used; only Chat Completions lets it choose.
    pub wants_usage: bool,
    /// What is asked.
    pub request: chat::Request,
    /// What the request holds that no other dialect can say: names of fields, as `logit_bias` or `tools.web_search`.
    pub unsaid: Vec<String>,
}

/// What is wrong with a request: its sender can mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct Invalid {
    /// Where, as `messages[2].content[0].type`; `body` where it is no one field.
    pub field: String,
    /// What it should be, and never what it was.
    pub rule: String,
}

impl Invalid {
    /// A field and its rule.
    pub fn new(field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { field: field.into(), rule: rule.into() }
    }

    /// A request goes on from an answer that nobody has kept.
    pub fn previous_response() -> Self {
        Self::new("previous_response_id", "no answers are kept here: send the whole conversation as `input`")
    }
}

/// To whom a request is encoded.
#[derive(Clone, Copy, Debug)]
pub struct To<'a> {
    /// The model, as the provider calls it.
    pub model: &'a str,
    /// Whether the answer is to come piece by piece.
    pub is_streamed: bool,
    /// Whose seals it honours; those of anybody else are left out.
    pub issuer: &'a str,
}

/// A request in a provider's words.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// The body.
    pub body: serde_json::Value,
    /// What of the request this dialect cannot say, each named once: fields of [`chat::Request`] and kinds of parts.
    pub unsaid: Vec<&'static str>,
}
