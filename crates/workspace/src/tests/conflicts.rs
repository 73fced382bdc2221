//! What somebody else changed is never overwritten: not by a commit, a recovery or a revert.

use super::memory_disk::{Crash, MemoryDisk, World};
use super::{Setting, change, id, path};
use crate::{Area, Error, Interrupting, Journal, Operation, Outcome, RealDisk};

fn three_files() -> MemoryDisk {
    let file = |text: &str| Some((text.as_bytes().to_vec(), 0o644));
    MemoryDisk::new(&World::from([
        ("a".into(), file("a0")),
        ("b".into(), file("b0")),
        ("c".into(), file("c0")),
    ]))
}

fn content(disk: &MemoryDisk, at: &str) -> Option<String> {
    let (bytes, _) = disk.world(Area::Workspace).remove(at)??;
    Some(String::from_utf8(bytes).unwrap())
}

fn commit_all(journal: &Journal, name: &str) -> Result<crate::Committed, Error> {
    let changes = ["a", "b", "c"].map(|at| {
        let (base, content) = (format!("{at}0"), format!("{at}1"));
        change(at, Some(base.as_bytes()), Some(content.as_bytes()))
    });
    journal.commit(&id(name), &changes)
}

/// A disk whose process was killed when `applied` of the three files were new and no commit record was there.
fn killed_after(applied: &str) -> MemoryDisk {
    for steps in 0.. {
        let disk = three_files();
        disk.die_after(steps);
        commit_all(&Journal::with_disk(disk.clone()), "t").unwrap_err();
        disk.crash(Crash::Killed);
        if content(&disk, applied).unwrap().ends_with('1') {
            return disk;
        }
    }
    unreachable!("some number of steps applies it")
}

#[test]
fn a_commit_over_a_persons_edit_is_refused_and_names_the_files() {
    let place = Setting::new(&[("a", "a0"), ("b", "person\r\n"), ("c", "c0")]);
    let error = commit_all(&place.journal(), "t").unwrap_err();
    assert!(matches!(&error, Error::Conflict { paths } if *paths == [path("b")]), "{error:?}");
    assert!(error.to_string().contains("`b`"), "{error}");
    assert_eq!(["a", "b", "c"].map(|at| place.content(at).unwrap()), ["a0", "person\r\n", "c0"]);
    assert!(place.journal().outcome(&id("t")).unwrap().is_none());
}

#[test]
fn a_file_that_was_to_be_new_or_to_be_there_and_is_not_is_a_conflict() {
    let place = Setting::new(&[("there", "x")]);
    for wrong in [change("there", None, Some(b"y")), change("missing", Some(b"x"), Some(b"y"))] {
        let error = place.journal().commit(&id("t"), &[change("new", None, Some(b"n")), wrong]).unwrap_err();
        assert!(matches!(error, Error::Conflict { .. }), "{error:?}");
        assert_eq!((place.content("there").as_deref(), place.content("new")), (Some("x"), None));
    }
}

#[test]
fn a_save_between_the_check_and_the_rename_is_kept_and_the_rest_is_taken_back() {
    use std::cell::RefCell;
    std::thread_local! { static SAVE: RefCell<Option<std::path::PathBuf>> = const { RefCell::new(None) } }
    fn save() {
        std::fs::write(SAVE.take().unwrap(), "person").unwrap();
    }
    let changes = [
        change("a", Some(b"a0"), Some(b"a1")),
        change("b", Some(b"b0"), Some(b"b1")),
        change("gone", Some(b"g0"), None),
        change("new", None, Some(b"n1")),
    ];
    // Creates 1 to 5 are the journal's; a file that is added is held against the save to the very rename.
    let saves = [("b", Operation::Create, 6), ("b", Operation::Rename, 1), ("gone", Operation::Create, 6)];
    for (at, operation, nth) in
        saves.into_iter().chain([("new", Operation::Create, 8), ("new", Operation::Rename, 3)])
    {
        let place = Setting::new(&[("a", "a0"), ("b", "b0"), ("gone", "g0")]);
        SAVE.set(Some(place.workspace.root().join(at)));
        let disk = RealDisk::open(&place.workspace, &place.state("journal")).unwrap();
        let journal = Journal::with_disk(Interrupting::new(disk, operation, nth, save));
        let error = journal.commit(&id("t"), &changes).unwrap_err();
        assert!(SAVE.take().is_none(), "{operation:?} {nth} was never reached");
        assert!(matches!(&error, Error::Conflict { paths } if *paths == [path(at)]), "{error:?}");
        for (file, before) in [("a", Some("a0")), ("b", Some("b0")), ("gone", Some("g0")), ("new", None)] {
            let expected = if file == at { Some("person") } else { before };
            assert_eq!(place.content(file).as_deref(), expected, "{file} after a save of {at}");
        }
        assert!(journal.recover().unwrap().is_empty());
    }
}

