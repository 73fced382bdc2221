//! Working copies: what they hold, what they keep, and that they never reach the workspace.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::SystemTime;

use super::{Setting, id, path, save};
use crate::{Change, Error, Overlay, Pool};

fn pool(place: &Setting) -> Pool {
    Pool::open(&place.state("overlays")).unwrap()
}

fn modified(root: &Path, at: &str) -> SystemTime {
    std::fs::metadata(root.join(at)).unwrap().modified().unwrap()
}

fn summary(changes: &[Change]) -> Vec<(&str, Option<&[u8]>)> {
    changes.iter().map(|change| (change.path.as_str(), change.content.as_deref())).collect()
}

fn read(overlay: &Overlay, at: &str) -> Option<Vec<u8>> {
    overlay.read(&path(at)).unwrap()
}

#[test]
fn a_copy_holds_the_files_byte_for_byte_and_nothing_that_is_ignored() {
    let place = Setting::new(&[
        (".gitignore", "target\n.env"),
        ("crlf", "a\r\nb"),
        ("sub/run.sh", "#!"),
        ("target/big", "x"),
    ]);
    place.save(".env", "SECRET=1");
    place.save(".git/config", "");
    let run = place.workspace.root().join("sub/run.sh");
    std::fs::set_permissions(run, std::fs::Permissions::from_mode(0o755)).unwrap();
    let overlay = pool(&place).acquire(&place.workspace).unwrap();

    assert_eq!(read(&overlay, "crlf").unwrap(), b"a\r\nb");
    for absent in ["target", ".env", ".git"] {
        assert!(!overlay.path().join(absent).exists(), "{absent}");
    }
    assert_eq!(std::fs::metadata(overlay.path().join("sub/run.sh")).unwrap().mode() & 0o111, 0o111);
    assert_eq!(overlay.base().fingerprint(), place.workspace.fingerprint().unwrap());
    assert_eq!(overlay.changes().unwrap(), []);
    for private in
        [place.state("overlays"), overlay.path().to_owned(), overlay.path().parent().unwrap().to_owned()]
    {
        assert_eq!(std::fs::metadata(private).unwrap().mode() & 0o777, 0o700);
    }
}

#[test]
fn a_write_in_a_copy_by_any_means_never_reaches_the_workspace() {
    let place = Setting::new(&[("a", "one"), ("b", "bee")]);
    let mut overlay = pool(&place).acquire(&place.workspace).unwrap();
    for at in ["a", "b"] {
        let metadata = std::fs::metadata(overlay.path().join(at)).unwrap();
        let original = std::fs::metadata(place.workspace.root().join(at)).unwrap();
        assert_eq!(metadata.nlink(), 1);
        assert_ne!((metadata.dev(), metadata.ino()), (original.dev(), original.ino()));
    }
    overlay.write(&path("a"), Some(b"two")).unwrap();
    // As a tool does that opens the file and writes in place.
    std::fs::write(overlay.path().join("b"), "wasp").unwrap();
    assert_eq!((place.content("a").as_deref(), place.content("b").as_deref()), (Some("one"), Some("bee")));
    assert_eq!(summary(&overlay.changes().unwrap()), [("a", Some(&b"two"[..])), ("b", Some(b"wasp"))]);
}

