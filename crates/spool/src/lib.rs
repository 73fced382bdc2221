//! An append-only queue on the local disk: what has to be written elsewhere waits here until it is.
//!
//! Records are bytes, at positions in one endless stream. An append is on the disk when it returns (`fdatasync`), whole or
//! not at all. Whoever drains it notes elsewhere how far he is; what lies before that is forgotten, file by file.
//! Everything here blocks. One process has a spool at a time; its owner sees to that.

mod frame;
mod segment;

use std::collections::VecDeque;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use frame::Frame;
pub use frame::MAX_RECORD_BYTES;
use segment::Segment;

/// The smallest file that is begun anew, in bytes.
const LEAST_SEGMENT_BYTES: u64 = 64 << 10;
/// The largest, in bytes.
const MOST_SEGMENT_BYTES: u64 = 16 << 20;

/// The queue.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    /// The most bytes that wait.
    most: u64,
    /// Oldest first; the last one grows.
    segments: VecDeque<Segment>,
    /// What lies before it need not be kept.
    drained: u64,
    aside: Option<Aside>,
}

/// Files that were found in the folder and are no part of the queue any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// What they are called now.
    pub files: Vec<PathBuf>,
    /// How many records can be read in them; some of them may have been drained.
    pub records: u64,
    /// How many bytes they have together.
    pub bytes: u64,
}

/// A record that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Where the stream goes on after it.
    pub upto: u64,
    /// The record.
    pub bytes: Vec<u8>,
}

/// Why the spool does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No more may wait until some is drained.
    #[error("the spool `{}` is full: {waiting} of {most} bytes wait", folder.display())]
    Full {
        /// The spool.
        folder: PathBuf,
        /// How many bytes wait.
        waiting: u64,
        /// How many may.
        most: u64,
    },
    /// A record is beyond its bound.
    #[error("a record has {bytes} bytes, the most is {MAX_RECORD_BYTES}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The disk or its permissions.
    #[error("the spool's `{}` cannot be used: {source}; see that its disk has room and that this user may write there", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds what was never written to it, and not only at its end.
    #[error(
        "the spool's file `{}` is damaged at byte {at}; move it away to go on without what waits in it",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        at: u64,
    },
}

