//! Administration by many at once, of suspended children, and of supervisors that stop or are restarted meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::Clock;
use futures_util::future::{join, join_all};
use supervision::{
    AskError, Backoff, Birth, ChildError, Down, End, Kind, Mailbox, Restart, State, Strategy, SupervisorSpec,
    Tree,
};

use crate::bodies::{Diary, WITHIN, is, lives, patient, until};
use crate::puppet::{
    Moment, Puppet, Run, Script, boom, generation, group, grown, noted, on_threads, run, strict, until_so,
};

// === Suspended children ===

async fn suspended(capacity: usize, clock: &Clock) -> (Tree, Mailbox<Puppet>) {
    let (child, puppet) = Script { capacity, ..Script::new("puppet", clock) }.build();
    let tree = grown(clock, 1, vec![child]).await;
    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(1));
    tree.root().suspend_child("puppet").await.unwrap();
    (tree, puppet)
}

fn push(to: &Arc<Mutex<Vec<u64>>>, nth: u64) -> Run<()> {
    let to = to.clone();
    run(move |_, _| to.lock().unwrap().push(nth))
}

#[actix_rt::test]
async fn a_suspended_child_handles_nothing_until_it_is_resumed_and_then_all_in_order() {
    let clock = Clock::real();
    let (tree, puppet) = suspended(50, &clock).await;
    let node = until(&tree, "root/puppet", is(State::Running)).await.unwrap();
    assert!(node.suspended, "it lives on");
    let order: Arc<Mutex<Vec<u64>>> = Arc::default();
    for nth in 0..50 {
        puppet.tell(push(&order, nth)).unwrap();
    }
    assert!(matches!(puppet.tell(push(&order, 99)).unwrap_err().why, AskError::Busy { capacity: 50, .. }));
    // Others on its thread have had their turn; it had none.
    let (other, neighbour) = Script::new("other", &clock).build();
    tree.root().start_child(other).await.unwrap();
    for _ in 0..10 {
        neighbour.ask(generation(), WITHIN).await.unwrap();
    }
    assert_eq!((puppet.queued(), order.lock().unwrap().len()), (50, 0));

    tree.root().resume_child("puppet").await.unwrap();
    until_so(|| puppet.queued() == 0).await;
    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(1));
    assert_eq!(*order.lock().unwrap(), (0..50).collect::<Vec<_>>());
    assert!(!puppet.place().node().suspended);
    tree.stop().await;
}

#[actix_rt::test]
async fn an_ask_of_a_suspended_child_times_out_and_is_not_handled_later() {
    let clock = Clock::manual();
    let (tree, puppet) = suspended(50, &clock).await;
    let order: Arc<Mutex<Vec<u64>>> = Arc::default();
    let ask = puppet.ask(push(&order, 1), Duration::from_secs(3));
    let (told, ()) = join(ask, async {
        until_so(|| puppet.queued() == 1).await;
        clock.advance(Duration::from_secs(3));
    })
    .await;
    assert!(matches!(told, Err(AskError::TimedOut { .. })), "{told:?}");

    tree.root().resume_child("puppet").await.unwrap();
    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(1));
    assert!(order.lock().unwrap().is_empty());
    tree.stop().await;
}

#[actix_rt::test]
async fn a_suspension_survives_restarts_and_holds_up_no_kill() {
    let clock = Clock::real();
    let (tree, puppet) = suspended(50, &clock).await;
    let order: Arc<Mutex<Vec<u64>>> = Arc::default();
    puppet.tell(push(&order, 1)).unwrap();

    for life in 2..=4 {
        tree.root().kill_child("puppet").await.unwrap();
        let node = until(&tree, "root/puppet", lives(life)).await.unwrap();
        assert!(node.suspended);
        assert_eq!(node.last_end, Some(End::Killed));
    }
    assert_eq!((puppet.queued(), order.lock().unwrap().len()), (1, 0));

    tree.root().resume_child("puppet").await.unwrap();
    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(4));
    assert_eq!(*order.lock().unwrap(), [1]);
    tree.stop().await;
}