#[test]
fn recovery_leaves_a_persons_edit_names_it_and_restores_the_rest() {
    let disk = killed_after("b");
    disk.save("a", b"person");
    let journal = Journal::with_disk(disk.clone());

    for round in 0..3 {
        let recovered = journal.recover().unwrap();
        let [one] = &recovered[..] else { panic!("{recovered:?}") };
        assert!(
            matches!(&one.outcome, Outcome::Conflict { paths } if *paths == [path("a")]),
            "{round}: {one:?}"
        );
        let now = ["a", "b", "c"].map(|at| content(&disk, at).unwrap());
        assert_eq!(now, ["person", "b0", "c0"], "round {round}");
    }
    let pre_image = disk.world(Area::Journal).remove("t/pre-0").unwrap().unwrap();
    assert_eq!(pre_image.0, b"a0");

    // The conflict is settled: the next transaction may run, also over the same bytes, and is not undone later.
    journal.commit(&id("next"), &[change("a", Some(b"person"), Some(b"a1"))]).unwrap();
    journal.recover().unwrap();
    assert_eq!(content(&disk, "a").unwrap(), "a1");
    journal.forget(&id("t")).unwrap();
    assert!(matches!(journal.recover().unwrap()[..], [ref one] if one.id == id("next")));
}

#[test]
fn recovery_leaves_what_a_person_put_where_a_file_was_deleted_or_added() {
    let disk = three_files();
    let changes = [change("a", Some(b"a0"), None), change("n/new", None, Some(b"new"))];
    let steps = (0..)
        .find(|steps| {
            let disk = disk.copy();
            disk.die_after(*steps);
            Journal::with_disk(disk.clone()).commit(&id("t"), &changes).is_ok()
        })
        .unwrap();
    // The last two operations are the commit record's rename and its sync.
    disk.die_after(steps - 2);
    Journal::with_disk(disk.clone()).commit(&id("t"), &changes).unwrap_err();
    disk.crash(Crash::Killed);
    disk.save("a", b"person's a");
    disk.save("n/new", b"person's new");
    disk.save("n/other", b"other");

    let recovered = Journal::with_disk(disk.clone()).recover().unwrap();
    assert!(
        matches!(&recovered[0].outcome, Outcome::Conflict { paths } if *paths == [path("a"), path("n/new")]),
        "{recovered:?}"
    );
    let now = ["a", "n/new", "n/other"].map(|at| content(&disk, at).unwrap());
    assert_eq!(now, ["person's a", "person's new", "other"]);
}

#[test]
fn a_revert_leaves_a_persons_edit_names_it_and_restores_the_rest() {
    let place = Setting::new(&[("a", "a0"), ("b", "b0"), ("c", "c0")]);
    let journal = place.journal();
    commit_all(&journal, "t").unwrap();
    place.save("c", "person");

    for _ in 0..2 {
        let reverted = journal.revert(&id("t"), &id("undo")).unwrap();
        assert_eq!(reverted.conflicts, [path("c")]);
        assert_eq!(["a", "b", "c"].map(|at| place.content(at).unwrap()), ["a0", "b0", "person"]);
    }
    // Undoing can itself be undone.
    assert_eq!(journal.revert(&id("undo"), &id("redo")).unwrap().conflicts, []);
    assert_eq!(["a", "b", "c"].map(|at| place.content(at).unwrap()), ["a1", "b1", "person"]);
}

