//! Dynamic children in numbers: counted, listed, restarted and let go, workers and supervisors alike.

use std::collections::BTreeSet;
use std::time::Duration;

use supervision::{Backoff, ChildInfo, End, Restart, State, Strategy, SupervisorSpec};

use crate::bodies::{
    Do, House, Mood, Sup, counts, eventually, lives, restarts, root, stop, timely, until, which,
};

const ROOM: usize = 5_000;

fn roomy(strategy: Strategy) -> SupervisorSpec {
    SupervisorSpec { max_children: ROOM, ..root(strategy, vec![]) }
}

fn ids(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("child{number}"))
}

async fn start_temporary_workers(sup: &Sup, house: &House, ids: impl Iterator<Item = String>) {
    for id in ids {
        sup.start_child(house.child(id).restart(Restart::Temporary)).await.unwrap();
    }
}

/// Lists what there is twice and finds the same, `count` times the state of one that lives for the first time.
async fn all_are_listed(sup: &Sup, count: usize) {
    let (listed, again) = (which(sup).await, which(sup).await);
    assert_eq!(listed, again);
    assert!(listed.iter().all(|(_, state, generation)| (*state, *generation) == (State::Running, 1)));
    let listed: BTreeSet<_> = listed.into_iter().map(|(id, _, _)| id).collect();
    assert_eq!(listed, ids(count).collect());
}

async fn kill_all(sup: &Sup, count: usize) {
    for id in ids(count) {
        sup.kill_child(&id).await.unwrap();
    }
    let dying = async {
        while counts(sup).await != [0, 0, 0, 0] {
            tokio::task::yield_now().await;
        }
    };
    timely("all killed are forgotten", dying).await;
}

#[actix_rt::test]
async fn a_thousand_dynamic_workers_and_another_thousand_are_counted_listed_and_killed() {
    let house = House::new();
    let tree = house.start(roomy(Strategy::Dynamic)).await;

    start_temporary_workers(tree.root(), &house, ids(1000)).await;
    assert_eq!(counts(tree.root()).await, [1000, 1000, 0, 1000]);
    all_are_listed(tree.root(), 1000).await;
    start_temporary_workers(tree.root(), &house, ids(2000).skip(1000)).await;
    assert_eq!(counts(tree.root()).await, [2000, 2000, 0, 2000]);
    all_are_listed(tree.root(), 2000).await;

    kill_all(tree.root(), 2000).await;
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn dynamic_supervisors_are_counted_apart_from_workers() {
    let house = House::new();
    let tree = house.start(roomy(Strategy::Dynamic)).await;
    for id in ids(1000) {
        let (group, _) = house.group(SupervisorSpec::new(id));
        tree.root().start_child(group.restart(Restart::Temporary)).await.unwrap();
    }

    assert_eq!(counts(tree.root()).await, [1000, 1000, 1000, 0]);
    all_are_listed(tree.root(), 1000).await;

    kill_all(tree.root(), 1000).await;
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn children_that_are_being_restarted_are_counted_but_not_as_active() {
    let house = House::new();
    let tree = house.start(SupervisorSpec { limit: restarts(20), ..root(Strategy::Dynamic, vec![]) }).await;
    let sup = tree.root();
    let wait = Duration::from_secs(2);
    let slow = Backoff { min: wait, max: wait, reset_after: wait, ..Backoff::NONE };
    let (child1, first, mood1) = house.moody("child1", Mood::Lives);
    let (child2, second, mood2) = house.moody("child2", Mood::Lives);
    for (child, active) in [(child1, 1), (child2, 2), (house.child("child3"), 3)] {
        sup.start_child(child.backoff(slow)).await.unwrap();
        assert_eq!(counts(sup).await, [active, active, 0, active]);
    }

    for mood in [&mood1, &mood2] {
        *mood.lock().unwrap() = Mood::Panics;
    }
    first.tell(Do::Panic).unwrap();
    second.tell(Do::Panic).unwrap();
    for generation in 1..=3 {
        for id in ["child1", "child2"] {
            let waits =
                |child: &ChildInfo| child.state == State::BackingOff && child.generation == generation;
            until(sup, id, |child| child.is_some_and(waits)).await;
        }
        assert_eq!(counts(sup).await, [3, 1, 0, 3]);
        if generation == 3 {
            *mood1.lock().unwrap() = Mood::Lives;
            *mood2.lock().unwrap() = Mood::Lives;
        }
        house.clock.advance(wait);
    }
    until(sup, "child1", lives(4)).await;
    until(sup, "child2", lives(4)).await;
    assert_eq!(counts(sup).await, [3, 3, 0, 3]);

    for (id, left) in [("child3", 2), ("child1", 1), ("child2", 0)] {
        sup.terminate_child(id).await.unwrap();
        assert_eq!(counts(sup).await, [left, left, 0, left]);
    }
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn many_temporary_children_come_and_go_and_nothing_of_them_stays() {
    let house = House::new();
    let tree = house.start(roomy(Strategy::Dynamic)).await;

    for count in [100, 2_000] {
        start_temporary_workers(tree.root(), &house, ids(count)).await;
        assert_eq!(counts(tree.root()).await, [count, count, 0, count]);
        for id in ids(count) {
            tree.root().terminate_child(&id).await.unwrap();
        }
        assert_eq!(counts(tree.root()).await, [0, 0, 0, 0]);
        assert_eq!(tree.view().children.len(), 0);
    }
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn many_children_of_one_for_one_are_started_and_stopped_and_keep_their_places() {
    let house = House::new();
    let tree = house.start(roomy(Strategy::OneForOne)).await;
    let count = 1_000;

    for id in ids(count) {
        tree.root().start_child(house.child(id)).await.unwrap();
    }
    assert_eq!(counts(tree.root()).await, [count, count, 0, count]);
    assert!(which(tree.root()).await.into_iter().map(|(id, _, _)| id).eq(ids(count)), "in order of start");
    for id in ids(count) {
        tree.root().terminate_child(&id).await.unwrap();
    }
    assert_eq!(counts(tree.root()).await, [count, 0, 0, count]);
    for id in ids(count) {
        tree.root().delete_child(&id).await.unwrap();
    }
    assert_eq!(counts(tree.root()).await, [0, 0, 0, 0]);
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn a_thousand_dynamic_children_stop_with_their_supervisor() {
    let house = House::new();
    let tree = house.start(roomy(Strategy::Dynamic)).await;
    start_temporary_workers(tree.root(), &house, ids(1000)).await;
    house.diary.take();

    assert_eq!(stop(tree).await, End::Shutdown);

    let lines: BTreeSet<_> = house.diary.take().into_iter().collect();
    assert_eq!(lines, ids(1000).map(|id| format!("{id} ended shutdown")).collect());
    eventually("the clock is left alone", || house.clock.next_wake().is_none()).await;
}
