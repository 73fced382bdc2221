//! What a transaction is asked to do, and what it answers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ContentHash, Error, RelPath};

/// One file's change, made from a known base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub path: RelPath,
    /// The hash of the content that the change was made from; `None`: the file must not exist.
    pub base: Option<ContentHash>,
    /// The new content, at most 8 MiB; `None`: the file is deleted.
    pub content: Option<Vec<u8>>,
    /// Whether the file is to be executable; `None`: as it was, and a new file is not.
    pub executable: Option<bool>,
}

/// The name of a transaction: 1 to 64 of the characters a-z, 0-9, `-` and `_`. It names a folder of the journal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TransactionId(String);

/// Text that is no transaction id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a transaction id has 1 to 64 of the characters a-z, 0-9, `-` and `_`")]
pub struct BadTransactionId;

impl TransactionId {
    const MAX_BYTES: usize = 64;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TransactionId {
    type Err = BadTransactionId;

    fn from_str(text: &str) -> Result<Self, BadTransactionId> {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
        if (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(BadTransactionId)
    }
}

impl TryFrom<String> for TransactionId {
    type Error = BadTransactionId;

    fn try_from(text: String) -> Result<Self, BadTransactionId> {
        text.parse()
    }
}

impl From<TransactionId> for String {
    fn from(id: TransactionId) -> Self {
        id.0
    }
}

/// A transaction that is wholly done and will survive a power cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its id.
    pub id: TransactionId,
    /// The paths it changed, in the order in which it changed them.
    pub paths: Vec<RelPath>,
}

/// What recovery found of one transaction.
#[derive(Debug)]
pub struct Recovered {
    /// Its id.
    pub id: TransactionId,
    /// What became of it.
    pub outcome: Outcome,
}

/// How a transaction stands after recovery.
#[derive(Debug)]
pub enum Outcome {
    /// It had no commit record; the workspace is as it was before it.
    RolledBack,
    /// It has its commit record and nothing was to do.
    AlreadyCommitted,
    /// It was rolled back but for `paths`, which somebody else changed: they are as that person left them, and their
    /// pre-images are kept in the journal until the transaction is forgotten.
    Conflict {
        /// The paths that were left alone.
        paths: Vec<RelPath>,
    },
    /// It could not be recovered now; its files are kept and the next recovery tries again.
    Failed(Error),
}

/// A committed transaction was undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverted {
    /// The transaction that undid it.
    pub id: TransactionId,
    /// The paths that were changed since by somebody else and were left as they are.
    pub conflicts: Vec<RelPath>,
}
