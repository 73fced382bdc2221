//! The power is cut before every single operation of a commit, of a revert, and of the recovery after it; what was
//! not durable is lost, kept or torn. The workspace is always as before or as after, and after an `Ok` it is after.

use proptest::prelude::*;

use super::memory_disk::{Crash, MemoryDisk, World};
use super::{id, path};
use crate::{Area, Change, ContentHash, Error, Journal, Outcome, TransactionId};

const CRASHES: [Crash; 6] =
    [Crash::Killed, Crash::LoseAll, Crash::KeepAll, Crash::Torn(1), Crash::Torn(2), Crash::Torn(3)];

type Act<'a> = Box<dyn Fn(&Journal) -> Result<(), Error> + 'a>;

/// A disk, what is done to it as transaction `id`, and the workspace before and after.
struct Scene<'a> {
    disk: MemoryDisk,
    id: TransactionId,
    act: Act<'a>,
    before: World,
    after: World,
}

impl<'a> Scene<'a> {
    fn commit(before: World, changes: &'a [Change]) -> Self {
        let after = applied(&before, changes);
        let act = Box::new(|journal: &Journal| journal.commit(&id("t"), changes).map(drop));
        Self { disk: MemoryDisk::new(&before), id: id("t"), act, before, after }
    }

    fn revert(before: World, changes: &[Change]) -> Self {
        let disk = MemoryDisk::new(&before);
        Journal::with_disk(disk.clone()).commit(&id("t"), changes).unwrap();
        disk.crash(Crash::LoseAll);
        let after = applied(&before, changes);
        let act = Box::new(|journal: &Journal| journal.revert(&id("t"), &id("undo")).map(drop));
        Self { disk, id: id("undo"), act, before: after, after: before }
    }

    /// How many changing operations the whole takes.
    fn steps(&self) -> usize {
        (0..).find(|steps| !self.run(*steps).1).unwrap()
    }

    /// Acts until the power is cut; tells whether it said `Ok`, and whether the power was cut.
    fn run(&self, steps: usize) -> (MemoryDisk, bool, Option<Error>) {
        let disk = self.disk.copy();
        disk.die_after(steps);
        let result = (self.act)(&Journal::with_disk(disk.clone()));
        let dead = disk.is_dead();
        (disk, dead, result.err())
    }

    /// Cuts the power at `first`, then during the recovery at `second`, and judges what is left.
    fn cut_twice(&self, first: (usize, Crash), second: (usize, Crash)) -> bool {
        let (disk, _, error) = self.run(first.0);
        disk.crash(first.1);
        disk.die_after(second.0);
        let _ = Journal::with_disk(disk.clone()).recover();
        let cut_again = disk.is_dead();
        disk.crash(second.1);
        self.judge(&disk, error.is_none(), &format!("{first:?} then {second:?}, {error:?}"));
        cut_again
    }

    fn judge(&self, disk: &MemoryDisk, was_ok: bool, when: &str) {
        let journal = Journal::with_disk(disk.clone());
        let mut committed = false;
        for recovered in journal.recover().unwrap() {
            let whole = matches!(recovered.outcome, Outcome::RolledBack | Outcome::AlreadyCommitted);
            assert!(whole, "{when}: {recovered:?}");
            committed |= recovered.id == self.id && matches!(recovered.outcome, Outcome::AlreadyCommitted);
        }
        let (world, record) = (disk.world(Area::Workspace), disk.world(Area::Journal));
        assert!(committed || !was_ok, "{when}: it had said Ok");
        assert_eq!(world, if committed { self.after.clone() } else { self.before.clone() }, "{when}");

        // What recovery reached and said is durable itself.
        disk.crash(Crash::LoseAll);
        assert_eq!(
            (disk.world(Area::Workspace), disk.world(Area::Journal)),
            (world, record),
            "{when}: not durable"
        );
        assert_eq!(journal.outcome(&self.id).unwrap().is_some(), committed, "{when}");
        let again = journal.recover().unwrap();
        assert!(
            again.iter().all(|one| matches!(one.outcome, Outcome::AlreadyCommitted)),
            "{when}: {again:?}"
        );
    }

    fn cut_everywhere(&self) {
        let mut judged = 0;
        for cut in 0..=self.steps() {
            for (number, crash) in CRASHES.into_iter().enumerate() {
                self.cut_twice((cut, crash), (usize::MAX, Crash::Killed));
                let mut again = 0;
                while self.cut_twice((cut, crash), (again, CRASHES[(number + cut + again) % CRASHES.len()])) {
                    again += 1;
                    judged += 1;
                }
            }
        }
        assert!(judged > 500, "only {judged} cuts: the scene did nothing");
    }
}

