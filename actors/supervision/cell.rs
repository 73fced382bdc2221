//! The cell that a child publishes for the request path; it belongs to the slot, so a crash resets nothing.

use crate::End;

/// What supervision tells a published cell about its child's life, so that it answers by its rule while nobody lives.
///
/// Called on the supervisor's thread: only flip atomics here.
pub trait Cell: Send + Sync + 'static {
    /// The child ended; until [`Cell::up`] nobody tends the cell.
    fn down(&self, end: &End);

    /// A fresh child of this generation lives.
    fn up(&self, generation: u64);
}
