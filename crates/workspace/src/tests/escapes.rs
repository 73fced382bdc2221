//! Nothing leads out of a workspace, and nothing is written through a link.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::{Setting, change, id, path};
use crate::disk::{Disk, Mode, Operation, RealDisk};
use crate::walk::walk;
use crate::{Error, Interrupting, Journal, Pool};

/// A workspace with links: to a file and a folder inside, and to a file and a folder outside.
fn with_links() -> Setting {
    let place = Setting::new(&[("inside.txt", "inside"), ("folder/file", "beneath")]);
    let outside = place.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    let root = place.workspace.root();
    symlink("../outside/secret", root.join("out-file")).unwrap();
    symlink(outside.join("secret"), root.join("out-absolute")).unwrap();
    symlink("../outside", root.join("out-folder")).unwrap();
    symlink("inside.txt", root.join("in-file")).unwrap();
    symlink("folder", root.join("in-folder")).unwrap();
    place
}

#[test]
fn reads_follow_links_inside_and_refuse_those_that_lead_out() {
    let place = with_links();
    let read = |at: &str| place.workspace.read(&path(at));
    for at in ["out-file", "out-absolute", "out-folder/secret"] {
        assert!(matches!(read(at), Err(Error::Escapes { .. })), "{at}: {:?}", read(at));
        assert!(matches!(place.workspace.hash(&path(at)), Err(Error::Escapes { .. })), "{at}");
    }
    assert_eq!(read("in-file").unwrap().unwrap(), b"inside");
    assert_eq!(read("in-folder/file").unwrap().unwrap(), b"beneath");
    assert_eq!(read("missing/file").unwrap(), None);
    assert_eq!(read("inside.txt/file").unwrap(), None);
}

#[test]
fn reads_refuse_what_is_no_regular_file_without_waiting_for_it() {
    let place = Setting::new(&[("folder/file", "")]);
    let pipe = place.workspace.root().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.workspace.root().join("socket")).unwrap();
    for at in ["folder", "pipe", "socket"] {
        assert!(matches!(place.workspace.read(&path(at)), Err(Error::NotAFile { .. })), "{at}");
        let error = place.journal().commit(&id("t"), &[change(at, None, Some(b"x"))]).unwrap_err();
        assert!(matches!(error, Error::NotAFile { .. }), "{at}: {error:?}");
    }
    let listing = place.workspace.files().unwrap();
    assert_eq!(listing.files.len(), 1);
    assert_eq!(listing.left_out.len(), 2);
}

#[test]
fn a_commit_goes_through_no_link_whether_it_leads_in_or_out() {
    let place = with_links();
    for at in
        ["out-file", "in-file", "out-folder/secret", "out-folder/new", "in-folder/file", "in-folder/new/x"]
    {
        let error = place.journal().commit(&id("t"), &[change(at, None, Some(b"x"))]).unwrap_err();
        assert!(matches!(error, Error::Symlink { .. }), "{at}: {error:?}");
    }
    let error = place.journal().commit(&id("t"), &[change("inside.txt/x", None, Some(b"x"))]).unwrap_err();
    assert!(matches!(error, Error::NotAFolder { .. }), "{error:?}");
    assert_eq!(std::fs::read_dir(place.folder.path().join("outside")).unwrap().count(), 1);
    assert_eq!(place.content("out-file").as_deref(), Some("secret"));
}

#[test]
fn the_disk_itself_follows_no_link_and_no_dots() {
    let place = with_links();
    let disk = RealDisk::open(&place.workspace, &place.state("journal")).unwrap();
    let at = |text: &str| {
        text.split('/').fold(crate::Place::workspace(&path("x")).parent(), |at, part| at.child(part))
    };
    for text in ["out-folder/new", "in-folder/new", "../new", "folder/../../new", ".."] {
        assert!(disk.create(&at(text), b"x", Mode::Exact(0o644)).is_err(), "{text}");
        assert!(disk.create_folder(&at(text)).is_err(), "{text}");
        assert!(disk.rename(&at("inside.txt"), &at(text)).is_err(), "{text}");
        assert!(disk.rename_new(&at("inside.txt"), &at(text)).is_err(), "{text}");
        assert!(disk.remove_file(&at(text)).is_err(), "{text}");
    }
    assert!(disk.read(&at("in-file"), 100).is_err());
    assert!(disk.sync_folder(&at("out-folder")).is_err());
    assert!(disk.rename_new(&at("inside.txt"), &at("folder/file")).is_err());
    assert_eq!(place.content("inside.txt").as_deref(), Some("inside"));
}