#[actix_rt::test]
async fn a_suspended_child_stops_when_it_is_told_to() {
    // No time passes: who would have to be killed for not stopping would hang.
    let clock = Clock::manual();
    let (tree, puppet) = suspended(50, &clock).await;
    assert_eq!(tree.root().terminate_child("puppet").await, Ok(()));
    assert_eq!(puppet.place().last_end(), Some(End::Shutdown));
    assert!(puppet.is_closed());

    let (tree, _) = suspended(50, &clock).await;
    assert_eq!(tree.stop().await, End::Shutdown);
}

#[actix_rt::test]
async fn only_actors_that_are_known_can_be_suspended_and_twice_is_once() {
    let clock = Clock::real();
    let (inner, _) = group("inner", patient(), vec![]).into_child();
    let (child, puppet) = Script::new("puppet", &clock).build();
    let tree = grown(&clock, 1, vec![inner, child]).await;
    let root = tree.root();

    assert_eq!(root.suspend_child("none").await, Err(ChildError::NotFound("none".to_owned())));
    assert_eq!(root.resume_child("none").await, Err(ChildError::NotFound("none".to_owned())));
    assert_eq!(root.suspend_child("inner").await, Err(ChildError::NotAnActor("inner".to_owned())));
    assert_eq!(root.resume_child("puppet").await, Ok(()), "without a suspension nothing happens");
    assert_eq!(root.suspend_child("puppet").await, Ok(()));
    assert_eq!(root.suspend_child("puppet").await, Ok(()));
    assert_eq!(root.resume_child("puppet").await, Ok(()));
    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(1));
    tree.stop().await;
}

// === Many at once ===

const IDS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// What may be answered to anyone who administers while others do.
fn is_expected(error: &ChildError) -> bool {
    matches!(
        error,
        ChildError::AlreadyStarted(_)
            | ChildError::AlreadyPresent(_)
            | ChildError::NotFound(_)
            | ChildError::Running(_)
            | ChildError::Restarting(_)
            | ChildError::StartFailed(End::Shutdown | End::Killed)
            | ChildError::Busy(_)
    )
}

#[actix_rt::test]
async fn many_may_administer_the_same_children_at_once_and_no_two_lives_of_one_id_overlap() {
    let (clock, diary) = (Clock::real(), Diary::default());
    let (inner, handle) = group("inner", patient(), vec![]).into_child();
    let tree = grown(&clock, 2, vec![inner]).await;

    let (notes, theirs, time) = (diary.clone(), handle.clone(), clock.clone());
    let unexpected = on_threads(8, move |nth| {
        let (diary, handle, clock) = (notes.clone(), theirs.clone(), time.clone());
        async move {
            let mut unexpected = Vec::new();
            for round in 0..100_usize {
                let id = IDS[(nth * 3 + round * 7) % IDS.len()];
                let done = match (nth + round * 5) % 8 {
                    0..=2 => {
                        let (child, _) = Script::new(id, &clock).noted(&diary).build();
                        handle.start_child(child).await.map(drop)
                    }
                    3 => handle.terminate_child(id).await,
                    4 => handle.restart_child(id).await.map(drop),
                    5 => handle.delete_child(id).await,
                    6 => handle.kill_child(id).await,
                    _ => handle.child(id).await.map(drop),
                };
                unexpected.extend(done.err().filter(|error| !is_expected(error)));
                let known = handle.which_children().await.unwrap();
                let distinct: std::collections::BTreeSet<_> = known.iter().map(|child| &child.id).collect();
                assert_eq!(distinct.len(), known.len(), "an id is there twice");
            }
            unexpected
        }
    })
    .await;

    assert_eq!(unexpected.concat(), []);
    let (known, counts) = (handle.which_children().await.unwrap(), handle.count_children().await.unwrap());
    assert_eq!((counts.specs, counts.workers, counts.supervisors), (known.len(), known.len(), 0));
    assert!(known.iter().all(|child| child.kind == Kind::Actor));
    tree.stop().await;

    let mut alive: BTreeMap<String, String> = BTreeMap::new();
    for text in diary.lines() {
        let (life, moment) = text.split_once(' ').unwrap();
        let path = life.split('#').next().unwrap().to_owned();
        if moment == format!("{:?}", Moment::Building) {
            assert_eq!(alive.insert(path, life.to_owned()), None, "{text} while another one lived");
        } else if moment == format!("{:?}", Moment::Dropped) {
            assert!(alive.remove(&path).is_some(), "{text}");
        }
    }
    assert_eq!(alive, BTreeMap::new(), "all ended with the tree");
}

