//! Backoff, intensity, giving up and what follows from it; the clock is moved by hand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::Clock;
use supervision::{
    AskError, AutoShutdown, Backoff, Birth, ChildError, End, Follows, Intensity, Limit, Pool, Restart, State,
    Strategy, SupervisorSpec, Tree, WhileDown,
};

use crate::bodies::{Count, Diary, Do, Plan, WITHIN, family, is, lives, patient, tree, until};

const SLOW: Backoff = Backoff {
    min: Duration::from_secs(1),
    max: Duration::from_secs(4),
    jitter: 0.0,
    reset_after: Duration::from_secs(60),
};

#[actix_rt::test]
async fn a_failing_child_waits_out_its_backoff_and_refuses_with_the_time_left() {
    let clock = Clock::manual();
    let (child, worker) = Plan { while_down: WhileDown::Refuse, ..Plan::new("worker", &clock) }.build();
    let tree = tree(&clock, vec![child.backoff(SLOW)]).await;

    for (generation, wait) in [(2, 1), (3, 2), (4, 4), (5, 4)] {
        worker.tell(Do::Fail(None)).unwrap();
        until(&tree, "root/worker", is(State::BackingOff)).await;
        let wait = Duration::from_secs(wait);
        match worker.ask(Count, WITHIN).await {
            Err(AskError::Down { retry_after, .. }) => assert_eq!(retry_after, Some(wait)),
            other => panic!("{other:?}"),
        }
        clock.advance(wait);
        until(&tree, "root/worker", lives(generation)).await;
    }

    clock.advance(SLOW.reset_after);
    worker.tell(Do::Fail(None)).unwrap();
    until(&tree, "root/worker", is(State::BackingOff)).await;
    clock.advance(SLOW.min);
    until(&tree, "root/worker", lives(6)).await;
    tree.stop().await;
}

#[actix_rt::test]
async fn a_hint_when_to_retry_is_the_least_the_backoff_waits() {
    let clock = Clock::manual();
    let (child, worker) = Plan { while_down: WhileDown::Refuse, ..Plan::new("worker", &clock) }.build();
    let tree = tree(&clock, vec![child.backoff(SLOW)]).await;

    worker.tell(Do::Fail(Some(Duration::from_secs(30)))).unwrap();
    until(&tree, "root/worker", is(State::BackingOff)).await;
    match worker.ask(Count, WITHIN).await {
        Err(AskError::Down { retry_after, .. }) => assert_eq!(retry_after, Some(Duration::from_secs(30))),
        other => panic!("{other:?}"),
    }
    tree.stop().await;
}

#[actix_rt::test]
async fn the_worlds_failures_never_use_up_the_intensity() {
    let clock = Clock::real();
    let (child, worker) = Plan::new("worker", &clock).build();
    let strict = Limit::Shared(Intensity { restarts: 0, period: Duration::from_secs(5) });
    let tree = Tree::start(family("root", strict, vec![child]), clock.clone(), Pool::new(1)).await.unwrap();

    for generation in 1..=20 {
        assert_eq!(worker.ask(Count, WITHIN).await, Ok((generation, 1)));
        worker.tell(Do::Fail(None)).unwrap();
        until(&tree, "root/worker", lives(generation + 1)).await;
    }
    assert_eq!(tree.stop().await, End::Shutdown);
}

#[actix_rt::test]
async fn past_a_shared_intensity_the_root_gives_up_and_says_over_whom() {
    let clock = Clock::real();
    let (bad, worker) = Plan::new("bad", &clock).build();
    let (good, neighbour) = Plan::new("good", &clock).build();
    let strict = Limit::Shared(Intensity { restarts: 2, period: Duration::from_secs(5) });
    let tree =
        Tree::start(family("root", strict, vec![good, bad]), clock.clone(), Pool::new(1)).await.unwrap();

    for _ in 0..3 {
        worker.tell(Do::Panic).unwrap();
    }

    assert_eq!(tree.ended().await, End::GaveUp { child: "bad".to_owned() });
    tree.stop().await;
    drop(neighbour);
}

