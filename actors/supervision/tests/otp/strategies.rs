//! Whom a restart takes along, when it is one too many, and what a failure in the middle of it does.

use futures_util::future::join;
use supervision::{End, Mailbox, Restart, Strategy, SupervisorSpec};
use tokio::sync::mpsc;

use crate::bodies::{
    Do, Grown, House, Knock, Mood, Worker, counts, ended, generation, knock, lives, restarts, root, running,
    stop, until, which,
};

/// A tree of permanent workers, added one after the other.
async fn grown(house: &House, strategy: Strategy, ids: &[&str]) -> (Grown, Vec<Mailbox<Worker>>) {
    let tree = house.start(root(strategy, vec![])).await;
    let mut workers = Vec::new();
    for id in ids {
        let (child, worker) = house.worker(*id);
        tree.root().start_child(child).await.unwrap();
        workers.push(worker);
    }
    house.diary.take();
    (tree, workers)
}

fn gave_up(child: &str) -> End {
    End::GaveUp { child: child.to_owned() }
}

/// Of two workers the first cannot come back: within four attempts all is over.
async fn cannot_come_back(strategy: Strategy, who: [&str; 2]) -> (End, Vec<String>) {
    let house = House::new();
    let tree = house.start(SupervisorSpec { limit: restarts(4), ..root(strategy, vec![]) }).await;
    let (first, worker, first_mood) = house.moody("child1", Mood::Lives);
    let (second, _, second_mood) = house.moody("child2", Mood::Lives);
    tree.root().start_child(first).await.unwrap();
    tree.root().start_child(second).await.unwrap();
    house.diary.take();
    for (id, mood) in [("child1", first_mood), ("child2", second_mood)] {
        if who.contains(&id) {
            *mood.lock().unwrap() = Mood::Panics;
        }
    }

    worker.tell(Do::Panic).unwrap();
    let end = ended(&tree).await;
    stop(tree).await;
    (end, house.diary.take())
}

fn failed_starts(lines: &[String]) -> usize {
    lines.iter().filter(|line| line.ends_with("ended start_failed")).count()
}

// === One for one ===

#[actix_rt::test]
async fn one_for_one_starts_the_one_again_and_a_restart_too_many_ends_all() {
    let house = House::new();
    let (tree, workers) = grown(&house, Strategy::OneForOne, &["child1", "child2"]).await;

    workers[0].tell(Do::Panic).unwrap();
    until(tree.root(), "child1", lives(2)).await;
    assert_eq!(which(tree.root()).await, [running("child1", 2), running("child2", 1)]);
    assert_eq!(counts(tree.root()).await, [2, 2, 0, 2]);

    workers[1].tell(Do::Panic).unwrap();
    until(tree.root(), "child2", lives(2)).await;
    workers[0].tell(Do::Panic).unwrap();
    assert_eq!(ended(&tree).await, gave_up("child1"));
    assert_eq!(house.diary.take().last().unwrap(), "child2 ended shutdown");
    stop(tree).await;
}

#[actix_rt::test]
async fn one_for_one_gives_up_on_a_child_that_does_not_come_back() {
    let (end, lines) = cannot_come_back(Strategy::OneForOne, ["child1", ""]).await;
    assert_eq!(end, gave_up("child1"));
    assert_eq!((failed_starts(&lines), lines.last().unwrap().as_str()), (4, "child2 ended shutdown"));
}

// === One for all ===

#[actix_rt::test]
async fn one_for_all_starts_all_again_and_a_restart_too_many_ends_all() {
    let house = House::new();
    let (tree, workers) = grown(&house, Strategy::OneForAll, &["child1", "child2"]).await;

    for generation in 2..=3 {
        workers[0].tell(Do::Panic).unwrap();
        until(tree.root(), "child2", lives(generation)).await;
        assert_eq!(which(tree.root()).await, [running("child1", generation), running("child2", generation)]);
        assert_eq!(counts(tree.root()).await, [2, 2, 0, 2]);
        let lines = ["child1 ended panicked", "child2 ended shutdown", "child1 started", "child2 started"];
        assert_eq!(house.diary.take(), lines);
    }
    assert_eq!(generation(&workers[1]).await, 3, "the address of a bystander is still good");

    workers[1].tell(Do::Panic).unwrap();
    assert_eq!(ended(&tree).await, gave_up("child2"));
    assert_eq!(house.diary.take(), ["child2 ended panicked", "child1 ended shutdown"]);
    stop(tree).await;
}

#[actix_rt::test]
async fn one_for_all_gives_up_on_a_sibling_that_does_not_come_back() {
    let (end, lines) = cannot_come_back(Strategy::OneForAll, ["", "child2"]).await;
    assert_eq!(end, gave_up("child2"));
    assert_eq!(failed_starts(&lines), 4);
}

#[actix_rt::test]
async fn one_for_all_stops_a_child_that_is_back_when_another_fails_to_start() {
    let (house, tree, mut knocks, worker) = at_the_door(Strategy::OneForAll).await;

    worker.tell(Do::Panic).unwrap();
    knock(&mut knocks, "child1").await.answer(true);
    knock(&mut knocks, "child2").await.answer(false);
    knock(&mut knocks, "child1").await.answer(true);
    knock(&mut knocks, "child2").await.answer(true);
    until(tree.root(), "child2", lives(3)).await;

    assert_eq!(which(tree.root()).await, [running("child1", 3), running("child2", 3)]);
    let lines = [
        "child1 ended panicked",
        "child2 ended shutdown",
        "child1 started",
        "child2 ended start_failed",
        "child1 ended shutdown",
        "child1 started",
        "child2 started",
    ];
    assert_eq!(house.diary.take(), lines);
    assert_eq!(stop(tree).await, End::Shutdown);
}

