//! What is idle sleeps, and the next message wakes a fresh one: nothing is lost in between, and nothing is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::Clock;
use futures_util::future::join_all;
use supervision::{
    AskError, AutoShutdown, Backoff, Birth, ChildError, End, Intensity, Limit, Pool, Restart, Snapshot,
    State, SupervisorSpec, Tree, WhileDown,
};

use crate::bodies::{WITHIN, is, lives, until};
use crate::puppet::{Run, Script, boom, generation, group, grown, leave, on_threads, run, strict, until_so};

const IDLE: Duration = Duration::from_secs(10);

/// Lets time pass until it sleeps.
async fn falls_asleep(tree: &Tree, path: &str, clock: &Clock) {
    until(tree, path, |node| {
        let sleeps = node.is_some_and(|node| node.state == State::Asleep);
        if !sleeps && clock.next_wake().is_some() {
            clock.advance(IDLE);
        }
        sleeps
    })
    .await;
}

fn sleep_now() -> Run<u64> {
    run(|puppet, _| {
        puppet.life.passivate();
        puppet.life.generation()
    })
}

#[actix_rt::test]
async fn what_is_idle_falls_asleep_and_a_message_wakes_a_fresh_one() {
    let clock = Clock::manual();
    let (child, puppet) = Script::new("puppet", &clock).build();
    let tree = grown(&clock, 1, vec![child.passivate_after(IDLE)]).await;
    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(1));

    falls_asleep(&tree, "root/puppet", &clock).await;
    assert_eq!(puppet.place().last_end(), Some(End::Passivated));
    assert!(!puppet.is_closed());
    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(2), "an ask wakes it");

    falls_asleep(&tree, "root/puppet", &clock).await;
    let heard = Arc::new(AtomicU64::new(0));
    let ear = heard.clone();
    puppet.tell(run(move |puppet, _| ear.store(puppet.life.generation(), Ordering::SeqCst))).unwrap();
    until_so(|| heard.load(Ordering::SeqCst) == 3).await;

    falls_asleep(&tree, "root/puppet", &clock).await;
    assert_eq!(tree.stop().await, End::Shutdown, "who sleeps holds nobody up");
}

#[actix_rt::test]
async fn what_is_asked_now_and_then_stays_awake() {
    let clock = Clock::manual();
    let (child, puppet) = Script::new("puppet", &clock).build();
    let tree = grown(&clock, 1, vec![child.passivate_after(IDLE)]).await;
    for _ in 0..20 {
        assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(1));
        until_so(|| clock.next_wake().is_some_and(|wake| wake > clock.now())).await;
        clock.advance(IDLE / 2);
    }
    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(1));
    tree.stop().await;
}

#[actix_rt::test]
async fn who_works_beside_its_mailbox_does_not_fall_asleep() {
    let clock = Clock::manual();
    let (child, puppet) = Script::new("puppet", &clock).build();
    let tree = grown(&clock, 1, vec![child.passivate_after(IDLE)]).await;
    let (done, working) = tokio::sync::oneshot::channel::<()>();
    let work = run(move |puppet, _| {
        puppet.life.spawn(async move {
            // Dropped or used, both mean: it is done.
            let _ = working.await;
        });
    });
    puppet.ask(work, WITHIN).await.unwrap();

    for _ in 0..10 {
        until_so(|| clock.next_wake().is_some_and(|wake| wake > clock.now())).await;
        clock.advance(IDLE);
    }
    assert_eq!(puppet.place().generation(), 1);
    assert_eq!(puppet.place().state(), State::Running);
    drop(done);
    falls_asleep(&tree, "root/puppet", &clock).await;
    tree.stop().await;
}

#[actix_rt::test]
async fn sleep_counts_against_nothing_and_needs_no_backoff() {
    let clock = Clock::manual();
    let day = Duration::from_secs(86_400);
    let slow = Backoff { min: day, max: day, ..Backoff::NONE };
    for restart in [Restart::Permanent, Restart::Transient] {
        let (child, puppet) = Script::new("puppet", &clock).build();
        let spec = group("root", strict(), vec![child.restart(restart).backoff(slow)]);
        let tree = Tree::start(spec, clock.clone(), Pool::new(1)).await.unwrap();
        for round in 1..=20 {
            assert_eq!(puppet.ask(sleep_now(), WITHIN).await, Ok(round), "{restart:?}");
            until(&tree, "root/puppet", is(State::Asleep)).await;
        }
        assert_eq!(tree.stop().await, End::Shutdown);
    }
}

