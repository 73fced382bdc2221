//! Copies: whole while somebody writes, put back into either database, and never over what is there.

use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use units::{Seq, WorkflowId};

use super::*;
use crate::fixture::full::{all_rows, prompt, two_workflows};
use crate::fixture::{Place, append, execute, new_workflow, server, usage};
use crate::{Append, Upkeep, Write};

/// Rows in every table.
fn fill(place: &Place) -> WorkflowId {
    let running = place.start();
    let (_, unfinished) = two_workflows(&running);
    running.stop().unwrap();
    unfinished
}

/// Everything there and back again, from the database that the tests run on into `to`.
fn there_and_back(to: &Place) {
    let (from, folder) = (Place::new(), TempDir::new().unwrap());
    let unfinished = fill(&from);
    let copy = folder.path().join("copy.db");
    let summary = backup(&from.database, &copy).unwrap();
    assert_eq!(
        summary.tables.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        TABLES.map(|table| table.name)
    );
    let empty: Vec<_> = summary.tables.iter().filter(|(_, rows)| *rows == 0).collect();
    assert!(empty.is_empty(), "nothing is in {empty:?}: let the fixture fill it");
    assert_eq!(verify(&copy).unwrap(), summary);
    let left: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["copy.db"]);

    restore(&copy, &to.database, folder.path(), &[]).unwrap();
    let (before, after) = (all_rows(&mut from.connection()), all_rows(&mut to.connection()));
    for table in &TABLES {
        assert_eq!(before[table.name], after[table.name], "{}", table.name);
    }
    assert_eq!(to.readers().verify_audit().unwrap()[0].broken, None);
    // It goes on where it was: histories can be claimed, and rows get numbers of their own.
    let running = to.start();
    let claimed = running.claim(&unfinished).unwrap();
    let used = vec![usage("b", Some(&unfinished))];
    let more = Append { usage: used, ..append(&unfinished, claimed.fence, claimed.last_seq, &[4]) };
    running.append(more).unwrap();
    assert_eq!(to.readers().usage_of(&unfinished).unwrap().len(), 2);

    let refused = restore(&copy, &to.database, folder.path(), &[]);
    let in_use = matches!(refused, Err(Error::InUse { .. }));
    assert!(in_use || matches!(refused, Err(Error::NotEmpty { table: "workflows", .. })), "{refused:?}");
    running.stop().unwrap();
    let refused = restore(&copy, &to.database, folder.path(), &[]);
    assert!(matches!(refused, Err(Error::NotEmpty { table: "workflows", .. })), "{refused:?}");
    assert_eq!(to.readers().usage_of(&unfinished).unwrap().len(), 2);
}

/// A database that has rows in one table alone, whichever that is.
fn refuses_rows_in_any_table(to: impl Fn() -> Place) {
    let (from, folder) = (Place::new(), TempDir::new().unwrap());
    fill(&from);
    let copy = folder.path().join("copy.db");
    backup(&from.database, &copy).unwrap();
    let kept = ("review/diff".to_owned(), "v".to_owned());
    for table in &TABLES {
        let target = to();
        let running = target.start();
        two_workflows(&running);
        running.stop().unwrap();
        let mut connection = target.connection();
        // What it refers to has to stay; that has rows of its own.
        for other in TABLES.iter().rev().filter(|other| other.name != table.name) {
            drop(execute(&mut connection, &format!("DELETE FROM {}", other.name)));
        }
        let before = all_rows(&mut connection);
        assert!(!before[table.name].is_empty());
        drop(connection);
        let refused = restore(&copy, &target.database, folder.path(), &[]);
        assert!(matches!(refused, Err(Error::NotEmpty { .. })), "{}: {refused:?}", table.name);
        assert_eq!(all_rows(&mut target.connection()), before, "{}", table.name);
    }
    // What a server writes by itself at its start says nothing of its use; another version's text does.
    for (version, is_seeded) in [("v", true), ("w", false)] {
        let target = to();
        let running = target.start();
        let prompts = Upkeep::Prompts(vec![prompt("review/diff", version)]);
        running.ask(|reply| Write::Upkeep { upkeep: prompts, reply }).unwrap();
        running.stop().unwrap();
        let restored = restore(&copy, &target.database, folder.path(), std::slice::from_ref(&kept));
        assert_eq!(restored.is_ok(), is_seeded, "{restored:?}");
        let found = target.readers().prompts().unwrap();
        assert_eq!(found.iter().map(|prompt| prompt.version.as_str()).collect::<Vec<_>>(), [version]);
    }
}

