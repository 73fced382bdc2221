//! What can go wrong with a workspace, by what the caller can do about it.

use std::io;
use std::path::PathBuf;

use crate::{BadPath, RelPath, TransactionId};

/// Why a workspace, an overlay or a transaction refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Refused: the folder lies beneath no registered root.
    #[error(
        "`{}` lies beneath no registered root: add it (or a folder above it) to `workspaces.roots` in the configuration and start again",
        path.display()
    )]
    NotRegistered {
        /// The folder that was asked for.
        path: PathBuf,
    },
    /// Refused: the server keeps its state inside the workspace.
    #[error(
        "the state folder `{}` lies inside the workspace `{}`: keep it elsewhere, or each working copy would copy the others",
        state.display(), workspace.display()
    )]
    StateInsideWorkspace {
        /// The state folder.
        state: PathBuf,
        /// The workspace's root.
        workspace: PathBuf,
    },
    /// Refused: not a path that a workspace can hold.
    #[error(transparent)]
    BadPath(#[from] BadPath),
    /// Refused: the path leads out of the workspace.
    #[error("`{path}` leads out of the workspace through a symbolic link: name a file inside it")]
    Escapes {
        /// The path that was asked for.
        path: RelPath,
    },
    /// Refused: a symbolic link stands where a file or folder is to be changed.
    #[error("`{path}` is a symbolic link: change the file that it points to instead")]
    Symlink {
        /// The link.
        path: RelPath,
    },
    /// Refused: something else than a regular file.
    #[error("`{path}` is no regular file (a folder, a pipe, a device or a socket): name a file")]
    NotAFile {
        /// The path that was asked for.
        path: RelPath,
    },
    /// Refused: a file stands where a folder is needed.
    #[error("`{path}` is no folder, so nothing can lie beneath it: choose another path")]
    NotAFolder {
        /// The file that stands in the way.
        path: RelPath,
    },
    /// Refused: more bytes than the bound.
    #[error("`{what}` has more than {limit_bytes} bytes: split it, or leave it to a person")]
    TooLarge {
        /// The file or the whole that was too large.
        what: String,
        /// The bound in bytes.
        limit_bytes: u64,
    },
    /// Refused: more things than the bound.
    #[error("there are more than {limit} {what}: {remedy}")]
    TooMany {
        /// What was counted.
        what: &'static str,
        /// The bound.
        limit: usize,
        /// What to do about it, in words.
        remedy: &'static str,
    },
    /// Refused: two changes of one transaction touch the same path, or one lies beneath the other.
    #[error(
        "`{path}` is changed twice in one transaction, or lies beneath another changed path: make it one change"
    )]
    Overlapping {
        /// The second of the two.
        path: RelPath,
    },
    /// Ask again after reading anew: the files are not what the change was made from. Nothing was overwritten.
    #[error(
        "{} changed since they were read, and were left as they are: read them again and redo the change",
        list(paths)
    )]
    Conflict {
        /// The paths that differ from their base.
        paths: Vec<RelPath>,
    },
    /// Try later: every working copy is in use.
    #[error("all {limit} working copies of this workspace are in use: wait for an edit to finish")]
    PoolBusy {
        /// How many there are.
        limit: usize,
    },
    /// Refused: the id was used before.
    #[error(
        "transaction `{id}` is already in the journal: use a new id, or run recovery when it is unfinished"
    )]
    IdTaken {
        /// The id.
        id: TransactionId,
    },
    /// Refused: only a committed transaction can be reverted.
    #[error("transaction `{id}` is not in the journal as committed: there is nothing to revert")]
    NotCommitted {
        /// The id.
        id: TransactionId,
    },
    /// Run recovery first: a transaction of this journal never came to its end.
    #[error("transaction `{id}` is unfinished: run recovery first")]
    Unfinished {
        /// The id.
        id: TransactionId,
    },
    /// Run recovery: the transaction failed, and so did taking it back.
    #[error(
        "transaction `{id}` failed and could not be taken back at once; its pre-images are kept: run recovery"
    )]
    Unsettled {
        /// The id.
        id: TransactionId,
        /// What failed last.
        #[source]
        source: Box<Error>,
    },
    /// Give up and look: the journal's file is not what was written.
    #[error(
        "the journal's file `{file}` is damaged: move the transaction's folder aside and compare its pre-images by hand"
    )]
    Damaged {
        /// The file, relative to the journal.
        file: String,
    },
    /// Give up and look: a newer version wrote the journal.
    #[error(
        "the journal's file `{file}` has version {version}, which this version cannot read: recover with the version that wrote it"
    )]
    UnknownVersion {
        /// The file, relative to the journal.
        file: String,
        /// The version found.
        version: String,
    },
    /// Try again or look at the disk: the system refused.
    #[error("cannot {doing} `{path}`: {source}")]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// Where.
        path: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Wraps the system's answer with what was tried and where.
    pub(crate) fn io(doing: &'static str, path: impl ToString) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_string(), source }
    }
}

fn list(paths: &[RelPath]) -> String {
    const SHOWN: usize = 10;
    let mut text: Vec<String> = paths.iter().take(SHOWN).map(|path| format!("`{path}`")).collect();
    if paths.len() > SHOWN {
        text.push(format!("{} more", paths.len() - SHOWN));
    }
    text.join(", ")
}
