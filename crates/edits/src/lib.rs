//! Edits in a model's free text: search/replace blocks, read by [`parse`](fn@parse) and applied by [`apply`](fn@apply).
//!
//! ```text
//! src/lib.rs
//! <<<<<<< SEARCH
//! lines to find, whole, exact, and in the file once
//! =======
//! lines to stand there instead
//! >>>>>>> REPLACE
//! ```

mod apply;
mod error;
mod nearest;
mod parse;

pub use apply::{MAX_FILE_BYTES, apply};
pub use error::{Defect, Error, Failure, Mismatch, Nearest, Reason};
pub use parse::{MAX_EDITS, MAX_MARKER, parse};

use std::collections::BTreeMap;

/// One block of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The file, relative to the workspace's root; its form was checked, whether it may be touched was not.
    pub path: String,
    /// The line of the answer where the block starts, from 1.
    pub line: usize,
    /// What to do with the file.
    pub change: Change,
}

/// What a block does. Lines are without their endings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Puts `replace` in the place of `search`; without `search` it makes the file.
    Replace {
        /// The lines to find, exactly once.
        search: Vec<String>,
        /// The lines to stand there instead; none removes what was found.
        replace: Vec<String>,
    },
    /// Removes the file.
    Delete,
}

/// The edits of each file, in the answer's order.
pub fn by_path(edits: Vec<Edit>) -> BTreeMap<String, Vec<Edit>> {
    let mut files: BTreeMap<String, Vec<Edit>> = BTreeMap::new();
    for edit in edits {
        files.entry(edit.path.clone()).or_default().push(edit);
    }
    files
}

#[cfg(test)]
mod tests;
