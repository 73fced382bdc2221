//! Each restart rule meets each kind of end.

use std::time::Duration;

use supervision::{
    AutoShutdown, Birth, ChildSpec, End, Intensity, Limit, Mailbox, Restart, State, Strategy, SupervisorSpec,
};

use crate::bodies::{
    Do, Grown, House, Sup, Worker, counts, is_forgotten, lives, rests, root, running, stop, until, which,
};

/// A child that ends in one way again and again.
struct Mortal {
    house: House,
    tree: Grown,
    worker: Mailbox<Worker>,
}

/// What is left of it after the end has been dealt with: its place and the counts.
type Left = (Vec<(String, State, u64)>, [usize; 4]);

async fn left(sup: &Sup) -> Left {
    let settled = |child: Option<&supervision::ChildInfo>| {
        child.is_none_or(|child| matches!(child.state, State::Running | State::Ended))
    };
    until(sup, "child1", settled).await;
    (which(sup).await, counts(sup).await)
}

async fn mortal(restart: Restart) -> Mortal {
    let house = House::new();
    let (child, worker) = house.worker("child1");
    let tree = house.start(root(Strategy::OneForOne, vec![])).await;
    tree.root().start_child(child.restart(restart)).await.unwrap();
    Mortal { house, tree, worker }
}

/// What is left of a child after it was told to end so.
async fn after(restart: Restart, how: Do, end: &str) -> Left {
    let Mortal { house, tree, worker } = mortal(restart).await;
    worker.tell(how).unwrap();
    house.diary.until(&format!("child1 ended {end}")).await;
    let left = left(tree.root()).await;
    assert_eq!(stop(tree).await, End::Shutdown);
    left
}

async fn after_a_kill(restart: Restart) -> Left {
    let Mortal { house, tree, .. } = mortal(restart).await;
    tree.root().kill_child("child1").await.unwrap();
    house.diary.until("child1 ended killed").await;
    let left = left(tree.root()).await;
    assert_eq!(stop(tree).await, End::Shutdown);
    left
}

fn restarted() -> Left {
    (vec![running("child1", 2)], [1, 1, 0, 1])
}

fn kept() -> Left {
    (vec![rests("child1", 1)], [1, 0, 0, 1])
}

fn forgotten() -> Left {
    (vec![], [0, 0, 0, 0])
}

#[actix_rt::test]
async fn a_permanent_child_is_started_again_after_a_normal_end() {
    assert_eq!(after(Restart::Permanent, Do::Finish, "normal").await, restarted());
}

#[actix_rt::test]
async fn a_transient_child_rests_after_a_normal_end() {
    assert_eq!(after(Restart::Transient, Do::Finish, "normal").await, kept());
}

#[actix_rt::test]
async fn a_temporary_child_is_forgotten_after_a_normal_end() {
    assert_eq!(after(Restart::Temporary, Do::Finish, "normal").await, forgotten());
}

#[actix_rt::test]
async fn a_permanent_child_is_started_again_after_each_abnormal_end() {
    assert_eq!(after(Restart::Permanent, Do::Fail, "failed").await, restarted());
    assert_eq!(after(Restart::Permanent, Do::Panic, "panicked").await, restarted());
    assert_eq!(after_a_kill(Restart::Permanent).await, restarted());
}

#[actix_rt::test]
async fn a_transient_child_is_started_again_after_each_abnormal_end() {
    assert_eq!(after(Restart::Transient, Do::Fail, "failed").await, restarted());
    assert_eq!(after(Restart::Transient, Do::Panic, "panicked").await, restarted());
    assert_eq!(after_a_kill(Restart::Transient).await, restarted());
}

#[actix_rt::test]
async fn a_temporary_child_is_forgotten_after_each_abnormal_end() {
    assert_eq!(after(Restart::Temporary, Do::Fail, "failed").await, forgotten());
    assert_eq!(after(Restart::Temporary, Do::Panic, "panicked").await, forgotten());
    assert_eq!(after_a_kill(Restart::Temporary).await, forgotten());
}

/// A supervisor that shuts itself down when its worker is done: the only child that ends `Shutdown` by itself.
fn mayfly(house: &House) -> (ChildSpec, Mailbox<Worker>) {
    let (within, worker) = house.worker("within");
    let spec = SupervisorSpec {
        auto_shutdown: AutoShutdown::AnySignificant,
        children: vec![within.restart(Restart::Transient).significant()],
        ..SupervisorSpec::new("child1")
    };
    (house.group(spec).0, worker)
}

#[actix_rt::test]
async fn a_permanent_child_is_started_again_after_a_shutdown_of_its_own() {
    let house = House::new();
    let (child, worker) = mayfly(&house);
    let tree = house.start(root(Strategy::OneForOne, vec![child])).await;

    for generation in 2..=3 {
        worker.tell(Do::Finish).unwrap();
        until(tree.root(), "child1", lives(generation)).await;
        assert_eq!(counts(tree.root()).await, [1, 1, 1, 0]);
        assert!(house.diary.take().contains(&"child1 ended shutdown".to_owned()));
    }
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn a_transient_child_rests_after_a_shutdown_of_its_own_and_can_be_started_again() {
    let house = House::new();
    let (child, worker) = mayfly(&house);
    let tree = house.start(root(Strategy::OneForOne, vec![child.restart(Restart::Transient)])).await;

    for generation in 1..=2 {
        worker.tell(Do::Finish).unwrap();
        house.diary.until("child1 ended shutdown").await;
        assert_eq!(which(tree.root()).await, [rests("child1", generation)]);
        assert_eq!(counts(tree.root()).await, [1, 0, 1, 0]);
        house.diary.take();
        assert_eq!(tree.root().restart_child("child1").await, Ok(Birth::Lives));
    }
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn a_temporary_child_is_forgotten_after_a_shutdown_of_its_own_and_can_be_added_again() {
    let house = House::new();
    let tree = house.start(root(Strategy::OneForOne, vec![])).await;

    for _ in 0..2 {
        let (child, worker) = mayfly(&house);
        assert_eq!(tree.root().start_child(child.restart(Restart::Temporary)).await, Ok(Birth::Lives));
        worker.tell(Do::Finish).unwrap();
        until(tree.root(), "child1", is_forgotten).await;
        assert_eq!((which(tree.root()).await, counts(tree.root()).await), forgotten());
    }
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn restarts_that_are_far_enough_apart_may_go_on_for_ever() {
    let house = House::new();
    let (child, worker) = house.worker("child1");
    let limit = Limit::Shared(Intensity { restarts: 1, period: Duration::from_secs(1) });
    let tree = house.start(SupervisorSpec { limit, ..root(Strategy::OneForOne, vec![child]) }).await;

    for generation in 2..=5 {
        worker.tell(Do::Panic).unwrap();
        until(tree.root(), "child1", lives(generation)).await;
        house.clock.advance(Duration::from_millis(2_100));
    }

    assert_eq!(tree.root().terminate_child("child1").await, Ok(()));
    assert_eq!(tree.root().delete_child("child1").await, Ok(()));
    assert_eq!(stop(tree).await, End::Shutdown);
}
