//! Queues are bounded, a message that is not taken comes back, and nobody starves a neighbour.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::prelude::*;
use clock::Clock;
use supervision::{ActorSpec, AskError, Mailbox, Node, Start, WhileDown, actor};

use crate::bodies::{Count, Do, Hold, Plan, WITHIN, tree, until};

#[actix_rt::test]
async fn ten_thousand_asks_from_cloned_mailboxes_never_exceed_the_bound() {
    let clock = Clock::real();
    let (child, worker) = Plan { capacity: 100, ..Plan::new("worker", &clock) }.build();
    let tree = tree(&clock, vec![child]).await;
    let (release, held) = tokio::sync::oneshot::channel();
    worker.ask(Hold(held), WITHIN).await.unwrap();

    let refused = Arc::new(AtomicUsize::new(0));
    let asks = (0..10_000).map(|_| {
        let (worker, refused) = (worker.clone(), refused.clone());
        async move {
            let answer = worker.ask(Count, WITHIN).await;
            refused.fetch_add(usize::from(answer.is_err()), Ordering::SeqCst);
            answer
        }
    });
    let (answers, ()) = futures_util::future::join(futures_util::future::join_all(asks), async {
        let all_have_asked = |node: Option<&Node>| {
            node.is_some_and(|node| node.queued == 100) && refused.load(Ordering::SeqCst) == 9_900
        };
        until(&tree, "root/worker", all_have_asked).await;
        drop(release);
    })
    .await;

    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    let busy =
        answers.iter().filter(|answer| matches!(answer, Err(AskError::Busy { capacity: 100, .. }))).count();
    assert_eq!((answered, busy), (100, 9_900));
    tree.stop().await;
}

#[actix_rt::test]
async fn a_message_that_is_not_taken_comes_back() {
    let clock = Clock::real();
    let (child, worker) = Plan { capacity: 1, ..Plan::new("worker", &clock) }.build();
    let tree = tree(&clock, vec![child]).await;
    let (release, held) = tokio::sync::oneshot::channel();
    worker.ask(Hold(held), WITHIN).await.unwrap();

    worker.tell(Count).unwrap();
    let refused = worker.tell(Do::Panic).unwrap_err();
    assert!(matches!(refused.message, Do::Panic));
    assert!(matches!(refused.why, AskError::Busy { .. }));

    drop(release);
    tree.stop().await;
    assert!(matches!(worker.tell(Count).unwrap_err().why, AskError::Closed { .. }));
}

#[actix_rt::test]
async fn a_dropped_or_late_ask_is_not_executed() {
    let clock = Clock::manual();
    let (child, worker) = Plan::new("worker", &clock).build();
    let tree = tree(&clock, vec![child]).await;
    let (release, held) = tokio::sync::oneshot::channel();
    worker.ask(Hold(held), WITHIN).await.unwrap();

    {
        let mut dropped = std::pin::pin!(worker.ask(Count, WITHIN));
        assert!(futures_util::poll!(dropped.as_mut()).is_pending());
    }
    let late = futures_util::future::join(worker.ask(Count, Duration::from_secs(3)), async {
        clock.advance(Duration::from_secs(3));
    });
    let (late, ()) = late.await;
    assert!(matches!(late, Err(AskError::TimedOut { .. })), "{late:?}");

    drop(release);
    assert_eq!(worker.ask(Count, WITHIN).await, Ok((1, 1)), "neither of the two was counted");
    tree.stop().await;
}

/// Tells itself something again each time it hears it.
struct Flooder {
    own: Mailbox<Self>,
    heard: u64,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Again;

#[derive(Message)]
#[rtype(result = "u64")]
struct Heard;

impl Actor for Flooder {
    type Context = Context<Self>;
}

impl Handler<Again> for Flooder {
    type Result = ();

    fn handle(&mut self, _: Again, _: &mut Self::Context) {
        self.heard += 1;
        // The queue holds two: this one and a question from outside.
        let _ = self.own.tell(Again);
    }
}

impl Handler<Heard> for Flooder {
    type Result = u64;

    fn handle(&mut self, _: Heard, _: &mut Self::Context) -> u64 {
        self.heard
    }
}

#[actix_rt::test]
async fn an_actor_that_floods_itself_does_not_starve_its_neighbours() {
    let clock = Clock::real();
    let spec =
        ActorSpec { id: "flooder".into(), capacity: 4, while_down: WhileDown::Keep, clock: clock.clone() };
    let (child, flooder) =
        actor(spec, |start: Start<Flooder>| async move { Ok(Flooder { own: start.mailbox, heard: 0 }) });
    // Several neighbours on two threads: at least one shares the flooder's.
    let neighbours: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(|id| Plan::new(id, &clock).build()).into();
    let mut children = vec![child];
    children.extend(neighbours.iter().map(|(child, _)| child.clone()));
    let tree = tree(&clock, children).await;

    flooder.tell(Again).unwrap();
    for round in 1..=20 {
        for (_, neighbour) in &neighbours {
            assert_eq!(neighbour.ask(Count, WITHIN).await, Ok((1, round)));
        }
    }
    assert!(flooder.ask(Heard, WITHIN).await.unwrap() > 0);
    tree.stop().await;
}

#[actix_rt::test]
async fn who_has_stopped_waiting_gives_up_its_place_in_a_full_queue() {
    let clock = Clock::manual();
    let (child, worker) = Plan { capacity: 2, ..Plan::new("worker", &clock) }.build();
    let tree = tree(&clock, vec![child]).await;
    let (release, held) = tokio::sync::oneshot::channel();
    worker.ask(Hold(held), WITHIN).await.unwrap();

    let short = Duration::from_secs(3);
    let asked = futures_util::future::join3(worker.ask(Count, short), worker.ask(Count, short), async {
        clock.advance(short);
    });
    let (one, two, ()) = asked.await;
    assert!(matches!((one, two), (Err(AskError::TimedOut { .. }), Err(AskError::TimedOut { .. }))));
    assert_eq!(worker.queued(), 2);

    worker.tell(Count).unwrap();
    worker.tell(Count).unwrap();
    assert!(
        matches!(worker.tell(Count).unwrap_err().why, AskError::Busy { .. }),
        "who tells never stops waiting"
    );
    drop(release);
    tree.stop().await;
}
