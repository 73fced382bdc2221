//! All of it again as an ordinary user, when the tests run as root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::launcher;

/// The user and group that own nothing.
const NOBODY: u32 = 65534;

#[test]
fn holds_for_an_ordinary_user_too() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    // Where the binaries were built, others may not be able to read.
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &std::path::Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    open(folder.path());
    let tests = folder.path().join("tests");
    for (from, to) in
        [(std::env::current_exe().unwrap(), &tests), (launcher(), &folder.path().join("limited"))]
    {
        fs::copy(from, to).unwrap();
        open(to);
    }
    let output = Command::new(&tests)
        .args(["--skip", "holds_for_an_ordinary_user_too"])
        .current_dir("/")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains(" passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
