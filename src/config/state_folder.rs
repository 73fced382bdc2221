//! The folder for what the server must not forget, and the lock that lets one server alone write there.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::environment::{Environment, STATE_DIR};
use super::{Error, layers};

/// The longest path of a Unix socket that Linux takes, in bytes; other systems take less.
pub const MAX_SOCKET_PATH_BYTES: usize = 107;

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// What others may do.
const OTHERS: u32 = 0o077;
/// More digits than a process id has.
const LONGEST_PROCESS_ID: u64 = 20;

/// `<state>/{lock, node, impresario.sock, impresario.db, journals/, overlays/, spool/, captures/}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFolder(PathBuf);

/// The right to be the only server on a state folder; dropping it gives it back.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the system holds the lock as long as this is open")] File);

impl StateFolder {
    /// The flag's folder, else the environment's, else the usual one.
    pub(super) fn find(flag: Option<&Path>, environment: &Environment) -> Result<Self, Error> {
        let named = flag.map(ToOwned::to_owned).or_else(|| environment.get(STATE_DIR).map(PathBuf::from));
        let usual =
            || environment.xdg("XDG_STATE_HOME", ".local/state").map(|folder| folder.join("impresario"));
        let folder = named.or_else(usual).ok_or_else(|| Error::NoHome {
            what: "the state folder".to_owned(),
            remedy: "say where it is with --state-dir or IMPRESARIO_STATE_DIR",
        })?;
        let found = Self(layers::absolute(&folder)?);
        let (path, bytes) = (found.socket(), found.socket().as_os_str().len());
        if bytes > MAX_SOCKET_PATH_BYTES {
            return Err(Error::SocketTooLong { path, bytes });
        }
        Ok(found)
    }

    /// The folder itself, absolute.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The database's file.
    pub fn database(&self) -> PathBuf {
        self.0.join("impresario.db")
    }

    /// The folder of the journals.
    pub fn journals(&self) -> PathBuf {
        self.0.join("journals")
    }

    /// The folder of the working copies.
    pub fn overlays(&self) -> PathBuf {
        self.0.join("overlays")
    }

    /// The file with this server's name among those that write to one database.
    pub fn node(&self) -> PathBuf {
        self.0.join("node")
    }

    /// The folder of what waits for a database that is away.
    pub fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }

    /// The folder of captured bodies.
    pub fn captures(&self) -> PathBuf {
        self.0.join("captures")
    }

    /// The Unix socket through which the server is reached.
    pub fn socket(&self) -> PathBuf {
        self.0.join("impresario.sock")
    }

    /// The file that a server holds locked.
    pub fn lock_file(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Whether what is there of it is closed to other users.
    ///
    /// # Errors
    /// When it is no folder that can be looked at, or is open to others.
    pub fn is_private(&self) -> Result<(), Error> {
        for folder in [self.0.clone(), self.journals(), self.overlays()] {
            if folder == self.0 || folder.exists() {
                closed_to_others(&folder, FOLDER_MODE, unusable(&folder))?;
            }
        }
        Ok(())
    }

    /// Makes what is missing, for this user alone. What is there is never made stricter: it may not be ours.
    ///
    /// # Errors
    /// When it cannot be made, is no folder, or is open to other users.
    pub fn make(&self) -> Result<(), Error> {
        for folder in [self.0.clone(), self.journals(), self.overlays()] {
            let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&folder);
            made.map_err(unusable(&folder))?;
            closed_to_others(&folder, FOLDER_MODE, unusable(&folder))?;
        }
        Ok(())
    }

    /// Takes the lock. The folder has to exist.
    ///
    /// # Errors
    /// [`Error::Running`] when another server has it.
    pub fn lock(&self) -> Result<Lock, Error> {
        let path = self.lock_file();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let mut file = options.open(&path).map_err(unusable(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Running { process: read_process(file), folder: self.0.clone() });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(&path)(source)),
        }
        write_process(&mut file).map_err(unusable(&path))?;
        Ok(Lock(file))
    }
}

/// Refuses what other users may read, write or enter.
pub(super) fn closed_to_others(
    path: &Path,
    wanted: u32,
    unreadable: impl Fn(std::io::Error) -> Error,
) -> Result<(), Error> {
    let mode = path.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(Error::OpenToOthers { path: path.to_owned(), mode, wanted });
    }
    Ok(())
}