#[actix_rt::test]
async fn of_many_who_start_or_restart_the_same_child_one_does() {
    let clock = Clock::real();
    let (inner, handle) = group("inner", patient(), vec![]).into_child();
    let tree = grown(&clock, 2, vec![inner]).await;
    let count = |births: &[Result<Birth, ChildError>]| births.iter().filter(|birth| birth.is_ok()).count();

    let starts = (0..50).map(|_| handle.start_child(Script::new("one", &clock).build().0));
    let births = join_all(starts).await;
    assert_eq!(count(&births), 1);
    let taken = |error: &ChildError| *error == ChildError::AlreadyStarted("one".to_owned());
    assert!(births.iter().filter_map(|birth| birth.as_ref().err()).all(taken), "{births:?}");

    let stops = join_all((0..50).map(|_| handle.terminate_child("one"))).await;
    assert!(stops.iter().all(Result::is_ok), "all wait for the one end: {stops:?}");

    let births = join_all((0..50).map(|_| handle.restart_child("one"))).await;
    assert_eq!(count(&births), 1);
    let refused = |error: &ChildError| {
        [ChildError::Running("one".to_owned()), ChildError::Restarting("one".to_owned())].contains(error)
    };
    assert!(births.iter().filter_map(|birth| birth.as_ref().err()).all(refused), "{births:?}");
    tree.stop().await;
}

#[actix_rt::test]
async fn a_slow_start_holds_up_nobody_elses_request() {
    let clock = Clock::real();
    let (inner, handle) = group("inner", patient(), vec![]).into_child();
    let tree = grown(&clock, 2, vec![inner]).await;
    let (release, gate) = tokio::sync::watch::channel(());
    let spec = supervision::ActorSpec {
        id: "slow".to_owned(),
        capacity: 1,
        while_down: supervision::WhileDown::Keep,
        clock: clock.clone(),
    };
    let (slow, _) = supervision::actor::<Puppet, _, _>(spec, move |_| {
        let mut gate = gate.clone();
        async move {
            // Closed means that it may go on, and then it has nothing to start.
            let _ = gate.changed().await;
            Err(supervision::NotStarted::Ignored)
        }
    });

    let (birth, ()) = join(handle.start_child(slow), async {
        until(&tree, "root/inner/slow", is(State::Starting)).await;
        let (quick, puppet) = Script::new("quick", &clock).build();
        assert_eq!(handle.start_child(quick).await, Ok(Birth::Lives));
        assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(1));
        assert_eq!(handle.count_children().await.unwrap().specs, 2);
        drop(release);
    })
    .await;

    assert_eq!(birth, Ok(Birth::Ignored));
    tree.stop().await;
}

#[actix_rt::test]
async fn who_waits_for_a_start_that_is_broken_off_is_told_so() {
    let clock = Clock::real();
    let (inner, handle) = group("inner", patient(), vec![]).into_child();
    let tree = grown(&clock, 2, vec![inner]).await;
    let never = || {
        let spec = supervision::ActorSpec {
            id: "never".to_owned(),
            capacity: 1,
            while_down: supervision::WhileDown::Keep,
            clock: clock.clone(),
        };
        supervision::actor::<Puppet, _, _>(spec, |_| std::future::pending()).0
    };

    let (birth, stopped) = join(handle.start_child(never()), async {
        until(&tree, "root/inner/never", is(State::Starting)).await;
        handle.terminate_child("never").await
    })
    .await;
    assert_eq!(stopped, Ok(()));
    assert!(matches!(birth, Err(ChildError::StartFailed(_))), "{birth:?}");
    let not_kept = Err(ChildError::NotFound("never".to_owned()));
    assert_eq!(handle.child("never").await, not_kept, "what was new and did not start is not kept");

    let (birth, stopped) = join(handle.start_child(never()), async {
        until(&tree, "root/inner/never", is(State::Starting)).await;
        tree.root().terminate_child("inner").await
    })
    .await;
    assert_eq!(stopped, Ok(()));
    assert!(matches!(birth, Err(ChildError::StartFailed(_) | ChildError::Unavailable)), "{birth:?}");
    tree.stop().await;
}