#[actix_rt::test]
async fn who_sends_itself_to_sleep_is_woken_at_once_by_what_waits() {
    let clock = Clock::real();
    for while_down in [WhileDown::Keep, WhileDown::Refuse] {
        let (child, puppet) = Script { while_down, ..Script::new("puppet", &clock) }.build();
        let tree = grown(&clock, 1, vec![child]).await;
        let (release, held) = tokio::sync::oneshot::channel::<()>();
        puppet.ask(crate::puppet::hold(held), WITHIN).await.unwrap();

        let asks = [sleep_now(), generation(), sleep_now(), generation()];
        let asks = join_all(asks.map(|what| puppet.ask(what, WITHIN)));
        let (told, ()) = futures_util::future::join(asks, async {
            until_so(|| puppet.queued() == 4).await;
            drop(release);
        })
        .await;

        let lives: Result<Vec<_>, _> = told.into_iter().collect();
        let lives = lives.unwrap();
        assert_eq!(lives[..1], [1], "{while_down:?}");
        assert!(lives.is_sorted(), "{while_down:?}: {lives:?}");
        tree.stop().await;
    }
}

const SENDERS: usize = 4;
const EACH: u64 = 500;

/// Every message is handled once and in its sender's order, and each asker gets its answer.
async fn no_message_is_lost(passivate_after: Option<Duration>, while_down: WhileDown) -> u64 {
    let clock = Clock::real();
    let (child, puppet) =
        Script { while_down, capacity: SENDERS * EACH as usize, ..Script::new("puppet", &clock) }.build();
    let child = match passivate_after {
        Some(idle) => child.passivate_after(idle),
        None => child,
    };
    let tree = grown(&clock, 2, vec![child]).await;
    let handled: Arc<Mutex<Vec<(usize, u64)>>> = Arc::default();

    let (notes, to) = (handled.clone(), puppet.clone());
    let by_itself = passivate_after.is_none();
    on_threads(SENDERS, move |sender| {
        let (puppet, notes) = (to.clone(), notes.clone());
        async move {
            for nth in 0..EACH {
                let notes = notes.clone();
                let message = run(move |puppet, _| {
                    notes.lock().unwrap().push((sender, nth));
                    if by_itself && nth % 3 == 0 {
                        puppet.life.passivate();
                    }
                });
                if nth % 2 == 0 {
                    puppet.tell(message).unwrap();
                } else {
                    puppet.ask(message, WITHIN).await.unwrap();
                }
                // A pause of no fixed length, so that it now and then falls asleep in between.
                for _ in 0..(nth * 7 + sender as u64) % 40 {
                    std::thread::yield_now();
                }
            }
        }
    })
    .await;

    let all = SENDERS * EACH as usize;
    until(&tree, "root/puppet", |_| handled.lock().unwrap().len() >= all).await;
    let handled = handled.lock().unwrap().clone();
    for sender in 0..SENDERS {
        let of_sender: Vec<_> =
            handled.iter().filter(|(from, _)| *from == sender).map(|(_, nth)| *nth).collect();
        assert_eq!(of_sender, (0..EACH).collect::<Vec<_>>(), "of sender {sender}");
    }
    let lives = puppet.place().generation();
    assert_eq!(tree.stop().await, End::Shutdown);
    lives
}

#[actix_rt::test]
async fn no_message_is_lost_between_falling_asleep_and_waking_up() {
    no_message_is_lost(Some(Duration::from_nanos(1)), WhileDown::Keep).await;
    no_message_is_lost(Some(Duration::from_nanos(1)), WhileDown::Refuse).await;
    no_message_is_lost(Some(Duration::from_millis(1)), WhileDown::Keep).await;
}

#[actix_rt::test]
async fn no_message_is_lost_when_it_sends_itself_to_sleep_again_and_again() {
    for while_down in [WhileDown::Keep, WhileDown::Refuse] {
        let lives = no_message_is_lost(None, while_down).await;
        assert!(lives > 1, "it did fall asleep");
    }
}

// === Those around it ===

