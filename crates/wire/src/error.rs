//! Why a stream or a body cannot be understood. No variant carries what a model said.

/// What is wrong with what a provider sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A frame of the event stream is larger than is allowed.
    #[error("a frame of the event stream has more than {limit} bytes")]
    FrameTooLarge {
        /// The most bytes that are allowed.
        limit: usize,
    },
    /// A line of the event stream is not UTF-8.
    #[error("a line of the event stream is not UTF-8")]
    NotUtf8,
    /// A frame or a body is not what the dialect has there.
    #[error("{what} of the {dialect} dialect cannot be read at byte {column}: {rule}")]
    Malformed {
        /// Which dialect was expected.
        dialect: &'static str,
        /// Which part of it.
        what: &'static str,
        /// Where in the line, counted from 1; 0 when it has no one place.
        column: usize,
        /// What it should be.
        rule: &'static str,
    },
    /// There are more tool calls than are allowed.
    #[error("the answer has more than {limit} tool calls")]
    TooManyToolCalls {
        /// The most that are allowed.
        limit: u32,
    },
    /// The provider reported an error inside the stream.
    #[error("the provider broke off with status {status}: {message}")]
    Reported {
        /// The HTTP status that this error would have had before the stream.
        status: u16,
        /// The provider's words, as they came.
        message: String,
    },
    /// The stream ended before the dialect's own end.
    #[error("the {dialect} stream was cut: it ended before the answer did")]
    Cut {
        /// Which dialect.
        dialect: &'static str,
    },
}