// === Supervisors that stop, or are being restarted ===

#[actix_rt::test]
async fn a_supervisor_that_stops_answers_unavailable_at_once() {
    let (clock, diary) = (Clock::manual(), Diary::default());
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let slow = Script::new("slow", &clock).noted(&diary).at(move |moment, _| {
        if moment == Moment::Stopping {
            // Holds its thread until the test drops the sender.
            let _ = blocked.lock().unwrap().recv();
        }
    });
    let (inner, handle) = group("inner", patient(), vec![slow.build().0]).into_child();
    let tree = grown(&clock, 1, vec![inner]).await;

    let (stopped, ()) = join(tree.root().terminate_child("inner"), async {
        noted(&diary, "root/inner/slow", 1, Moment::Stopping).await;
        assert_eq!(handle.which_children().await, Err(ChildError::Unavailable));
        assert_eq!(handle.count_children().await, Err(ChildError::Unavailable));
        assert_eq!(handle.terminate_child("slow").await, Err(ChildError::Unavailable));
        let (late, _) = Script::new("late", &clock).build();
        assert_eq!(handle.start_child(late).await, Err(ChildError::Unavailable));
        drop(release);
    })
    .await;

    assert_eq!(stopped, Ok(()));
    assert_eq!(handle.which_children().await, Err(ChildError::Unavailable), "and when it is gone");
    assert_eq!(tree.root().restart_child("inner").await, Ok(Birth::Lives));
    assert_eq!(handle.count_children().await.unwrap().specs, 1, "and it answers again when it is back");
    tree.stop().await;
}

#[actix_rt::test]
async fn what_is_asked_of_a_supervisor_that_is_being_restarted_is_served_by_its_next_life() {
    let clock = Clock::manual();
    let nine = Duration::from_secs(9);
    let (fixed, fails) = Script::new("fixed", &clock).build();
    let (inner, handle) = group("inner", strict(), vec![fixed]).into_child();
    let tree = grown(&clock, 1, vec![inner.backoff(Backoff { min: nine, max: nine, ..Backoff::NONE })]).await;
    fails.tell(boom()).unwrap();
    until(&tree, "root/inner", is(State::BackingOff)).await;
    let (late, puppet) = Script::new("late", &clock).build();

    let calls = futures_util::future::join3(
        handle.count_children(),
        handle.start_child(late),
        handle.which_children(),
    );
    let ((counts, birth, known), ()) = join(calls, async {
        // Sent before this is polled, and nobody has answered yet.
        clock.advance(nine);
    })
    .await;

    assert_eq!(counts.unwrap().specs, 1);
    assert_eq!(birth, Ok(Birth::Lives));
    let ids: Vec<_> = known.unwrap().into_iter().map(|child| (child.id, child.generation)).collect();
    assert_eq!(ids, [("fixed".to_owned(), 2), ("late".to_owned(), 1)]);
    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(1));
    until(&tree, "root/inner", lives(2)).await;
    tree.stop().await;
}

#[actix_rt::test]
async fn what_waits_for_a_supervisor_that_does_not_come_back_is_told_so() {
    let clock = Clock::manual();
    let nine = Duration::from_secs(9);
    let (fixed, fails) = Script::new("fixed", &clock).build();
    let (inner, handle) = group("inner", strict(), vec![fixed]).into_child();
    let tree = grown(&clock, 1, vec![inner.backoff(Backoff { min: nine, max: nine, ..Backoff::NONE })]).await;
    fails.tell(boom()).unwrap();
    until(&tree, "root/inner", is(State::BackingOff)).await;

    let (told, stopped) = join(handle.which_children(), tree.root().terminate_child("inner")).await;

    assert_eq!(stopped, Ok(()));
    assert_eq!(told, Err(ChildError::Unavailable));
    tree.stop().await;
}