#[actix_rt::test]
async fn past_its_own_intensity_a_child_is_parked_and_takes_nobody_with_it() {
    let clock = Clock::real();
    let (poison, worker) = Plan::new("poison", &clock).build();
    let (good, neighbour) = Plan::new("good", &clock).build();
    let own = Limit::PerChild(Intensity { restarts: 1, period: Duration::from_secs(5) });
    let heard: Arc<Mutex<Vec<(String, Follows)>>> = Arc::default();
    let ear = heard.clone();
    let poison =
        poison.monitor(move |down| ear.lock().unwrap().push((down.end.name().to_owned(), down.follows)));
    let tree =
        Tree::start(family("root", own, vec![poison, good]), clock.clone(), Pool::new(1)).await.unwrap();

    worker.tell(Do::Panic).unwrap();
    worker.tell(Do::Panic).unwrap();
    until(&tree, "root/poison", |node| is(State::Parked)(node) && worker.is_closed()).await;

    assert!(matches!(worker.ask(Count, WITHIN).await, Err(AskError::Closed { .. })));
    assert_eq!(neighbour.ask(Count, WITHIN).await, Ok((1, 1)));
    assert_eq!(
        *heard.lock().unwrap(),
        [
            ("panicked".to_owned(), Follows::Restart { after: Duration::ZERO }),
            ("panicked".to_owned(), Follows::GivenUp)
        ]
    );
    tree.stop().await;
}

#[actix_rt::test]
async fn given_up_on_a_child_is_started_once_more_to_compensate_with_an_intensity_of_its_own() {
    let clock = Clock::real();
    let diary = Diary::default();
    let (child, worker) = Plan { diary: diary.clone(), ..Plan::new("saga", &clock) }.build();
    let own = Limit::PerChild(Intensity { restarts: 1, period: Duration::from_secs(5) });
    let tree = Tree::start(
        family(
            "root",
            own,
            vec![child.compensates(Intensity { restarts: 1, period: Duration::from_secs(5) })],
        ),
        clock.clone(),
        Pool::new(1),
    )
    .await
    .unwrap();

    for generation in 2..=4 {
        worker.tell(Do::Panic).unwrap();
        until(&tree, "root/saga", lives(generation)).await;
    }
    worker.tell(Do::Panic).unwrap();
    until(&tree, "root/saga", is(State::Parked)).await;
    tree.stop().await;

    let started: Vec<_> = diary.lines().into_iter().filter(|line| line.contains("started")).collect();
    let role = |role| format!("root/saga started {role}");
    assert_eq!(started, [role("Regular"), role("Regular"), role("Compensating"), role("Compensating")]);
}

#[actix_rt::test]
async fn a_significant_child_that_is_done_ends_its_supervisor_and_its_siblings() {
    let clock = Clock::real();
    let diary = Diary::default();
    let (main, worker) = Plan::new("main", &clock).build();
    let (aide, _) = Plan { diary: diary.clone(), ..Plan::new("aide", &clock) }.build();
    let children = vec![main.restart(Restart::Transient).significant(), aide];
    let group = family("group", patient(), children);
    let (group, _) = SupervisorSpec { auto_shutdown: AutoShutdown::AnySignificant, ..group }.into_child();
    let (parent, handle) = family("parent", patient(), vec![]).into_child();
    let tree = tree(&clock, vec![parent]).await;
    handle.start_child(group.restart(Restart::Transient)).await.unwrap();

    worker.tell(Do::Panic).unwrap();
    until(&tree, "root/parent/group/main", lives(2)).await;
    worker.tell(Do::Stop).unwrap();
    until(&tree, "root/parent/group", is(State::Ended)).await;

    assert_eq!(diary.lines().last().unwrap(), "root/parent/group/aide stopped");
    tree.stop().await;
}

#[actix_rt::test]
async fn a_parked_dynamic_child_can_be_started_again_or_deleted() {
    let clock = Clock::real();
    let none = Limit::PerChild(Intensity { restarts: 0, period: Duration::from_secs(5) });
    let crowd = SupervisorSpec { strategy: Strategy::Dynamic, ..family("crowd", none, vec![]) };
    let (crowd, handle) = crowd.into_child();
    let tree = tree(&clock, vec![crowd]).await;
    let (child, worker) = Plan::new("child", &clock).build();
    handle.start_child(child).await.unwrap();

    worker.tell(Do::Panic).unwrap();
    until(&tree, "root/crowd/child", is(State::Parked)).await;
    assert_eq!(handle.restart_child("child").await, Ok(Birth::Lives));
    assert_eq!(worker.ask(Count, WITHIN).await, Ok((2, 1)));
    assert_eq!(handle.restart_child("child").await, Err(ChildError::Dynamic), "it lives");

    worker.tell(Do::Panic).unwrap();
    until(&tree, "root/crowd/child", is(State::Parked)).await;
    assert_eq!(handle.delete_child("child").await, Ok(()));
    until(&tree, "root/crowd/child", |node| node.is_none()).await;
    tree.stop().await;
}