fn unusable(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::StateFolder { path: path.to_owned(), source }
}

/// Who holds the lock, if it has said so yet; it is told to people and decides nothing.
fn read_process(file: File) -> Option<u32> {
    let mut text = String::new();
    file.take(LONGEST_PROCESS_ID).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_process(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(folder: &Path) -> StateFolder {
        StateFolder::find(Some(folder), &Environment::default()).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_it_makes_is_closed_to_others() {
        let outer = tempfile::tempdir().unwrap();
        let state = at(&outer.path().join("a/b"));
        state.make().unwrap();
        for folder in [state.path(), &state.journals(), &state.overlays(), &outer.path().join("a")] {
            assert_eq!(mode(folder), 0o700, "{}", folder.display());
        }
        state.make().unwrap();
        let _lock = state.lock().unwrap();
        assert_eq!(mode(&state.path().join("lock")), 0o600);
    }

    #[test]
    fn a_folder_that_others_may_enter_is_refused_and_left_as_it_is() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("state");
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let refused = at(&folder).make().unwrap_err();
        assert!(matches!(refused, Error::OpenToOthers { mode: 0o755, .. }));
        assert!(refused.to_string().contains("chmod 700"), "{refused}");
        assert_eq!(mode(&folder), 0o755);
    }

    #[test]
    fn a_file_in_its_place_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        let file = outer.path().join("state");
        std::fs::write(&file, "").unwrap();
        let refused = at(&file).make().unwrap_err();
        assert!(matches!(refused, Error::StateFolder { .. }));
        assert!(refused.to_string().contains("--state-dir"), "{refused}");
    }

    #[test]
    fn a_second_lock_is_refused_with_the_process_that_has_the_first() {
        let outer = tempfile::tempdir().unwrap();
        let state = at(outer.path());
        let first = state.lock().unwrap();
        let refused = state.lock().unwrap_err();
        assert!(matches!(refused, Error::Running { process: Some(id), .. } if id == std::process::id()));
        let folder = format!("--state-dir {}", outer.path().display());
        assert!(refused.to_string().contains(&folder), "{refused}");
        drop(first);
        drop(state.lock().unwrap());
    }

    #[test]
    fn a_lock_that_an_ended_server_left_is_taken() {
        let outer = tempfile::tempdir().unwrap();
        std::fs::write(outer.path().join("lock"), "4194304999 and more than that").unwrap();
        let state = at(outer.path());
        let _first = state.lock().unwrap();
        let refused = state.lock().unwrap_err();
        assert!(matches!(refused, Error::Running { process: Some(id), .. } if id == std::process::id()));
    }

    #[test]
    fn a_folder_too_deep_for_a_socket_is_refused() {
        let just_fits = format!("/{}", "x".repeat(MAX_SOCKET_PATH_BYTES - "//impresario.sock".len()));
        assert!(StateFolder::find(Some(just_fits.as_ref()), &Environment::default()).is_ok());
        let refused = StateFolder::find(Some(format!("{just_fits}x").as_ref()), &Environment::default());
        assert!(matches!(refused, Err(Error::SocketTooLong { bytes: 108, .. })));
    }

    #[test]
    fn the_flag_counts_before_the_variable_and_that_before_the_home_folder() {
        let environment: Environment =
            [("HOME", "/me"), ("IMPRESARIO_STATE_DIR", "/from/variable")].into_iter().collect();
        let find = |flag: Option<&str>, environment: &Environment| {
            StateFolder::find(flag.map(Path::new), environment).map(|state| state.0)
        };
        assert_eq!(find(Some("/from/flag"), &environment).unwrap(), Path::new("/from/flag"));
        assert_eq!(find(None, &environment).unwrap(), Path::new("/from/variable"));
        let home: Environment = [("HOME", "/me")].into_iter().collect();
        assert_eq!(find(None, &home).unwrap(), Path::new("/me/.local/state/impresario"));
        let refused = find(None, &Environment::default()).unwrap_err();
        assert!(refused.to_string().contains("IMPRESARIO_STATE_DIR"), "{refused}");
    }
}
