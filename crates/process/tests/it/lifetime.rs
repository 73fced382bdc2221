//! Nothing outlives its run: not past the wall time, a dropped future, the program's own end, or a killed server.

use std::future::Future;
use std::time::{Duration, Instant};

use clock::Clock;
use process::{Command, End, Limits, Runner};

use crate::{Fifo, Said, act, is_namespaced, launcher, mechanisms, run, runners, sh};

const WALL: Duration = Duration::from_secs(600);

/// Runs `runner` until the FIFO was told something.
async fn until_said<F: Future + Unpin>(run: &mut F, fifo: &Fifo) -> Said {
    tokio::select! {
        said = fifo.said() => said,
        _ = run => panic!("ended before it said anything"),
    }
}

/// Runs to the end, and moves the clock on whenever something waits for it.
async fn fast_forward<F: Future + Unpin>(run: &mut F, clock: &Clock) -> F::Output {
    loop {
        tokio::select! {
            biased;
            output = &mut *run => return output,
            () = tokio::task::yield_now() => {}
        }
        if let Some(due) = clock.next_wake() {
            clock.advance(due - clock.now());
        }
    }
}

#[tokio::test]
async fn at_the_wall_time_it_may_end_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = Fifo::new(folder.path(), "fifo");
    for isolation in mechanisms().await {
        let clock = Clock::manual();
        let runner = Runner::pinned(launcher(), clock.clone(), isolation.mechanism);
        let script = format!(
            "trap 'echo bye; exit 7' TERM; echo started; exec 9>{}; echo ready >&9; sleep 1000 & wait",
            fifo.path()
        );
        let command = Command { limits: Limits { wall: WALL, ..Limits::default() }, ..sh(&script) };
        let mut run = std::pin::pin!(runner.run(&command));
        let said = until_said(&mut run, &fifo).await;
        assert_eq!(said.line, "ready\n");
        clock.advance(WALL);
        let finished = run.await.unwrap();
        assert_eq!(finished.end, End::TimedOut, "{isolation}");
        assert_eq!(finished.output.text.lines().last(), Some("bye"), "{isolation}: {}", finished.output.text);
        said.all_gone().await;
    }
}

#[tokio::test]
async fn who_does_not_end_at_the_wall_time_is_killed_with_all_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = Fifo::new(folder.path(), "fifo");
    for isolation in mechanisms().await {
        let clock = Clock::manual();
        let runner = Runner::pinned(launcher(), clock.clone(), isolation.mechanism);
        // A grandchild that nobody can ask to end.
        let script =
            format!("trap '' TERM; (\"{}\" hold {} & wait) & wait", launcher().display(), fifo.path());
        let command = Command { limits: Limits { wall: WALL, ..Limits::default() }, ..sh(&script) };
        let mut run = std::pin::pin!(runner.run(&command));
        let said = until_said(&mut run, &fifo).await;
        let finished = fast_forward(&mut run, &clock).await.unwrap();
        assert_eq!(finished.end, End::TimedOut, "{isolation}");
        said.all_gone().await;
    }
}

#[tokio::test]
async fn a_flood_does_not_hold_up_the_wall_time() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = Fifo::new(folder.path(), "fifo");
    for isolation in mechanisms().await {
        let clock = Clock::manual();
        let runner = Runner::pinned(launcher(), clock.clone(), isolation.mechanism);
        let script = format!("exec 9>{}; echo ready >&9; exec yes", fifo.path());
        let command = Command { limits: Limits { wall: WALL, ..Limits::default() }, ..sh(&script) };
        let mut run = std::pin::pin!(runner.run(&command));
        let said = until_said(&mut run, &fifo).await;
        clock.advance(WALL);
        assert_eq!(run.await.unwrap().end, End::TimedOut, "{isolation}");
        said.all_gone().await;
    }
}

#[tokio::test]
async fn a_dropped_future_kills_all() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = Fifo::new(folder.path(), "fifo");
    for (_, runner) in runners().await {
        let script = format!("(\"{}\" hold {} & wait) & wait", launcher().display(), fifo.path());
        let command = sh(&script);
        let mut run = Box::pin(runner.run(&command));
        let said = until_said(&mut run, &fifo).await;
        drop(run);
        said.all_gone().await;
    }
}

