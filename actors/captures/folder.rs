//! Captures as files: one each, named by its time, for the server's user alone.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::RangeInclusive;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use units::UnixMillis;

use super::{Capture, Error, Summary};

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const SUFFIX: &str = ".json";
/// The most bytes of a file's first line.
const MAX_SUMMARY_BYTES: u64 = 64 * 1024;
/// The most bytes of a file: two bodies of the largest size, each byte escaped, and their heads.
const MAX_FILE_BYTES: u64 = 32 << 20;
/// Digits of a time, and of what tells captures of one millisecond apart.
const DIGITS: (usize, usize) = (13, 16);

/// Names a capture; they sort by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CaptureId(String);

/// The folder, and what is known to be in it.
pub(super) struct Folder {
    path: PathBuf,
    /// The sizes of the files; none before the first look.
    known: Option<BTreeMap<CaptureId, u64>>,
}

impl CaptureId {
    pub(super) fn draw(at: UnixMillis) -> Self {
        let (time, rest) = DIGITS;
        let at = at.0.clamp(0, 9_999_999_999_999);
        Self(format!("{at:0time$}-{:0rest$x}", getrandom::u64().unwrap_or_default()))
    }

    fn at(&self) -> UnixMillis {
        UnixMillis(self.0[..DIGITS.0].parse().expect("its first part is digits"))
    }
}

impl FromStr for CaptureId {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let (time, rest) = text.split_once('-').ok_or(NoId)?;
        let is_time = time.len() == DIGITS.0 && time.bytes().all(|byte| byte.is_ascii_digit());
        let is_rest =
            rest.len() == DIGITS.1 && rest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_time && is_rest { Ok(Self(text.to_owned())) } else { Err(NoId) }
    }
}

impl TryFrom<String> for CaptureId {
    type Error = NoId;

    fn try_from(text: String) -> Result<Self, NoId> {
        text.parse()
    }
}

impl From<CaptureId> for String {
    fn from(id: CaptureId) -> Self {
        id.0
    }
}

