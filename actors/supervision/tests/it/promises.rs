//! Promises beyond OTP's: no message is lost over a restart, whoever asks is told the truth, nobody is starved.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use clock::Clock;
use futures_util::future::{join, join_all, maybe_done};
use supervision::{AskError, Backoff, State, WhileDown};

use crate::bodies::{WITHIN, is, lives, until};
use crate::puppet::{
    Puppet, Run, Script, block, boom, generation, grown, hold, on_threads, run, thread, until_so,
};

const SENDERS: usize = 4;
const EACH: u64 = 1000;

/// Who sent it, and which of that one's messages it is; in the order in which they were handled.
type Handled = Arc<Mutex<Vec<(usize, u64)>>>;

fn is_poison(nth: u64) -> bool {
    nth % 50 == 17
}

fn note(handled: &Handled, sender: usize, nth: u64) -> Run<()> {
    let handled = handled.clone();
    run(move |_, _| {
        handled.lock().unwrap().push((sender, nth));
        assert!(!is_poison(nth), "told to panic");
    })
}

fn assert_each_once_in_order(handled: &Handled) {
    let handled = handled.lock().unwrap();
    for sender in 0..SENDERS {
        let of_sender: Vec<_> =
            handled.iter().filter(|(from, _)| *from == sender).map(|(_, nth)| *nth).collect();
        assert_eq!(of_sender, (0..EACH).collect::<Vec<_>>(), "of sender {sender}");
    }
}

#[actix_rt::test]
async fn no_queued_message_is_lost_while_the_actor_panics_again_and_again() {
    let clock = Clock::real();
    let (child, puppet) =
        Script { capacity: SENDERS * EACH as usize, ..Script::new("puppet", &clock) }.build();
    let tree = grown(&clock, 1, vec![child]).await;
    let handled = Handled::default();

    let notes = handled.clone();
    let told = on_threads(SENDERS, move |sender| {
        let (puppet, notes) = (puppet.clone(), notes.clone());
        async move {
            let mut asks: Vec<_> = (0..EACH)
                .map(|nth| Box::pin(maybe_done(puppet.ask(note(&notes, sender, nth), WITHIN))))
                .collect();
            // Sent in order, then awaited together.
            for ask in &mut asks {
                let _ = futures_util::poll!(ask.as_mut());
            }
            join_all(asks.iter_mut().map(|ask| ask.as_mut())).await;
            asks.into_iter().map(|mut ask| ask.as_mut().take_output().unwrap()).collect::<Vec<_>>()
        }
    })
    .await;

    assert_each_once_in_order(&handled);
    for (nth, answer) in told.iter().flat_map(|answers| (0..).zip(answers)) {
        match answer {
            Ok(()) => assert!(!is_poison(nth)),
            Err(AskError::Panicked { .. }) => assert!(is_poison(nth)),
            Err(other) => panic!("message {nth}: {other:?}"),
        }
    }
    let panics = SENDERS as u64 * (0..EACH).filter(|nth| is_poison(*nth)).count() as u64;
    until(&tree, "root/puppet", lives(1 + panics)).await;
    tree.stop().await;
}

#[actix_rt::test]
async fn a_small_queue_hands_back_what_it_does_not_take_and_loses_nothing_it_took() {
    let clock = Clock::real();
    let (child, puppet) = Script { capacity: 4, ..Script::new("puppet", &clock) }.build();
    let tree = grown(&clock, 1, vec![child]).await;
    let handled = Handled::default();

    let notes = handled.clone();
    on_threads(SENDERS, move |sender| {
        let (puppet, notes) = (puppet.clone(), notes.clone());
        async move {
            for nth in 0..EACH {
                let mut message = note(&notes, sender, nth);
                while let Err(refused) = puppet.tell(message) {
                    assert!(matches!(refused.why, AskError::Busy { capacity: 4, .. }), "{:?}", refused.why);
                    message = refused.message;
                    tokio::task::yield_now().await;
                }
            }
        }
    })
    .await;

    until_so(|| handled.lock().unwrap().len() >= SENDERS * EACH as usize).await;
    assert_each_once_in_order(&handled);
    tree.stop().await;
}