fn world(files: &[(&str, Option<(&str, u32)>)]) -> World {
    let file = |file: Option<(&str, u32)>| file.map(|(text, mode)| (text.as_bytes().to_vec(), mode));
    files.iter().map(|(path, entry)| ((*path).to_owned(), file(*entry))).collect()
}

/// What the workspace is after all changes: the model that the transaction is held against.
fn applied(before: &World, changes: &[Change]) -> World {
    let mut world = before.clone();
    for change in changes {
        let at = change.path.to_string();
        let Some(content) = &change.content else {
            world.remove(&at);
            continue;
        };
        let mode = world.get(&at).and_then(Option::as_ref).map_or(0o644, |(_, mode)| *mode);
        let mode = match change.executable {
            None => mode,
            Some(true) => mode | (mode & 0o444) >> 2,
            Some(false) => mode & !0o111,
        };
        world.extend(change.path.parents().map(|folder| (folder.to_string(), None)));
        world.insert(at, Some((content.clone(), mode)));
    }
    world
}

/// A change from what `before` holds.
fn edit(before: &World, at: &str, content: Option<&str>, executable: Option<bool>) -> Change {
    let base = before.get(at).and_then(Option::as_ref).map(|(bytes, _)| ContentHash::of(bytes));
    Change { path: path(at), base, content: content.map(|text| text.as_bytes().to_vec()), executable }
}

fn modified_files() -> (World, Vec<Change>) {
    let before = world(&[
        ("a.txt", Some(("one\r\n", 0o644))),
        ("b.sh", Some(("#!/bin/sh", 0o755))),
        ("d", None),
        ("d/c", Some(("3", 0o600))),
    ]);
    let changes = vec![
        edit(&before, "a.txt", Some("two\r\n"), None),
        edit(&before, "b.sh", Some(""), None),
        edit(&before, "d/c", Some("33"), None),
    ];
    (before, changes)
}

fn added_and_deleted_files() -> (World, Vec<Change>) {
    let before = world(&[("d", None), ("d/old", Some(("old", 0o755))), ("keep", Some(("keep", 0o644)))]);
    let changes = vec![
        edit(&before, "new/deep/er/file.rs", Some("fn main() {}"), None),
        edit(&before, "d/old", None, None),
        edit(&before, "new/run.sh", Some("#!/bin/sh"), Some(true)),
    ];
    (before, changes)
}

fn changed_permissions() -> (World, Vec<Change>) {
    let before =
        world(&[("run", Some(("same", 0o644))), ("plain", Some(("x", 0o755))), ("gone", Some(("", 0o640)))]);
    let changes = vec![
        edit(&before, "run", Some("same"), Some(true)),
        edit(&before, "plain", Some("y"), Some(false)),
        edit(&before, "gone", None, None),
        edit(&before, "new", Some("n"), None),
    ];
    (before, changes)
}

#[test]
fn a_commit_of_modified_files_is_whole_wherever_the_power_is_cut() {
    let (before, changes) = modified_files();
    Scene::commit(before, &changes).cut_everywhere();
}

#[test]
fn a_commit_that_adds_and_deletes_is_whole_wherever_the_power_is_cut() {
    let (before, changes) = added_and_deleted_files();
    Scene::commit(before, &changes).cut_everywhere();
}

#[test]
fn a_commit_of_permissions_is_whole_wherever_the_power_is_cut() {
    let (before, changes) = changed_permissions();
    Scene::commit(before, &changes).cut_everywhere();
}

#[test]
fn a_revert_is_whole_wherever_the_power_is_cut() {
    for (before, changes) in [modified_files(), added_and_deleted_files(), changed_permissions()] {
        Scene::revert(before, &changes).cut_everywhere();
    }
}

#[test]
fn an_outcome_once_told_outlives_a_power_cut() {
    let (before, changes) = modified_files();
    let scene = Scene::commit(before, &changes);
    // Killed between the commit record's rename and its sync.
    let (disk, _, _) = scene.run(scene.steps() - 1);
    let journal = Journal::with_disk(disk.clone());
    disk.crash(Crash::Killed);
    let told = journal.outcome(&id("t")).unwrap().unwrap();
    disk.crash(Crash::LoseAll);
    assert_eq!(journal.outcome(&id("t")).unwrap(), Some(told));
    assert_eq!(disk.world(Area::Workspace), scene.after);
}

