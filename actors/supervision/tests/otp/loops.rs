//! A child that does not come back, again and again: its supervisor still answers, and still stops.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join;
use supervision::{
    Backoff, Birth, ChildError, ChildInfo, ChildSpec, End, Mailbox, Restart, State, Strategy, SupervisorSpec,
};

use crate::bodies::{
    Do, Grown, House, Mood, Worker, counts, is, is_forgotten, restarts, rests, root, running, stop, until,
    which,
};

const WAIT: Duration = Duration::from_secs(2);
const SLOW: Backoff = Backoff { min: WAIT, max: WAIT, jitter: 0.0, reset_after: WAIT };

struct Loop {
    house: House,
    tree: Grown,
    worker: Mailbox<Worker>,
    mood: Arc<Mutex<Mood>>,
}

/// `child2` will be the one in the loop; the others, where there are some, are its elder and its younger sibling.
async fn looping(strategy: Strategy, siblings: bool) -> Loop {
    let house = House::new();
    let (child, worker, mood) = house.moody("child2", Mood::Lives);
    let tree = house.start(SupervisorSpec { limit: restarts(1000), ..root(strategy, vec![]) }).await;
    let mut children = vec![child.backoff(SLOW)];
    if siblings {
        children.insert(0, house.child("child1"));
        children.push(house.child("child3"));
    }
    for child in children {
        tree.root().start_child(child).await.unwrap();
    }
    Loop { house, tree, worker, mood }
}

impl Loop {
    /// It fails, and fails to start three times over.
    async fn enter(&self) {
        *self.mood.lock().unwrap() = Mood::Panics;
        let generation = self.tree.root().child("child2").await.unwrap().generation;
        self.worker.tell(Do::Panic).unwrap();
        for attempt in 0..3 {
            self.waits(generation + attempt).await;
            self.house.clock.advance(WAIT);
        }
        self.waits(generation + 3).await;
    }

    async fn waits(&self, generation: u64) {
        let waits = |child: Option<&ChildInfo>| {
            child.is_some_and(|child| (child.state, child.generation) == (State::BackingOff, generation))
        };
        until(self.tree.root(), "child2", waits).await;
    }

    /// From waiting for its start it goes to a start that never comes to an end.
    async fn hang(&self) {
        *self.mood.lock().unwrap() = Mood::Hangs;
        self.house.clock.advance(WAIT);
        until(self.tree.root(), "child2", is(State::Starting)).await;
    }

    fn same_again(&self) -> ChildSpec {
        self.house.child("child2")
    }

    /// What cannot be done to a child that is being restarted.
    async fn is_restarting(&self) {
        let id = || "child2".to_owned();
        let sup = self.tree.root();
        assert_eq!(sup.start_child(self.same_again()).await, Err(ChildError::AlreadyStarted(id())));
        assert_eq!(sup.restart_child("child2").await, Err(ChildError::Restarting(id())));
        assert_eq!(sup.delete_child("child2").await, Err(ChildError::Restarting(id())));
    }
}

