//! An open folder and what can be done beneath it without ever following a symbolic link, not even one that is
//! swapped in between: every step of a path is opened from the handle of the step before.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, readlinkat, renameat, renameat2};
use nix::sys::stat::{Mode as Bits, SFlag, fchmod, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};

use crate::{Error, Kind, Mode, Stat};

const PERMISSIONS: u32 = 0o7777;

/// A folder that stays the same one, whatever happens to its path.
#[derive(Debug)]
pub(crate) struct Folder(Dir);

impl Folder {
    /// Opens the folder at a path of the machine.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Dir::open_ambient_dir(path, ambient_authority()).map(Self)
    }

    pub(crate) fn try_clone(&self) -> Result<Self, Error> {
        self.0.try_clone().map(Self).map_err(Error::io("open", "the workspace"))
    }

    /// The handle for reads that may follow links inside the folder, and never out of it.
    pub(crate) fn dir(&self) -> &Dir {
        &self.0
    }

    pub(crate) fn stat(&self, path: &str) -> io::Result<Option<Stat>> {
        let found = self.beneath(path).and_then(|(parent, name)| {
            let name = if name.is_empty() { "." } else { name };
            Ok(fstatat(&parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)?)
        });
        match found {
            Ok(stat) => Ok(Some(Stat {
                kind: kind(stat.st_mode),
                mode: stat.st_mode & PERMISSIONS,
                size: stat.st_size.try_into().unwrap_or_default(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a regular file for reading; anything else is `InvalidInput`.
    pub(crate) fn open_file(&self, path: &str) -> io::Result<File> {
        let (parent, name) = self.beneath(path)?;
        // Without NONBLOCK a pipe without a writer would hold us for ever.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = File::from(openat(&parent, name, flags, Bits::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(file)
    }

    pub(crate) fn read(&self, path: &str, limit_bytes: u64) -> io::Result<Vec<u8>> {
        read_all(self.open_file(path)?, limit_bytes)
    }

    pub(crate) fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let folder = Dir::from_std_file(File::from(self.open_folder(path)?));
        let mut names = Vec::new();
        for entry in folder.entries()? {
            let name = entry?.file_name();
            names.push(name.into_string().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?);
        }
        names.sort();
        Ok(names)
    }

    pub(crate) fn create(&self, path: &str, bytes: &[u8], mode: Mode) -> io::Result<()> {
        self.create_file(path, mode)?.write_all(bytes)
    }

    /// Makes an empty file that was not there, open for writing.
    pub(crate) fn create_file(&self, path: &str, mode: Mode) -> io::Result<File> {
        let (parent, name) = self.beneath(path)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let initial = match mode {
            Mode::Exact(_) => 0o600,
            Mode::Fresh { executable: false } => 0o666,
            Mode::Fresh { executable: true } => 0o777,
        };
        let file = File::from(openat(&parent, name, flags, Bits::from_bits_truncate(initial))?);
        if let Mode::Exact(bits) = mode {
            fchmod(&file, Bits::from_bits_truncate(bits))?;
        }
        Ok(file)
    }

    /// The file that locks are taken on; made where it is missing.
    pub(crate) fn open_lock(&self, name: &str) -> io::Result<File> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(File::from(openat(&self.0, name, flags, Bits::from_bits_truncate(0o600))?))
    }

    pub(crate) fn set_executable(&self, path: &str, executable: bool) -> io::Result<()> {
        let file = self.open_file(path)?;
        use std::os::unix::fs::PermissionsExt;
        let mode = with_executable(file.metadata()?.permissions().mode(), executable);
        Ok(fchmod(&file, Bits::from_bits_truncate(mode & PERMISSIONS))?)
    }

    pub(crate) fn create_folder(&self, path: &str) -> io::Result<()> {
        let (parent, name) = self.beneath(path)?;
        Ok(mkdirat(&parent, name, Bits::from_bits_truncate(0o777))?)
    }

    pub(crate) fn sync_file(&self, path: &str) -> io::Result<()> {
        self.open_file(path)?.sync_all()
    }

    pub(crate) fn sync_folder(&self, path: &str) -> io::Result<()> {
        File::from(self.open_folder(path)?).sync_all()
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from_parent, from_name) = self.beneath(from)?;
        let (to_parent, to_name) = self.beneath(to)?;
        Ok(renameat(&from_parent, from_name, &to_parent, to_name)?)
    }

    pub(crate) fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        let (from_parent, from_name) = self.beneath(from)?;
        let (to_parent, to_name) = self.beneath(to)?;
        Ok(renameat2(&from_parent, from_name, &to_parent, to_name, RenameFlags::RENAME_NOREPLACE)?)
    }

    pub(crate) fn remove_file(&self, path: &str) -> io::Result<()> {
        let (parent, name) = self.beneath(path)?;
        Ok(unlinkat(&parent, name, UnlinkatFlags::NoRemoveDir)?)
    }

    pub(crate) fn remove_folder(&self, path: &str) -> io::Result<()> {
        let (parent, name) = self.beneath(path)?;
        Ok(unlinkat(&parent, name, UnlinkatFlags::RemoveDir)?)
    }

    /// Removes whatever stands there, folders with all that is in them.
    pub(crate) fn remove_any(&self, path: &str) -> io::Result<()> {
        match self.stat(path)?.map(|stat| stat.kind) {
            None => Ok(()),
            Some(Kind::Folder) => {
                let (parent, name) = self.beneath(path)?;
                Dir::from_std_file(File::from(parent)).remove_dir_all(name)
            }
            Some(Kind::File | Kind::Symlink | Kind::Other) => self.remove_file(path),
        }
    }

    pub(crate) fn read_link(&self, path: &str) -> io::Result<OsString> {
        let (parent, name) = self.beneath(path)?;
        Ok(readlinkat(&parent, name)?)
    }

    pub(crate) fn symlink(&self, target: &OsString, path: &str) -> io::Result<()> {
        let (parent, name) = self.beneath(path)?;
        Ok(symlinkat(target.as_os_str(), &parent, name)?)
    }

    /// Makes every folder above `path`; what stands in the way of one is removed.
    pub(crate) fn clear_way_to(&self, path: &str) -> io::Result<()> {
        for (at, _) in path.match_indices('/') {
            let folder = &path[..at];
            match self.stat(folder)?.map(|stat| stat.kind) {
                Some(Kind::Folder) => continue,
                None => {}
                Some(Kind::File | Kind::Symlink | Kind::Other) => self.remove_file(folder)?,
            }
            self.create_folder(folder)?;
        }
        Ok(())
    }

    fn open_folder(&self, path: &str) -> io::Result<OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut folder = openat(&self.0, ".", flags, Bits::empty())?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if part == ".." || part == "." {
                return Err(Errno::EINVAL.into());
            }
            folder = openat(&folder, part, flags, Bits::empty())?;
        }
        Ok(folder)
    }

    fn beneath<'a>(&self, path: &'a str) -> io::Result<(OwnedFd, &'a str)> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name == ".." {
            return Err(Errno::EINVAL.into());
        }
        Ok((self.open_folder(parent)?, name))
    }
}

/// Reads to the end; `FileTooLarge` past the limit.
pub(crate) fn read_all(file: impl Read, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// `mode` with the executable bits set wherever it can be read, or cleared.
pub(crate) fn with_executable(mode: u32, executable: bool) -> u32 {
    if executable { mode | (mode & 0o444) >> 2 } else { mode & !0o111 }
}

/// Makes a folder that only its owner can enter, and the missing ones above it, durably.
pub(crate) fn create_private(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        create_private(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(Error::io("create the folder", path.display())(error));
        }
        Ok(()) | Err(_) => {}
    }
    let parent = parent.unwrap_or(Path::new("."));
    let sync = File::open(parent).and_then(|folder| folder.sync_all());
    sync.map_err(Error::io("make durable", parent.display()))
}

fn kind(mode: u32) -> Kind {
    match SFlag::from_bits_truncate(mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFREG => Kind::File,
        SFlag::S_IFDIR => Kind::Folder,
        SFlag::S_IFLNK => Kind::Symlink,
        _ => Kind::Other,
    }
}
