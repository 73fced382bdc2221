//! The server is killed in each phase of a run and started again on the same state folder: the run goes on to its
//! end, nothing that was answered is asked again, and each commit is in the workspace whole or not at all.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clock::Clock;
use impresario::http::views::NewWorkflow;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe::{OpenOptions, Receiver};
use units::WorkflowId;
use workflow::{Event, Outcome};

use crate::folder::Files;
use crate::house::{House, LIMIT};
use crate::runs::{CALLS, afterwards, furnish, ordinary, ordinary_house};
use crate::speech::{approve, delete, edits, plan, replace, task};
use crate::story::{Story, assert_paid_once, count};
use crate::vendor::{Asked, Says};

/// Starts the server again and hears the run to its good end, with so many calls in all.
async fn goes_on(house: &mut House, id: &WorkflowId, after: &Files, calls: usize) {
    let client = house.serve().await;
    let heard = Story::follow(&client, id).done().await;
    assert_eq!(house.files(), *after);
    assert_paid_once(&client, id, &heard, &house.vendor, calls).await;
}

/// One call is held; the server is killed while it waits for the answer.
async fn survives_a_kill_while_it_asks(model: &str, word: &str) {
    let mut house = ordinary_house();
    let after = afterwards(&house.files());
    house.vendor.hold(model, word);
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    house.vendor.await_asked(model, word, 1);
    house.kill().await;
    house.vendor.release(model, word);
    goes_on(&mut house, &id, &after, CALLS).await;
}

#[tokio::test]
async fn a_kill_while_it_plans_costs_nothing_but_the_open_call() {
    survives_a_kill_while_it_asks("planner", "").await;
}

#[tokio::test]
async fn a_kill_while_an_editor_thinks_keeps_the_edits_before_it() {
    survives_a_kill_while_it_asks("editor", "does <third>").await;
}

#[tokio::test]
async fn a_kill_while_one_of_two_parallel_editors_thinks_keeps_the_other() {
    let mut house = ordinary_house();
    let after = afterwards(&house.files());
    house.vendor.hold("editor", "does <second>");
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    house.vendor.await_asked("editor", "does <second>", 1);
    let committed = |event: &Event| matches!(event, Event::Committed { .. });
    Story::follow(&client, &id).until("the first task's commit", committed).await;
    house.kill().await;
    house.vendor.release("editor", "does <second>");
    goes_on(&mut house, &id, &after, CALLS).await;
}

#[tokio::test]
async fn a_kill_while_it_is_reviewed_keeps_all_edits() {
    survives_a_kill_while_it_asks("reviewer", "").await;
}

#[tokio::test]
async fn a_kill_right_after_the_plan_keeps_the_plan() {
    let mut house = ordinary_house();
    let after = afterwards(&house.files());
    house.vendor.hold("editor", "");
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    let planned = |event: &Event| matches!(event, Event::Planned { .. });
    Story::follow(&client, &id).until("its plan", planned).await;
    house.kill().await;
    house.vendor.release("editor", "");
    goes_on(&mut house, &id, &after, CALLS).await;
}

#[tokio::test]
async fn kill_after_kill_comes_to_the_same_end() {
    let mut house = ordinary_house();
    let after = afterwards(&house.files());
    let stops = [("planner", ""), ("editor", "does <third>"), ("reviewer", "")];
    for (model, word) in stops {
        house.vendor.hold(model, word);
    }
    let mut client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    for (model, word) in stops {
        house.vendor.await_asked(model, word, 1);
        house.kill().await;
        house.vendor.release(model, word);
        client = house.serve().await;
    }
    let heard = Story::follow(&client, &id).done().await;
    assert_eq!(house.files(), after);
    assert_paid_once(&client, &id, &heard, &house.vendor, CALLS).await;
}

/// One task: its commit renames three files and its own record, and deletes a file.
fn one_commit(asked: &Asked) -> Says {
    match asked.model.as_str() {
        "planner" => plan(&[task("only", &[], &["a.txt", "b.txt", "made.txt", "sub/c.txt", "gone.txt"])]),
        "reviewer" => approve(),
        _ => edits(&[
            replace("a.txt", "alpha\n", "ALPHA\n"),
            replace("b.txt", "beta\n", "BETA\n"),
            replace("made.txt", "", "made\n"),
            replace("sub/c.txt", "gamma\n", "GAMMA\n"),
            delete("gone.txt"),
        ]),
    }
}