impl fmt::Display for CaptureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that names no capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no id of a capture: `impresario captures list` shows them")]
pub struct NoId;

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), known: None }
    }

    fn file(&self, id: &CaptureId) -> PathBuf {
        self.path.join(format!("{id}{SUFFIX}"))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Folder { path: self.path.clone(), source }
    }

    /// What is there, looked at once. What has another name is nobody's here, and stays.
    fn known(&mut self) -> Result<&mut BTreeMap<CaptureId, u64>, Error> {
        if self.known.is_none() {
            self.known = Some(self.look().map_err(|source| self.failed(source))?);
        }
        Ok(self.known.as_mut().expect("it was just set"))
    }

    fn look(&self) -> io::Result<BTreeMap<CaptureId, u64>> {
        let entries = match std::fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            entries => entries?,
        };
        let mut found = BTreeMap::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.parse().ok());
            if let Some(id) = id {
                found.insert(id, entry.metadata()?.len());
            }
        }
        Ok(found)
    }

    /// Writes one; its summary is the first line, so that a list reads no bodies.
    pub(super) fn write(&mut self, capture: &Capture) -> Result<(), Error> {
        self.known()?;
        let write = || {
            let mut text = serde_json::to_vec(&capture.summary)?;
            text.push(b'\n');
            serde_json::to_writer(&mut text, capture)?;
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&self.path)?;
            let path = self.file(&capture.summary.id);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path)?;
            file.write_all(&text).inspect_err(|_| drop(std::fs::remove_file(&path)))?;
            Ok(text.len() as u64)
        };
        let bytes = write().map_err(|source| self.failed(source))?;
        self.known()?.insert(capture.summary.id.clone(), bytes);
        Ok(())
    }

    /// Removes what is not of these times, and the oldest until the rest takes no more than so many bytes.
    pub(super) fn sweep(&mut self, kept: &RangeInclusive<UnixMillis>, most: u64) -> Result<(), Error> {
        let known = self.known()?;
        let gone: Vec<CaptureId> = known.keys().filter(|id| !kept.contains(&id.at())).cloned().collect();
        let mut total: u64 = known.values().sum();
        for id in gone {
            total = total.saturating_sub(self.remove(&id)?);
        }
        while total > most {
            let Some(oldest) = self.known()?.keys().next().cloned() else { break };
            total = total.saturating_sub(self.remove(&oldest)?);
        }
        Ok(())
    }

    /// Removes one; its size.
    fn remove(&mut self, id: &CaptureId) -> Result<u64, Error> {
        match std::fs::remove_file(self.file(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.failed(error)),
            Ok(()) | Err(_) => {}
        }
        Ok(self.known()?.remove(id).unwrap_or(0))
    }

    /// The newest, the newest first; one that cannot be read any more is passed by.
    pub(super) fn list(&self, most: usize) -> Result<Vec<Summary>, Error> {
        let found = self.look().map_err(|source| self.failed(source))?;
        let summary = |id: &CaptureId| {
            let mut line = String::new();
            let file = BufReader::new(File::open(self.file(id)).ok()?);
            file.take(MAX_SUMMARY_BYTES).read_line(&mut line).ok()?;
            serde_json::from_str(&line).ok()
        };
        Ok(found.keys().rev().filter_map(summary).take(most).collect())
    }

    pub(super) fn read(&self, id: &CaptureId) -> Result<Option<Capture>, Error> {
        let file = match File::open(self.file(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|source| self.failed(source))?,
        };
        let mut text = String::new();
        file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(|source| self.failed(source))?;
        let capture = text.split_once('\n').map(|(_, capture)| serde_json::from_str(capture));
        match capture {
            Some(Ok(capture)) => Ok(Some(capture)),
            Some(Err(error)) => Err(self.failed(error.into())),
            None => Err(self.failed(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::Exchange;
    use super::super::shown::shown;
    use super::*;

    fn capture(at: i64, text: &str) -> Capture {
        let mut exchange = Exchange { at: UnixMillis(at), ..Exchange::default() };
        exchange.answer.body.first = text.as_bytes().to_vec();
        exchange.answer.body.bytes = text.len() as u64;
        exchange.answer.body.is_whole = true;
        shown(CaptureId::draw(exchange.at), exchange, &secrets::Redactor::default())
    }

    fn since(at: i64) -> RangeInclusive<UnixMillis> {
        UnixMillis(at)..=UnixMillis(i64::MAX)
    }

    #[test]
    fn what_has_had_its_time_goes_and_the_oldest_where_there_is_no_room() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("captures");
        let mut folder = Folder::new(&path);
        folder.sweep(&since(0), 0).unwrap();
        assert!(!path.exists(), "nothing is made before it is needed");
        let captures: Vec<Capture> = (1..=5).map(|at| capture(at * 1_000, "body")).collect();
        for capture in &captures {
            folder.write(capture).unwrap();
        }
        std::fs::write(path.join("a-persons-own.json"), "").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&folder.file(&captures[0].summary.id))), (0o700, 0o600));
        let bytes = folder.file(&captures[0].summary.id).metadata().unwrap().len();

        folder.sweep(&since(2_000), u64::MAX).unwrap();
        // As after a restart.
        let mut folder = Folder::new(&path);
        assert_eq!(folder.read(&captures[0].summary.id).unwrap(), None);
        assert_eq!(folder.read(&captures[1].summary.id).unwrap().as_ref(), Some(&captures[1]));
        folder.sweep(&since(0), 2 * bytes).unwrap();
        let times: Vec<i64> = folder.list(9).unwrap().iter().map(|summary| summary.at.0).collect();
        assert_eq!(times, [5_000, 4_000]);
        assert_eq!(folder.list(1).unwrap().len(), 1);
        folder.sweep(&since(9_000), u64::MAX).unwrap();
        let left: Vec<_> =
            std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["a-persons-own.json"]);
    }

    #[test]
    fn what_is_dated_in_the_future_goes_too() {
        let outer = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(outer.path());
        for at in [1_000, 2_000, 9_000_000] {
            folder.write(&capture(at, "body")).unwrap();
        }
        folder.sweep(&(UnixMillis(1_000)..=UnixMillis(2_000)), u64::MAX).unwrap();
        let times: Vec<i64> = folder.list(9).unwrap().iter().map(|summary| summary.at.0).collect();
        assert_eq!(times, [2_000, 1_000]);
    }

    #[test]
    fn a_file_that_was_cut_off_is_passed_by_in_a_list_and_told_where_it_is_asked_for() {
        let outer = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(outer.path());
        let (whole, half) = (capture(1, "whole"), capture(2, "half"));
        folder.write(&whole).unwrap();
        folder.write(&half).unwrap();
        File::options().write(true).open(folder.file(&half.summary.id)).unwrap().set_len(10).unwrap();
        assert_eq!(folder.list(9).unwrap(), [whole.summary]);
        assert!(folder.read(&half.summary.id).is_err());
    }

    #[test]
    fn an_id_is_no_path() {
        for text in [
            "",
            "../../etc/passwd",
            "0000000000001-000000000000000g",
            "1-1",
            "0000000000001-000000000000000A",
        ] {
            assert_eq!(text.parse::<CaptureId>(), Err(NoId), "{text}");
        }
        let id = CaptureId::draw(UnixMillis(1_795_378_420_000));
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        assert_eq!(id.at(), UnixMillis(1_795_378_420_000));
    }
}
