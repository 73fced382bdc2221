//! What a request says of answers that are kept. Going on from one is putting it before the request, in `going_on`.

/// What a request says of conversations that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Whether the answer is to be kept; `None` leaves it to the server.
    pub store: Option<bool>,
    /// The answer that this request goes on from.
    pub previous: Option<String>,
    /// How many of the request's first instructions hold for this request alone: those outside the conversation.
    pub instructions: usize,
}