#[test]
fn a_persons_edit_outlives_a_recovery_wherever_the_power_is_cut() {
    let (before, changes) = modified_files();
    let scene = Scene::commit(before.clone(), &changes);
    // All files are changed; the commit record's rename and its sync are missing.
    let (killed, _, _) = scene.run(scene.steps() - 2);
    killed.crash(Crash::KeepAll);
    assert_eq!(killed.world(Area::Workspace), scene.after);
    killed.save("a.txt", b"person");
    killed.crash(Crash::KeepAll);
    let mut kept = before;
    kept.insert("a.txt".to_owned(), Some((b"person".to_vec(), 0o644)));
    let conflicted = |disk: &MemoryDisk, when: &str| {
        let recovered = Journal::with_disk(disk.clone()).recover().unwrap();
        let named =
            |outcome: &Outcome| matches!(outcome, Outcome::Conflict { paths } if *paths == [path("a.txt")]);
        assert!(matches!(&recovered[..], [one] if named(&one.outcome)), "{when}: {recovered:?}");
        assert!(disk.world(Area::Journal).contains_key("t/pre-0"), "{when}");
    };
    for cut in 0.. {
        let mut dead = false;
        for crash in CRASHES {
            let (disk, when) = (killed.copy(), format!("{crash:?} at {cut}"));
            disk.die_after(cut);
            let _ = Journal::with_disk(disk.clone()).recover();
            dead = disk.is_dead();
            disk.crash(crash);
            conflicted(&disk, &when);
            disk.crash(Crash::LoseAll);
            assert_eq!(disk.world(Area::Workspace), kept, "{when}");

            // A later transaction may arrive at the bytes of this one; they are not its own any more.
            disk.save("d/c", b"33");
            conflicted(&disk, &when);
            assert_eq!(disk.world(Area::Workspace).remove("d/c").unwrap().unwrap().0, b"33", "{when}");
        }
        if !dead {
            assert!(cut > 10, "recovery took only {cut} operations");
            return;
        }
    }
}

#[test]
fn forgetting_never_undoes_wherever_the_power_is_cut() {
    let (before, changes) = added_and_deleted_files();
    let scene = Scene::commit(before, &changes);
    let (disk, _, _) = scene.run(usize::MAX);
    for cut in 0.. {
        let mut dead = false;
        for crash in CRASHES {
            let disk = disk.copy();
            disk.die_after(cut);
            let forgotten = Journal::with_disk(disk.clone()).forget(&id("t")).is_ok();
            dead = disk.is_dead();
            disk.crash(if forgotten { Crash::LoseAll } else { crash });
            assert!(!forgotten || disk.world(Area::Journal).is_empty(), "cut at {cut}, {crash:?}");
            Journal::with_disk(disk.clone()).recover().unwrap();
            assert_eq!(disk.world(Area::Workspace), scene.after, "cut at {cut}, {crash:?}");
        }
        if !dead {
            assert!(cut > 4, "forgetting took only {cut} operations");
            return;
        }
    }
}

const PATHS: [&str; 6] = ["a", "b", "d/c", "d/e/f", "d/g", "h/i"];

/// What a random transaction does to one path.
type Fate = (Option<(u8, bool)>, u8, Option<bool>);

fn random_scene(fates: &[Fate]) -> (World, Vec<Change>) {
    let mut before = World::new();
    for (at, (file, _, _)) in PATHS.iter().zip(fates) {
        if let Some((byte, executable)) = file {
            before.extend(path(at).parents().map(|folder| (folder.to_string(), None)));
            before.insert((*at).to_owned(), Some((vec![*byte; 9], if *executable { 0o755 } else { 0o644 })));
        }
    }
    let mut changes = Vec::new();
    for (at, (_, what, executable)) in PATHS.iter().zip(fates) {
        let text = format!("new {what}");
        match what % 4 {
            0 => {}
            1 => changes.push(edit(&before, at, None, None)),
            _ => changes.push(edit(&before, at, Some(&text), *executable)),
        }
    }
    (before, changes)
}

proptest! {
    #[test]
    fn any_transaction_and_its_revert_are_whole_wherever_the_power_is_cut(
        fates in proptest::collection::vec(any::<Fate>(), PATHS.len()),
        reverted: bool, cut in 0..90_usize, again in 0..50_usize, seeds: (u64, u64), killed in 0..4_u8,
    ) {
        let (before, changes) = random_scene(&fates);
        let scene = if reverted { Scene::revert(before, &changes) } else { Scene::commit(before, &changes) };
        let first = if killed & 1 == 1 { Crash::Killed } else { Crash::Torn(seeds.0) };
        let second = if killed & 2 == 2 { Crash::Killed } else { Crash::Torn(seeds.1) };
        scene.cut_twice((cut, first), (again, second));
    }
}