#[actix_rt::test]
async fn a_child_in_a_restart_loop_can_be_terminated_and_its_supervisor_stops() {
    let it = looping(Strategy::OneForOne, false).await;
    let sup = it.tree.root();

    it.enter().await;
    it.is_restarting().await;
    assert_eq!(counts(sup).await, [1, 0, 0, 1]);
    assert_eq!(sup.terminate_child("child2").await, Ok(()));
    assert_eq!(which(sup).await, [rests("child2", 4)]);

    *it.mood.lock().unwrap() = Mood::Lives;
    assert_eq!(sup.restart_child("child2").await, Ok(Birth::Lives));
    it.enter().await;
    assert_eq!(stop(it.tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn a_child_that_hangs_in_its_start_can_be_terminated_and_started_again() {
    let it = looping(Strategy::OneForOne, true).await;
    let sup = it.tree.root();

    it.enter().await;
    it.hang().await;
    assert_eq!(sup.terminate_child("child2").await, Ok(()));
    assert_eq!(which(sup).await, [running("child1", 1), rests("child2", 5), running("child3", 1)]);

    *it.mood.lock().unwrap() = Mood::Lives;
    assert_eq!(sup.restart_child("child2").await, Ok(Birth::Lives));
    assert_eq!(stop(it.tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn a_child_that_hangs_in_its_start_is_being_restarted_and_is_not_active() {
    for strategy in [Strategy::OneForOne, Strategy::RestForOne] {
        let it = looping(strategy, false).await;
        it.enter().await;
        it.hang().await;
        it.is_restarting().await;
        assert_eq!(counts(it.tree.root()).await, [1, 0, 0, 1]);
        assert_eq!(stop(it.tree).await, End::Shutdown);
    }
}

#[actix_rt::test]
async fn a_supervisor_stops_while_a_child_hangs_in_its_start() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::Dynamic] {
        let it = looping(strategy, true).await;
        it.enter().await;
        it.hang().await;
        assert_eq!(stop(it.tree).await, End::Shutdown, "{strategy:?}");
    }
}

#[actix_rt::test]
async fn in_a_loop_of_rest_for_one_the_elder_lives_and_the_younger_waits() {
    for hangs in [false, true] {
        let it = looping(Strategy::RestForOne, true).await;
        let sup = it.tree.root();
        it.enter().await;
        if hangs {
            it.hang().await;
        } else {
            it.is_restarting().await;
            assert_eq!(counts(sup).await, [3, 1, 0, 3]);
        }
        let children = which(sup).await;
        assert_eq!(children[0], running("child1", 1));
        assert!(matches!(children[2].1, State::Waiting | State::BackingOff), "{children:?}");

        assert_eq!(sup.terminate_child("child2").await, Ok(()));
        let children = which(sup).await;
        assert_eq!((&children[0], children[1].1), (&running("child1", 1), State::Ended));
        assert_eq!(stop(it.tree).await, End::Shutdown);
    }
}

#[actix_rt::test]
async fn nobody_starts_while_an_elder_of_its_group_does_not_come_back() {
    for strategy in [Strategy::RestForOne, Strategy::OneForAll] {
        let it = looping(strategy, true).await;
        it.house.diary.take();

        it.enter().await;
        let waits = |child: Option<&ChildInfo>| child.is_some_and(|child| child.state == State::BackingOff);
        until(it.tree.root(), "child3", waits).await;

        let lines = it.house.diary.take();
        assert!(!lines.contains(&"child3 started".to_owned()), "{strategy:?}: {lines:?}");
        assert_eq!(stop(it.tree).await, End::Shutdown);
    }
}

#[actix_rt::test]
async fn who_is_added_while_the_group_is_down_starts_with_it_and_once() {
    for restart in [Restart::Permanent, Restart::Temporary] {
        let it = looping(Strategy::OneForAll, true).await;
        let sup = it.tree.root();
        it.enter().await;
        until(sup, "child1", is(State::BackingOff)).await;
        it.house.diary.take();

        let late = it.house.child("late").restart(restart);
        let added = join(sup.start_child(late), async {
            until(sup, "late", |child| child.is_some()).await;
            *it.mood.lock().unwrap() = Mood::Lives;
            it.house.clock.advance(WAIT);
        });

        assert_eq!(added.await.0, Ok(Birth::Lives), "{restart:?}");
        assert_eq!(
            it.house.diary.take(),
            ["child1", "child2", "child3", "late"].map(|id| format!("{id} started"))
        );
        assert_eq!(stop(it.tree).await, End::Shutdown);
    }
}

#[actix_rt::test]
async fn who_is_terminated_before_it_could_start_with_its_group_lets_nobody_wait() {
    let it = looping(Strategy::OneForAll, true).await;
    let sup = it.tree.root();
    it.enter().await;
    until(sup, "child1", is(State::BackingOff)).await;

    let (added, ()) = join(sup.start_child(it.house.child("late")), async {
        until(sup, "late", is(State::BackingOff)).await;
        sup.terminate_child("late").await.unwrap();
    })
    .await;

    assert_eq!(added, Err(ChildError::StartFailed(End::Shutdown)));
    assert!(!it.house.diary.has("late started"));
    assert_eq!(stop(it.tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn who_was_terminated_in_a_loop_of_rest_for_one_can_be_started_again_at_once() {
    let it = looping(Strategy::RestForOne, true).await;
    let sup = it.tree.root();
    it.enter().await;
    sup.terminate_child("child2").await.unwrap();

    *it.mood.lock().unwrap() = Mood::Lives;
    assert_eq!(sup.restart_child("child2").await, Ok(Birth::Lives));

    assert_eq!(which(sup).await[..2], [running("child1", 1), running("child2", 5)]);
    it.enter().await;
    assert_eq!(stop(it.tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn the_younger_of_rest_for_one_come_back_when_who_took_them_along_is_terminated() {
    let it = looping(Strategy::RestForOne, true).await;
    it.enter().await;
    it.tree.root().terminate_child("child2").await.unwrap();
    it.house.clock.advance(WAIT);
    until(it.tree.root(), "child3", |child| child.is_some_and(|child| child.state == State::Running)).await;
    assert_eq!(counts(it.tree.root()).await, [3, 2, 0, 3]);
    assert_eq!(stop(it.tree).await, End::Shutdown);
}

#[actix_rt::test]
async fn a_dynamic_child_in_a_restart_loop_is_forgotten_when_it_is_terminated() {
    for hangs in [false, true] {
        let it = looping(Strategy::Dynamic, false).await;
        let sup = it.tree.root();
        it.enter().await;
        assert_eq!(sup.restart_child("child2").await, Err(ChildError::Dynamic));
        assert_eq!(sup.delete_child("child2").await, Err(ChildError::Dynamic));
        assert_eq!(counts(sup).await, [1, 0, 0, 1]);
        if hangs {
            it.hang().await;
        }

        assert_eq!(sup.terminate_child("child2").await, Ok(()));
        until(sup, "child2", is_forgotten).await;
        assert_eq!(which(sup).await, []);
        assert!(it.worker.is_closed());

        assert_eq!(sup.start_child(it.same_again()).await, Ok(Birth::Lives));
        assert_eq!(stop(it.tree).await, End::Shutdown);
    }
}