#[tokio::test]
async fn what_runs_in_the_background_ends_with_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let (fifo, go) = (Fifo::new(folder.path(), "fifo"), Fifo::new(folder.path(), "go"));
    for (isolation, runner) in runners().await {
        // The program ends once its background process has said that it is there; that one holds the output too.
        let script =
            format!("\"{}\" hold {} & : <{}; echo done", launcher().display(), fifo.path(), go.path());
        let command = sh(&script);
        let mut run = std::pin::pin!(runner.run(&command));
        let said = until_said(&mut run, &fifo).await;
        let (finished, ()) = tokio::join!(run, go.open());
        let finished = finished.unwrap();
        assert_eq!((finished.end, finished.output.text.as_str()), (End::Exited(0), "done\n"), "{isolation}");
        said.all_gone().await;
    }
}

#[tokio::test]
async fn who_leaves_the_group_dies_within_namespaces_and_is_not_waited_for_without() {
    let folder = tempfile::tempdir().unwrap();
    let [said, until, go] = ["said", "until", "go"].map(|name| Fifo::new(folder.path(), name));
    for isolation in mechanisms().await {
        let clock = Clock::manual();
        let runner = Runner::pinned(launcher(), clock.clone(), isolation.mechanism);
        let script = format!(
            "\"{}\" escape {} {} & : <{}; echo done",
            launcher().display(),
            said.path(),
            until.path(),
            go.path()
        );
        let command = Command { limits: Limits { wall: WALL, ..Limits::default() }, ..sh(&script) };
        // Opened for both, because nobody is there to read yet.
        let hold = std::fs::File::options().read(true).write(true).open(&until.path).unwrap();
        let mut run = std::pin::pin!(runner.run(&command));
        let escaped = until_said(&mut run, &said).await;
        assert_eq!(escaped.line, "escaped\n");
        let wall = clock.next_wake();
        tokio::select! {
            () = go.open() => {}
            _ = &mut run => panic!("ended before it was let go"),
        }
        let finished = if is_namespaced(isolation) {
            // It holds the output: only its death lets the run end without the clock.
            run.await.unwrap()
        } else {
            until_ended_but_held(&mut run, &clock, wall).await
        };
        assert_eq!((finished.end, finished.output.text.as_str()), (End::Exited(0), "done\n"), "{isolation}");
        drop(hold);
        escaped.all_gone().await;
    }
}

/// Lets the program end, then moves the clock past the time that its output may still be held.
async fn until_ended_but_held<F>(run: &mut F, clock: &Clock, wall: Option<Instant>) -> process::Finished
where
    F: Future<Output = Result<process::Finished, process::Error>> + Unpin,
{
    loop {
        tokio::select! {
            biased;
            finished = &mut *run => return finished.unwrap(),
            () = tokio::task::yield_now() => {}
        }
        // The wall time's sleeper goes when the program has ended; the next one is the drain's.
        let due = clock.next_wake();
        if let Some(due) = due.filter(|_| due != wall) {
            clock.advance(due - clock.now());
        }
    }
}

#[tokio::test]
async fn a_killed_server_takes_its_programs_along() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = Fifo::new(folder.path(), "fifo");
    for isolation in mechanisms().await {
        let mechanism = serde_json::to_string(&isolation.mechanism).unwrap();
        let mut server =
            std::process::Command::new(launcher()).args(["serve", &mechanism, fifo.path()]).spawn().unwrap();
        let said = fifo.said().await;
        assert_eq!(said.line, "ready\n");
        server.kill().unwrap();
        server.wait().unwrap();
        said.all_gone().await;
    }
}

#[tokio::test]
async fn leaves_no_zombie_behind() {
    for isolation in mechanisms().await {
        let mechanism = serde_json::to_string(&isolation.mechanism).unwrap();
        // A server of its own, because other tests have children in this process.
        let output = std::process::Command::new(launcher()).args(["reap", &mechanism]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "no children\n", "{isolation}");
    }
}

#[tokio::test]
async fn a_program_that_kills_its_group_harms_itself_only() {
    for (isolation, runner) in runners().await {
        let finished = run(&runner, &sh("kill -9 0")).await;
        assert_eq!(finished.end, End::Signalled(9), "{isolation}");
        assert_eq!(run(&runner, &act(&["loopback"])).await.isolation, isolation);
    }
}
