//! Starting: nothing to start, children that start, that want no life, and that fail.

use std::time::Duration;

use supervision::{Birth, ChildError, End, Kind, Restart, Shutdown, State, Strategy, SupervisorSpec};

use crate::bodies::{House, Mood, counts, is_forgotten, lives, rests, root, running, stop, until, which};

fn ignored(id: &str) -> (String, State, u64) {
    (id.to_owned(), State::Ignored, 1)
}

#[actix_rt::test]
async fn a_supervisor_without_children_starts_and_stops() {
    let tree = House::new().start(root(Strategy::OneForOne, vec![])).await;
    assert_eq!(counts(tree.root()).await, [0, 0, 0, 0]);
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn a_child_that_wants_no_life_keeps_its_place_and_may_be_asked_again() {
    let house = House::new();
    let tree = house.start(root(Strategy::OneForOne, vec![])).await;
    let (child, _, mood) = house.moody("child1", Mood::Ignores);

    assert_eq!(tree.root().start_child(child).await, Ok(Birth::Ignored));
    assert_eq!(tree.root().start_child(house.child("child2")).await, Ok(Birth::Lives));

    assert_eq!(which(tree.root()).await, [ignored("child1"), running("child2", 1)]);
    assert_eq!(counts(tree.root()).await, [2, 1, 0, 2]);

    assert_eq!(tree.root().restart_child("child1").await, Ok(Birth::Ignored));
    *mood.lock().unwrap() = Mood::Lives;
    assert_eq!(tree.root().restart_child("child1").await, Ok(Birth::Lives));
    assert_eq!(counts(tree.root()).await, [2, 2, 0, 2]);
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn a_static_child_that_wants_no_life_lets_the_tree_start() {
    let house = House::new();
    let (child, _, _) = house.moody("child1", Mood::Ignores);
    let tree = house.start(root(Strategy::OneForOne, vec![child, house.child("child2")])).await;

    assert_eq!(which(tree.root()).await, [ignored("child1"), running("child2", 1)]);
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn a_static_temporary_child_that_wants_no_life_is_not_kept() {
    let house = House::new();
    let (child, _, _) = house.moody("child1", Mood::Ignores);
    let children = vec![child, house.child("child2")];
    let children = children.into_iter().map(|child| child.restart(Restart::Temporary)).collect();
    let tree = house.start(root(Strategy::OneForOne, children)).await;

    assert_eq!(which(tree.root()).await, [running("child2", 1)]);
    assert_eq!(counts(tree.root()).await, [1, 1, 0, 1]);
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn a_temporary_child_that_wants_no_life_is_not_kept() {
    let house = House::new();
    let tree = house.start(root(Strategy::OneForOne, vec![])).await;
    let temporary = |mood| house.moody("child1", mood).0.restart(Restart::Temporary);

    assert_eq!(tree.root().start_child(temporary(Mood::Ignores)).await, Ok(Birth::Ignored));
    assert_eq!(which(tree.root()).await, []);
    assert_eq!(tree.root().start_child(temporary(Mood::Lives)).await, Ok(Birth::Lives));

    assert_eq!(which(tree.root()).await, [running("child1", 1)]);
    assert_eq!(counts(tree.root()).await, [1, 1, 0, 1]);
    assert_eq!(stop(tree).await, End::Shutdown);
}

/// The two cases of OTP differ in the restart rule alone.
async fn dynamic_child_that_wants_no_life(restart: Restart) {
    let house = House::new();
    let tree = house.start(root(Strategy::Dynamic, vec![])).await;
    let child = |mood| house.moody("child1", mood).0.restart(restart);

    assert_eq!(tree.root().start_child(child(Mood::Ignores)).await, Ok(Birth::Ignored));
    assert_eq!(which(tree.root()).await, []);
    assert_eq!(tree.root().start_child(child(Mood::Lives)).await, Ok(Birth::Lives));

    assert_eq!(which(tree.root()).await, [running("child1", 1)]);
    assert_eq!(counts(tree.root()).await, [1, 1, 0, 1]);
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn a_dynamic_temporary_child_that_wants_no_life_is_not_kept() {
    dynamic_child_that_wants_no_life(Restart::Temporary).await;
}

#[actix_rt::test]
async fn a_dynamic_permanent_child_that_wants_no_life_is_not_kept_either() {
    dynamic_child_that_wants_no_life(Restart::Permanent).await;
}

#[actix_rt::test]
async fn a_static_child_that_fails_keeps_the_tree_from_starting_is_named_and_its_elders_are_stopped() {
    for mood in [Mood::Fails, Mood::Panics] {
        let house = House::new();
        let says = if matches!(mood, Mood::Fails) { "the factory fails" } else { "the factory panics" };
        let (bad, _, _) = house.moody("bad", mood);
        let children = vec![house.child("elder"), bad, house.child("younger")];

        let end = house.try_start(root(Strategy::OneForOne, children)).await.err();

        let Some(End::StartFailed { reason }) = end else { panic!("{end:?}") };
        assert!(reason.contains("root/bad") && reason.contains(says), "{reason}");
        let lines = house.diary.take();
        assert_eq!(
            (lines[0].as_str(), lines.last().unwrap().as_str()),
            ("elder started", "elder ended shutdown")
        );
        assert!(!lines.iter().any(|line| line.starts_with("younger")), "{lines:?}");
    }
}

#[actix_rt::test]
async fn the_failed_start_of_a_grandchild_is_handed_up_with_its_path() {
    let house = House::new();
    let (bad, _, _) = house.moody("bad", Mood::Panics);
    let (inner, _) = house.group(SupervisorSpec { children: vec![bad], ..SupervisorSpec::new("inner") });

    let end = house.try_start(root(Strategy::OneForOne, vec![house.child("elder"), inner])).await.err();

    let Some(End::StartFailed { reason }) = end else { panic!("{end:?}") };
    assert!(reason.contains("root/inner/bad") && reason.contains("the factory panics"), "{reason}");
    assert!(house.diary.has("elder ended shutdown"));
}

#[actix_rt::test]
async fn a_child_that_fails_when_it_is_added_is_not_kept() {
    let house = House::new();
    for strategy in [Strategy::OneForOne, Strategy::Dynamic] {
        let tree = house.start(root(strategy, vec![])).await;

        for mood in [Mood::Fails, Mood::Panics] {
            let (bad, mailbox, _) = house.moody("child1", mood);
            let refused = tree.root().start_child(bad).await;
            assert!(matches!(refused, Err(ChildError::StartFailed(_))), "{strategy:?}: {refused:?}");
            assert!(mailbox.is_closed(), "it is let go before its starter is told");
        }

        assert_eq!(which(tree.root()).await, []);
        assert_eq!(counts(tree.root()).await, [0, 0, 0, 0]);
        assert_eq!(stop(tree).await, End::Shutdown);
    }
}

#[actix_rt::test]
async fn a_child_that_fails_when_it_is_started_again_by_hand_stays_where_it_was() {
    let house = House::new();
    let (child, worker, mood) = house.moody("child1", Mood::Lives);
    let tree = house.start(root(Strategy::OneForOne, vec![child])).await;
    tree.root().terminate_child("child1").await.unwrap();

    for bad in [Mood::Fails, Mood::Panics] {
        *mood.lock().unwrap() = bad;
        let refused = tree.root().restart_child("child1").await;
        assert!(matches!(refused, Err(ChildError::StartFailed(_))), "{refused:?}");
        until(tree.root(), "child1", |child| child.is_some_and(|child| child.state == State::Ended)).await;
        assert_eq!(counts(tree.root()).await, [1, 0, 0, 1]);
    }

    *mood.lock().unwrap() = Mood::Lives;
    assert_eq!(tree.root().restart_child("child1").await, Ok(Birth::Lives));
    assert!(!worker.is_closed());
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn a_childs_rules_can_be_read_and_what_was_not_said_has_its_default() {
    let house = House::new();
    let (inner, _) = house.group(SupervisorSpec::new("child3"));
    let children = vec![house.child("child1"), house.child("child2").shutdown(Shutdown::Kill), inner];
    let tree = house.start(root(Strategy::OneForOne, children)).await;

    for (id, shutdown, kind) in [
        ("child1", Shutdown::Timeout(Duration::from_secs(5)), Kind::Actor),
        ("child2", Shutdown::Kill, Kind::Actor),
        ("child3", Shutdown::Infinity, Kind::Supervisor),
    ] {
        let child = tree.root().child(id).await.unwrap();
        assert_eq!((child.restart, child.shutdown, child.kind), (Restart::Permanent, shutdown, kind), "{id}");
        assert!(!child.significant);
    }
    let stranger = tree.root().child("child4").await;
    assert!(matches!(&stranger, Err(ChildError::NotFound(id)) if id == "child4"), "{stranger:?}");
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn a_dynamic_childs_rules_can_be_read_too() {
    let house = House::new();
    let tree = house.start(root(Strategy::Dynamic, vec![])).await;
    for id in ["child1", "child2", "child3"] {
        tree.root().start_child(house.child(id).restart(Restart::Temporary)).await.unwrap();
    }

    for id in ["child1", "child2", "child3"] {
        let child = until(tree.root(), id, lives(1)).await.unwrap();
        let shutdown = Shutdown::Timeout(Duration::from_secs(5));
        assert_eq!((child.restart, child.shutdown, child.kind), (Restart::Temporary, shutdown, Kind::Actor));
        assert!(!child.significant);
    }
    until(tree.root(), "child4", is_forgotten).await;
    assert_eq!(stop(tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn a_terminated_child_rests_with_its_rules() {
    let house = House::new();
    let tree = house.start(root(Strategy::OneForOne, vec![house.child("child1")])).await;
    tree.root().terminate_child("child1").await.unwrap();
    assert_eq!(which(tree.root()).await, [rests("child1", 1)]);
    assert_eq!(tree.root().child("child1").await.unwrap().restart, Restart::Permanent);
    assert_eq!(stop(tree).await, End::Shutdown);
}