/// Two static workers of which each asks at each start whether it may.
async fn at_the_door(strategy: Strategy) -> (House, Grown, mpsc::Receiver<Knock>, Mailbox<Worker>) {
    let house = House::new();
    let (door, mut knocks) = mpsc::channel(1);
    let (child1, worker, _) = house.moody("child1", Mood::Asks(door.clone()));
    let (child2, _, _) = house.moody("child2", Mood::Asks(door));
    let spec = SupervisorSpec { limit: restarts(3), ..root(strategy, vec![child1, child2]) };
    let (tree, ()) = join(house.start(spec), async {
        knock(&mut knocks, "child1").await.answer(true);
        knock(&mut knocks, "child2").await.answer(true);
    })
    .await;
    house.diary.take();
    (house, tree, knocks, worker)
}

// === Rest for one ===

#[actix_rt::test]
async fn rest_for_one_starts_those_again_that_came_later_and_a_restart_too_many_ends_all() {
    let house = House::new();
    let (tree, workers) = grown(&house, Strategy::RestForOne, &["child1", "child2", "child3"]).await;
    assert_eq!(counts(tree.root()).await, [3, 3, 0, 3]);

    workers[1].tell(Do::Panic).unwrap();
    until(tree.root(), "child3", lives(2)).await;
    assert_eq!(which(tree.root()).await, [running("child1", 1), running("child2", 2), running("child3", 2)]);
    assert_eq!(counts(tree.root()).await, [3, 3, 0, 3]);
    let lines = ["child2 ended panicked", "child3 ended shutdown", "child2 started", "child3 started"];
    assert_eq!(house.diary.take(), lines);

    workers[2].tell(Do::Panic).unwrap();
    until(tree.root(), "child3", lives(3)).await;
    assert_eq!(house.diary.take(), ["child3 ended panicked", "child3 started"]);
    workers[1].tell(Do::Panic).unwrap();
    assert_eq!(ended(&tree).await, gave_up("child2"));
    let lines = ["child2 ended panicked", "child3 ended shutdown", "child1 ended shutdown"];
    assert_eq!(house.diary.take(), lines);
    stop(tree).await;
}

#[actix_rt::test]
async fn rest_for_one_gives_up_on_a_younger_sibling_that_does_not_come_back() {
    let (end, lines) = cannot_come_back(Strategy::RestForOne, ["", "child2"]).await;
    assert_eq!(end, gave_up("child2"));
    assert_eq!((failed_starts(&lines), lines.last().unwrap().as_str()), (4, "child1 ended shutdown"));
}

#[actix_rt::test]
async fn rest_for_one_leaves_an_elder_that_is_back_alone_when_a_younger_one_fails_to_start() {
    let (house, tree, mut knocks, worker) = at_the_door(Strategy::RestForOne).await;

    worker.tell(Do::Panic).unwrap();
    knock(&mut knocks, "child1").await.answer(true);
    knock(&mut knocks, "child2").await.answer(false);
    knock(&mut knocks, "child2").await.answer(true);
    until(tree.root(), "child2", lives(3)).await;

    assert_eq!(which(tree.root()).await, [running("child1", 2), running("child2", 3)]);
    let lines = [
        "child1 ended panicked",
        "child2 ended shutdown",
        "child1 started",
        "child2 ended start_failed",
        "child2 started",
    ];
    assert_eq!(house.diary.take(), lines);
    assert_eq!(stop(tree).await, End::Shutdown);
}

// === Dynamic ===

#[actix_rt::test]
async fn dynamic_starts_the_one_again_and_a_restart_too_many_ends_all() {
    let house = House::new();
    let (tree, workers) = grown(&house, Strategy::Dynamic, &["child1", "child2"]).await;

    workers[0].tell(Do::Panic).unwrap();
    until(tree.root(), "child1", lives(2)).await;
    until(tree.root(), "child2", lives(1)).await;
    assert_eq!(counts(tree.root()).await, [2, 2, 0, 2]);

    workers[1].tell(Do::Panic).unwrap();
    until(tree.root(), "child2", lives(2)).await;
    workers[0].tell(Do::Panic).unwrap();
    assert_eq!(ended(&tree).await, gave_up("child1"));
    assert_eq!(house.diary.take().last().unwrap(), "child2 ended shutdown");
    stop(tree).await;
}

#[actix_rt::test]
async fn dynamic_gives_up_on_a_child_that_does_not_come_back() {
    let (end, lines) = cannot_come_back(Strategy::Dynamic, ["child1", ""]).await;
    assert_eq!(end, gave_up("child1"));
    assert_eq!((failed_starts(&lines), lines.last().unwrap().as_str()), (4, "child2 ended shutdown"));
}

// === Bystanders ===

#[actix_rt::test]
async fn a_temporary_bystander_is_stopped_and_forgotten_and_nobody_gives_up_over_it() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let house = House::new();
        let tree = house.start(root(strategy, vec![])).await;
        let (child1, worker) = house.worker("child1");
        let (child2, bystander) = house.worker("child2");
        tree.root().start_child(child1).await.unwrap();
        tree.root().start_child(child2.restart(Restart::Temporary)).await.unwrap();
        house.diary.take();

        worker.tell(Do::Finish).unwrap();
        until(tree.root(), "child1", lives(2)).await;

        assert_eq!(which(tree.root()).await, [running("child1", 2)]);
        assert!(bystander.is_closed());
        assert_eq!(house.diary.take(), ["child1 ended normal", "child2 ended shutdown", "child1 started"]);
        assert_eq!(stop(tree).await, End::Shutdown, "{strategy:?}");
    }
}