/// A house whose server killed itself just before the `nth` rename of its one commit.
async fn killed_in_the_commit(nth: usize) -> (House, Files, WorkflowId) {
    let mut house = House::new(one_commit);
    furnish(&house);
    // What has permissions of its own keeps them.
    fs::set_permissions(house.workspace().join("b.txt"), fs::Permissions::from_mode(0o750)).unwrap();
    let before = house.files();
    let client = house.serve_doomed(nth).await;
    let id = client.start(&house.order()).await.unwrap();
    assert!(house.killed().await, "the fail-point did not kill the server");
    (house, before, id)
}

fn after_one_commit(before: &Files) -> Files {
    let mut after = afterwards(before);
    after.get_mut("b.txt").unwrap().0 = before["b.txt"].0;
    after
}

#[tokio::test]
async fn a_kill_between_two_renames_of_a_commit_is_recovered_at_the_next_start() {
    // Four files, and the record of the commit.
    for nth in 1..=5 {
        let (mut house, before, id) = killed_in_the_commit(nth).await;
        let after = after_one_commit(&before);
        let cut_off = house.files();
        let is_changed = |name: &&str| cut_off[*name] != before[*name];
        let changed = ["a.txt", "b.txt", "sub/c.txt"].iter().filter(|name| is_changed(name)).count();
        match nth {
            1 => assert_eq!(changed, 0),
            2..=4 => assert!((1..3).contains(&changed), "the commit was not cut off in its middle"),
            _ => assert_eq!(changed, 3),
        }
        goes_on(&mut house, &id, &after, 3).await;
    }
}

#[tokio::test]
async fn recovering_by_hand_gives_the_workspace_back_as_it_was_before_the_commit() {
    for nth in [2, 5] {
        let (mut house, before, id) = killed_in_the_commit(nth).await;
        assert_ne!(house.files(), before, "a commit is cut off");
        let workspace = house.workspace();
        let recovered = house.run(&["--root", path(&workspace), "recover", path(&workspace)]).await;
        assert!(recovered.status.success(), "{recovered:?}");
        assert_eq!(house.files(), before, "{recovered:?}");
        let again = house.run(&["--root", path(&workspace), "recover", path(&workspace)]).await;
        assert!(again.status.success(), "{again:?}");
        assert_eq!(house.files(), before, "{again:?}");
        goes_on(&mut house, &id, &after_one_commit(&before), 3).await;
    }
}

#[tokio::test]
async fn a_kill_while_it_undoes_an_abort_leaves_nothing_behind() {
    // Undoing either commit renames one file, and then the record of the undoing.
    for nth in 1..=2 {
        let mut house = ordinary_house();
        let before = house.files();
        house.vendor.hold("editor", "does <third>");
        let client = house.serve().await;
        let id = client.start(&house.order()).await.unwrap();
        house.vendor.await_asked("editor", "does <third>", 1);
        house.kill().await;
        let client = house.serve_doomed(nth).await;
        house.vendor.await_asked("editor", "does <third>", 2);
        // Its answer may be cut off by the kill.
        drop(client.abort(&id, "a test").await);
        assert!(house.killed().await, "the fail-point did not kill the server");
        let client = house.serve().await;
        let (outcome, _) = Story::follow(&client, &id).end().await;
        assert_eq!(outcome, Outcome::Aborted { by: "a test".to_owned(), kept: Vec::new() });
        assert_eq!(house.files(), before);
    }
}

#[tokio::test]
async fn a_kill_while_the_checks_run_ends_them_too_and_pays_for_no_second_edit() {
    let mut house = House::new(one_commit);
    furnish(&house);
    let (fifo, gate) = (house.path("fifo"), house.path("gate"));
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    fs::write(&gate, "").unwrap();
    let script = format!(
        "exec 3>{}\necho started >&3\nwhile [ -e {} ]; do sleep 0.05; done\n",
        fifo.display(),
        gate.display()
    );
    house.write("check.sh", &script);
    let before = house.files();
    let after = after_one_commit(&before);

    let mut own = Fifo::open(&fifo, Ends::Both);
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    own.line().await;
    assert_eq!(house.files(), before);
    // From here on only the check keeps the other end open.
    let mut checks = Fifo::open(&fifo, Ends::Reading);
    drop(own);
    house.kill().await;
    checks.closed().await;

    let _own = Fifo::open(&fifo, Ends::Both);
    assert_eq!(house.files(), before);
    fs::remove_file(&gate).unwrap();
    goes_on(&mut house, &id, &after, 3).await;
    assert_eq!(house.vendor.asked().len(), 3);
}

