//! What a start does first: every transaction without a commit record is rolled back.
//!
//! It may itself be killed at any point and run again. It waits for a transaction that is running in another process.

use crate::journal::Stage;
use crate::{Error, Journal, Outcome, Place, Recovered, TransactionId};

impl Journal {
    /// Brings every transaction of the journal to an end and says how each one stands. One that was rolled back
    /// without conflicts leaves the journal and is reported once.
    ///
    /// # Errors
    /// `Io`, `TooMany` and `Damaged` when the journal cannot be listed; what fails for one transaction is its outcome.
    pub fn recover(&self) -> Result<Vec<Recovered>, Error> {
        let _lock = self.lock()?;
        // What is listed, or is not, must also be what a power cut would leave.
        self.sync(&Place::journal_root())?;
        let settle = |id: TransactionId| {
            let outcome = self.settle(&id).unwrap_or_else(Outcome::Failed);
            Recovered { id, outcome }
        };
        Ok(self.list()?.into_iter().map(settle).collect())
    }

    fn settle(&self, id: &TransactionId) -> Result<Outcome, Error> {
        match self.load(id)? {
            Stage::Absent => Ok(Outcome::RolledBack),
            Stage::Unprepared => self.discard(id).map(|()| Outcome::RolledBack),
            Stage::Open(record) => {
                let paths = self.roll_back(&record, record.entries.len())?;
                self.close(id, &paths)?;
                Ok(if paths.is_empty() { Outcome::RolledBack } else { Outcome::Conflict { paths } })
            }
            // Either mark may have been seen in memory only, by a process that died before it was synced.
            Stage::Undone(record, paths) => {
                self.remove_temporaries(&record)?;
                self.keep_undone(id).map(|()| Outcome::Conflict { paths })
            }
            Stage::Committed(_) => self.sync(&Place::transaction(id)).map(|()| Outcome::AlreadyCommitted),
        }
    }
}