#[actix_rt::test]
async fn more_requests_than_may_wait_are_refused_as_busy_and_the_others_are_served() {
    let clock = Clock::manual();
    let nine = Duration::from_secs(9);
    let (fixed, fails) = Script::new("fixed", &clock).build();
    let (inner, handle) = group("inner", strict(), vec![fixed]).into_child();
    let tree = grown(&clock, 1, vec![inner.backoff(Backoff { min: nine, max: nine, ..Backoff::NONE })]).await;
    fails.tell(boom()).unwrap();
    until(&tree, "root/inner", is(State::BackingOff)).await;

    let (told, ()) = join(join_all((0..1000).map(|_| handle.count_children())), async {
        clock.advance(nine);
    })
    .await;

    let served = told.iter().filter(|told| told.is_ok()).count();
    let bounds: Vec<_> = told.iter().filter_map(|told| told.clone().err()).collect();
    assert!(!bounds.is_empty());
    assert!(bounds.iter().all(|error| *error == ChildError::Busy(served)), "{served} of {bounds:?}");
    tree.stop().await;
}

#[actix_rt::test]
async fn a_request_whose_future_is_dropped_before_its_turn_is_not_carried_out() {
    let clock = Clock::manual();
    let nine = Duration::from_secs(9);
    let (fixed, fails) = Script::new("fixed", &clock).build();
    let (inner, handle) = group("inner", strict(), vec![fixed]).into_child();
    let tree = grown(&clock, 1, vec![inner.backoff(Backoff { min: nine, max: nine, ..Backoff::NONE })]).await;
    fails.tell(boom()).unwrap();
    until(&tree, "root/inner", is(State::BackingOff)).await;
    {
        let mut dropped = std::pin::pin!(handle.terminate_child("fixed"));
        assert!(futures_util::poll!(dropped.as_mut()).is_pending());
    }
    clock.advance(nine);
    assert_eq!(handle.count_children().await.unwrap().specs, 1, "its turn has come and gone");
    until(&tree, "root/inner/fixed", lives(2)).await;
    tree.stop().await;
}

#[actix_rt::test]
async fn an_actor_can_administer_its_siblings_without_waiting_for_itself() {
    let clock = Clock::real();
    let (child, puppet) = Script::new("puppet", &clock).build();
    let tree = grown(&clock, 1, vec![child]).await;
    let (sibling, other) = Script::new("sibling", &clock).build();
    let done = Arc::new(AtomicU64::new(0));

    let count = done.clone();
    puppet
        .tell(run(move |puppet, _| {
            let siblings = puppet.life.siblings().unwrap().clone();
            puppet.life.spawn(async move {
                assert_eq!(siblings.start_child(sibling.restart(Restart::Temporary)).await, Ok(Birth::Lives));
                assert_eq!(siblings.which_children().await.unwrap().len(), 2);
                assert_eq!(siblings.terminate_child("sibling").await, Ok(()));
                count.fetch_add(1, Ordering::SeqCst);
            });
        }))
        .unwrap();

    until_so(|| done.load(Ordering::SeqCst) == 1 || puppet.place().generation() > 1).await;
    assert_eq!(puppet.place().generation(), 1);
    assert!(other.is_closed());
    tree.stop().await;
}

#[actix_rt::test]
async fn a_child_that_terminates_itself_through_its_supervisor_ends_and_its_monitors_hear_of_it() {
    let clock = Clock::real();
    let dynamic = SupervisorSpec { strategy: Strategy::Dynamic, ..SupervisorSpec::new("dynamic") };
    let (dynamic, handle) = dynamic.into_child();
    let tree = grown(&clock, 1, vec![dynamic]).await;
    let (child, puppet) = Script::new("puppet", &clock).build();
    handle.start_child(child).await.unwrap();
    let heard: Arc<Mutex<Vec<Down>>> = Arc::default();
    let ear = heard.clone();
    let _watch = puppet.place().monitor(move |down| ear.lock().unwrap().push(down.clone()));

    puppet
        .tell(run(|puppet, _| {
            let siblings = puppet.life.siblings().unwrap().clone();
            puppet.life.spawn(async move {
                // It ends with this life, before any answer.
                let _ = siblings.terminate_child("puppet").await;
            });
        }))
        .unwrap();

    until(&tree, "root/dynamic/puppet", |node| node.is_none()).await;
    let ends: Vec<_> = heard.lock().unwrap().iter().map(|down| down.end.clone()).collect();
    assert_eq!(ends, [End::Shutdown]);
    tree.stop().await;
}