#[tokio::test]
async fn a_server_that_is_asked_to_stop_ends_well_and_the_next_one_goes_on() {
    let mut house = ordinary_house();
    let after = afterwards(&house.files());
    house.vendor.hold("editor", "");
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    house.vendor.await_asked("editor", "", 2);
    let ended = house.stop().await;
    assert_eq!(ended.code(), Some(0), "{}", house.log_text());
    assert!(!house.state().join("impresario.sock").exists(), "the socket is left behind");
    house.vendor.release("editor", "");
    goes_on(&mut house, &id, &after, CALLS).await;
}

#[tokio::test]
async fn a_server_that_is_asked_to_stop_ends_the_checks_too_whatever_they_say_to_it() {
    let mut house = House::new(one_commit);
    furnish(&house);
    let (fifo, gate) = (house.path("fifo"), house.path("gate"));
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    fs::write(&gate, "").unwrap();
    let script = format!(
        "trap '' TERM INT\nexec 3>{}\necho started >&3\nwhile [ -e {} ]; do sleep 0.05; done\n",
        fifo.display(),
        gate.display()
    );
    house.write("check.sh", &script);
    let after = after_one_commit(&house.files());
    let mut own = Fifo::open(&fifo, Ends::Both);
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    own.line().await;
    let mut checks = Fifo::open(&fifo, Ends::Reading);
    drop(own);
    assert_eq!(house.stop().await.code(), Some(0), "{}", house.log_text());
    checks.closed().await;

    let _own = Fifo::open(&fifo, Ends::Both);
    fs::remove_file(&gate).unwrap();
    goes_on(&mut house, &id, &after, 3).await;
}

/// A stop counted against each step under way: the fourth of them ended the workflow.
#[tokio::test]
async fn a_stop_is_no_failure_of_the_steps_under_way() {
    let mut house = ordinary_house();
    let after = afterwards(&house.files());
    house.vendor.hold("editor", "");
    let mut client = house.serve().await;
    let order = NewWorkflow { step_failures: Some(0), ..house.order() };
    let id = client.start(&order).await.unwrap();
    for starts in 1..=3 {
        // An editor for each of two tasks.
        house.vendor.await_asked("editor", "", 2 * starts);
        assert_eq!(house.stop().await.code(), Some(0), "{}", house.log_text());
        client = house.serve().await;
    }
    house.vendor.release("editor", "");
    let heard = Story::follow(&client, &id).done().await;
    assert_eq!(count(&heard, |event| matches!(event, Event::StepFailed { .. })), 0);
    assert_eq!(house.files(), after);
}

#[tokio::test]
async fn what_has_ended_is_left_alone_by_the_next_start() {
    let mut house = House::new(ordinary);
    furnish(&house);
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    let heard = Story::follow(&client, &id).done().await;
    house.kill().await;
    let files = house.files();
    let client = house.serve().await;
    assert_eq!(Story::follow(&client, &id).done().await, heard);
    assert_eq!(count(&heard, |event| matches!(event, Event::Committed { .. })), 3);
    assert_eq!(house.files(), files);
    assert_paid_once(&client, &id, &heard, &house.vendor, CALLS).await;
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The end of a pipe that a check writes to.
struct Fifo(BufReader<Receiver>);

/// Which ends this process holds open.
#[derive(PartialEq)]
enum Ends {
    Both,
    Reading,
}

impl Fifo {
    fn open(path: &Path, ends: Ends) -> Self {
        let receiver = OpenOptions::new().read_write(ends == Ends::Both).open_receiver(path).unwrap();
        Self(BufReader::new(receiver))
    }

    async fn line(&mut self) {
        let mut line = String::new();
        Clock::real().timeout(LIMIT, self.0.read_line(&mut line)).await.expect("the check starts").unwrap();
    }

    /// Waits until nobody can write to it any more.
    async fn closed(&mut self) {
        let mut rest = Vec::new();
        let read = Clock::real().timeout(LIMIT, self.0.read_to_end(&mut rest)).await;
        read.expect("the check ends with the server").unwrap();
    }
}

#[tokio::test]
async fn an_abort_right_after_the_next_start_is_heard() {
    let mut house = ordinary_house();
    house.vendor.hold("planner", "");
    let client = house.serve().await;
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(client.start(&house.order()).await.unwrap());
    }
    house.vendor.await_asked("planner", "", ids.len());
    house.kill().await;
    let client = house.serve().await;
    for id in ids {
        client.abort(&id, "a test").await.unwrap();
        let (outcome, _) = Story::follow(&client, &id).end().await;
        assert_eq!(outcome, Outcome::Aborted { by: "a test".to_owned(), kept: Vec::new() });
    }
}
