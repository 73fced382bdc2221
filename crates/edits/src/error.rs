//! Why edits cannot be read or do not fit, in words that a model can act on.

use std::fmt;

use crate::{MAX_EDITS, MAX_FILE_BYTES};

/// An answer whose blocks cannot be read, with all that is wrong with them. Ask again and show the model this text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// At least one, in the answer's order.
    pub defects: Vec<Defect>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        answers::write_defects(f, "the edits cannot be read", &self.defects)
    }
}

/// One thing that is wrong with an answer. A `line` is the answer's, from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// Over [`answers::MAX_BYTES`].
    #[error("the answer has {bytes} bytes; send at most {}", answers::MAX_BYTES)]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// No block at all.
    #[error(
        "there is no edit block; write the file's path on a line, then `<<<<<<< SEARCH`, the lines to find, \
         `=======`, the new lines, `>>>>>>> REPLACE`"
    )]
    NoEdits,
    /// Over [`MAX_EDITS`].
    #[error("there are {found} edit blocks; send at most {MAX_EDITS}, larger ones")]
    TooMany {
        /// How many there are.
        found: usize,
    },
    /// A block that belongs to no file.
    #[error("line {line}: the block has no path; write the file's path on the line before it")]
    NoPath {
        /// Where the block starts.
        line: usize,
    },
    /// A block for a path that may not be named.
    #[error("line {line}: {fault}")]
    BadPath {
        /// Where the block starts.
        line: usize,
        /// What is wrong with the path.
        fault: answers::BadPath,
    },
    /// A block without its end, mostly because the answer was cut off.
    #[error("line {line}: the block is not closed, `{missing}` is missing; send the block whole")]
    Unclosed {
        /// Where the block starts.
        line: usize,
        /// The first marker that is missing.
        missing: String,
    },
    /// A second divider in one block.
    #[error(
        "line {line}: a second `{divider}` in one block; where the file itself has such a line, write all three \
         markers of the block longer"
    )]
    SecondDivider {
        /// Where it stands.
        line: usize,
        /// The line.
        divider: String,
    },
    /// Something like a marker, where it would be passed over.
    #[error(
        "line {line}: a stray or misspelt marker; markers start their line and read `<<<<<<< SEARCH`, `=======`, \
         `>>>>>>> REPLACE`, or `<<<<<<< DELETE`"
    )]
    OddMarker {
        /// Where it stands.
        line: usize,
    },
}

/// Edits that do not fit their file; nothing was applied. Ask again and show the model this text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mismatch {
    /// At least one, in the answer's order.
    pub failures: Vec<Failure>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        answers::write_defects(f, "edits do not fit, and none of this file's were applied", &self.failures)
    }
}

/// One block that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`, the block at line {line} of the answer: {reason}")]
pub struct Failure {
    /// The file.
    pub path: String,
    /// The line of the answer where the block starts, from 1.
    pub line: usize,
    /// Why it does not fit.
    pub reason: Reason,
}

/// Why a block does not fit. Line numbers are the file's, from 1, with the blocks before this one applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// SEARCH is nowhere in the file.
    #[error("SEARCH is not in the file; copy its lines exactly, with their indentation{}", hint(*already, nearest.as_ref()))]
    NotFound {
        /// The line where REPLACE stands already, if it does.
        already: Option<usize>,
        /// What SEARCH may have meant.
        nearest: Option<Nearest>,
    },
    /// SEARCH is in the file more than once.
    #[error(
        "SEARCH is in the file more than once, at the lines {}; add lines around it until it is the only one",
        list(lines)
    )]
    Ambiguous {
        /// Where, the first few.
        lines: Vec<usize>,
    },
    /// An empty SEARCH for a file that has content.
    #[error(
        "SEARCH is empty and the file exists; name the lines to replace, or delete the file before you make it anew"
    )]
    Exists,
    /// A SEARCH, or a deletion, for a file that is not there.
    #[error("there is no such file; leave SEARCH empty to make it, or mend the path")]
    Absent,
    /// The file is, or would become, too large.
    #[error("the file has {bytes} bytes; files of at most {MAX_FILE_BYTES} are edited")]
    TooLarge {
        /// Its length in bytes.
        bytes: usize,
    },
}

/// The lines of the file that are most like a SEARCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// The first of them, from 1.
    pub line: usize,
    /// From SEARCH (`-`) to the file (`+`), line by line, cut where it is long.
    pub diff: String,
}

fn hint(already: Option<usize>, nearest: Option<&Nearest>) -> String {
    let mut text = String::new();
    if let Some(line) = already {
        text.push_str(&format!("; REPLACE stands at line {line} already"));
    }
    if let Some(Nearest { line, diff }) = nearest {
        text.push_str(&format!(
            "; the nearest lines start at {line} (`-` SEARCH has, `+` the file has):\n{diff}"
        ));
    }
    text
}

fn list(lines: &[usize]) -> String {
    let lines: Vec<String> = lines.iter().map(usize::to_string).collect();
    lines.join(", ")
}
