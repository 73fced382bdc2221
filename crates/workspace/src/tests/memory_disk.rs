//! A disk in memory that forgets, when the power is cut, what was not synced: bytes without their file's sync, names
//! without their folder's sync, each on its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::{Area, Disk, Kind, Lock, Mode, Place, Stat};

/// What happens to that which is not durable yet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Crash {
    /// Only the process dies: all stays, and stays undurable.
    Killed,
    /// The power is cut and all of it is lost.
    LoseAll,
    /// The power is cut and none of it is lost.
    KeepAll,
    /// The power is cut; each name and each file is decided by the seed, files may be cut off.
    Torn(u64),
}

/// Every path of an area with its bytes and permissions; folders have `None`.
pub(super) type World = BTreeMap<String, Option<(Vec<u8>, u32)>>;

#[derive(Clone, Debug)]
struct State {
    inodes: Vec<Inode>,
    steps: usize,
    dies_at: usize,
    died: bool,
}

type Names = BTreeMap<String, usize>;

#[derive(Clone, Debug)]
enum Inode {
    File { now: (Vec<u8>, u32), durable: Option<(Vec<u8>, u32)> },
    Folder { now: Names, durable: Names },
}

/// Clones share the disk; [`MemoryDisk::copy`] makes another.
#[derive(Clone, Debug)]
pub(super) struct MemoryDisk(Arc<Mutex<State>>);

impl MemoryDisk {
    /// A disk with durable files in its workspace.
    pub(super) fn new(files: &World) -> Self {
        let folder = || Inode::Folder { now: Names::new(), durable: Names::new() };
        let state = State { inodes: vec![folder(), folder()], steps: 0, dies_at: usize::MAX, died: false };
        let disk = Self(Arc::new(Mutex::new(state)));
        for (path, file) in files {
            let at = Place::workspace(&path.parse().unwrap());
            match file {
                None => disk.create_folder(&at).unwrap(),
                Some((bytes, mode)) => disk.create(&at, bytes, Mode::Exact(*mode)).unwrap(),
            }
        }
        disk.crash(Crash::KeepAll);
        disk
    }

    pub(super) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
    }

    /// From its `steps`-th changing operation on, counted from now, the disk fails in every one.
    pub(super) fn die_after(&self, steps: usize) {
        let mut state = self.state();
        state.steps = 0;
        state.dies_at = steps;
        state.died = false;
    }

    /// Whether an operation was refused since.
    pub(super) fn is_dead(&self) -> bool {
        self.state().died
    }

    pub(super) fn crash(&self, crash: Crash) {
        let mut state = self.state();
        state.dies_at = usize::MAX;
        let mut coin = match crash {
            Crash::Killed => return,
            Crash::LoseAll => Coin::Always(0),
            Crash::KeepAll => Coin::Always(1),
            Crash::Torn(seed) => Coin::Seed(seed),
        };
        for inode in &mut state.inodes {
            match inode {
                Inode::Folder { now, durable } => {
                    let names: BTreeSet<String> = now.keys().chain(durable.keys()).cloned().collect();
                    for name in names {
                        if now.get(&name) == durable.get(&name) {
                            continue;
                        }
                        let (new, old) = (now.get(&name).copied(), durable.get(&name).copied());
                        let kept = if coin.toss(2) == 1 { new } else { old };
                        match kept {
                            Some(inode) => durable.insert(name, inode),
                            None => durable.remove(&name),
                        };
                    }
                    *now = durable.clone();
                }
                Inode::File { now, durable } if durable.as_ref() != Some(now) => {
                    *now = match coin.toss(4) {
                        0 => durable.clone().unwrap_or((Vec::new(), 0o600)),
                        1 => now.clone(),
                        2 => (now.0[..coin.toss(now.0.len() + 1)].to_vec(), now.1),
                        _ => (now.0.clone(), 0o600),
                    };
                    *durable = Some(now.clone());
                }
                Inode::File { .. } => {}
            }
        }
    }

    /// What a person's editor does: in place, without telling anybody.
    pub(super) fn save(&self, path: &str, bytes: &[u8]) {
        let at = Place::workspace(&path.parse().unwrap());
        if self.stat(&at).unwrap().is_some() {
            self.remove_file(&at).unwrap();
        }
        self.create(&at, bytes, Mode::Exact(0o644)).unwrap();
    }

    pub(super) fn world(&self, area: Area) -> World {
        let state = self.state();
        let mut world = World::new();
        let mut folders = vec![(String::new(), area as usize)];
        while let Some((path, inode)) = folders.pop() {
            let Inode::Folder { now, .. } = &state.inodes[inode] else {
                unreachable!("only folders are pushed")
            };
            for (name, inode) in now {
                let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                match &state.inodes[*inode] {
                    Inode::File { now, .. } => {
                        world.insert(path, Some(now.clone()));
                    }
                    Inode::Folder { .. } => {
                        world.insert(path.clone(), None);
                        folders.push((path, *inode));
                    }
                }
            }
        }
        world
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The state for one changing operation.
    fn step(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if state.steps >= state.dies_at {
            state.died = true;
            return Err(io::Error::other("the power is cut"));
        }
        state.steps += 1;
        Ok(state)
    }
}

