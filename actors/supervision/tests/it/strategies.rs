//! Whom a restart takes along: nobody, all siblings, or those that were started later.

use std::sync::atomic::Ordering;
use std::time::Duration;

use clock::Clock;
use supervision::{
    Backoff, ChildSpec, End, Intensity, Limit, Mailbox, Pool, Restart, State, Strategy, SupervisorSpec, Tree,
};

use crate::bodies::{Count, Diary, Do, Hold, Plan, WITHIN, Worker, family, is, lives, patient, until};

struct Group {
    tree: Tree,
    diary: Diary,
    workers: Vec<Mailbox<Worker>>,
}

fn spec(strategy: Strategy, children: Vec<ChildSpec>) -> SupervisorSpec {
    SupervisorSpec { strategy, ..family("root", patient(), children) }
}

/// Workers `a`, `b` and `c` that write into one diary.
async fn group(strategy: Strategy, clock: &Clock, change: impl Fn(&str, ChildSpec) -> ChildSpec) -> Group {
    let diary = Diary::default();
    let built = ["a", "b", "c"].map(|id| {
        let (child, worker) = Plan { diary: diary.clone(), ..Plan::new(id, clock) }.build();
        (change(id, child), worker)
    });
    let (children, workers) = built.into_iter().unzip();
    let tree = Tree::start(spec(strategy, children), clock.clone(), Pool::new(2)).await.unwrap();
    Group { tree, diary, workers }
}

fn restarted(diary: &Diary) -> Vec<String> {
    diary.lines().split_off(3)
}

#[actix_rt::test]
async fn one_for_all_stops_the_others_in_reverse_and_starts_all_in_order() {
    let Group { tree, diary, workers } = group(Strategy::OneForAll, &Clock::real(), |_, child| child).await;

    workers[1].tell(Do::Panic).unwrap();
    for path in ["root/a", "root/b", "root/c"] {
        until(&tree, path, lives(2)).await;
    }

    let stopped = ["root/c", "root/a"].map(|path| format!("{path} stopped"));
    let started = ["root/a", "root/b", "root/c"].map(|path| format!("{path} started Regular"));
    assert_eq!(restarted(&diary), [&stopped[..], &started[..]].concat());
    tree.stop().await;
}

#[actix_rt::test]
async fn rest_for_one_leaves_the_elder_alone() {
    let Group { tree, diary, workers } = group(Strategy::RestForOne, &Clock::real(), |_, child| child).await;

    workers[1].tell(Do::Panic).unwrap();
    until(&tree, "root/b", lives(2)).await;
    until(&tree, "root/c", lives(2)).await;

    assert_eq!(restarted(&diary), ["root/c stopped", "root/b started Regular", "root/c started Regular"]);
    assert_eq!(workers[0].ask(Count, WITHIN).await, Ok((1, 1)));
    tree.stop().await;
}

#[actix_rt::test]
async fn a_bystander_keeps_its_queue_and_is_not_counted() {
    let clock = Clock::real();
    let Group { tree, workers, .. } = group(Strategy::OneForAll, &clock, |_, child| child).await;
    let (release, held) = tokio::sync::oneshot::channel();
    workers[2].ask(Hold(held), WITHIN).await.unwrap();

    let (answer, ()) = futures_util::future::join(workers[2].ask(Count, WITHIN), async {
        until(&tree, "root/c", |node| node.is_some_and(|node| node.queued == 1)).await;
        workers[0].tell(Do::Panic).unwrap();
        until(&tree, "root/c", lives(2)).await;
    })
    .await;

    assert_eq!(answer, Ok((2, 1)), "what waited met the next generation");
    drop(release);
    tree.stop().await;
}

#[actix_rt::test]
async fn a_temporary_bystander_does_not_come_back() {
    let temporary = |id: &str, child: ChildSpec| match id {
        "c" => child.restart(Restart::Temporary),
        _ => child,
    };
    let Group { tree, workers, .. } = group(Strategy::OneForAll, &Clock::real(), temporary).await;

    workers[0].tell(Do::Panic).unwrap();
    until(&tree, "root/b", lives(2)).await;
    until(&tree, "root/c", |node| node.is_none()).await;

    assert!(workers[2].is_closed());
    tree.stop().await;
}