#[actix_rt::test]
async fn a_place_that_refuses_while_down_tells_every_asker_the_truth() {
    let clock = Clock::real();
    let script = Script { while_down: WhileDown::Refuse, ..Script::new("puppet", &clock) };
    let (child, puppet) = script.build();
    let tree = grown(&clock, 1, vec![child]).await;
    let handled = Handled::default();

    let notes = handled.clone();
    let told = on_threads(SENDERS, move |sender| {
        let (puppet, notes) = (puppet.clone(), notes.clone());
        async move {
            let mut told = Vec::new();
            for burst in 0..EACH / 10 {
                let asks = (burst * 10..burst * 10 + 10).map(|nth| {
                    let ask = puppet.ask(note(&notes, sender, nth), WITHIN);
                    async move { (sender, nth, ask.await) }
                });
                told.extend(join_all(asks).await);
            }
            told
        }
    })
    .await;

    let handled = handled.lock().unwrap().clone();
    let once: BTreeSet<_> = handled.iter().copied().collect();
    assert_eq!(once.len(), handled.len(), "no message was handled twice");
    for (sender, nth, answer) in told.into_iter().flatten() {
        let was_handled = once.contains(&(sender, nth));
        match answer {
            Ok(()) => assert!(was_handled && !is_poison(nth)),
            Err(AskError::Panicked { .. }) => assert!(was_handled && is_poison(nth)),
            Err(AskError::Down { .. }) => {
                assert!(!was_handled, "{nth} was handled, and its sender told `Down`")
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    tree.stop().await;
}

// === Asks during a restart ===

const SEVEN: Duration = Duration::from_secs(7);
const SLOW: Backoff = Backoff { min: SEVEN, max: SEVEN, ..Backoff::NONE };

#[actix_rt::test]
async fn who_waits_in_a_queue_that_begins_to_refuse_is_told_that_it_is_down_and_for_how_long() {
    let clock = Clock::manual();
    let (child, puppet) = Script { while_down: WhileDown::Refuse, ..Script::new("puppet", &clock) }.build();
    let tree = grown(&clock, 1, vec![child.backoff(SLOW)]).await;
    let (release, held) = tokio::sync::oneshot::channel();
    puppet.ask(hold(held), WITHIN).await.unwrap();

    let asks = futures_util::future::join3(
        puppet.ask(boom(), WITHIN),
        puppet.ask(generation(), WITHIN),
        puppet.ask(generation(), WITHIN),
    );
    let (told, ()) = join(asks, async {
        until_so(|| puppet.queued() == 3).await;
        drop(release);
    })
    .await;

    let why = AskError::Down { path: "root/puppet".into(), retry_after: Some(SEVEN) };
    let down = Err(why.clone());
    assert_eq!(told, (Err(AskError::Panicked { path: "root/puppet".into() }), down.clone(), down.clone()));
    assert_eq!(puppet.ask(generation(), WITHIN).await, down, "and so is who comes later");
    assert_eq!(puppet.tell(boom()).unwrap_err().why, why);
    clock.advance(Duration::from_secs(4));
    let sooner = AskError::Down { path: "root/puppet".into(), retry_after: Some(Duration::from_secs(3)) };
    assert_eq!(puppet.ask(generation(), WITHIN).await, Err(sooner));

    clock.advance(Duration::from_secs(3));
    until(&tree, "root/puppet", lives(2)).await;
    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(2));
    tree.stop().await;
}

#[actix_rt::test]
async fn an_ask_of_a_place_that_keeps_waits_for_the_next_life() {
    let clock = Clock::manual();
    let (child, puppet) = Script::new("puppet", &clock).build();
    let tree = grown(&clock, 1, vec![child.backoff(SLOW)]).await;
    puppet.tell(boom()).unwrap();
    until(&tree, "root/puppet", is(State::BackingOff)).await;

    let (told, ()) = join(puppet.ask(generation(), WITHIN), async {
        until_so(|| puppet.queued() == 1).await;
        clock.advance(SEVEN);
    })
    .await;

    assert_eq!(told, Ok(2));
    tree.stop().await;
}

#[actix_rt::test]
async fn an_ask_whose_time_runs_out_during_a_restart_is_not_handled_by_the_next_life() {
    let clock = Clock::manual();
    let (child, puppet) = Script::new("puppet", &clock).build();
    let tree = grown(&clock, 1, vec![child.backoff(SLOW)]).await;
    puppet.tell(boom()).unwrap();
    until(&tree, "root/puppet", is(State::BackingOff)).await;
    let ran = Arc::new(AtomicU64::new(0));

    let counter = ran.clone();
    let late = run(move |_, _| counter.fetch_add(1, Ordering::SeqCst));
    let (told, ()) = join(puppet.ask(late, Duration::from_secs(2)), async {
        until_so(|| puppet.queued() == 1).await;
        clock.advance(Duration::from_secs(2));
    })
    .await;
    assert!(matches!(told, Err(AskError::TimedOut { .. })), "{told:?}");

    clock.advance(Duration::from_secs(5));
    until(&tree, "root/puppet", lives(2)).await;
    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(2));
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    tree.stop().await;
}

#[actix_rt::test]
async fn before_its_first_start_a_place_keeps_or_refuses_as_it_does_while_down() {
    let clock = Clock::real();
    let (keeping, keeper) = Script::new("keeping", &clock).build();
    let (refusing, refuser) =
        Script { while_down: WhileDown::Refuse, ..Script::new("refusing", &clock) }.build();

    assert!(matches!(refuser.ask(generation(), WITHIN).await, Err(AskError::Down { retry_after: None, .. })));
    let early = keeper.ask(generation(), WITHIN);
    let (told, tree) = join(early, grown(&clock, 1, vec![keeping, refusing])).await;

    assert_eq!(told, Ok(1));
    assert_eq!(refuser.ask(generation(), WITHIN).await, Ok(1));
    tree.stop().await;
}

// === Fairness, and control before the queue ===

fn again(heard: &Arc<AtomicU64>) -> Run<()> {
    let heard = heard.clone();
    run(move |puppet, _| {
        heard.fetch_add(1, Ordering::SeqCst);
        // Full means that a question from outside waits, which is what the test wants.
        let _ = puppet.mailbox.tell(again(&heard));
    })
}

#[derive(Message)]
#[rtype(result = "()")]
struct Notice(Arc<AtomicU64>);

impl Handler<Notice> for Puppet {
    type Result = ();

    fn handle(&mut self, Notice(heard): Notice, context: &mut Self::Context) {
        heard.fetch_add(1, Ordering::SeqCst);
        context.notify(Notice(heard));
    }
}

/// A neighbour on the flooder's own thread is answered again and again while the flood goes on.
async fn is_harmless(flood: impl FnOnce(Arc<AtomicU64>) -> Run<()>) {
    let clock = Clock::real();
    let (flooding, flooder) = Script { capacity: 4, ..Script::new("flooder", &clock) }.build();
    let (quiet, neighbour) = Script::new("neighbour", &clock).build();
    let tree = grown(&clock, 2, vec![flooding.beside("one"), quiet.beside("one")]).await;
    assert_eq!(flooder.ask(thread(), WITHIN).await, neighbour.ask(thread(), WITHIN).await);

    let heard = Arc::new(AtomicU64::new(0));
    flooder.tell(flood(heard.clone())).unwrap();
    for _ in 0..50 {
        let before = heard.load(Ordering::SeqCst);
        assert_eq!(neighbour.ask(generation(), WITHIN).await, Ok(1));
        until_so(|| heard.load(Ordering::SeqCst) > before).await;
    }
    assert_eq!(flooder.ask(generation(), WITHIN).await, Ok(1), "it answers others too");
    tree.stop().await;
}

#[actix_rt::test]
async fn who_floods_its_own_mailbox_does_not_starve_a_neighbour_on_its_thread() {
    is_harmless(|heard| again(&heard)).await;
}

#[actix_rt::test]
async fn who_floods_its_own_context_does_not_starve_a_neighbour_on_its_thread() {
    is_harmless(|heard| run(move |_, context| context.notify(Notice(heard)))).await;
}

const MANY: usize = 5000;

#[actix_rt::test]
async fn a_stop_goes_before_thousands_of_queued_messages() {
    let clock = Clock::real();
    let (child, puppet) = Script { capacity: MANY + 1, ..Script::new("puppet", &clock) }.build();
    let tree = grown(&clock, 1, vec![child]).await;
    let (release, blocked) = std::sync::mpsc::channel();
    puppet.tell(block(blocked)).unwrap();
    until_so(|| puppet.queued() == 0).await;

    let asks = join_all((0..MANY).map(|_| puppet.ask(generation(), WITHIN)));
    let (told, _) = join(asks, async {
        until_so(|| puppet.queued() == MANY).await;
        let release = async {
            until(&tree, "root/puppet", is(State::Stopping)).await;
            drop(release);
        };
        join(tree.root().terminate_child("puppet"), release).await.0.unwrap();
    })
    .await;

    let closed = |answer: &Result<u64, AskError>| matches!(answer, Err(AskError::Closed { .. }));
    assert!(told.iter().all(closed), "{:?}", told.iter().find(|answer| !closed(answer)));
    tree.stop().await;
}

#[actix_rt::test]
async fn a_kill_goes_before_thousands_of_queued_messages_and_the_next_life_handles_them() {
    let clock = Clock::real();
    let (child, puppet) = Script { capacity: MANY + 1, ..Script::new("puppet", &clock) }.build();
    let tree = grown(&clock, 1, vec![child]).await;
    let (release, blocked) = std::sync::mpsc::channel();
    puppet.tell(block(blocked)).unwrap();
    until_so(|| puppet.queued() == 0).await;

    let asks = join_all((0..MANY).map(|_| puppet.ask(generation(), WITHIN)));
    let (told, ()) = join(asks, async {
        until_so(|| puppet.queued() == MANY).await;
        tree.root().kill_child("puppet").await.unwrap();
        drop(release);
    })
    .await;

    assert!(told.iter().all(|answer| *answer == Ok(2)), "{:?}", told.iter().find(|answer| **answer != Ok(2)));
    tree.stop().await;
}
