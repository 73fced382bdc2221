//! What the journal writes down of a transaction, and how: one line with version and checksum, then JSON.
//!
//! A file that was cut off reads as absent, never as half; a file of another version is refused.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{ContentHash, Error, RelPath, TransactionId};

const MAGIC: &str = "impresario-journal";
const VERSION: &str = "1";
const OWNER_EXECUTES: u32 = 0o100;

/// A whole transaction, written before the workspace is touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) id: TransactionId,
    /// In the order in which they are applied.
    pub(crate) entries: Vec<Entry>,
    /// The folders that it makes, outermost first.
    pub(crate) makes: Vec<RelPath>,
    /// The folders that it removes if they become empty, outermost first.
    pub(crate) unmakes: Vec<RelPath>,
    /// The paths that a revert left as they were.
    pub(crate) conflicts: Vec<RelPath>,
}

/// One file before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) path: RelPath,
    pub(crate) base: Option<FileState>,
    pub(crate) post: Option<FileState>,
}

/// A file's content and permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileState {
    pub(crate) hash: ContentHash,
    pub(crate) mode: u32,
}

/// The commit record: it names the record that it commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seal {
    pub(crate) id: TransactionId,
    pub(crate) record: ContentHash,
}

/// Written when a transaction was rolled back but for some paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Undone {
    pub(crate) conflicts: Vec<RelPath>,
}

impl FileState {
    pub(crate) fn executable(&self) -> bool {
        self.mode & OWNER_EXECUTES != 0
    }
}

impl Entry {
    /// Whether there is nothing to do.
    pub(crate) fn is_assertion(&self) -> bool {
        same(self.base, self.post)
    }
}

/// Whether two states are the same for a person: content and executable bit. The other bits follow the umask.
pub(crate) fn same(one: Option<FileState>, other: Option<FileState>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.hash == other.hash && one.executable() == other.executable(),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// The bytes to write.
pub(crate) fn encode(body: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_vec(body).expect("a record holds only strings, numbers and lists");
    let mut bytes = format!("{MAGIC} {VERSION} {}\n", ContentHash::of(&json)).into_bytes();
    bytes.extend(json);
    bytes
}

/// What was written to `file`; `None`: it was cut off.
pub(crate) fn decode<T: DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<Option<T>, Error> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let Ok(header) = std::str::from_utf8(&bytes[..end]) else { return Ok(None) };
    let mut parts = header.split(' ');
    let (Some(MAGIC), Some(version), Some(hash)) = (parts.next(), parts.next(), parts.next()) else {
        return Ok(None);
    };
    if version != VERSION {
        return Err(Error::UnknownVersion {
            file: file.to_owned(),
            version: version.chars().take(20).collect(),
        });
    }
    let json = &bytes[end + 1..];
    if hash.parse() != Ok(ContentHash::of(json)) {
        return Ok(None);
    }
    let body = serde_json::from_slice(json).map_err(|_| Error::Damaged { file: file.to_owned() })?;
    Ok(Some(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone() -> Undone {
        Undone { conflicts: vec!["a/b".parse().unwrap(), "c".parse().unwrap()] }
    }

    #[test]
    fn is_read_back_as_it_was_written() {
        assert_eq!(decode("undone", &encode(&undone())).unwrap(), Some(undone()));
    }

    #[test]
    fn reads_as_absent_wherever_it_is_cut_off_or_flipped() {
        let bytes = encode(&undone());
        for end in 0..bytes.len() {
            assert_eq!(decode::<Undone>("undone", &bytes[..end]).unwrap(), None, "cut at {end}");
        }
        let body = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for at in body..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert_eq!(decode::<Undone>("undone", &flipped).unwrap(), None, "flipped at {at}");
        }
    }

    #[test]
    fn a_newer_version_is_refused_and_says_what_to_do() {
        let bytes = String::from_utf8(encode(&undone())).unwrap().replacen(" 1 ", " 2 ", 1);
        let error = decode::<Undone>("t/undone", bytes.as_bytes()).unwrap_err();
        assert!(matches!(&error, Error::UnknownVersion { version, .. } if version == "2"));
        assert!(error.to_string().contains("recover with the version that wrote it"));
    }

    #[test]
    fn a_whole_record_with_the_wrong_fields_is_damaged_and_not_absent() {
        let bytes = encode(&serde_json::json!({ "conflicts": [], "more": 1 }));
        assert!(matches!(decode::<Undone>("undone", &bytes), Err(Error::Damaged { .. })));
    }
}