#[actix_rt::test]
async fn nobody_starts_before_the_backoff_of_the_one_that_began_is_over() {
    let clock = Clock::manual();
    let slow = Backoff { min: Duration::from_secs(5), max: Duration::from_secs(5), ..Backoff::NONE };
    let Group { tree, diary, workers } =
        group(Strategy::OneForAll, &clock, |_, child| child.backoff(slow)).await;

    workers[0].tell(Do::Fail(None)).unwrap();
    for path in ["root/a", "root/b", "root/c"] {
        until(&tree, path, is(State::BackingOff)).await;
    }
    assert_eq!(restarted(&diary), ["root/c stopped", "root/b stopped"]);
    clock.advance(Duration::from_secs(5));
    for path in ["root/a", "root/b", "root/c"] {
        until(&tree, path, lives(2)).await;
    }
    tree.stop().await;
}

#[actix_rt::test]
async fn a_child_that_fails_to_come_back_takes_the_group_along_again() {
    let clock = Clock::real();
    let diary = Diary::default();
    let plan = |id| Plan { diary: diary.clone(), ..Plan::new(id, &clock) };
    let (a, worker) = plan("a").build();
    let second = plan("b");
    let bad_starts = second.bad_starts.clone();
    let (b, _) = second.build();
    let tree = Tree::start(spec(Strategy::OneForAll, vec![a, b]), clock.clone(), Pool::new(1)).await.unwrap();

    bad_starts.store(2, Ordering::SeqCst);
    worker.tell(Do::Panic).unwrap();
    until(&tree, "root/b", lives(4)).await;

    // Each time `b` failed to start, `a` was stopped and started anew.
    until(&tree, "root/a", lives(4)).await;
    tree.stop().await;
}

#[actix_rt::test]
async fn past_the_intensity_the_group_gives_up_as_one() {
    let clock = Clock::real();
    let (a, worker) = Plan::new("a", &clock).build();
    let (b, _) = Plan::new("b", &clock).build();
    let limit = Limit::Shared(Intensity { restarts: 2, period: Duration::from_secs(5) });
    let spec = SupervisorSpec { strategy: Strategy::OneForAll, ..family("root", limit, vec![a, b]) };
    let tree = Tree::start(spec, clock, Pool::new(1)).await.unwrap();

    for generation in 1..=3 {
        until(&tree, "root/b", lives(generation)).await;
        worker.tell(Do::Panic).unwrap();
    }

    assert_eq!(tree.ended().await, End::GaveUp { child: "a".to_owned() });
    tree.stop().await;
}

#[actix_rt::test]
async fn a_normal_end_that_is_not_restarted_takes_nobody_along() {
    let transient = |_: &str, child: ChildSpec| child.restart(Restart::Transient);
    let Group { tree, workers, .. } = group(Strategy::OneForAll, &Clock::real(), transient).await;

    workers[0].tell(Do::Stop).unwrap();
    until(&tree, "root/a", is(State::Ended)).await;

    assert_eq!(workers[1].ask(Count, WITHIN).await, Ok((1, 1)));
    assert_eq!(workers[2].ask(Count, WITHIN).await, Ok((1, 1)));
    tree.stop().await;
}

#[actix_rt::test]
async fn a_bystander_can_be_terminated_while_the_group_is_down() {
    let clock = Clock::manual();
    let slow = Backoff { min: Duration::from_secs(5), max: Duration::from_secs(5), ..Backoff::NONE };
    let Group { tree, workers, .. } =
        group(Strategy::OneForAll, &clock, |_, child| child.backoff(slow)).await;
    workers[0].tell(Do::Fail(None)).unwrap();
    until(&tree, "root/b", is(State::BackingOff)).await;

    tree.root().terminate_child("b").await.unwrap();
    clock.advance(Duration::from_secs(5));
    until(&tree, "root/c", lives(2)).await;

    until(&tree, "root/b", is(State::Ended)).await;
    assert!(workers[1].is_closed());
    tree.stop().await;
}
