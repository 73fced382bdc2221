//! Stopping: in time, too late, killed, refused, and in the middle of other ends.

use std::time::Duration;

use futures_util::future::join;
use supervision::{End, Restart, Shutdown, State, Strategy, SupervisorSpec};

use crate::bodies::{Do, House, Manners, Plan, counts, hold, rests, root, stop, timely, until_shown, which};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[actix_rt::test]
async fn a_child_that_has_for_ever_to_stop_is_waited_for_be_it_a_worker_or_a_supervisor() {
    let house = House::new();
    let (within, held_within) = house.worker("within");
    let (child2, held) = house.worker("child2");
    let within = within.shutdown(Shutdown::Infinity);
    let (child1, _) = house.group(SupervisorSpec { children: vec![within], ..SupervisorSpec::new("child1") });
    let tree =
        house.start(root(Strategy::OneForOne, vec![child1, child2.shutdown(Shutdown::Infinity)])).await;
    let releases = [hold(&held).await, hold(&held_within).await];
    house.diary.take();

    let view = tree.viewer();
    let end = join(stop(tree), async {
        for (path, release) in ["root/child2", "root/child1/within"].into_iter().zip(releases) {
            until_shown(&*view, path, State::Stopping).await;
            house.clock.advance(DAY);
            drop(release);
        }
    });

    assert_eq!(end.await.0, End::Shutdown);
    let lines = ["child2 ended shutdown", "within ended shutdown", "child1 ended shutdown"];
    assert_eq!(house.diary.take(), lines);
}

#[actix_rt::test]
async fn who_does_not_stop_in_time_is_killed_and_the_next_still_has_its_own_time() {
    let house = House::new();
    let (child1, _) = house.worker("child1");
    let (child2, held) = house.worker("child2");
    let children = [child1, child2].map(|child| child.shutdown(Shutdown::Timeout(SECOND)));
    let tree = house.start(root(Strategy::OneForOne, children.into())).await;
    let _never_released = hold(&held).await;
    house.diary.take();

    let view = tree.viewer();
    let end = join(stop(tree), async {
        until_shown(&*view, "root/child2", State::Stopping).await;
        house.clock.advance(SECOND);
    });

    assert_eq!(end.await.0, End::Shutdown);
    assert_eq!(house.diary.take(), ["child2 ended killed", "child1 ended shutdown"]);
}

#[actix_rt::test]
async fn a_dynamic_child_that_does_not_stop_in_time_is_killed() {
    let house = House::new();
    let tree = house.start(root(Strategy::Dynamic, vec![])).await;
    let mut workers = Vec::new();
    for id in ["child1", "child2"] {
        let (child, worker) = house.worker(id);
        let child = child.restart(Restart::Temporary).shutdown(Shutdown::Timeout(SECOND));
        tree.root().start_child(child).await.unwrap();
        workers.push(worker);
    }
    let _never_released = hold(&workers[1]).await;
    house.diary.take();

    let view = tree.viewer();
    let end = join(stop(tree), async {
        until_shown(&*view, "root/child2", State::Stopping).await;
        house.diary.until("child1 ended shutdown").await;
        house.clock.advance(SECOND);
    });

    assert_eq!(end.await.0, End::Shutdown);
    assert_eq!(house.diary.take(), ["child1 ended shutdown", "child2 ended killed"]);
}

#[actix_rt::test]
async fn a_child_with_no_time_to_stop_is_killed_at_once() {
    let house = House::new();
    let children = vec![house.child("child1"), house.child("child2").shutdown(Shutdown::Kill)];
    let tree = house.start(root(Strategy::OneForOne, children)).await;
    house.diary.take();

    assert_eq!(stop(tree).await, End::Shutdown);
    assert_eq!(house.diary.take(), ["child2 ended killed", "child1 ended shutdown"]);
}

#[actix_rt::test]
async fn dynamic_children_with_no_time_to_stop_are_killed_at_once_even_if_they_would_refuse() {
    let house = House::new();
    let tree = house.start(root(Strategy::Dynamic, vec![])).await;
    for number in 0..10 {
        let plan = Plan { manners: Manners::Refuses, ..house.plan(format!("child{number}")) };
        let child = plan.build().0.restart(Restart::Temporary).shutdown(Shutdown::Kill);
        tree.root().start_child(child).await.unwrap();
    }
    house.diary.take();

    assert_eq!(stop(tree).await, End::Shutdown);
    let lines = house.diary.take();
    assert_eq!(lines.len(), 10);
    assert!(lines.iter().all(|line| line.ends_with("ended killed")), "{lines:?}");
}

