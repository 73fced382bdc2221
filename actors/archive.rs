//! Those who write and record, planted together in the tree: feed, writer, recorder, keyring.

use std::num::NonZero;

use supervision::ChildSpec;

use crate::blocking;
use crate::feed::{Feed, Pulses};
use crate::keyring::{Keyring, Keys};
use crate::metrics::Families;
use crate::recorder::Recorder;
use crate::tree::{Blueprint, Error};
use crate::writer::{Pen, Turn, Writer};

/// Connections that read the store.
const READERS: NonZero<usize> = NonZero::new(4).expect("4 is not 0");

/// Those who write and record, in the order of their start, and what others hold of them.
pub(crate) struct Archive {
    pub(crate) clerks: [ChildSpec; 4],
    pub(crate) readers: store::Readers,
    pub(crate) pulses: Pulses,
    pub(crate) pen: Pen,
    pub(crate) turn: Turn,
    pub(crate) keys: Keys,
    pub(crate) recorder: Recorder,
}

/// Opens the database and makes those who write to it.
///
/// # Errors
/// When the database or the spool does not open.
pub(crate) async fn open_archive(blueprint: &Blueprint, families: &Families) -> Result<Archive, Error> {
    let (database, clock) = (&blueprint.database, &blueprint.clock);
    let (readers, known_keys) = open_readers(database.clone()).await?;
    let (feed, feed_mailbox, pulses) = Feed::child(clock);
    let (writer, pen, turn) = Writer::child(database.clone(), feed_mailbox, &families.storage(), clock);
    let (keyring, keys) = Keyring::child(known_keys, pen.clone(), readers.clone(), clock);
    let recorder = Recorder::open(&blueprint.records, database, &readers, pen.clone(), clock).await?;
    let clerks = [feed, writer, recorder.child(blueprint.records.window), keyring];
    Ok(Archive { clerks, readers, pulses, pen, turn, keys, recorder })
}

/// Readers need a migrated database, and a broken one is better reported here than by an actor that cannot start.
async fn open_readers(
    database: store::Database,
) -> Result<(store::Readers, Vec<access::Record>), store::Error> {
    blocking(move || {
        drop(store::Writer::open(&database)?);
        let readers = store::Readers::open(&database, READERS)?;
        let keys = readers.keys()?;
        Ok((readers, keys))
    })
    .await
}
