//! What is wrong with a review, in words that a model can act on.

use std::fmt;

/// A review that cannot be used, with all that is wrong with it. Ask the reviewer again and show it this text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// At least one, in the review's order.
    pub defects: Vec<Defect>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        answers::write_defects(f, "the review cannot be used", &self.defects)
    }
}

/// One thing that is wrong. A `place` is a key or `findings[3]`, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// The answer has no JSON to read.
    #[error(transparent)]
    Answer(#[from] answers::Error),
    /// A part of the JSON has another shape than a review's, or an unknown word.
    #[error("{place}: {message}")]
    Shape {
        /// Which part.
        place: String,
        /// What is wrong with it; names the words that are allowed.
        message: String,
    },
    /// Changes requested, and none named.
    #[error("the verdict is `request_changes` and there is no finding to act on; give one, or `approve`")]
    NothingToActOn,
    /// An approval that its own findings speak against.
    #[error("the verdict is `approve` and {place} is an error; `request_changes`, or lower its severity")]
    ApprovedError {
        /// The finding.
        place: String,
    },
    /// Over the limit of findings.
    #[error("the review has {found} findings; give the {limit} that matter most")]
    TooManyFindings {
        /// How many there are.
        found: usize,
        /// How many may be.
        limit: usize,
    },
    /// A path that may not be named.
    #[error("{place}: {fault}")]
    BadPath {
        /// The finding.
        place: String,
        /// What is wrong with the path.
        fault: answers::BadPath,
    },
    /// A line number that no line has.
    #[error("{place}: `line` counts from 1; leave it out where no line is meant")]
    LineZero {
        /// The finding.
        place: String,
    },
    /// A text that is empty or too long.
    #[error("{place} {fault}")]
    BadText {
        /// Which text.
        place: String,
        /// What is wrong with it.
        fault: answers::BadText,
    },
}