#[test]
fn changes_tell_edits_additions_deletions_and_permissions_and_can_be_committed() {
    let place =
        Setting::new(&[("edit", "1\r\n"), ("gone", "2"), ("run", "3"), ("same", "4"), (".gitignore", "out")]);
    let mut overlay = pool(&place).acquire(&place.workspace).unwrap();
    overlay.write(&path("edit"), Some(b"1\r\n1")).unwrap();
    overlay.write(&path("gone"), None).unwrap();
    overlay.write(&path("new/file"), Some(b"new")).unwrap();
    overlay.write(&path("out"), Some(b"ignored, but written on purpose")).unwrap();
    save(overlay.path(), "made-by-a-check", "m");
    let run = overlay.path().join("run");
    std::fs::set_permissions(run, std::fs::Permissions::from_mode(0o755)).unwrap();

    let changes = overlay.changes().unwrap();
    let paths: Vec<&str> = changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["edit", "gone", "made-by-a-check", "new/file", "out", "run"]);
    let claimed = overlay.changes_in([path("new/file"), path("same"), path("edit"), path("edit")]).unwrap();
    assert_eq!(summary(&claimed), [("edit", Some(&b"1\r\n1"[..])), ("new/file", Some(b"new"))]);

    place.journal().commit(&id("t"), &changes).unwrap();
    assert_eq!(place.content("edit").as_deref(), Some("1\r\n1"));
    assert_eq!(place.content("gone"), None);
    assert_eq!(std::fs::metadata(place.workspace.root().join("run")).unwrap().mode() & 0o777, 0o755);
    overlay.sync(&place.workspace).unwrap();
    assert_eq!(overlay.changes().unwrap(), []);
}

#[test]
fn a_copy_used_again_discards_edits_keeps_build_output_and_touches_only_what_differs() {
    let place = Setting::new(&[(".gitignore", "target"), ("same", "s"), ("edited", "e"), ("moved-on", "1")]);
    let pool = pool(&place);
    let mut overlay = pool.acquire(&place.workspace).unwrap();
    let root = overlay.path().to_owned();
    save(&root, "target/built", "output");
    overlay.write(&path("edited"), Some(b"E")).unwrap();
    overlay.write(&path("new/deep/file"), Some(b"n")).unwrap();
    overlay.write(&path("target/written"), Some(b"by an edit")).unwrap();
    overlay.write(&path(".gitignore"), Some(b"target\nhidden-by-the-edit")).unwrap();
    overlay.write(&path("hidden-by-the-edit"), Some(b"h")).unwrap();
    save(&root, "left-by-a-check", "l");
    save(&root, ".git/config", "");
    let (same, edited) = (modified(&root, "same"), modified(&root, "edited"));
    drop(overlay);
    place.save("moved-on", "2");

    let overlay = pool.acquire(&place.workspace).unwrap();
    assert_eq!(overlay.path(), root);
    assert_eq!(modified(&root, "same"), same);
    // A build tool must see that the file went back: its time is that of the sync, not the workspace's.
    assert_ne!(modified(&root, "edited"), modified(place.workspace.root(), "edited"));
    assert!(modified(&root, "edited") >= edited);
    assert_eq!(
        (read(&overlay, "edited").unwrap(), read(&overlay, "moved-on").unwrap()),
        (b"e".to_vec(), b"2".to_vec())
    );
    for gone in ["new", "target/written", "hidden-by-the-edit", "left-by-a-check", ".git"] {
        assert!(!root.join(gone).exists(), "{gone}");
    }
    assert_eq!(read(&overlay, "target/built").unwrap(), b"output");
    assert_eq!(overlay.changes().unwrap(), []);
}

#[test]
fn whatever_a_check_left_in_the_way_the_next_use_is_clean() {
    let place = Setting::new(&[("a/b/file", "1"), ("file", "2"), ("gone", "3")]);
    std::fs::write(place.folder.path().join("outside"), "outside").unwrap();
    let pool = pool(&place);
    let overlay = pool.acquire(&place.workspace).unwrap();
    let root = overlay.path().to_owned();
    std::fs::remove_dir_all(root.join("a")).unwrap();
    symlink("../../../../..", root.join("a")).unwrap();
    std::fs::remove_file(root.join("file")).unwrap();
    save(&root, "file/is/a/folder", "");
    std::fs::remove_file(root.join("gone")).unwrap();
    symlink(place.folder.path().join("outside"), root.join("gone")).unwrap();
    assert!(matches!(overlay.changes(), Err(Error::Symlink { .. })));
    assert!(matches!(overlay.read(&path("gone")), Err(Error::Escapes { .. })));
    drop(overlay);

    let mut overlay = pool.acquire(&place.workspace).unwrap();
    assert_eq!(overlay.changes().unwrap(), []);
    assert!(!std::fs::symlink_metadata(root.join("gone")).unwrap().is_symlink());
    assert_eq!(std::fs::read_to_string(place.folder.path().join("outside")).unwrap(), "outside");

    // Writes refuse the same obstacles.
    symlink("..", root.join("up")).unwrap();
    assert!(matches!(overlay.write(&path("up/x"), Some(b"x")), Err(Error::Symlink { .. })));
    assert!(matches!(overlay.write(&path("up"), Some(b"x")), Err(Error::Symlink { .. })));
    assert!(matches!(overlay.write(&path("file/x"), Some(b"x")), Err(Error::NotAFolder { .. })));
    assert!(matches!(overlay.write(&path("a"), Some(b"x")), Err(Error::NotAFile { .. })));
}

