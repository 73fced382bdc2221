//! Supervisors under supervisors: order, names, and what is left when one of them falls.

use supervision::{Birth, ChildError, End, Restart, State, Strategy, SupervisorSpec};

use crate::bodies::{
    Do, Grown, House, Mood, Sup, Worker, counts, generation, lives, restarts, rests, root, running, stop,
    until, which,
};

#[actix_rt::test]
async fn a_tree_falls_and_grows_again_floor_by_floor() {
    let house = House::new();
    let spec = |id: &str| SupervisorSpec { limit: restarts(4), ..SupervisorSpec::new(id) };
    let children = vec![house.child("child1"), house.child("child2")];
    let (sup1, first) = house.group(SupervisorSpec { children, ..spec("sup1") });
    let (sup2, second) = house.group(spec("sup2"));
    let (sup3, third) = house.group(spec("sup3"));
    let tree = house.start(SupervisorSpec { limit: restarts(4), ..root(Strategy::OneForAll, vec![]) }).await;
    for sup in [sup1, sup2, sup3.restart(Restart::Transient)] {
        assert_eq!(tree.root().start_child(sup).await, Ok(Birth::Lives));
    }
    tree.root().terminate_child("sup3").await.unwrap();
    assert_eq!(counts(tree.root()).await, [3, 2, 3, 0]);

    let (child3, worker3, mood3) = house.moody("child3", Mood::Lives);
    let (child4, worker4) = house.worker("child4");
    second.start_child(child3).await.unwrap();
    second.start_child(child4).await.unwrap();
    assert_eq!([counts(&first).await, counts(&second).await], [[2, 2, 0, 2], [2, 2, 0, 2]]);

    // Who falls is started again, and nobody else.
    worker4.tell(Do::Panic).unwrap();
    until(&second, "child4", lives(2)).await;
    assert_eq!(which(&first).await, [running("child1", 1), running("child2", 1)]);
    assert_eq!(which(&second).await, [running("child3", 1), running("child4", 2)]);

    // Who does not come back takes its floor with it, and that all others; what was added by hand is gone.
    *mood3.lock().unwrap() = Mood::Panics;
    worker3.tell(Do::Panic).unwrap();
    until(tree.root(), "sup2", lives(2)).await;
    assert!(house.diary.has("sup2 ended gave_up"));
    until(tree.root(), "sup1", lives(2)).await;
    assert_eq!(which(&first).await, [running("child1", 2), running("child2", 2)]);
    assert_eq!((which(&second).await, counts(&second).await), (vec![], [0, 0, 0, 0]));
    assert!(worker3.is_closed() && worker4.is_closed());
    // Who was terminated by hand rests until it is started by hand.
    assert_eq!(which(tree.root()).await[2], rests("sup3", 1));
    assert_eq!(counts(tree.root()).await, [3, 2, 3, 0]);
    assert_eq!(tree.root().restart_child("sup3").await, Ok(Birth::Lives));
    assert_eq!((which(&third).await, counts(&third).await), (vec![], [0, 0, 0, 0]));
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn children_start_in_the_order_they_are_given_and_stop_in_reverse() {
    let ids = ["ch7", "ch3", "ch10", "ch2", "ch5"];
    let house = House::new();
    let mut workers = Vec::new();
    let children = ids.map(|id| {
        let (child, worker) = house.worker(id);
        workers.push(worker);
        child
    });
    let tree = house.start(root(Strategy::RestForOne, children.into())).await;
    assert_eq!(house.diary.take(), ids.map(|id| format!("{id} started")));
    assert_eq!(which(tree.root()).await, ids.map(|id| running(id, 1)));

    workers[2].tell(Do::Panic).unwrap();
    until(tree.root(), "ch5", lives(2)).await;
    let lines = [
        "ch10 ended panicked",
        "ch5 ended shutdown",
        "ch2 ended shutdown",
        "ch10 started",
        "ch2 started",
        "ch5 started",
    ];
    assert_eq!(house.diary.take(), lines);
    let children = [("ch7", 1), ("ch3", 1), ("ch10", 2), ("ch2", 2), ("ch5", 2)];
    assert_eq!(which(tree.root()).await, children.map(|(id, generation)| running(id, generation)));

    assert_eq!(stop(tree).await, End::Shutdown);
    let stopped: Vec<_> = ids.iter().rev().map(|id| format!("{id} ended shutdown")).collect();
    assert_eq!(house.diary.take(), stopped);
}

/// A supervisor and its worker that are found by their names alone.
async fn named(house: &House) -> Grown {
    let children = vec![house.child("server")];
    let (middle, _) = house.group(SupervisorSpec {
        strategy: Strategy::OneForAll,
        children,
        ..SupervisorSpec::new("middle")
    });
    house.start(root(Strategy::OneForAll, vec![middle])).await
}

async fn server_lives(tree: &Grown, expected: u64) {
    let middle = Sup(tree.registry().supervisor("root/middle").unwrap());
    until(&middle, "server", lives(expected)).await;
    let server = tree.registry().find::<Worker>("root/middle/server").unwrap();
    assert_eq!(generation(&server).await, expected);
}

#[actix_rt::test]
async fn a_killed_supervisor_and_its_worker_come_back_under_their_names() {
    let house = House::new();
    let tree = named(&house).await;
    server_lives(&tree, 1).await;
    tree.root().kill_child("middle").await.unwrap();
    until(tree.root(), "middle", lives(2)).await;
    server_lives(&tree, 2).await;
    assert!(house.diary.has("middle ended killed"));
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn a_named_worker_comes_back_under_its_name_after_a_kill_an_end_and_a_restart_by_hand() {
    let house = House::new();
    let tree = named(&house).await;
    let middle = Sup(tree.registry().supervisor("root/middle").unwrap());
    let server = tree.registry().find::<Worker>("root/middle/server").unwrap();

    middle.kill_child("server").await.unwrap();
    server_lives(&tree, 2).await;
    server.tell(Do::Finish).unwrap();
    server_lives(&tree, 3).await;
    middle.terminate_child("server").await.unwrap();
    assert_eq!(which(&middle).await, [rests("server", 3)]);
    assert_eq!(middle.restart_child("server").await, Ok(Birth::Lives));
    server_lives(&tree, 4).await;

    let registry = tree.registry().clone();
    assert_eq!(stop(tree).await, End::Shutdown);
    assert!(registry.find::<Worker>("root/middle/server").is_none_or(|server| server.is_closed()));
    assert_eq!(middle.count_children().await, Err(ChildError::Unavailable));
}

#[actix_rt::test]
async fn a_supervisor_that_is_terminated_takes_its_children_down_and_brings_them_back() {
    let house = House::new();
    let tree = named(&house).await;
    house.diary.take();

    tree.root().terminate_child("middle").await.unwrap();
    assert_eq!(house.diary.take(), ["server ended shutdown", "middle ended shutdown"]);
    assert_eq!(which(tree.root()).await, [("middle".to_owned(), State::Ended, 1)]);
    assert_eq!(tree.root().restart_child("middle").await, Ok(Birth::Lives));
    server_lives(&tree, 2).await;
    assert_eq!(stop(tree).await, End::Shutdown);
}