#[actix_rt::test]
async fn dynamic_children_stop_side_by_side_each_within_its_time() {
    let house = House::new();
    let tree = house.start(root(Strategy::Dynamic, vec![])).await;
    let mut releases = Vec::new();
    for id in ["child1", "child2", "child3"] {
        let (child, worker) = house.worker(id);
        tree.root().start_child(child.shutdown(Shutdown::Timeout(2 * SECOND))).await.unwrap();
        releases.push(hold(&worker).await);
    }
    house.diary.take();

    let view = tree.viewer();
    let end = join(stop(tree), async {
        for path in ["root/child1", "root/child2", "root/child3"] {
            until_shown(&*view, path, State::Stopping).await;
        }
        house.clock.advance(SECOND);
        let _never_released = releases.pop();
        drop(releases);
        house.diary.until("child1 ended shutdown").await;
        house.diary.until("child2 ended shutdown").await;
        house.clock.advance(SECOND);
        house.diary.until("child3 ended killed").await;
    });

    assert_eq!(timely("all stop", end).await.0, End::Shutdown);
    assert_eq!(house.diary.take().len(), 3);
}

const RULES: [Restart; 3] = [Restart::Temporary, Restart::Transient, Restart::Permanent];

#[actix_rt::test]
async fn children_that_end_by_themselves_while_their_supervisor_stops_are_not_started_again() {
    let house = House::new();
    let mut children = vec![house.child("a").restart(Restart::Temporary)];
    let mut workers = Vec::new();
    for restart in RULES {
        for (how, name) in [(Do::Finish, "normal"), (Do::Fail, "failed"), (Do::Panic, "panicked")] {
            let (child, worker) = house.worker(format!("{restart:?} {name}"));
            children.push(child.restart(restart));
            workers.push((worker, how, format!("{restart:?} {name} ended {name}")));
        }
    }
    let (last, held) = house.worker("z");
    children.push(last.restart(Restart::Temporary));
    let tree = house.start(root(Strategy::OneForOne, children)).await;
    let release = hold(&held).await;
    house.diary.take();

    let view = tree.viewer();
    let end = join(stop(tree), async {
        until_shown(&*view, "root/z", State::Stopping).await;
        for (worker, how, line) in &workers {
            worker.tell(*how).unwrap();
            house.diary.until(line).await;
        }
        drop(release);
    });

    assert_eq!(end.await.0, End::Shutdown);
    let mut expected: Vec<_> = workers.into_iter().map(|(_, _, line)| line).collect();
    expected.extend(["z ended shutdown".to_owned(), "a ended shutdown".to_owned()]);
    assert_eq!(house.diary.take(), expected);
}

#[actix_rt::test]
async fn dynamic_children_may_meet_their_stop_each_in_its_own_way() {
    for restart in RULES {
        let house = House::new();
        let tree = house.start(root(Strategy::Dynamic, vec![])).await;
        for (manners, name) in [
            (Manners::Obeys, "shutdown"),
            (Manners::Finishes, "normal"),
            (Manners::Fails, "failed"),
            (Manners::Panics, "panicked"),
        ] {
            let plan = Plan { manners, ..house.plan(name) };
            tree.root().start_child(plan.build().0.restart(restart)).await.unwrap();
        }
        house.diary.take();

        assert_eq!(stop(tree).await, End::Shutdown);

        let mut lines = house.diary.take();
        lines.sort();
        let ends = ["failed", "normal", "panicked", "shutdown"].map(|name| format!("{name} ended {name}"));
        assert_eq!(lines, ends, "{restart:?}");
    }
}

#[actix_rt::test]
async fn a_child_that_refuses_to_stop_hangs_nobody_and_is_killed_in_time() {
    let house = House::new();
    let naughty = Plan { manners: Manners::Refuses, ..house.plan("naughty") }.build().0;
    let naughty = naughty.shutdown(Shutdown::Timeout(SECOND));
    let tree = house.start(root(Strategy::OneForOne, vec![naughty, house.child("good")])).await;
    house.diary.take();

    let view = tree.viewer();
    let terminated = join(tree.root().terminate_child("naughty"), async {
        until_shown(&*view, "root/naughty", State::Stopping).await;
        // Nobody waits but who asked: the supervisor answers all others.
        assert_eq!(counts(tree.root()).await[0], 2);
        house.clock.advance(SECOND);
    });

    assert_eq!(terminated.await.0, Ok(()));
    assert_eq!(house.diary.take(), ["naughty ended killed"]);
    assert_eq!(which(tree.root()).await[0], rests("naughty", 1));
    assert_eq!(stop(tree).await, End::Shutdown);
}