#[test]
fn a_revert_removes_the_folders_that_were_made_unless_somebody_uses_them() {
    let place = Setting::new(&[]);
    let journal = place.journal();
    let changes = [change("x/y/new", None, Some(b"1")), change("z/new", None, Some(b"2"))];
    journal.commit(&id("t"), &changes).unwrap();
    place.save("z/mine", "mine");
    assert_eq!(journal.revert(&id("t"), &id("undo")).unwrap().conflicts, []);
    assert!(!place.workspace.root().join("x").exists());
    assert_eq!((place.content("z/new"), place.content("z/mine").as_deref()), (None, Some("mine")));
}

#[test]
fn only_a_committed_transaction_is_reverted_and_no_id_is_used_twice() {
    let place = Setting::new(&[("a", "a0"), ("b", "b0"), ("c", "c0")]);
    let journal = place.journal();
    assert!(matches!(journal.revert(&id("t"), &id("u")), Err(Error::NotCommitted { .. })));
    let committed = commit_all(&journal, "t").unwrap();
    assert_eq!(journal.outcome(&id("t")).unwrap(), Some(committed));
    assert!(matches!(journal.commit(&id("t"), &[]), Err(Error::IdTaken { .. })));
    journal.forget(&id("t")).unwrap();
    journal.forget(&id("t")).unwrap();
    assert_eq!(journal.outcome(&id("t")).unwrap(), None);
    assert!(matches!(journal.revert(&id("t"), &id("u")), Err(Error::NotCommitted { .. })));
    assert_eq!(place.content("a").as_deref(), Some("a1"));
}

#[test]
fn an_unfinished_transaction_refuses_others_until_it_is_recovered() {
    let disk = killed_after("a");
    let journal = Journal::with_disk(disk.clone());
    assert!(matches!(journal.commit(&id("other"), &[]), Err(Error::Unfinished { .. })));
    assert!(matches!(journal.forget(&id("t")), Err(Error::Unfinished { .. })));
    assert!(matches!(journal.outcome(&id("t")), Err(Error::Unfinished { .. })));
    assert!(
        matches!(journal.recover().unwrap()[..], [ref one] if matches!(one.outcome, Outcome::RolledBack))
    );
    commit_all(&journal, "t").unwrap();
    assert_eq!(content(&disk, "c").as_deref(), Some("c1"));
}

#[test]
fn nobody_else_recovers_a_transaction_that_is_still_running() {
    use std::cell::RefCell;
    std::thread_local! { static LOCK: RefCell<Option<std::path::PathBuf>> = const { RefCell::new(None) } }
    fn look() {
        let lock = std::fs::File::open(LOCK.take().unwrap()).unwrap();
        assert!(matches!(lock.try_lock(), Err(std::fs::TryLockError::WouldBlock)));
    }
    let place = Setting::new(&[("a", "a0"), ("b", "b0"), ("c", "c0")]);
    LOCK.set(Some(place.state("journal/lock")));
    let disk = RealDisk::open(&place.workspace, &place.state("journal")).unwrap();
    let disk = Interrupting::new(disk, Operation::Rename, 2, look);
    commit_all(&Journal::with_disk(disk), "t").unwrap();
    assert!(LOCK.take().is_none(), "nobody looked");
    assert!(std::fs::File::open(place.state("journal/lock")).unwrap().try_lock().is_ok());
}

#[test]
fn one_unreadable_transaction_is_kept_and_named_and_the_others_are_recovered() {
    let disk = killed_after("a");
    let at = crate::Place::journal_root().child("t");
    let record = String::from_utf8(crate::Disk::read(&disk, &at.child("record"), 1 << 20).unwrap()).unwrap();
    let newer = crate::Place::journal_root().child("from-the-future");
    crate::Disk::create_folder(&disk, &newer).unwrap();
    let text = record.replacen("impresario-journal 1 ", "impresario-journal 9 ", 1);
    crate::Disk::create(&disk, &newer.child("record"), text.as_bytes(), crate::Mode::Exact(0o600)).unwrap();

    let recovered = Journal::with_disk(disk.clone()).recover().unwrap();
    assert!(matches!(&recovered[0].outcome, Outcome::Failed(Error::UnknownVersion { .. })), "{recovered:?}");
    assert!(matches!(&recovered[1].outcome, Outcome::RolledBack), "{recovered:?}");
    assert_eq!(content(&disk, "a").as_deref(), Some("a0"));
    assert!(disk.world(Area::Journal).contains_key("from-the-future/record"));
}
