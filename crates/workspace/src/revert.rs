//! Undoing a committed transaction, as a transaction of its own.

use crate::journal::Stage;
use crate::record::{Entry, same};
use crate::transaction::{Found, Step, examine};
use crate::{Error, Journal, Mode, Reverted, TransactionId};

impl Journal {
    /// Gives every file that is still what transaction `id` made of it its content and permissions back, all or none;
    /// the others are left as they are and named. It is journaled as transaction `as_id`; once that is committed,
    /// calling again changes nothing and answers the same.
    ///
    /// # Errors
    /// `NotCommitted` when there is nothing to revert; otherwise as [`Journal::commit`].
    pub fn revert(&self, id: &TransactionId, as_id: &TransactionId) -> Result<Reverted, Error> {
        let _lock = self.lock()?;
        if let Stage::Committed(record) = self.load(as_id)? {
            self.sync(&crate::Place::transaction(as_id))?;
            return Ok(Reverted { id: as_id.clone(), conflicts: record.conflicts });
        }
        self.refuse_unfinished(as_id)?;
        let Stage::Committed(record) = self.load(id)? else {
            return Err(Error::NotCommitted { id: id.clone() });
        };
        let mut steps = Vec::new();
        let mut conflicts = Vec::new();
        for (number, entry) in record.entries.iter().enumerate().filter(|(_, entry)| !entry.is_assertion()) {
            let (now, bytes) = match examine(self.disk(), &entry.path)? {
                Found::Nothing { .. } => (None, None),
                Found::File { state, bytes } => (Some(state), Some(bytes)),
                Found::Obstacle(_) => {
                    conflicts.push(entry.path.clone());
                    continue;
                }
            };
            if same(now, entry.base) {
                continue;
            }
            if !same(now, entry.post) {
                conflicts.push(entry.path.clone());
                continue;
            }
            let content = entry.base.map(|base| self.pre_image(id, number, base.hash)).transpose()?;
            let mode = Mode::Exact(entry.base.map_or(0, |base| base.mode));
            let entry = Entry { path: entry.path.clone(), base: now, post: entry.base };
            steps.push(Step { entry, content, mode, pre_image: bytes });
        }
        self.run(as_id, steps, record.makes, conflicts.clone())?;
        Ok(Reverted { id: as_id.clone(), conflicts })
    }
}