#[actix_rt::test]
async fn a_sleeping_child_can_be_terminated_restarted_and_deleted() {
    let clock = Clock::real();
    let (child, puppet) = Script::new("puppet", &clock).build();
    let tree = grown(&clock, 1, vec![child]).await;
    let root = tree.root();
    let asleep = async || {
        puppet.ask(sleep_now(), WITHIN).await.unwrap();
        until(&tree, "root/puppet", is(State::Asleep)).await;
    };

    asleep().await;
    assert_eq!(root.child("puppet").await.unwrap().state, State::Asleep);
    assert_eq!(root.terminate_child("puppet").await, Ok(()));
    let closed = puppet.ask(generation(), WITHIN).await;
    assert!(matches!(closed, Err(AskError::Closed { .. })), "nothing wakes it now: {closed:?}");
    assert_eq!(root.restart_child("puppet").await, Ok(Birth::Lives));
    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(2));

    asleep().await;
    assert_eq!(root.terminate_child("puppet").await, Ok(()));
    assert_eq!(root.delete_child("puppet").await, Ok(()));
    assert_eq!(root.child("puppet").await, Err(ChildError::NotFound("puppet".to_owned())));
    assert!(puppet.is_closed());
    assert!(tree.registry().place("root/puppet").is_none());
    tree.stop().await;
}

#[actix_rt::test]
async fn a_dynamic_child_that_sleeps_is_not_forgotten_and_goes_with_its_supervisor() {
    let clock = Clock::real();
    let dynamic =
        SupervisorSpec { strategy: supervision::Strategy::Dynamic, ..SupervisorSpec::new("dynamic") };
    let (dynamic, handle) = dynamic.into_child();
    let tree = grown(&clock, 1, vec![dynamic]).await;
    let (child, puppet) = Script::new("puppet", &clock).build();
    handle.start_child(child).await.unwrap();

    puppet.ask(sleep_now(), WITHIN).await.unwrap();
    until(&tree, "root/dynamic/puppet", is(State::Asleep)).await;
    assert_eq!(handle.count_children().await.unwrap().specs, 1);
    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(2));

    puppet.ask(sleep_now(), WITHIN).await.unwrap();
    until(&tree, "root/dynamic/puppet", is(State::Asleep)).await;
    assert_eq!(tree.root().terminate_child("dynamic").await, Ok(()));
    assert!(puppet.is_closed());
    tree.stop().await;
}

#[actix_rt::test]
async fn a_significant_child_that_sleeps_is_not_done() {
    let clock = Clock::real();
    let (child, puppet) = Script::new("puppet", &clock).build();
    let child = child.restart(Restart::Transient).significant();
    let spec = SupervisorSpec {
        auto_shutdown: AutoShutdown::AnySignificant,
        ..group("root", strict(), vec![child])
    };
    let tree = Tree::start(spec, clock, Pool::new(1)).await.unwrap();

    puppet.ask(sleep_now(), WITHIN).await.unwrap();
    until(&tree, "root/puppet", is(State::Asleep)).await;
    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(2));
    puppet.tell(leave()).unwrap();
    assert_eq!(tree.ended().await, End::Shutdown, "now it is");
    tree.stop().await;
}

#[actix_rt::test]
async fn nobody_tends_the_cell_of_one_that_sleeps() {
    let clock = Clock::real();
    let cell = Arc::new(Snapshot::new(1));
    let (child, puppet) = Script::new("puppet", &clock).build();
    let tree = grown(&clock, 1, vec![child.cell(cell.clone())]).await;
    let found = tree.registry().cell::<Snapshot<i32>>("root/puppet").unwrap();
    assert!(found.is_tended());
    found.publish(2);

    puppet.ask(sleep_now(), WITHIN).await.unwrap();
    until(&tree, "root/puppet", is(State::Asleep)).await;
    assert!(!cell.is_tended());
    assert_eq!(**cell.load(), 2, "what was published last still stands");

    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(2));
    until(&tree, "root/puppet", lives(2)).await;
    assert!(cell.is_tended());
    tree.stop().await;
}

#[actix_rt::test]
async fn one_that_was_woken_by_a_poisonous_message_counts_as_any_other() {
    let clock = Clock::real();
    let own = Limit::PerChild(Intensity { restarts: 1, ..Intensity::default() });
    let (child, puppet) = Script::new("puppet", &clock).build();
    let tree = Tree::start(group("root", own, vec![child]), clock, Pool::new(1)).await.unwrap();
    puppet.ask(sleep_now(), WITHIN).await.unwrap();
    until(&tree, "root/puppet", is(State::Asleep)).await;

    puppet.tell(boom()).unwrap();
    puppet.tell(boom()).unwrap();
    until(&tree, "root/puppet", is(State::Parked)).await;

    assert_eq!(puppet.place().last_end(), Some(End::Panicked { message: "told to panic".to_owned() }));
    assert_eq!(puppet.place().generation(), 3);
    tree.stop().await;
}