#[test]
fn a_folder_swapped_for_a_link_in_between_is_not_written_through() {
    let place = with_links();
    let (root, outside) = (place.workspace.root().to_owned(), place.folder.path().join("outside"));
    std::fs::write(outside.join("file"), "beneath").unwrap();
    std::thread_local! { static SWAP: std::cell::RefCell<Option<std::path::PathBuf>> = const { std::cell::RefCell::new(None) } }
    fn swap() {
        let root = SWAP.take().unwrap();
        std::fs::rename(root.join("folder"), root.join("moved")).unwrap();
        symlink("../outside", root.join("folder")).unwrap();
    }
    // Before the file beside the target is written, and before it is renamed.
    for operation in [Operation::Create, Operation::Rename] {
        let nth = if operation == Operation::Create { 4 } else { 1 };
        SWAP.set(Some(root.clone()));
        let disk = RealDisk::open(&place.workspace, &place.state("journal")).unwrap();
        let journal = Journal::with_disk(Interrupting::new(disk, operation, nth, swap));
        journal.commit(&id("t"), &[change("folder/file", Some(b"beneath"), Some(b"changed"))]).unwrap_err();
        assert!(SWAP.take().is_none(), "{operation:?} was never reached");

        assert_eq!(std::fs::read_to_string(outside.join("file")).unwrap(), "beneath", "{operation:?}");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 2, "{operation:?}");
        std::fs::remove_file(root.join("folder")).unwrap();
        std::fs::rename(root.join("moved"), root.join("folder")).unwrap();
        place.journal().recover().unwrap();
        let names: Vec<_> = std::fs::read_dir(root.join("folder")).unwrap().collect();
        assert_eq!(place.content("folder/file").as_deref(), Some("beneath"), "{operation:?}");
        assert_eq!(names.len(), 1, "{operation:?}: {names:?}");
        place.journal().forget(&id("t")).unwrap();
    }
}

#[test]
fn names_that_are_not_utf8_are_reported_and_do_no_harm() {
    use std::os::unix::ffi::OsStrExt;
    let place = Setting::new(&[("ok", "ok")]);
    let odd = place.workspace.root().join(std::ffi::OsStr::from_bytes(b"odd-\xff"));
    std::fs::write(&odd, "odd").unwrap();
    place.save("back\\slash", "odd");
    let listing = place.workspace.files().unwrap();
    assert_eq!(listing.files.len(), 1);
    assert_eq!(listing.left_out.len(), 2, "{listing:?}");
    let pool = Pool::open(&place.state("overlays")).unwrap();
    assert_eq!(pool.acquire(&place.workspace).unwrap().left_out().len(), 2);
}

#[test]
fn lists_sorted_what_its_own_ignore_files_do_not_leave_out() {
    let place = Setting::new(&[
        (".gitignore", "target/\n*.log\n!keep.log\n"),
        ("sub/.gitignore", "local"),
        ("sub/local", ""),
        ("sub/b", ""),
        ("sub/.hidden", ""),
        ("target/out", ""),
        ("x.log", ""),
        ("keep.log", ""),
        (".git/config", ""),
        ("vendored/.git/HEAD", ""),
        (".ignore", "sub"),
    ]);
    place.save("../.gitignore", "*");
    let run = place.workspace.root().join("sub/b");
    std::fs::set_permissions(run, std::fs::Permissions::from_mode(0o755)).unwrap();
    let listing = place.workspace.files().unwrap();
    let names: Vec<&str> = listing.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(names, [".gitignore", ".ignore", "keep.log", "sub/.gitignore", "sub/.hidden", "sub/b"]);
    let executable: Vec<bool> = listing.files.iter().map(|file| file.executable).collect();
    assert_eq!(executable, [false, false, false, false, false, true]);
}

#[test]
fn refuses_more_files_than_the_bound_and_files_larger_than_the_bound() {
    let place = Setting::new(&[("a", ""), ("b", ""), ("c", "")]);
    assert!(walk(place.workspace.root(), 3).is_ok());
    assert!(matches!(walk(place.workspace.root(), 2), Err(Error::TooMany { limit: 2, .. })));

    let large = vec![b'x'; 8 * 1024 * 1024 + 1];
    std::fs::write(place.workspace.root().join("large"), &large).unwrap();
    assert!(matches!(place.workspace.read(&path("large")), Err(Error::TooLarge { .. })));
    assert!(place.workspace.hash(&path("large")).unwrap().is_some());
    for refused in [change("new", None, Some(&large)), change("large", Some(&large), Some(b"small"))] {
        assert!(matches!(place.journal().commit(&id("t"), &[refused]), Err(Error::TooLarge { .. })));
    }
    let many: Vec<_> = (0..1001).map(|number| change(&format!("n{number}"), None, Some(b""))).collect();
    assert!(matches!(place.journal().commit(&id("t"), &many), Err(Error::TooMany { .. })));
}

#[test]
fn refuses_changes_that_stand_in_each_others_way() {
    let place = Setting::new(&[]);
    for second in ["a", "a/b", "a/b/c"] {
        for changes in [["a", second], [second, "a"]] {
            let changes = [
                change("a-b", None, Some(b"")),
                change(changes[0], None, Some(b"")),
                change(changes[1], None, Some(b"")),
            ];
            assert!(
                matches!(place.journal().commit(&id("t"), &changes), Err(Error::Overlapping { .. })),
                "{second}"
            );
        }
    }
}

#[test]
fn the_fingerprint_moves_with_content_name_and_permission_only() {
    let place = Setting::new(&[("a", "x"), ("b", "")]);
    let first = place.workspace.fingerprint().unwrap();
    place.save("a", "x");
    assert_eq!(place.workspace.fingerprint().unwrap(), first);
    let mut seen = vec![first];
    for act in [
        &(|| place.save("a", "y")) as &dyn Fn(),
        &|| std::fs::rename(place.workspace.root().join("b"), place.workspace.root().join("c")).unwrap(),
        &|| {
            std::fs::set_permissions(place.workspace.root().join("c"), std::fs::Permissions::from_mode(0o755))
                .unwrap()
        },
    ] {
        act();
        let now = place.workspace.fingerprint().unwrap();
        assert!(!seen.contains(&now));
        seen.push(now);
    }
}
