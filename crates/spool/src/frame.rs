//! How a record lies in a file: its length, a check of it, and its bytes.

use super::Error;

/// The most bytes of one record.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// Length and check.
pub(crate) const HEAD_BYTES: usize = LENGTH_BYTES + CHECK_BYTES;
const LENGTH_BYTES: usize = 4;
const CHECK_BYTES: usize = 8;

/// A record as it was found.
pub(crate) struct Frame {
    pub(crate) record: Vec<u8>,
    /// The bytes that it takes, its head among them.
    pub(crate) size: u64,
}

/// Writes a record behind what is there.
pub(crate) fn write(bytes: &mut Vec<u8>, record: &[u8]) -> Result<(), Error> {
    if record.len() > MAX_RECORD_BYTES {
        return Err(Error::TooLarge { bytes: record.len() });
    }
    let length = u32::try_from(record.len()).expect("the bound is far below");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&check(record));
    bytes.extend_from_slice(record);
    Ok(())
}

/// How many bytes follow a head; `None` where no record is so long.
pub(crate) fn length(head: &[u8; HEAD_BYTES]) -> Option<usize> {
    let (length, _) = head.split_first_chunk().expect("a head is longer than a length");
    usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length <= MAX_RECORD_BYTES)
}

/// Whether this is the record that the head was written for.
pub(crate) fn fits(head: &[u8; HEAD_BYTES], record: &[u8]) -> bool {
    head[LENGTH_BYTES..] == check(record)
}

/// Whether a whole record stands at the beginning of `bytes`.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    let Some((head, rest)) = bytes.split_first_chunk() else { return false };
    length(head).and_then(|length| rest.get(..length)).is_some_and(|record| fits(head, record))
}

/// The length is in it, so that a file of zeros holds no records.
fn check(record: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"impresario.spool.1");
    hasher.update(&(record.len() as u64).to_le_bytes());
    hasher.update(record);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..CHECK_BYTES]);
    check
}