#[test]
fn a_file_with_rows_in_any_table_is_not_written_over() {
    refuses_rows_in_any_table(Place::file);
}

#[test]
fn a_schema_with_rows_in_any_table_is_not_written_over() {
    let Some(url) = server() else { return };
    refuses_rows_in_any_table(|| Place::schema(&url));
}

#[test]
fn a_copy_goes_back_into_a_file() {
    there_and_back(&Place::file());
}

#[test]
fn a_copy_goes_back_into_a_schema() {
    let Some(url) = server() else { return };
    there_and_back(&Place::schema(&url));
}

#[test]
fn a_copy_is_whole_though_somebody_writes_meanwhile() {
    let (place, folder) = (Place::new(), TempDir::new().unwrap());
    let running = place.start();
    let (id, claimed) = running.owned(1);
    running.append(append(&id, claimed.fence, Seq(0), &[1])).unwrap();
    let over = AtomicBool::new(false);
    let copies: Vec<Summary> = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut number = 1;
            while !over.load(Ordering::SeqCst) {
                running.append(append(&id, claimed.fence, Seq(number), &[number, number])).unwrap();
                running.ask(|reply| Write::Create { new: new_workflow(100 + number), reply }).unwrap();
                number += 2;
            }
        });
        let copy = |number: u32| {
            let before = place.readers().workflow(&id).unwrap().unwrap().last_seq.0;
            let summary = backup(&place.database, &folder.path().join(format!("{number}.db"))).unwrap();
            assert!(summary.tables[1].1 >= before, "what was there before is in it");
            summary
        };
        let copies = (0..3).map(copy).collect();
        over.store(true, Ordering::SeqCst);
        writer.join().unwrap();
        copies
    });
    for (number, summary) in copies.into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.db"));
        assert_eq!(verify(&path).unwrap(), summary);
    }
}

#[test]
fn refuses_to_write_over_a_file_and_to_put_back_what_is_no_copy() {
    let (place, folder) = (Place::new(), TempDir::new().unwrap());
    fill(&place);
    let copy = folder.path().join("copy.db");
    std::fs::write(&copy, "mine").unwrap();
    assert!(matches!(backup(&place.database, &copy), Err(Error::Exists { .. })));
    assert_eq!(std::fs::read(&copy).unwrap(), b"mine");

    let target = Place::file();
    let restored = |copy: &Path| restore(copy, &target.database, folder.path(), &[]).unwrap_err().to_string();
    assert!(restored(&copy).contains("copy.db"));
    let whole = folder.path().join("whole.db");
    backup(&place.database, &whole).unwrap();
    let bytes = std::fs::read(&whole).unwrap();
    let cut = folder.path().join("cut.db");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    restored(&cut);
    let mut torn = Database::Sqlite(whole.clone()).open_for_writing().unwrap();
    execute(&mut torn, "DELETE FROM workflow_events WHERE seq = 1").unwrap();
    drop(torn);
    assert!(restored(&whole).contains("gaps"));
    assert!(!target.path.exists());
    assert!(matches!(verify(&folder.path().join("none.db")), Err(Error::BadCopy { .. })));
}

#[test]
fn a_copy_is_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (place, folder) = (Place::new(), TempDir::new().unwrap());
    fill(&place);
    let copy = folder.path().join("copy.db");
    backup(&place.database, &copy).unwrap();
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}
