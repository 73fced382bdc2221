//! A real process on the real disk is killed before each rename; another one recovers.

use std::io::{BufRead, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, raise};

use super::{Setting, change, id};
use crate::{Change, Interrupting, Journal, Operation, Outcome, RealDisk, Roots};

const CHILD: &str = "tests::killed::a_process_that_is_killed_before_a_rename";
/// Three files and the commit record.
const RENAMES: usize = 4;

fn changes() -> [Change; 4] {
    let mut tool = change("tool.sh", Some(b"#!/bin/sh\n"), Some(b"#!/bin/sh\necho\n"));
    tool.executable = Some(true);
    [
        change("src/lib.rs", Some(b"old\r\n"), Some(b"new\r\n")),
        change("gone.txt", Some(b"no newline"), None),
        tool,
        change("new/folder/file", None, Some(b"added")),
    ]
}

fn place() -> Setting {
    Setting::new(&[("src/lib.rs", "old\r\n"), ("gone.txt", "no newline"), ("tool.sh", "#!/bin/sh\n")])
}

fn die() {
    raise(Signal::SIGKILL).expect("a process may signal itself");
}

#[test]
#[ignore = "it kills its own process; the tests beside it start it in another one"]
fn a_process_that_is_killed_before_a_rename() {
    let lines: Vec<String> = std::io::stdin().lock().lines().map_while(Result::ok).collect();
    let [root, journal, what, nth] = &lines[..] else { return };
    let workspace = Roots::try_new(vec![PathBuf::from(root)]).unwrap().open(Path::new(root)).unwrap();
    let disk = RealDisk::open(&workspace, Path::new(journal)).unwrap();
    let journal = Journal::with_disk(Interrupting::new(disk, Operation::Rename, nth.parse().unwrap(), die));
    match what.as_str() {
        "commit" => drop(journal.commit(&id("t"), &changes()).unwrap()),
        "recover" => drop(journal.recover().unwrap()),
        "revert" => drop(journal.revert(&id("t"), &id("undo")).unwrap()),
        other => panic!("{other}"),
    }
}

fn run(place: &Setting, what: &str, nth: usize) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", CHILD, "--ignored"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let (root, journal) = (place.workspace.root().display(), place.state("journal"));
    let lines = format!("{root}\n{}\n{what}\n{nth}\n", journal.display());
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    child.wait().unwrap()
}

fn is_before(place: &Setting) {
    let content = |at| place.content(at);
    assert_eq!(content("src/lib.rs").as_deref(), Some("old\r\n"));
    assert_eq!(content("gone.txt").as_deref(), Some("no newline"));
    assert_eq!(content("tool.sh").as_deref(), Some("#!/bin/sh\n"));
    assert!(!executable(place));
    let mut names: Vec<_> = std::fs::read_dir(place.workspace.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["gone.txt", "src", "tool.sh"]);
}

fn is_after(place: &Setting) {
    let content = |at| place.content(at);
    assert_eq!(content("src/lib.rs").as_deref(), Some("new\r\n"));
    assert_eq!(content("gone.txt"), None);
    assert_eq!(content("new/folder/file").as_deref(), Some("added"));
    assert!(executable(place));
}

fn executable(place: &Setting) -> bool {
    let metadata = std::fs::metadata(place.workspace.root().join("tool.sh")).unwrap();
    metadata.permissions().mode() & 0o111 != 0
}

#[test]
fn a_commit_killed_before_any_rename_is_rolled_back_by_the_next_process() {
    for nth in 1..=RENAMES {
        let place = place();
        assert_eq!(run(&place, "commit", nth).signal(), Some(9), "rename {nth}");
        assert_eq!(
            place.content("src/lib.rs").as_deref(),
            Some(if nth == 1 { "old\r\n" } else { "new\r\n" })
        );

        let recovered = place.journal().recover().unwrap();
        assert!(
            matches!(recovered[..], [ref one] if matches!(one.outcome, Outcome::RolledBack)),
            "{recovered:?}"
        );
        is_before(&place);
        assert!(place.journal().recover().unwrap().is_empty());
        place.journal().commit(&id("t"), &changes()).unwrap();
        is_after(&place);
    }
}

#[test]
fn a_recovery_killed_before_any_rename_is_finished_by_the_next_one() {
    // The commit record, one modified file and the deleted one are behind us.
    for nth in 1..=3 {
        let place = place();
        assert_eq!(run(&place, "commit", RENAMES).signal(), Some(9));
        assert_eq!(run(&place, "recover", nth).signal(), Some(9), "rename {nth}");
        place.journal().recover().unwrap();
        is_before(&place);
    }
}

#[test]
fn a_revert_killed_before_any_rename_leaves_the_committed_state() {
    for nth in 1..=RENAMES {
        let place = place();
        assert!(run(&place, "commit", RENAMES + 1).success());
        assert_eq!(run(&place, "revert", nth).signal(), Some(9), "rename {nth}");
        place.journal().recover().unwrap();
        is_after(&place);
        assert!(run(&place, "revert", RENAMES + 1).success());
        is_before(&place);
    }
}

#[test]
fn a_finished_commit_stays() {
    let place = place();
    assert!(run(&place, "commit", RENAMES + 1).success());
    is_after(&place);
    let recovered = place.journal().recover().unwrap();
    assert!(
        matches!(recovered[..], [ref one] if matches!(one.outcome, Outcome::AlreadyCommitted)),
        "{recovered:?}"
    );
    is_after(&place);
}