#[test]
fn a_damaged_copy_is_made_anew() {
    use std::os::unix::ffi::OsStrExt;
    let place = Setting::new(&[("file", "1")]);
    let pool = pool(&place);
    let root = pool.acquire(&place.workspace).unwrap().path().to_owned();
    std::fs::write(root.join(std::ffi::OsStr::from_bytes(b"odd-\xff")), "").unwrap();
    let overlay = pool.acquire(&place.workspace).unwrap();
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 1);
    drop(overlay);

    std::fs::remove_dir_all(&root).unwrap();
    symlink(place.workspace.root(), &root).unwrap();
    let mut overlay = pool.acquire(&place.workspace).unwrap();
    overlay.write(&path("file"), Some(b"2")).unwrap();
    assert_eq!(place.content("file").as_deref(), Some("1"));
    drop(overlay);

    std::fs::write(root.parent().unwrap().join("written"), "[\"tor").unwrap();
    assert_eq!(read(&pool.acquire(&place.workspace).unwrap(), "file").unwrap(), b"1");
}

#[test]
fn links_inside_are_made_again_and_links_out_are_left_out_and_named() {
    let place = Setting::new(&[("folder/file", "1"), ("x", "")]);
    let root = place.workspace.root();
    symlink("folder/file", root.join("in")).unwrap();
    symlink("../folder", root.join("folder/loop")).unwrap();
    symlink("../outside", root.join("out")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    std::fs::write(place.folder.path().join("outside"), "").unwrap();
    let overlay = pool(&place).acquire(&place.workspace).unwrap();
    assert_eq!(std::fs::read_link(overlay.path().join("in")).unwrap(), Path::new("folder/file"));
    assert_eq!(read(&overlay, "in").unwrap(), b"1");
    let left_out: Vec<&str> = overlay.left_out().iter().map(|one| one.path.as_str()).collect();
    assert_eq!(left_out, ["dangling", "out"]);
    assert_eq!(overlay.changes().unwrap(), []);
}

#[test]
fn each_overlay_has_a_copy_of_its_own_and_their_number_is_bounded() {
    let place = Setting::new(&[("file", "1")]);
    let pool = pool(&place);
    let mut overlays: Vec<Overlay> = (0..16).map(|_| pool.acquire(&place.workspace).unwrap()).collect();
    overlays[3].write(&path("file"), Some(b"3")).unwrap();
    assert_eq!(read(&overlays[4], "file").unwrap(), b"1");
    assert!(matches!(pool.acquire(&place.workspace), Err(Error::PoolBusy { limit: 16 })));
    let freed = overlays.remove(3).path().to_owned();
    assert_eq!(pool.acquire(&place.workspace).unwrap().path(), freed);
    // Another workspace has its own copies.
    let other = Setting::new(&[]);
    assert!(pool.acquire(&other.workspace).is_ok());
}

#[test]
fn state_inside_the_workspace_is_refused() {
    let place = Setting::new(&[("file", "1")]);
    let inside = place.workspace.root().join("state");
    let pool = Pool::open(&inside).unwrap();
    assert!(matches!(pool.acquire(&place.workspace), Err(Error::StateInsideWorkspace { .. })));
    assert!(matches!(
        crate::Journal::open(&place.workspace, &inside),
        Err(Error::StateInsideWorkspace { .. })
    ));
}
