//! What committed transactions replaced: the other side of a diff.

use crate::journal::Stage;
use crate::{Error, Journal, RelPath, TransactionId};

/// A path and the bytes that stood there.
type Before = (RelPath, Option<Vec<u8>>);

impl Journal {
    /// Each path that a committed transaction changed, with the bytes that stood there before it; `None`: no file did.
    ///
    /// # Errors
    /// `NotCommitted`, `Unfinished`; `Damaged`, `UnknownVersion`, `Io`.
    pub fn replaced(&self, id: &TransactionId) -> Result<Vec<Before>, Error> {
        let _lock = self.lock()?;
        let record = match self.load(id)? {
            Stage::Absent | Stage::Unprepared | Stage::Undone(..) => {
                return Err(Error::NotCommitted { id: id.clone() });
            }
            Stage::Open(_) => return Err(Error::Unfinished { id: id.clone() }),
            Stage::Committed(record) => record,
        };
        let changed = record.entries.iter().enumerate().filter(|(_, entry)| !entry.is_assertion());
        changed
            .map(|(number, entry)| {
                let before = entry.base.map(|base| self.pre_image(id, number, base.hash)).transpose()?;
                Ok((entry.path.clone(), before))
            })
            .collect()
    }
}
