//! A panic takes down the one child, and nothing else.

use std::sync::atomic::Ordering;

use clock::Clock;
use supervision::{AskError, End, State};

use crate::bodies::{Count, Do, Hold, Plan, WITHIN, is, lives, tree, until};

#[actix_rt::test]
async fn a_panic_in_a_handler_tells_its_sender_and_starts_a_fresh_child_with_the_queue_kept() {
    let clock = Clock::real();
    let (child, worker) = Plan::new("worker", &clock).build();
    let tree = tree(&clock, vec![child]).await;
    assert_eq!(worker.ask(Count, WITHIN).await, Ok((1, 1)));

    let (release, held) = tokio::sync::oneshot::channel();
    worker.ask(Hold(held), WITHIN).await.unwrap();
    let (before, boom, after) = {
        let asks = futures_util::future::join3(
            worker.ask(Count, WITHIN),
            worker.ask(Do::Panic, WITHIN),
            worker.ask(Count, WITHIN),
        );
        let release = async {
            until(&tree, "root/worker", |node| node.is_some_and(|node| node.queued == 3)).await;
            drop(release);
        };
        futures_util::future::join(asks, release).await.0
    };

    assert_eq!(before, Ok((1, 2)));
    assert!(matches!(boom, Err(AskError::Panicked { .. })), "{boom:?}");
    assert_eq!(after, Ok((2, 1)), "the queue is kept and the child is fresh");
    let node = until(&tree, "root/worker", lives(2)).await.unwrap();
    assert_eq!(node.last_end, Some(End::Panicked { message: "told to panic".to_owned() }));
    tree.stop().await;
}

#[actix_rt::test]
async fn a_panic_beside_the_mailbox_is_the_actors_panic() {
    let clock = Clock::real();
    let (child, worker) = Plan::new("worker", &clock).build();
    let tree = tree(&clock, vec![child]).await;

    worker.tell(Do::PanicInTask).unwrap();
    until(&tree, "root/worker", lives(2)).await;
    worker.tell(Do::PanicInContext).unwrap();
    let node = until(&tree, "root/worker", lives(3)).await.unwrap();

    assert_eq!(node.last_end, Some(End::Panicked { message: "told to panic in the context".to_owned() }));
    assert_eq!(worker.ask(Count, WITHIN).await, Ok((3, 1)));
    tree.stop().await;
}

#[actix_rt::test]
async fn a_panic_in_stopped_is_contained_and_the_neighbour_on_the_same_thread_is_unharmed() {
    let clock = Clock::real();
    let (bad, worker) = Plan { panics_when_stopped: true, ..Plan::new("bad", &clock) }.build();
    let neighbours: Vec<_> =
        ["a", "b", "c", "d"].into_iter().map(|id| Plan::new(id, &clock).build()).collect();
    let mut children = vec![bad];
    children.extend(neighbours.iter().map(|(child, _)| child.clone()));
    let tree = tree(&clock, children).await;

    worker.tell(Do::Stop).unwrap();
    until(&tree, "root/bad", lives(2)).await;
    worker.tell(Do::Panic).unwrap();
    until(&tree, "root/bad", lives(3)).await;

    for (_, neighbour) in &neighbours {
        assert_eq!(neighbour.ask(Count, WITHIN).await, Ok((1, 1)));
    }
    assert_eq!(tree.stop().await, End::Shutdown);
}

#[actix_rt::test]
async fn a_panic_in_the_factory_is_a_failed_start_and_is_tried_again() {
    let clock = Clock::real();
    let plan = Plan::new("worker", &clock);
    let bad_starts = plan.bad_starts.clone();
    let (child, worker) = plan.build();
    let tree = tree(&clock, vec![child]).await;

    bad_starts.store(2, Ordering::SeqCst);
    worker.tell(Do::Panic).unwrap();

    assert_eq!(worker.ask(Count, WITHIN).await, Ok((4, 1)));
    let node = until(&tree, "root/worker", lives(4)).await.unwrap();
    assert_eq!(node.last_end, Some(End::StartFailed { reason: "told to panic in the factory".to_owned() }));
    tree.stop().await;
}

#[actix_rt::test]
async fn who_is_left_without_an_answer_is_told_what_happened() {
    let clock = Clock::real();
    let (child, worker) = Plan::new("worker", &clock).build();
    let tree = tree(&clock, vec![child]).await;

    let asked = worker.ask(Do::NeverAnswer, WITHIN);
    let (answer, ()) = futures_util::future::join(asked, async {
        worker.ask(Count, WITHIN).await.unwrap();
        worker.tell(Do::PanicInTask).unwrap();
    })
    .await;
    assert!(matches!(answer, Err(AskError::Unanswered { .. })), "{answer:?}");

    until(&tree, "root/worker", is(State::Running)).await;
    tree.stop().await;
    let answer = worker.ask(Count, WITHIN).await;
    assert!(matches!(answer, Err(AskError::Closed { .. })), "{answer:?}");
}
