//! One file of the spool, named by where in the stream it begins.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Error;
use super::frame::{self, Frame, HEAD_BYTES};

const SUFFIX: &str = ".spool";
/// Digits of a name, so that names sort as numbers do.
const DIGITS: usize = 20;

/// How many files of one name may stand aside.
const MOST_ASIDE: u32 = 100;

#[derive(Debug)]
pub(crate) struct Segment {
    path: PathBuf,
    file: File,
    start: u64,
    /// Bytes that count; what lies behind them was never acknowledged.
    bytes: u64,
    /// There may be bytes that do not count.
    is_torn: bool,
}

impl Segment {
    /// Makes the file of what comes from `start` on.
    pub(crate) fn make(folder: &Path, start: u64) -> Result<Self, Error> {
        let path = folder.join(format!("{start:0DIGITS$}{SUFFIX}"));
        let make = || {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            // The name has to be on the disk before what is written into the file counts.
            File::open(folder)?.sync_all()?;
            Ok(file)
        };
        match make() {
            Ok(file) => Ok(Self { path, file, start, bytes: 0, is_torn: false }),
            Err(source) => Err(Error::Disk { path, source }),
        }
    }

    /// Opens a file that is there; all of it counts.
    pub(crate) fn open(folder: &Path, start: u64) -> Result<Self, Error> {
        let path = folder.join(format!("{start:0DIGITS$}{SUFFIX}"));
        let open = || {
            let file = OpenOptions::new().read(true).write(true).open(&path)?;
            let bytes = file.metadata()?.len();
            Ok((file, bytes))
        };
        match open() {
            Ok((file, bytes)) => Ok(Self { path, file, start, bytes, is_torn: false }),
            Err(source) => Err(Error::Disk { path, source }),
        }
    }

    /// Where the file of this name begins, if it is one of a spool.
    pub(crate) fn start_of(name: &OsStr) -> Option<u64> {
        let digits = name.to_str()?.strip_suffix(SUFFIX)?;
        (digits.len() == DIGITS).then(|| digits.parse().ok())?
    }

    /// Cuts away what an append that was cut off has left: the records up to the first that is not whole count.
    ///
    /// # Errors
    /// [`Error::Damaged`] where a whole record follows what is not one: that was no write that was cut off.
    pub(crate) fn mend(&mut self) -> Result<(), Error> {
        let (found, (_, whole)) = (self.bytes, self.whole(self.bytes)?);
        if whole < found {
            if self.has_record_within(whole + 1)? {
                return Err(Error::Damaged { path: self.path.clone(), at: whole });
            }
            let path = self.path.display();
            tracing::warn!(%path, bytes = found - whole, "a write that was cut off is cut away from the spool");
            (self.bytes, self.is_torn) = (whole, true);
            self.cut()?;
        }
        Ok(())
    }

    /// How many whole records the file begins with, of those that begin before `until`, and how many bytes they are.
    pub(crate) fn whole(&self, until: u64) -> Result<(u64, u64), Error> {
        let (mut records, mut whole) = (0, 0);
        while whole < until.min(self.bytes) {
            match self.frame(self.start + whole) {
                Ok(Frame { size, .. }) => (records, whole) = (records + 1, whole + size),
                Err(Error::Damaged { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok((records, whole))
    }

    /// Whether there is a record anywhere from a byte on.
    fn has_record_within(&self, from: u64) -> Result<bool, Error> {
        let left =
            usize::try_from(self.bytes.saturating_sub(from)).expect("a file of the spool fits into memory");
        let mut bytes = vec![0; left];
        self.read(&mut bytes, from)?;
        Ok((0..left).any(|at| frame::begins(&bytes[at..])))
    }

    /// Takes the file out of the spool under a name that nothing has; that name.
    pub(crate) fn set_aside(&self) -> Result<PathBuf, Error> {
        for number in 1..=MOST_ASIDE {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".aside-{number}"));
            let aside = PathBuf::from(name);
            if aside.symlink_metadata().is_err() {
                fs::rename(&self.path, &aside).map_err(|source| self.disk(source))?;
                return Ok(aside);
            }
        }
        Err(self.disk(io::Error::new(io::ErrorKind::AlreadyExists, "too many of its name were set aside")))
    }

    /// Adds bytes and waits until they are on the disk; where that fails, none of them counts.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.cut()?;
        self.is_torn = true;
        let written = self.file.write_all_at(bytes, self.bytes).and_then(|()| self.file.sync_data());
        written.map_err(|source| self.disk(source))?;
        self.bytes += bytes.len() as u64;
        self.is_torn = false;
        Ok(())
    }

    /// The record at a position of the stream.
    pub(crate) fn frame(&self, position: u64) -> Result<Frame, Error> {
        let at = position - self.start;
        let damaged = || Error::Damaged { path: self.path.clone(), at };
        let left = self.bytes - at;
        let mut head = [0; HEAD_BYTES];
        if left < HEAD_BYTES as u64 {
            return Err(damaged());
        }
        self.read(&mut head, at)?;
        let length = frame::length(&head).ok_or_else(damaged)?;
        let size = (HEAD_BYTES + length) as u64;
        if left < size {
            return Err(damaged());
        }
        let mut record = vec![0; length];
        self.read(&mut record, at + HEAD_BYTES as u64)?;
        if frame::fits(&head, &record) { Ok(Frame { record, size }) } else { Err(damaged()) }
    }

    pub(crate) fn remove(&self) -> Result<(), Error> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.disk(error)),
            _ => Ok(()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn end(&self) -> u64 {
        self.start + self.bytes
    }

    /// Removes bytes that do not count.
    fn cut(&mut self) -> Result<(), Error> {
        if self.is_torn {
            let cut = self.file.set_len(self.bytes).and_then(|()| self.file.sync_data());
            cut.map_err(|source| self.disk(source))?;
            self.is_torn = false;
        }
        Ok(())
    }

    fn read(&self, into: &mut [u8], at: u64) -> Result<(), Error> {
        self.file.read_exact_at(into, at).map_err(|source| self.disk(source))
    }

    fn disk(&self, source: io::Error) -> Error {
        Error::Disk { path: self.path.clone(), source }
    }
}
