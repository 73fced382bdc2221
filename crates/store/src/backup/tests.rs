//! Copies: whole while somebody writes, put back into either database, and never over what is there.

use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use units::{Seq, WorkflowId};

use super::*;
use crate::fixture::{Place, append, event, execute, new_workflow, server, usage};
use crate::{Append, PromptRow, Readers, Upkeep, Write};

/// Two workflows, one with what JSON has to escape and with the largest numbers.
fn fill(place: &Place) -> (WorkflowId, WorkflowId) {
    let running = place.start();
    let (first, claimed) = running.owned(1);
    let mut odd = event(u64::MAX);
    odd.payload = "{\"t\":\"\\u0007 \\\\ \\\"ä\u{1f980}\u{7f}\u{2028}\n\r\t'$.x'\"}".to_owned();
    odd.id = crate::EventId(1 << 63);
    let mut last = append(&first, claimed.fence, Seq(0), &[u64::MAX]);
    last.events.push(odd);
    running
        .append(Append { outcome: Some("done".to_owned()), usage: vec![usage("a", Some(&first))], ..last })
        .unwrap();
    let (second, claimed) = running.owned(2);
    running.append(append(&second, claimed.fence, Seq(0), &[3])).unwrap();
    let prompt = PromptRow {
        name: "review/diff".to_owned(),
        version: "v".to_owned(),
        number: 1,
        description: "d".to_owned(),
        system: "s".to_owned(),
        user: "{{ x }}".to_owned(),
        first_at: units::UnixMillis(1),
    };
    running.ask(|reply| Write::Upkeep { upkeep: Upkeep::Prompts(vec![prompt]), reply }).unwrap();
    running.stop().unwrap();
    (first, second)
}

fn same(one: &Readers, other: &Readers, ids: [&WorkflowId; 2]) {
    for id in ids {
        assert_eq!(one.workflow(id).unwrap(), other.workflow(id).unwrap());
        assert_eq!(one.events_after(id, Seq(0), 99).unwrap(), other.events_after(id, Seq(0), 99).unwrap());
        assert_eq!(one.usage_of(id).unwrap(), other.usage_of(id).unwrap());
    }
    assert_eq!(one.prompts().unwrap(), other.prompts().unwrap());
}

/// Everything there and back again, from the database that the tests run on into `to`.
fn there_and_back(to: &Place) {
    let (from, folder) = (Place::new(), TempDir::new().unwrap());
    let (first, second) = fill(&from);
    let copy = folder.path().join("copy.db");
    let summary = backup(&from.database, &copy).unwrap();
    let rows = |name| summary.tables.iter().find(|(table, _)| *table == name).unwrap().1;
    assert_eq!(
        (rows("workflows"), rows("workflow_events"), rows("model_usage"), rows("prompts")),
        (2, 3, 1, 1)
    );
    assert_eq!(verify(&copy).unwrap(), summary);
    let left: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["copy.db"]);

    restore(&copy, &to.database, folder.path()).unwrap();
    same(&from.readers(), &to.readers(), [&first, &second]);
    // It goes on where it was: histories can be claimed, and rows get numbers of their own.
    let running = to.start();
    let claimed = running.claim(&second).unwrap();
    let more =
        Append { usage: vec![usage("b", Some(&second))], ..append(&second, claimed.fence, Seq(1), &[4]) };
    running.append(more).unwrap();
    assert_eq!(to.readers().usage_of(&second).unwrap().len(), 1);

    let refused = restore(&copy, &to.database, folder.path());
    let in_use = matches!(refused, Err(Error::InUse { .. }));
    assert!(in_use || matches!(refused, Err(Error::NotEmpty { table: "workflows", .. })), "{refused:?}");
    running.stop().unwrap();
    let refused = restore(&copy, &to.database, folder.path());
    assert!(matches!(refused, Err(Error::NotEmpty { table: "workflows", .. })), "{refused:?}");
    assert_eq!(to.readers().usage_of(&second).unwrap().len(), 1);
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
    let restored = |copy: &Path| restore(copy, &target.database, folder.path()).unwrap_err().to_string();
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
    assert!(matches!(verify(&folder.path().join("none.db")), Err(Error::File { .. })));
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
