//! Who is started again after what, in which order children start and stop, and what their cells hear.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clock::Clock;
use supervision::{
    ActorSpec, Backoff, Birth, Cell, ChildError, ChildSpec, End, Failure, Intensity, Limit, Mailbox, Node,
    Pool, Restart, Shutdown, Start, State, Strategy, SupervisorSpec, Tree, WhileDown, actor,
};

use crate::bodies::{Count, Diary, Do, Plan, WITHIN, Worker, family, is, lives, patient, tree, until};

async fn after(restart: Restart, what: Do) -> (State, u64) {
    let clock = Clock::real();
    let (child, worker) = Plan::new("worker", &clock).build();
    let tree = tree(&clock, vec![child.restart(restart)]).await;
    worker.tell(what).unwrap();
    let place = worker.place();
    let is_over = |_: Option<&Node>| {
        place.last_end().is_some() && matches!(place.state(), State::Running | State::Ended)
    };
    until(&tree, "root/worker", is_over).await;
    let found = (place.state(), place.generation());
    tree.stop().await;
    found
}

#[actix_rt::test]
async fn each_restart_rule_meets_each_kind_of_end() {
    for (restart, normal, failed, panicked) in [
        (Restart::Permanent, (State::Running, 2), (State::Running, 2), (State::Running, 2)),
        (Restart::Transient, (State::Ended, 1), (State::Running, 2), (State::Running, 2)),
        (Restart::Temporary, (State::Ended, 1), (State::Ended, 1), (State::Ended, 1)),
    ] {
        assert_eq!(after(restart, Do::Stop).await, normal, "{restart:?} after a normal end");
        assert_eq!(after(restart, Do::Fail(None)).await, failed, "{restart:?} after a failure");
        assert_eq!(after(restart, Do::Panic).await, panicked, "{restart:?} after a panic");
    }
}

#[actix_rt::test]
async fn children_start_in_order_and_stop_in_reverse() {
    let clock = Clock::real();
    let diary = Diary::default();
    let child = |id| Plan { diary: diary.clone(), ..Plan::new(id, &clock) }.build().0;
    let (inner, _) = family("inner", patient(), vec![child("b"), child("c")]).into_child();
    let tree = tree(&clock, vec![child("a"), inner, child("d")]).await;
    tree.stop().await;

    let places = ["root/a", "root/inner/b", "root/inner/c", "root/d"];
    let started = places.iter().map(|place| format!("{place} started Regular"));
    let stopped = places.iter().rev().map(|place| format!("{place} stopped"));
    assert_eq!(diary.lines(), started.chain(stopped).collect::<Vec<_>>());
}

#[actix_rt::test]
async fn a_child_that_does_not_start_at_first_keeps_the_tree_from_starting_and_stops_its_elders() {
    let clock = Clock::real();
    let diary = Diary::default();
    let (elder, _) = Plan { diary: diary.clone(), ..Plan::new("elder", &clock) }.build();
    let bad = Plan::new("bad", &clock);
    bad.bad_starts.store(1, std::sync::atomic::Ordering::SeqCst);
    let (bad, _) = bad.build();

    let end = Tree::start(family("root", patient(), vec![elder, bad]), clock, Pool::new(1)).await.err();

    assert_eq!(
        end,
        Some(End::StartFailed { reason: "root/bad did not start: told to panic in the factory".to_owned() })
    );
    assert_eq!(diary.lines(), ["root/elder started Regular", "root/elder stopped"]);
}

#[actix_rt::test]
async fn dynamic_children_come_and_go_and_administration_errs_as_in_otp() {
    let clock = Clock::real();
    let mut spec = family("dynamic", patient(), vec![]);
    spec.max_children = 2;
    spec.strategy = Strategy::Dynamic;
    let (dynamic, handle) = spec.into_child();
    let tree = tree(&clock, vec![dynamic]).await;
    let worker = |id| Plan::new(id, &clock).build();
    let (one, first) = worker("one");

    assert_eq!(handle.start_child(one).await, Ok(Birth::Lives));
    assert_eq!(first.ask(Count, WITHIN).await, Ok((1, 1)));
    assert!(tree.registry().find::<Worker>("root/dynamic/one").is_some());
    assert!(tree.registry().supervisor("root/dynamic").is_some());
    assert!(tree.registry().supervisor("root/dynamic/one").is_none());
    assert_eq!(handle.start_child(worker("one").0).await, Err(ChildError::AlreadyStarted("one".to_owned())));
    assert_eq!(handle.start_child(worker("two").0).await, Ok(Birth::Lives));
    assert_eq!(handle.start_child(worker("three").0).await, Err(ChildError::TooMany(2)));
    assert_eq!(handle.terminate_child("none").await, Err(ChildError::NotFound("none".to_owned())));
    assert_eq!(handle.terminate_child("one").await, Ok(()));
    assert!(first.is_closed());
    assert!(tree.registry().find::<Worker>("root/dynamic/one").is_none());

    let bad = Plan::new("bad", &clock);
    bad.bad_starts.store(1, std::sync::atomic::Ordering::SeqCst);
    let reason = "told to panic in the factory".to_owned();
    let refused = handle.start_child(bad.build().0).await;
    assert_eq!(refused, Err(ChildError::StartFailed(End::StartFailed { reason })));
    assert_eq!(handle.start_child(worker("three").0).await, Ok(Birth::Lives), "the failed one took no place");
    tree.stop().await;
    assert_eq!(handle.terminate_child("two").await, Err(ChildError::Unavailable));
}

