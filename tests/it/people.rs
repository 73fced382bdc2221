//! A person works in the same files while a run goes on: nothing that a person wrote is ever lost.

use workflow::{Event, Outcome, Rejection};

use crate::house::House;
use crate::runs::{furnish, ordinary, ordinary_house};
use crate::speech::{approve, edits, plan, replace, task};
use crate::story::{Story, assert_paid_once, count};

const POEM: &str = "one\ntwo\nthree\nfour\n";

/// A house where one task turns the `two` of a poem into `TWO`.
fn poets_house() -> House {
    let house = House::new(|asked| match asked.model.as_str() {
        "planner" => plan(&[task("only", &[], &["poem.txt"])]),
        "reviewer" => approve(),
        _ if asked.text.contains("two and a half\n") => {
            edits(&[replace("poem.txt", "two and a half\n", "TWO and a half\n")])
        }
        _ => edits(&[replace("poem.txt", "two\n", "TWO\n")]),
    });
    house.write("poem.txt", POEM);
    house.vendor.hold("editor", "");
    house
}

#[tokio::test]
async fn a_change_elsewhere_in_the_file_stays_beside_the_edit() {
    let mut house = poets_house();
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    house.vendor.await_asked("editor", "", 1);
    house.write("poem.txt", &POEM.replace("four", "four, by hand"));
    house.write("notes.txt", "by hand\n");
    house.vendor.release("editor", "");
    let heard = Story::follow(&client, &id).done().await;

    assert_eq!(house.read("poem.txt"), "one\nTWO\nthree\nfour, by hand\n");
    assert_eq!(house.read("notes.txt"), "by hand\n");
    // The same answer fits what is there now: it is not asked for again.
    assert_paid_once(&client, &id, &heard, &house.vendor, 3).await;
}

#[tokio::test]
async fn a_change_to_the_same_line_is_a_conflict_and_the_next_attempt_sees_it() {
    let mut house = poets_house();
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    house.vendor.await_asked("editor", "", 1);
    house.write("poem.txt", &POEM.replace("two", "two and a half"));
    house.vendor.release("editor", "");
    let heard = Story::follow(&client, &id).done().await;

    assert_eq!(house.read("poem.txt"), "one\nTWO and a half\nthree\nfour\n");
    let conflict = |event: &Event| matches!(event, Event::EditRejected { reason: Rejection::Conflict { paths }, .. } if paths == &["poem.txt"]);
    assert_eq!(count(&heard, conflict), 1);
    assert_paid_once(&client, &id, &heard, &house.vendor, 4).await;
}

#[tokio::test]
async fn a_file_that_a_person_changed_after_its_commit_stays_when_the_run_is_aborted() {
    let mut house = ordinary_house();
    let before = house.files();
    house.vendor.hold("editor", "does <third>");
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    house.vendor.await_asked("editor", "does <third>", 1);
    assert_eq!(house.read("a.txt"), "ALPHA\n");
    house.write("a.txt", "ALPHA, by hand\n");
    client.abort(&id, "a test").await.unwrap();
    let (outcome, _) = Story::follow(&client, &id).end().await;

    assert_eq!(outcome, Outcome::Aborted { by: "a test".to_owned(), kept: vec!["a.txt".to_owned()] });
    let mut expected = before.clone();
    expected.get_mut("a.txt").unwrap().1 = "ALPHA, by hand\n".to_owned();
    assert_eq!(house.files(), expected);
}

#[tokio::test]
async fn a_change_made_while_the_server_was_down_is_not_overwritten() {
    let mut house = House::new(|asked| match asked.model.as_str() {
        "editor" if asked.text.contains("gamma, by hand\n") => {
            edits(&[replace("sub/c.txt", "gamma, by hand\n", "GAMMA, by hand\n")])
        }
        "planner" => plan(&[task("third", &[], &["sub/c.txt"])]),
        "editor" => edits(&[replace("sub/c.txt", "gamma\n", "GAMMA\n")]),
        _ => ordinary(asked),
    });
    furnish(&house);
    house.vendor.hold("editor", "");
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    house.vendor.await_asked("editor", "", 1);
    house.kill().await;
    house.write("sub/c.txt", "gamma, by hand\n");
    house.vendor.release("editor", "");
    let client = house.serve().await;
    let heard = Story::follow(&client, &id).done().await;

    assert_eq!(house.read("sub/c.txt"), "GAMMA, by hand\n");
    assert_paid_once(&client, &id, &heard, &house.vendor, 3).await;
}