enum Coin {
    Always(usize),
    Seed(u64),
}

impl Coin {
    fn toss(&mut self, sides: usize) -> usize {
        match self {
            Coin::Always(side) => (*side).min(sides - 1),
            Coin::Seed(state) => {
                // SplitMix64
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut mixed = *state;
                mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
                usize::try_from((mixed ^ mixed >> 31) % sides as u64).unwrap()
            }
        }
    }
}

impl State {
    fn find(&self, at: &Place) -> io::Result<usize> {
        let mut inode = at.area() as usize;
        for part in at.path().split('/').filter(|part| !part.is_empty()) {
            let Inode::Folder { now, .. } = &self.inodes[inode] else {
                return Err(io::ErrorKind::NotADirectory.into());
            };
            inode = *now.get(part).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(inode)
    }

    fn names(&mut self, at: &Place) -> io::Result<&mut Names> {
        let inode = self.find(at)?;
        match &mut self.inodes[inode] {
            Inode::Folder { now, .. } => Ok(now),
            Inode::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn add(&mut self, at: &Place, inode: Inode) -> io::Result<()> {
        let number = self.inodes.len();
        let names = self.names(&at.parent())?;
        if names.contains_key(name(at)) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        names.insert(name(at).to_owned(), number);
        self.inodes.push(inode);
        Ok(())
    }

    fn remove(&mut self, at: &Place) -> io::Result<usize> {
        self.names(&at.parent())?.remove(name(at)).ok_or(io::ErrorKind::NotFound.into())
    }
}

fn name(at: &Place) -> &str {
    at.path().rsplit('/').next().unwrap()
}

impl Disk for MemoryDisk {
    fn lock(&self) -> io::Result<Lock> {
        Ok(Lock::none())
    }

    fn stat(&self, at: &Place) -> io::Result<Option<Stat>> {
        let state = self.state();
        let inode = match state.find(at) {
            Ok(inode) => inode,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(match &state.inodes[inode] {
            Inode::File { now: (bytes, mode), .. } => {
                Stat { kind: Kind::File, mode: *mode, size: bytes.len() as u64 }
            }
            Inode::Folder { .. } => Stat { kind: Kind::Folder, mode: 0o755, size: 0 },
        }))
    }

    fn read(&self, at: &Place, limit_bytes: u64) -> io::Result<Vec<u8>> {
        let state = self.state();
        match &state.inodes[state.find(at)?] {
            Inode::File { now: (bytes, _), .. } if bytes.len() as u64 <= limit_bytes => Ok(bytes.clone()),
            Inode::File { .. } => Err(io::ErrorKind::FileTooLarge.into()),
            Inode::Folder { .. } => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn list(&self, at: &Place) -> io::Result<Vec<String>> {
        Ok(self.state().names(at)?.keys().cloned().collect())
    }

    fn create(&self, at: &Place, bytes: &[u8], mode: Mode) -> io::Result<()> {
        let mode = match mode {
            Mode::Exact(mode) => mode,
            Mode::Fresh { executable: false } => 0o644,
            Mode::Fresh { executable: true } => 0o755,
        };
        self.step()?.add(at, Inode::File { now: (bytes.to_vec(), mode), durable: None })
    }

    fn create_folder(&self, at: &Place) -> io::Result<()> {
        self.step()?.add(at, Inode::Folder { now: Names::new(), durable: Names::new() })
    }

    fn sync_file(&self, at: &Place) -> io::Result<()> {
        let mut state = self.step()?;
        let inode = state.find(at)?;
        match &mut state.inodes[inode] {
            Inode::File { now, durable } => *durable = Some(now.clone()),
            Inode::Folder { .. } => return Err(io::ErrorKind::IsADirectory.into()),
        }
        Ok(())
    }

    fn sync_folder(&self, at: &Place) -> io::Result<()> {
        let mut state = self.step()?;
        let inode = state.find(at)?;
        match &mut state.inodes[inode] {
            Inode::Folder { now, durable } => *durable = now.clone(),
            Inode::File { .. } => return Err(io::ErrorKind::NotADirectory.into()),
        }
        Ok(())
    }

    fn rename(&self, from: &Place, to: &Place) -> io::Result<()> {
        let mut state = self.step()?;
        let inode = state.remove(from)?;
        state.names(&to.parent())?.insert(name(to).to_owned(), inode);
        Ok(())
    }

    fn rename_new(&self, from: &Place, to: &Place) -> io::Result<()> {
        let mut state = self.step()?;
        if state.names(&to.parent())?.contains_key(name(to)) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.remove(from)?;
        state.names(&to.parent())?.insert(name(to).to_owned(), inode);
        Ok(())
    }

    fn remove_file(&self, at: &Place) -> io::Result<()> {
        let mut state = self.step()?;
        let inode = state.find(at)?;
        match &state.inodes[inode] {
            Inode::File { .. } => state.remove(at).map(drop),
            Inode::Folder { .. } => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn remove_folder(&self, at: &Place) -> io::Result<()> {
        let mut state = self.step()?;
        if !state.names(at)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.remove(at).map(drop)
    }
}
