//! The saga's process is killed at each point of doing and of undoing, and started again until it has ended.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clock::Clock;
use supervision::{Follows, Limit, Pool, Tree};

use super::journal::{Folder, Journal, Points, Written};
use super::{Faults, TWICE, saga};
use crate::bodies::Diary;
use crate::puppet::group;

const CHILD: &str = "saga::killed::a_process_that_leads_the_saga_until_it_is_killed";
const AT_POINT: &str = "it can be killed now";
const PASSED: &str = "it has ended; points passed: ";

/// Says so, and waits for the kill.
fn waits_for_its_end() -> ! {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{AT_POINT}").unwrap();
    output.flush().unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
#[ignore = "it waits to be killed; the tests beside it start it in a process of its own"]
fn a_process_that_leads_the_saga_until_it_is_killed() {
    let lines: Vec<String> = std::io::stdin().lock().lines().map_while(Result::ok).collect();
    let [folder, written, stop_at] = &lines[..] else { return };
    let written =
        [Written::ToDisk, Written::ToSystem].into_iter().find(|way| *written == format!("{way:?}")).unwrap();
    let points = Points::until(stop_at.parse().ok(), waits_for_its_end);
    let journal = Arc::new(Journal::open(Path::new(folder), written, points));
    let faults = Arc::new(Faults { once: AtomicBool::new(true), ..Faults::default() });
    actix_rt::System::new().block_on(async {
        let (child, mailbox) = saga(&journal, &faults, &Diary::default());
        let spec = group("root", Limit::PerChild(TWICE), vec![child]);
        let tree = Tree::start(spec, Clock::real(), Pool::new(1)).await.unwrap();
        // Nothing polls here: the saga has the machine for itself.
        let (over, mut is_over) = tokio::sync::watch::channel(false);
        let _watch = mailbox.place().monitor(move |down| {
            over.send_if_modified(|over| {
                *over = matches!(down.follows, Follows::Nothing | Follows::GivenUp);
                *over
            });
        });
        is_over.wait_for(|over| *over).await.unwrap();
        tree.stop().await;
    });
    println!("{PASSED}{}", journal.points().passed());
}

/// How one process went.
#[derive(Debug, PartialEq)]
enum Went {
    Killed,
    Ended { passed: u64 },
}

fn spawn(folder: &Folder, written: Written, stop_at: Option<u64>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", CHILD, "--ignored", "--nocapture"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let stop_at = stop_at.map_or_else(|| "never".to_owned(), |nth| nth.to_string());
    let lines = format!("{}\n{written:?}\n{stop_at}\n", folder.path().display());
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    child
}

/// One process that is killed (with signal 9) when it is at that point, if it ever is.
fn lead(folder: &Folder, written: Written, stop_at: Option<u64>) -> Went {
    let mut child = spawn(folder, written, stop_at);
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut went = None;
    for line in output.lines().map_while(Result::ok) {
        if line.contains(AT_POINT) {
            child.kill().unwrap();
            went = Some(Went::Killed);
        } else if let Some((_, passed)) = line.split_once(PASSED) {
            went = Some(Went::Ended { passed: passed.parse().unwrap() });
        }
    }
    let status = child.wait().unwrap();
    let went = went.unwrap_or_else(|| panic!("{status}, journal: {:#?}", folder.lines()));
    assert_eq!(status.success(), went != Went::Killed);
    went
}

fn points() -> u64 {
    let folder = Folder::new("points");
    match lead(&folder, Written::ToSystem, None) {
        Went::Ended { passed } => passed,
        Went::Killed => unreachable!("nobody killed it"),
    }
}

/// Killed at each of these points once, in a folder of its own each, then led to its end.
fn killed_at(points: impl Iterator<Item = u64>) {
    for point in points {
        let folder = Folder::new(&format!("point-{point}"));
        assert_eq!(lead(&folder, Written::ToSystem, Some(point)), Went::Killed, "at point {point}");
        assert!(matches!(lead(&folder, Written::ToSystem, None), Went::Ended { .. }), "after point {point}");
        folder.is_as_before();
        folder.was_undone_in_reverse();
    }
}

#[test]
fn killed_at_any_point_the_saga_is_undone_by_the_next_process() {
    let all = points();
    assert!(all > 40, "steps and their undoing have {all} points");
    std::thread::scope(|scope| {
        let odd = scope.spawn(|| killed_at((1..=all).step_by(2)));
        let even = scope.spawn(|| killed_at((2..=all).step_by(2)));
        odd.join().unwrap();
        even.join().unwrap();
    });
}

#[test]
fn killed_again_and_again_while_doing_and_while_undoing_the_saga_still_ends() {
    // With its one fault, undoing a step takes eight points: with fewer a process might come no further than the last.
    for every in [8, 9, 13] {
        let folder = Folder::new(&format!("every-{every}"));
        let mut kills = 0;
        while lead(&folder, Written::ToSystem, Some(every)) == Went::Killed {
            kills += 1;
            assert!(kills < 100, "it comes no further: {:#?}", folder.lines());
        }
        assert!(kills > 3, "it was killed {kills} times");
        folder.is_as_before();
        folder.was_undone_in_reverse();
    }
}

#[test]
fn a_process_that_starts_after_the_end_does_nothing_more() {
    let folder = Folder::new("after");
    assert!(matches!(lead(&folder, Written::ToDisk, None), Went::Ended { .. }));
    let lines = folder.lines();
    assert_eq!(lead(&folder, Written::ToDisk, None), Went::Ended { passed: 0 });
    assert_eq!(folder.lines(), lines);
    folder.is_as_before();
}