#[actix_rt::test]
async fn a_child_that_hangs_in_its_stop_is_killed_after_its_timeout() {
    let clock = Clock::manual();
    let (child, worker) = Plan::new("worker", &clock).build();
    let (inner, handle) = family("inner", patient(), vec![]).into_child();
    let tree = tree(&clock, vec![inner]).await;
    handle.start_child(child.shutdown(Shutdown::Timeout(Duration::from_secs(5)))).await.unwrap();
    worker.ask(Do::Cling, WITHIN).await.unwrap();

    let (stopped, ()) = futures_util::future::join(handle.terminate_child("worker"), async {
        until(&tree, "root/inner/worker", is(State::Stopping)).await;
        clock.advance(Duration::from_secs(5));
    })
    .await;

    assert_eq!(stopped, Ok(()));
    assert_eq!(worker.place().last_end(), Some(End::Killed));
    tree.stop().await;
}

#[actix_rt::test]
async fn a_killed_child_is_started_again() {
    let clock = Clock::real();
    let (child, worker) = Plan::new("worker", &clock).build();
    let tree = tree(&clock, vec![child]).await;

    tree.root().kill_child("worker").await.unwrap();
    let node = until(&tree, "root/worker", lives(2)).await.unwrap();

    assert_eq!(node.last_end, Some(End::Killed));
    assert_eq!(worker.ask(Count, WITHIN).await, Ok((2, 1)));
    tree.stop().await;
}

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Cell for Told {
    fn down(&self, end: &End, _: Option<Instant>) {
        self.0.lock().unwrap().push(format!("down {}", end.name()));
    }

    fn up(&self, generation: u64) {
        self.0.lock().unwrap().push(format!("up {generation}"));
    }
}

#[actix_rt::test]
async fn the_cell_belongs_to_the_place_and_hears_of_each_life() {
    let clock = Clock::real();
    let cell = Arc::new(Told::default());
    let (child, worker): (ChildSpec, Mailbox<Worker>) = Plan::new("worker", &clock).build();
    let tree = tree(&clock, vec![child.cell(cell.clone())]).await;

    worker.tell(Do::Fail(None)).unwrap();
    until(&tree, "root/worker", lives(2)).await;
    worker.tell(Do::Panic).unwrap();
    until(&tree, "root/worker", lives(3)).await;
    tree.stop().await;

    let told = cell.0.lock().unwrap().clone();
    assert_eq!(told, ["up 1", "down failed", "up 2", "down panicked", "up 3", "down shutdown"]);
}

#[actix_rt::test]
async fn a_supervisor_that_gives_up_is_itself_restarted_by_its_parent_with_its_children_fresh() {
    let clock = Clock::real();
    let (child, worker) = Plan::new("worker", &clock).build();
    let strict = Limit::Shared(Intensity { restarts: 0, period: Duration::from_secs(5) });
    let (inner, _) = family("inner", strict, vec![child]).into_child();
    let tree = tree(&clock, vec![inner.backoff(Backoff::NONE)]).await;

    worker.tell(Do::Panic).unwrap();
    let node = until(&tree, "root/inner", lives(2)).await.unwrap();

    assert_eq!(node.last_end, Some(End::GaveUp { child: "worker".to_owned() }));
    assert_eq!(worker.ask(Count, WITHIN).await, Ok((2, 1)), "the address outlives its supervisor's restart");
    until(&tree, "root/inner/worker", is(State::Running)).await;
    tree.stop().await;
}

#[actix_rt::test]
async fn a_group_that_is_taken_along_while_it_starts_has_not_started_yet() {
    let clock = Clock::real();
    let (a, worker) = Plan::new("a", &clock).build();
    let spec = ActorSpec { id: "b".into(), capacity: 1, while_down: WhileDown::Keep, clock: clock.clone() };
    let elder = worker.place();
    let (b, _) = actor(spec, move |_: Start<Worker>| {
        let is_first = elder.generation() == 1;
        async move {
            if is_first {
                std::future::pending::<()>().await;
            }
            Err(Failure::new("there is no b").into())
        }
    });
    // It waits in the queue, so it is the first that `a` hears, while `b` is still being built.
    worker.tell(Do::Panic).unwrap();

    let spec = SupervisorSpec { strategy: Strategy::OneForAll, ..family("root", patient(), vec![a, b]) };
    let end = Tree::start(spec, clock, Pool::new(1)).await.err();

    assert_eq!(end, Some(End::StartFailed { reason: "root/b did not start: there is no b".to_owned() }));
}

#[actix_rt::test]
async fn a_place_has_one_supervisor_and_an_id_that_parts_no_path() {
    let clock = Clock::real();
    let (child, _) = Plan::new("child", &clock).build();
    let (slash, _) = Plan::new("a/b", &clock).build();
    let (one, first) = family("one", patient(), vec![]).into_child();
    let (two, second) = family("two", patient(), vec![]).into_child();
    let tree = tree(&clock, vec![one, two]).await;

    assert_eq!(first.start_child(child.clone()).await, Ok(Birth::Lives));
    let refused = second.start_child(child.clone()).await;
    assert!(matches!(refused, Err(ChildError::BadCombination { .. })), "{refused:?}");
    let refused = second.start_child(slash).await;
    assert!(matches!(refused, Err(ChildError::BadCombination { .. })), "{refused:?}");
    first.terminate_child("child").await.unwrap();
    first.delete_child("child").await.unwrap();
    assert_eq!(first.start_child(child).await, Ok(Birth::Lives), "it is free again");
    tree.stop().await;
}

#[actix_rt::test]
async fn more_children_than_anybody_can_have_are_refused_with_a_reason() {
    let spec = SupervisorSpec { max_children: usize::MAX, ..SupervisorSpec::new("root") };
    let end = Tree::start(spec, Clock::real(), Pool::new(1)).await.err();
    let Some(End::StartFailed { reason }) = end else { panic!("{end:?}") };
    assert!(reason.contains("10000000 is the most"), "{reason}");
}
