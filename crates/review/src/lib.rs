//! A review: a verdict on a change, with findings that an editor can act on.
//!
//! [`Review::parse`] takes a reviewer's answer or names all of its defects at once, so that a model can mend them
//! in one go.

mod defect;
mod parse;

pub use defect::{Defect, Error};
pub use parse::{MAX_DETAIL_BYTES, MAX_FINDINGS, MAX_SUMMARY_BYTES, MAX_TITLE_BYTES};

use serde::{Deserialize, Serialize};

/// A validated review, if it came from [`Review::parse`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Whether the change may stay as it is.
    pub verdict: Verdict,
    /// Why, in a few sentences.
    pub summary: String,
    /// What was found, in the reviewer's order.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

/// What is to become of the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It stays; no finding is an error.
    Approve,
    /// It is revised; at least one finding says how.
    RequestChanges,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file, relative to the workspace's root.
    pub path: String,
    /// The line in the changed file, from 1, where there is one.
    #[serde(default)]
    pub line: Option<u32>,
    /// One line for people.
    pub title: String,
    /// What is wrong and how to mend it, for the editor.
    pub detail: String,
}

/// How bad a finding is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The change must not stay so.
    Error,
    /// The change may stay; it would be better otherwise.
    Warning,
    /// Worth knowing.
    Note,
}

impl Review {
    /// Reads a reviewer's answer: one JSON object, bare or in the first ```` ```json ```` block.
    ///
    /// # Errors
    /// Names every defect: no JSON, a wrong shape, unknown words, over [`MAX_FINDINGS`], texts over their limits,
    /// bad paths, changes requested without a finding, an approval with an error among its findings.
    pub fn parse(answer: &str) -> Result<Self, Error> {
        parse::review(answer)
    }
}

#[cfg(test)]
mod tests;
