//! A workspace on disk: reading it inside its root, working copies to try changes in, and the one journaled
//! transaction that changes it.
//!
//! Nothing here writes to a workspace outside [`Journal::commit`], [`Journal::revert`] and [`Journal::recover`], and
//! none of them overwrites bytes that it did not expect to find. Linux only: it stands on `openat` and `renameat2`.

mod change;
mod disk;
mod error;
mod files;
mod folder;
mod hash;
mod interrupting;
mod journal;
mod overlay;
mod path;
mod record;
mod recovery;
mod replaced;
mod revert;
mod rollback;
mod room;
mod roots;
mod snapshot;
mod sync;
mod transaction;
mod walk;

pub use change::{Change, Committed, Outcome, Recovered, Reverted, TransactionId};
pub use disk::{Area, Disk, Kind, Lock, Mode, Operation, Place, RealDisk, Stat};
pub use error::Error;
pub use files::Workspace;
pub use hash::ContentHash;
pub use interrupting::Interrupting;
pub use journal::Journal;
pub use overlay::{Overlay, Pool};
pub use path::{BadPath, RelPath};
pub use room::free_bytes;
pub use roots::Roots;
pub use snapshot::{Snapshot, Stamp};
pub use walk::{FileEntry, LeftOut, Listing};

#[cfg(test)]
mod tests;
