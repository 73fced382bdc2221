//! The one way in which a workspace changes: all files of a transaction or none, whatever dies in between.
//!
//! Order: check every base; make the record and the pre-images durable; write the new files beside their targets and
//! sync them; look at each target once more and rename over it; sync the folders; rename the commit record into place.
//! A reader can see some files new and some old while it runs; what lies on the disk after a crash is all or nothing.
//! Between the last look at a target and its rename lies a moment in which a save by somebody else would be lost.

use std::collections::BTreeSet;
use std::io;

use crate::files::MAX_FILE_BYTES;
use crate::folder::with_executable;
use crate::record::{Entry, FileState, Record, same};
use crate::{
    Change, Committed, ContentHash, Disk, Error, Journal, Kind, Mode, Place, RelPath, TransactionId,
};

const MAX_CHANGES: usize = 1_000;
const MAX_BYTES: usize = 128 * 1024 * 1024;

/// One entry with the bytes that belong to it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) entry: Entry,
    pub(crate) content: Option<Vec<u8>>,
    pub(crate) mode: Mode,
    pub(crate) pre_image: Option<Vec<u8>>,
}

/// What stands where a file is to be changed.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing {
        parent_stands: bool,
    },
    File {
        state: FileState,
        bytes: Vec<u8>,
    },
    /// Something that no transaction touches, with the refusal.
    Obstacle(Error),
}

/// The transaction stopped when `touched` of its entries, counted from the first, may have been applied.
struct Stopped {
    touched: usize,
    error: Error,
}

impl Journal {
    /// Makes all of `changes` or none. When it returns `Ok`, they will survive a power cut.
    ///
    /// # Errors
    /// `Conflict` when a file is not what its change was made from: nothing of that person's is overwritten.
    /// `Symlink`, `NotAFile`, `NotAFolder`, `Overlapping`, `TooLarge`, `TooMany`, `IdTaken`: refused before anything
    /// was written. `Unfinished` and `Unsettled`: run [`Journal::recover`]. `Io`: everything is as before.
    pub fn commit(&self, id: &TransactionId, changes: &[Change]) -> Result<Committed, Error> {
        let _lock = self.lock()?;
        self.refuse_unfinished(id)?;
        let steps = plan(self.disk(), changes)?;
        self.run(id, steps, Vec::new(), Vec::new())
    }

    /// Runs planned steps under the lock; `unmakes` are folders to remove if they become empty.
    pub(crate) fn run(
        &self,
        id: &TransactionId,
        steps: Vec<Step>,
        unmakes: Vec<RelPath>,
        conflicts: Vec<RelPath>,
    ) -> Result<Committed, Error> {
        let makes = missing_folders(self.disk(), &steps)?;
        let entries = steps.iter().map(|step| step.entry.clone()).collect();
        let record = Record { id: id.clone(), entries, makes, unmakes, conflicts };
        let pre_images: Vec<(usize, &[u8])> = steps
            .iter()
            .enumerate()
            .filter(|(_, step)| !step.entry.is_assertion())
            .filter_map(|(number, step)| Some((number, step.pre_image.as_deref()?)))
            .collect();
        if let Err(error) = self.prepare(&record, &pre_images) {
            return Err(match self.abandon(id) {
                Ok(()) => error,
                Err(_) => Error::Unsettled { id: id.clone(), source: Box::new(error) },
            });
        }
        match self.apply(&record, &steps) {
            Ok(()) => Ok(record.committed()),
            Err(stopped) => Err(self.take_back(&record, stopped)),
        }
    }

    fn apply(&self, record: &Record, steps: &[Step]) -> Result<(), Stopped> {
        let untouched = |error| Stopped { touched: 0, error };
        self.make_folders(&record.makes).map_err(untouched)?;
        for (number, step) in steps.iter().enumerate() {
            self.write_beside(&record.id, number, step).map_err(untouched)?;
        }
        for (number, step) in steps.iter().enumerate() {
            match self.put(&record.id, number, &step.entry) {
                Ok(true) => {}
                Ok(false) => {
                    let error = Error::Conflict { paths: vec![step.entry.path.clone()] };
                    return Err(Stopped { touched: number, error });
                }
                Err(error) => return Err(Stopped { touched: number + 1, error }),
            }
        }
        let finish = || {
            self.remove_empty(&record.unmakes)?;
            self.sync_folders_of(record)?;
            self.seal(&record.id)
        };
        finish().map_err(|error| Stopped { touched: steps.len(), error })
    }

