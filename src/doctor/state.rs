//! The state folder: whose it is, who holds it, and whether its disk has room.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::Finding;
use crate::config::{self, Flags, StateFolder};

const FOLDER: &str = "state folder";
const LOCK: &str = "server";
const DISK: &str = "disk";
const GIB: u64 = 1 << 30;
/// With less free than this a server does not get far, in bytes.
const TOO_LITTLE: u64 = GIB / 10;
/// With less free than this a few workflows may fill it, in bytes.
const LITTLE: u64 = 2 * GIB;

pub(super) fn look(flags: &Flags, running: bool) -> Vec<Finding> {
    let state = match config::state_folder(flags) {
        Ok(state) => state,
        Err(error) => return vec![Finding::of_error(FOLDER, error)],
    };
    let mut findings = vec![folder(&state), holder(&state, running)];
    findings.extend(disk(&nearest(state.path())));
    findings
}

fn folder(state: &StateFolder) -> Finding {
    let path = state.path().display();
    if !state.path().exists() {
        let above = nearest(state.path());
        return if access(&above, AccessFlags::W_OK).is_ok() {
            Finding::ok(FOLDER, format!("{path} is not there yet; the first start makes it"))
        } else {
            let text = format!("{path} is not there, and this user may not write to {}", above.display());
            Finding::fail(FOLDER, text, "make it for this user, mode 700, or choose another with --state-dir")
        };
    }
    if let Err(error) = state.is_private() {
        return Finding::of_error(FOLDER, error);
    }
    if access(state.path(), AccessFlags::W_OK | AccessFlags::X_OK).is_err() {
        let remedy = "give it to this user, or choose another with --state-dir";
        return Finding::fail(FOLDER, format!("this user may not write to {path}"), remedy);
    }
    Finding::ok(FOLDER, format!("{path} is this user's alone"))
}

/// The folder itself, or the nearest above it that exists.
fn nearest(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/")).to_owned()
}

fn holder(state: &StateFolder, running: bool) -> Finding {
    let holder = lock_holder(&state.lock_file());
    let named = holder.map_or_else(String::new, |process| format!(", process {process}"));
    let socket = state.socket();
    let is_socket = fs::symlink_metadata(&socket).is_ok_and(|found| found.file_type().is_socket());
    match (running, holder) {
        (true, _) => Finding::ok(LOCK, format!("one runs on this folder{named}")),
        (false, Some(process)) => Finding::fail(
            LOCK,
            format!("process {process} holds this folder and does not answer on {}", socket.display()),
            "wait if it starts or stops just now; else look at its log, and end it with SIGTERM",
        ),
        (false, None) if is_socket => {
            Finding::ok(LOCK, "none runs; the last one was killed, and the next start goes on with its work")
        }
        (false, None) => Finding::ok(LOCK, "none runs on this folder"),
    }
}

/// The process that holds the lock, as the kernel lists it: trying the lock could keep a server from starting.
fn lock_holder(file: &Path) -> Option<i32> {
    let inode = format!(":{}", fs::metadata(file).ok()?.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, process, place, ..] = fields[..] else { return None };
        place.ends_with(&inode).then(|| process.parse().ok())?
    })
}

fn disk(path: &Path) -> Option<Finding> {
    let found = statvfs(path).ok()?;
    let free = found.blocks_available() * found.fragment_size();
    let inodes = found.files_available();
    let has_inodes = found.files() > 0;
    Some(room(free, has_inodes.then_some(inodes), path))
}

fn room(free: u64, inodes: Option<u64>, path: &Path) -> Finding {
    let (shown, tenths) = (free / GIB, free % GIB * 10 / GIB);
    let text = format!("{shown}.{tenths} GiB are free beneath {}", path.display());
    let remedy = "make room, or choose a folder on another disk with --state-dir";
    match (free, inodes) {
        (_, Some(..1_000)) => {
            Finding::fail(DISK, format!("hardly any file can be made beneath {}", path.display()), remedy)
        }
        (..TOO_LITTLE, _) => Finding::fail(DISK, text, remedy),
        (TOO_LITTLE..LITTLE, _) => Finding::warn(DISK, text, remedy),
        (LITTLE.., _) => Finding::ok(DISK, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn flags(folder: &Path) -> Flags {
        Flags { state_dir: Some(folder.to_owned()), ..Flags::default() }
    }

    #[test]
    fn who_holds_the_lock_is_seen_without_touching_it() {
        let outer = tempfile::tempdir().unwrap();
        let state = config::state_folder(&flags(outer.path())).unwrap();
        assert_eq!(holder(&state, false).verdict, Verdict::Ok);
        let lock = state.lock().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(lock_holder(&state.lock_file()), Some(own));
        let held = holder(&state, false);
        assert_eq!(held.verdict, Verdict::Fail);
        assert!(held.text.contains(&own.to_string()), "{held:?}");
        assert_eq!(holder(&state, true).verdict, Verdict::Ok);
        drop(lock);
        assert_eq!(lock_holder(&state.lock_file()), None);
    }

    #[test]
    fn a_folder_that_others_may_enter_fails_and_one_that_is_not_there_does_not() {
        use std::os::unix::fs::PermissionsExt;
        let outer = tempfile::tempdir().unwrap();
        let verdict = |folder: &Path| folder_of(folder).verdict;
        fn folder_of(folder: &Path) -> Finding {
            super::folder(&config::state_folder(&flags(folder)).unwrap())
        }
        let allow = |mode| fs::set_permissions(outer.path(), fs::Permissions::from_mode(mode)).unwrap();
        allow(0o700);
        assert_eq!(verdict(&outer.path().join("new")), Verdict::Ok);
        assert_eq!(verdict(outer.path()), Verdict::Ok);
        allow(0o755);
        let open = folder_of(outer.path());
        assert_eq!(open.verdict, Verdict::Fail);
        assert!(open.text.contains("chmod 700"), "{open:?}");
    }

    #[test]
    fn little_room_is_told_before_there_is_none() {
        let verdict = |free, inodes| room(free, inodes, Path::new("/")).verdict;
        assert_eq!(verdict(9 * GIB, Some(1_000_000)), Verdict::Ok);
        assert_eq!(verdict(9 * GIB, None), Verdict::Ok);
        assert_eq!(verdict(GIB, None), Verdict::Warn);
        assert_eq!(verdict(1 << 20, None), Verdict::Fail);
        assert_eq!(verdict(9 * GIB, Some(3)), Verdict::Fail);
        assert!(disk(Path::new("/")).is_some());
    }
}