impl Spool {
    /// Opens the spool in `folder`, which is made where there is none (mode 0700): at most `most` bytes may wait, and what
    /// lies before `drained` has been written elsewhere. An append that a kill has cut off is cut away. Where `drained` is no
    /// position of what is found here, that is set [aside](Self::aside), and said so in the log.
    ///
    /// # Errors
    /// [`Error::Disk`] and [`Error::Damaged`].
    pub fn open(folder: &Path, most: u64, drained: u64) -> Result<Self, Error> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| Error::Disk { path: folder.to_owned(), source })?;
        let mut segments = find(folder)?;
        if let Some(last) = segments.back_mut() {
            last.mend()?;
        }
        let mut spool = Self { folder: folder.to_owned(), most, segments, drained, aside: None };
        spool.connected()?;
        if !spool.knows(drained)? {
            spool.set_aside()?;
        }
        if spool.end() < drained || spool.segments.is_empty() {
            // Nothing is here that waits; the stream goes on from where that ended.
            spool.begin(drained.max(spool.end()))?;
        }
        spool.forget(drained)?;
        Ok(spool)
    }

    /// What was found and belongs to the stream of another place than the one that told how far it is.
    pub fn aside(&self) -> Option<&Aside> {
        self.aside.as_ref()
    }

    /// Whether `drained` can be a position of this stream. It cannot lie behind its end, for nothing is drained that was not
    /// here, nor within a record. What lies before all that is here was drained to somewhere else, and is no loss of ours.
    fn knows(&self, drained: u64) -> Result<bool, Error> {
        if drained > self.end() {
            return Ok(self.segments.iter().all(|segment| segment.bytes() == 0));
        }
        let within = |segment: &&Segment| segment.start() < drained && drained < segment.end();
        let Some(segment) = self.segments.iter().find(within) else { return Ok(true) };
        let until = drained - segment.start();
        let (_, whole) = segment.whole(until)?;
        // What is damaged before that is told when it is read.
        Ok(whole <= until)
    }

    /// Keeps all that is here under other names.
    fn set_aside(&mut self) -> Result<(), Error> {
        let mut aside = Aside { files: Vec::new(), records: 0, bytes: 0 };
        for segment in self.segments.drain(..) {
            let (records, _) = segment.whole(u64::MAX)?;
            (aside.records, aside.bytes) = (aside.records + records, aside.bytes + segment.bytes());
            aside.files.push(segment.set_aside()?);
        }
        let folder = self.folder.display();
        tracing::error!(
            %folder, files = ?aside.files, records = aside.records, bytes = aside.bytes, drained = self.drained,
            "the spool does not belong to this database: its files are set aside and not written; \
             start once with the database they belong to and the files under their old names, or remove them"
        );
        self.aside = Some(aside);
        Ok(())
    }

    /// Adds records to the end, all or none; they are on the disk when it returns. Where the stream then ends.
    ///
    /// # Errors
    /// [`Error::Full`] when they are more than may wait, [`Error::TooLarge`], and [`Error::Disk`]; then none is added.
    pub fn append<'a>(&mut self, records: impl IntoIterator<Item = &'a [u8]>) -> Result<u64, Error> {
        let mut bytes = Vec::new();
        for record in records {
            frame::write(&mut bytes, record)?;
        }
        let waiting = self.waiting().saturating_add(bytes.len() as u64);
        if waiting > self.most {
            let folder = self.folder.clone();
            return Err(Error::Full { folder, waiting: self.waiting(), most: self.most });
        }
        if self.last().bytes() >= self.segment_bytes() {
            self.begin(self.end())?;
        }
        self.last_mut().append(&bytes)?;
        Ok(self.end())
    }

    /// The records after `position`, which is where one ends: at most `most`, and about `most_bytes`, but one at least.
    ///
    /// # Errors
    /// [`Error::Disk`] and [`Error::Damaged`].
    pub fn read(&self, position: u64, most: usize, most_bytes: usize) -> Result<Vec<Waiting>, Error> {
        let mut position = position.max(self.start());
        let (mut found, mut bytes) = (Vec::new(), 0);
        for segment in &self.segments {
            while position < segment.end() {
                if found.len() >= most || (bytes >= most_bytes && !found.is_empty()) {
                    return Ok(found);
                }
                let Frame { record, size } = segment.frame(position)?;
                position += size;
                bytes += record.len();
                found.push(Waiting { upto: position, bytes: record });
            }
        }
        Ok(found)
    }

    /// What lies before `drained` has been written elsewhere: files that hold nothing else are removed.
    ///
    /// # Errors
    /// [`Error::Disk`]; then they are removed another time.
    pub fn forget(&mut self, drained: u64) -> Result<(), Error> {
        self.drained = self.drained.max(drained.min(self.end()));
        while self.segments.len() > 1 && self.segments[0].end() <= self.drained {
            self.segments[0].remove()?;
            self.segments.pop_front();
        }
        Ok(())
    }

    /// Where the oldest record begins that is still here.
    pub fn start(&self) -> u64 {
        self.segments.front().map_or(self.drained, Segment::start)
    }

    /// Where the stream ends.
    pub fn end(&self) -> u64 {
        self.segments.back().map_or(0, Segment::end)
    }

    /// How many bytes wait.
    pub fn waiting(&self) -> u64 {
        self.end() - self.drained.max(self.start())
    }

    fn begin(&mut self, start: u64) -> Result<(), Error> {
        let segment = Segment::make(&self.folder, start)?;
        self.segments.push_back(segment);
        Ok(())
    }

    /// A file goes on where the one before it ends, unless all before it was drained.
    fn connected(&self) -> Result<(), Error> {
        for (one, next) in self.segments.iter().zip(self.segments.iter().skip(1)) {
            if one.end() != next.start() && next.start() > self.drained {
                return Err(Error::Damaged { path: one.path().to_owned(), at: one.bytes() });
            }
        }
        Ok(())
    }

    fn segment_bytes(&self) -> u64 {
        (self.most / 8).clamp(LEAST_SEGMENT_BYTES, MOST_SEGMENT_BYTES)
    }

    fn last(&self) -> &Segment {
        self.segments.back().expect("an open spool has a file")
    }

    fn last_mut(&mut self) -> &mut Segment {
        self.segments.back_mut().expect("an open spool has a file")
    }
}

fn find(folder: &Path) -> Result<VecDeque<Segment>, Error> {
    let disk = |source| Error::Disk { path: folder.to_owned(), source };
    let mut starts = Vec::new();
    for entry in fs::read_dir(folder).map_err(disk)? {
        starts.extend(Segment::start_of(&entry.map_err(disk)?.file_name()));
    }
    starts.sort_unstable();
    starts.into_iter().map(|start| Segment::open(folder, start)).collect()
}

#[cfg(test)]
mod tests;