    fn make_folders(&self, folders: &[RelPath]) -> Result<(), Error> {
        for folder in folders {
            let at = Place::workspace(folder);
            match self.disk().create_folder(&at) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::io("create", &at)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn write_beside(&self, id: &TransactionId, number: usize, step: &Step) -> Result<(), Error> {
        let Some(content) = &step.content else { return Ok(()) };
        if step.entry.is_assertion() {
            return Ok(());
        }
        let at = beside(&step.entry.path, id, number);
        self.disk().create(&at, content, step.mode).map_err(Error::io("write", &at))?;
        self.disk().sync_file(&at).map_err(Error::io("make durable", &at))
    }

    /// Puts one file in its place; `false`: it is not what the change was made from.
    fn put(&self, id: &TransactionId, number: usize, entry: &Entry) -> Result<bool, Error> {
        let disk = self.disk();
        let now = match examine(disk, &entry.path)? {
            Found::Nothing { .. } => None,
            Found::File { state, .. } => Some(state),
            Found::Obstacle(_) => return Ok(false),
        };
        if !same(now, entry.base) {
            return Ok(false);
        }
        if entry.is_assertion() {
            return Ok(true);
        }
        let target = Place::workspace(&entry.path);
        let new = beside(&entry.path, id, number);
        let done = match (entry.base, entry.post) {
            (_, None) => disk.remove_file(&target),
            (Some(_), Some(_)) => disk.rename(&new, &target),
            (None, Some(_)) => disk.rename_new(&new, &target),
        };
        match done {
            Ok(()) => Ok(true),
            Err(error) if entry.base.is_none() && error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(Error::io("change", &target)(error)),
        }
    }

    /// Undoes what was done and says why it had to be.
    fn take_back(&self, record: &Record, stopped: Stopped) -> Error {
        let Stopped { touched, error } = stopped;
        let settled = self.unseal(&record.id).and_then(|()| self.roll_back(record, touched));
        let settled = settled.and_then(|conflicts| self.close(&record.id, &conflicts).map(|()| conflicts));
        match (settled, error) {
            (Err(_), error) => Error::Unsettled { id: record.id.clone(), source: Box::new(error) },
            (Ok(conflicts), Error::Conflict { mut paths }) => {
                paths.extend(conflicts);
                Error::Conflict { paths }
            }
            (Ok(conflicts), error) if conflicts.is_empty() => error,
            (Ok(paths), _) => Error::Conflict { paths },
        }
    }
}

/// The temporary file of an entry, in its target's folder: a rename works only within one file system.
pub(crate) fn beside(path: &RelPath, id: &TransactionId, number: usize) -> Place {
    Place::workspace(path).parent().child(&format!("{}{id}-{number}", crate::path::RESERVED_PREFIX))
}

/// Looks at a file without following any link on the way.
pub(crate) fn examine(disk: &dyn Disk, path: &RelPath) -> Result<Found, Error> {
    let look = |path: &RelPath| disk.stat(&Place::workspace(path)).map_err(Error::io("look at", path));
    for folder in path.parents() {
        match look(&folder)?.map(|stat| stat.kind) {
            None => return Ok(Found::Nothing { parent_stands: false }),
            Some(Kind::Folder) => {}
            Some(Kind::Symlink) => return Ok(Found::Obstacle(Error::Symlink { path: folder })),
            Some(Kind::File | Kind::Other) => return Ok(Found::Obstacle(Error::NotAFolder { path: folder })),
        }
    }
    let Some(stat) = look(path)? else { return Ok(Found::Nothing { parent_stands: true }) };
    match stat.kind {
        Kind::File => {}
        Kind::Symlink => return Ok(Found::Obstacle(Error::Symlink { path: path.clone() })),
        Kind::Folder | Kind::Other => return Ok(Found::Obstacle(Error::NotAFile { path: path.clone() })),
    }
    match disk.read(&Place::workspace(path), MAX_FILE_BYTES) {
        Ok(bytes) => {
            let state = FileState { hash: ContentHash::of(&bytes), mode: stat.mode };
            Ok(Found::File { state, bytes })
        }
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            let (what, limit_bytes) = (path.to_string(), MAX_FILE_BYTES);
            Ok(Found::Obstacle(Error::TooLarge { what, limit_bytes }))
        }
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

fn plan(disk: &dyn Disk, changes: &[Change]) -> Result<Vec<Step>, Error> {
    refuse_overlapping(changes)?;
    let mut steps = Vec::new();
    let mut paths = Vec::new();
    let mut bytes = 0;
    for change in changes {
        let step = match examine(disk, &change.path)? {
            Found::Obstacle(error) => return Err(error),
            Found::Nothing { .. } => step(change, None),
            Found::File { state, bytes } => step(change, Some((state, bytes))),
        };
        if step.entry.base.map(|state| state.hash) != change.base {
            paths.push(change.path.clone());
        }
        bytes += [&step.content, &step.pre_image].into_iter().flatten().map(Vec::len).sum::<usize>();
        if bytes > MAX_BYTES {
            return Err(Error::TooLarge {
                what: "the transaction".to_owned(),
                limit_bytes: MAX_BYTES as u64,
            });
        }
        steps.push(step);
    }
    if paths.is_empty() { Ok(steps) } else { Err(Error::Conflict { paths }) }
}

fn refuse_overlapping(changes: &[Change]) -> Result<(), Error> {
    if changes.len() > MAX_CHANGES {
        let (what, limit) = ("changes in one transaction", MAX_CHANGES);
        return Err(Error::TooMany { what, limit, remedy: "make it several transactions" });
    }
    let mut paths = BTreeSet::new();
    for Change { path, content, .. } in changes {
        if !paths.insert(path) {
            return Err(Error::Overlapping { path: path.clone() });
        }
        if content.as_ref().is_some_and(|content| content.len() as u64 > MAX_FILE_BYTES) {
            return Err(Error::TooLarge { what: path.to_string(), limit_bytes: MAX_FILE_BYTES });
        }
    }
    match changes.iter().find(|change| change.path.parents().any(|folder| paths.contains(&folder))) {
        Some(change) => Err(Error::Overlapping { path: change.path.clone() }),
        None => Ok(()),
    }
}

fn step(change: &Change, now: Option<(FileState, Vec<u8>)>) -> Step {
    let (base, pre_image) = now.unzip();
    let mode = match base {
        None => Mode::Fresh { executable: change.executable.unwrap_or(false) },
        Some(FileState { mode, .. }) => {
            // Content that a model wrote keeps no set-user-id bit.
            Mode::Exact(
                change.executable.map_or(mode, |executable| with_executable(mode, executable)) & 0o777,
            )
        }
    };
    let content = change.content.clone();
    let post =
        content.as_deref().map(|content| FileState { hash: ContentHash::of(content), mode: bits(mode) });
    Step { entry: Entry { path: change.path.clone(), base, post }, content, mode, pre_image }
}

fn bits(mode: Mode) -> u32 {
    match mode {
        Mode::Exact(bits) => bits,
        Mode::Fresh { executable: false } => 0o644,
        Mode::Fresh { executable: true } => 0o755,
    }
}

fn missing_folders(disk: &dyn Disk, steps: &[Step]) -> Result<Vec<RelPath>, Error> {
    let written = steps.iter().filter(|step| step.entry.post.is_some());
    let folders: BTreeSet<RelPath> = written.flat_map(|step| step.entry.path.parents()).collect();
    let mut missing = Vec::new();
    // A folder sorts before what lies in it.
    for folder in folders {
        let at = Place::workspace(&folder);
        let beneath_missing = missing.iter().any(|outer| folder.is_beneath(outer));
        if beneath_missing || disk.stat(&at).map_err(Error::io("look at", &at))?.is_none() {
            missing.push(folder);
        }
    }
    Ok(missing)
}
