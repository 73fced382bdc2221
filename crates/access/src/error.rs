//! What cannot be granted. Each is for whoever asks for a key to mend.

use units::BadId;

/// Why something is no key's grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such scope.
    #[error("`{found}` is no scope: choose from gateway, workflows, mcp, admin and metrics")]
    NoScope {
        /// What was asked for.
        found: String,
    },
    /// A key that may do nothing.
    #[error(
        "a key without a scope may do nothing: name at least one of gateway, workflows, mcp, admin and metrics"
    )]
    NoScopes,
    /// The name is not fit to be shown.
    #[error("a key's name has 1 to {most} bytes and no control characters")]
    BadName {
        /// The most bytes.
        most: usize,
    },
    /// More than a key carries.
    #[error("{found} {what} are too many for one key, which carries {most}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many were asked for.
        found: usize,
        /// The most.
        most: usize,
    },
    /// Neither a provider nor a model of one.
    #[error("a key's model is written `provider` for all of its models, or `provider/model`: {0}")]
    BadModel(#[from] BadId),
    /// No folder's path.
    #[error(
        "a key's root is a path from the root of the file system, of at most {most} bytes and without control characters"
    )]
    BadRoot {
        /// The most bytes.
        most: usize,
    },
    /// No tag.
    #[error(
        "a key's tag is written name=value: a name of a-z, 0-9, `-`, `_` and `.`, a value without control characters, \
         and at most {most} bytes together"
    )]
    BadTag {
        /// The most bytes.
        most: usize,
    },
    /// A key that could make itself another.
    #[error(
        "a key with the scope admin cannot be confined to {what}, for it could make itself another key: leave them out, \
         or make a key without the scope admin"
    )]
    ConfinedAdmin {
        /// To what it was to be confined.
        what: &'static str,
    },
    /// A stored digest that is none.
    #[error("a key's stored digest is no SHA-256")]
    BadDigest,
}
