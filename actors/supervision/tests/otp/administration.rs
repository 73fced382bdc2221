//! Starting, terminating, restarting, deleting, listing and counting children, with OTP's error cases.

use supervision::{Birth, ChildError, Strategy};

use crate::bodies::{
    Do, House, Sup, counts, ended, generation, lives, rests, root, running, stop, until, which,
};

fn not_found<T>(id: &str) -> Result<T, ChildError> {
    Err(ChildError::NotFound(id.to_owned()))
}

fn is_running<T>(id: &str) -> Result<T, ChildError> {
    Err(ChildError::Running(id.to_owned()))
}

#[actix_rt::test]
async fn a_child_is_started_terminated_restarted_and_deleted_and_wrong_requests_are_refused() {
    let house = House::new();
    let (child, worker) = house.worker("child1");
    let tree = house.start(root(Strategy::OneForOne, vec![child.clone()])).await;
    let sup = tree.root();
    assert_eq!(which(sup).await, [running("child1", 1)]);
    assert_eq!(counts(sup).await, [1, 1, 0, 1]);

    assert_eq!(
        sup.start_child(house.child("child1")).await,
        Err(ChildError::AlreadyStarted("child1".to_owned()))
    );
    assert_eq!(sup.terminate_child("stranger").await, not_found("stranger"));
    assert_eq!(sup.terminate_child("child1").await, Ok(()));
    assert!(house.diary.has("child1 ended shutdown"));
    assert_eq!(which(sup).await, [rests("child1", 1)]);
    assert_eq!(counts(sup).await, [1, 0, 0, 1]);
    assert_eq!(sup.terminate_child("child1").await, Ok(()), "as it is not there, it need not be stopped");

    assert_eq!(
        sup.start_child(house.child("child1")).await,
        Err(ChildError::AlreadyPresent("child1".to_owned()))
    );

    assert_eq!(sup.restart_child("child1").await, Ok(Birth::Lives));
    assert_eq!(which(sup).await, [running("child1", 2)]);
    assert_eq!(counts(sup).await, [1, 1, 0, 1]);
    assert_eq!(generation(&worker).await, 2, "the address is good over a restart by hand");
    assert_eq!(sup.restart_child("child1").await, is_running("child1"));
    assert_eq!(sup.restart_child("stranger").await, not_found("stranger"));

    assert_eq!(sup.delete_child("child1").await, is_running("child1"));
    assert_eq!(sup.delete_child("stranger").await, not_found("stranger"));
    assert_eq!(sup.terminate_child("child1").await, Ok(()));
    assert_eq!(sup.delete_child("child1").await, Ok(()));
    assert_eq!(sup.restart_child("child1").await, not_found("child1"));
    assert_eq!(which(sup).await, []);
    assert_eq!(counts(sup).await, [0, 0, 0, 0]);
    assert!(worker.is_closed());

    let (again, worker) = house.worker("child1");
    assert_eq!(sup.start_child(again).await, Ok(Birth::Lives));
    assert_eq!(which(sup).await, [running("child1", 1)]);
    worker.tell(Do::Panic).unwrap();
    until(sup, "child1", lives(2)).await;
    assert_eq!(counts(sup).await, [1, 1, 0, 1]);
    stop(tree).await;
}

#[actix_rt::test]
async fn the_same_spec_may_be_started_again_after_it_was_deleted() {
    let house = House::new();
    let (child, worker) = house.worker("child1");
    let tree = house.start(root(Strategy::OneForOne, vec![])).await;
    let sup = tree.root();

    for generation in 1..=2 {
        assert_eq!(sup.start_child(child.clone()).await, Ok(Birth::Lives));
        assert_eq!(crate::bodies::generation(&worker).await, generation);
        sup.terminate_child("child1").await.unwrap();
        sup.delete_child("child1").await.unwrap();
    }
    stop(tree).await;
}

/// All that can be asked, and nothing of it is done.
async fn all_is_refused(sup: &Sup, house: &House) {
    let gone = ChildError::Unavailable;
    assert_eq!(sup.start_child(house.child("child2")).await, Err(gone.clone()));
    assert_eq!(sup.terminate_child("child1").await, Err(gone.clone()));
    assert_eq!(sup.restart_child("child1").await, Err(gone.clone()));
    assert_eq!(sup.delete_child("child1").await, Err(gone.clone()));
    assert_eq!(sup.kill_child("child1").await, Err(gone.clone()));
    assert_eq!(sup.child("child1").await, Err(gone.clone()));
    assert_eq!(sup.which_children().await, Err(gone.clone()));
    assert_eq!(sup.count_children().await, Err(gone.clone()));
}

#[actix_rt::test]
async fn a_supervisor_that_is_gone_refuses_everything_and_lets_nobody_wait() {
    let house = House::new();
    let (child, worker) = house.worker("child1");
    let gave_up = house.start(root(Strategy::OneForOne, vec![child])).await;
    for _ in 0..3 {
        worker.tell(Do::Panic).unwrap();
    }
    ended(&gave_up).await;
    all_is_refused(gave_up.root(), &house).await;
    stop(gave_up).await;

    let stopped = house.start(root(Strategy::OneForOne, vec![house.child("child1")])).await;
    let sup = stopped.root().clone();
    stop(stopped).await;
    all_is_refused(&sup, &house).await;
}

#[actix_rt::test]
async fn dynamic_children_are_added_and_terminated_but_neither_restarted_nor_deleted() {
    let house = House::new();
    let tree = house.start(root(Strategy::Dynamic, vec![])).await;
    let sup = tree.root();
    assert_eq!(which(sup).await, []);
    assert_eq!(counts(sup).await, [0, 0, 0, 0]);

    assert_eq!(sup.start_child(house.child("child1")).await, Ok(Birth::Lives));
    assert_eq!(sup.start_child(house.child("child2")).await, Ok(Birth::Lives));
    let mut children = which(sup).await;
    children.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(children, [running("child1", 1), running("child2", 1)]);
    assert_eq!(counts(sup).await, [2, 2, 0, 2]);
    assert_eq!(
        sup.start_child(house.child("child1")).await,
        Err(ChildError::AlreadyStarted("child1".to_owned()))
    );

    assert_eq!(sup.terminate_child("child1").await, Ok(()));
    assert!(house.diary.has("child1 ended shutdown"));
    assert_eq!(which(sup).await, [running("child2", 1)]);
    assert_eq!(counts(sup).await, [1, 1, 0, 1]);
    assert_eq!(sup.terminate_child("child1").await, not_found("child1"), "it is forgotten");
    assert_eq!(sup.terminate_child("stranger").await, not_found("stranger"));

    for id in ["child1", "child2", "stranger"] {
        assert_eq!(sup.restart_child(id).await, Err(ChildError::Dynamic));
        assert_eq!(sup.delete_child(id).await, Err(ChildError::Dynamic));
    }
    assert_eq!(counts(sup).await, [1, 1, 0, 1]);
    stop(tree).await;
}
