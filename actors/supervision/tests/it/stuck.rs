//! Threads that do not answer: they are left behind and counted, who lived on them starts again elsewhere, and what
//! comes back late from there changes nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use clock::Clock;
use futures_util::future::join;
use supervision::{
    AskError, Backoff, Birth, ChildSpec, Down, End, Follows, Heartbeat, Life, Mailbox, Pool, Shutdown, State,
    Tree,
};

use crate::bodies::{Diary, WITHIN, is, lives, patient, until};
use crate::puppet::{Moment, Puppet, Script, generation, group, noted, run, thread, until_so};

const EVERY: Duration = Duration::from_secs(1);

fn pool(threads: usize, beats: &Clock, most_stuck: usize) -> Pool {
    let stuck_after = 5 * EVERY;
    Pool { threads, heartbeat: Heartbeat { clock: beats.clone(), every: EVERY, stuck_after, most_stuck } }
}

async fn grown(clock: &Clock, pool: Pool, children: Vec<ChildSpec>) -> Tree {
    Tree::start(group("root", patient(), children), clock.clone(), pool).await.unwrap()
}

/// Lets the heart beat until it is so. At each beat the threads that are well are asked for an answer first, so that a
/// busy machine never makes them look stuck.
async fn beat_until(beats: &Clock, well: impl AsyncFn(), mut wished: impl FnMut() -> bool) {
    let deadline = Instant::now() + WITHIN;
    while !wished() {
        assert!(Instant::now() < deadline, "so many beats, and it is not so");
        if beats.next_wake().is_some_and(|wake| wake > beats.now()) {
            well().await;
            beats.advance(EVERY);
        }
        tokio::task::yield_now().await;
    }
}

async fn supervisors_answer(tree: &Tree) {
    tree.root().count_children().await.unwrap();
}

async fn is_left_behind(beats: &Clock, tree: &Tree) {
    let so_far = tree.stuck_threads();
    beat_until(beats, async || supervisors_answer(tree).await, || tree.stuck_threads() > so_far).await;
}

/// Blocks the thread of a puppet until the sender is dropped, and returns once it is blocked.
pub(crate) async fn hold_thread(puppet: &Mailbox<Puppet>) -> mpsc::Sender<()> {
    let (release, blocked) = mpsc::channel();
    let entered = Arc::new(AtomicU64::new(0));
    let flag = entered.clone();
    let block = run(move |_, _| {
        flag.store(1, Ordering::SeqCst);
        // Dropped or used, both mean: go on.
        let _ = blocked.recv();
    });
    puppet.tell(block).unwrap();
    until_so(|| entered.load(Ordering::SeqCst) == 1).await;
    release
}

#[actix_rt::test]
async fn who_lived_on_a_stuck_thread_starts_again_on_a_fresh_one() {
    let (clock, beats) = (Clock::real(), Clock::manual());
    let (child, blocker) = Script::new("blocker", &clock).build();
    let (beside, neighbour) = Script::new("neighbour", &clock).build();
    let cell = Arc::new(supervision::Snapshot::new(1));
    let beside = beside.cell(cell.clone());
    let tree = grown(&clock, pool(1, &beats, 3), vec![child.beside("one"), beside.beside("one")]).await;
    let old = neighbour.ask(thread(), WITHIN).await;
    assert_eq!(blocker.ask(thread(), WITHIN).await, old);
    let heard: Arc<Mutex<Vec<Down>>> = Arc::default();
    let ear = heard.clone();
    let _watch = neighbour.place().monitor(move |down| ear.lock().unwrap().push(down.clone()));

    let release = hold_thread(&blocker).await;
    let asks = join(neighbour.ask(generation(), WITHIN), blocker.ask(generation(), WITHIN));
    let (told, ()) = join(asks, is_left_behind(&beats, &tree)).await;

    assert_eq!(told, (Ok(2), Ok(2)), "what waited was kept for the next life");
    assert_eq!(neighbour.place().last_end(), Some(End::Stuck));
    assert_eq!(blocker.place().last_end(), Some(End::Stuck));
    let new = neighbour.ask(thread(), WITHIN).await;
    assert_ne!(new, old);
    assert_eq!(blocker.ask(thread(), WITHIN).await, new, "they still live on one thread");
    until(&tree, "root/neighbour", lives(2)).await;
    assert!(cell.is_tended());
    assert_eq!(
        *heard.lock().unwrap(),
        [Down {
            path: "root/neighbour".into(),
            generation: 1,
            end: End::Stuck,
            follows: Follows::Restart { after: Duration::ZERO },
        }]
    );
    drop(release);
    assert_eq!(tree.stop().await, End::Shutdown);
}

#[actix_rt::test]
async fn threads_that_answer_are_never_left_behind() {
    let (clock, beats) = (Clock::real(), Clock::manual());
    let built: Vec<_> =
        ["a", "b", "c", "d", "e", "f", "g", "h"].map(|id| Script::new(id, &clock).build()).into();
    let (children, puppets): (Vec<_>, Vec<_>) = built.into_iter().unzip();
    let tree = grown(&clock, pool(2, &beats, 3), children).await;
    let all_answer = async || {
        supervisors_answer(&tree).await;
        for puppet in &puppets {
            assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(1));
        }
    };
    let start = beats.now();
    beat_until(&beats, all_answer, || beats.now() >= start + 100 * EVERY).await;
    assert_eq!(tree.stuck_threads(), 0);
    tree.stop().await;
}

#[actix_rt::test]
async fn a_zombie_that_is_let_go_handles_no_message_and_its_late_end_changes_nothing() {
    let (clock, beats) = (Clock::real(), Clock::manual());
    let diary = Diary::default();
    let (child, blocker) = Script::new("blocker", &clock).noted(&diary).build();
    let tree = grown(&clock, pool(1, &beats, 3), vec![child]).await;
    let heard: Arc<Mutex<Vec<u64>>> = Arc::default();
    let ear = heard.clone();
    let _watch = blocker.place().monitor(move |down| ear.lock().unwrap().push(down.generation));
    let release = hold_thread(&blocker).await;
    let handled_by: Arc<Mutex<Vec<u64>>> = Arc::default();
    for _ in 0..50 {
        let handled_by = handled_by.clone();
        blocker
            .tell(run(move |puppet, _| handled_by.lock().unwrap().push(puppet.life.generation())))
            .unwrap();
    }
    is_left_behind(&beats, &tree).await;
    until(&tree, "root/blocker", lives(2)).await;

    drop(release);
    noted(&diary, "root/blocker", 1, Moment::Dropped).await;

    assert_eq!(blocker.ask(generation(), WITHIN).await, Ok(2));
    assert_eq!(*handled_by.lock().unwrap(), [2; 50]);
    // A second life that ends after the zombie did: its supervisor has heard both by then.
    tree.root().kill_child("blocker").await.unwrap();
    until(&tree, "root/blocker", lives(3)).await;
    assert_eq!(*heard.lock().unwrap(), [1, 2]);
    assert_eq!(tree.stuck_threads(), 1, "a thread that was left behind is not taken back");
    tree.stop().await;
}

#[actix_rt::test]
async fn whatever_a_zombie_does_with_its_life_changes_nothing() {
    let (clock, beats) = (Clock::real(), Clock::manual());
    let diary = Diary::default();
    let (child, blocker) = Script::new("blocker", &clock).noted(&diary).build();
    let tree = grown(&clock, pool(1, &beats, 3), vec![child]).await;
    let kept: Arc<Mutex<Option<Life>>> = Arc::default();
    let keep = kept.clone();
    blocker
        .ask(run(move |puppet, _| *keep.lock().unwrap() = Some(puppet.life.clone())), WITHIN)
        .await
        .unwrap();
    let release = hold_thread(&blocker).await;
    is_left_behind(&beats, &tree).await;
    until(&tree, "root/blocker", lives(2)).await;

    let life = kept.lock().unwrap().take().unwrap();
    life.passivate();
    life.finish();
    life.fail(supervision::Failure::new("too late"));
    drop(release);
    noted(&diary, "root/blocker", 1, Moment::Dropped).await;

    for _ in 0..10 {
        assert_eq!(blocker.ask(generation(), WITHIN).await, Ok(2));
    }
    tree.stop().await;
}

#[actix_rt::test]
async fn a_factory_that_blocks_its_thread_is_left_behind_and_what_it_makes_late_is_dropped() {
    let (clock, beats) = (Clock::real(), Clock::manual());
    let diary = Diary::default();
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let script = Script::new("puppet", &clock).noted(&diary).at(move |moment, life| {
        if (moment, life.generation()) == (Moment::Building, 2) {
            let _ = blocked.lock().unwrap().recv();
        }
    });
    let (child, puppet) = script.build();
    let tree = grown(&clock, pool(1, &beats, 3), vec![child]).await;
    tree.root().kill_child("puppet").await.unwrap();
    noted(&diary, "root/puppet", 2, Moment::Building).await;

    is_left_behind(&beats, &tree).await;
    until(&tree, "root/puppet", lives(3)).await;
    drop(release);
    noted(&diary, "root/puppet", 2, Moment::Dropped).await;

    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(3));
    assert!(!diary.lines().iter().any(|line| line == "root/puppet#2 Started"), "{:#?}", diary.lines());
    tree.stop().await;
}

// === Too many ===

#[actix_rt::test]
async fn past_the_most_that_may_be_stuck_the_tree_ends() {
    let (clock, beats) = (Clock::real(), Clock::manual());
    let (one, first) = Script::new("one", &clock).build();
    let (two, second) = Script::new("two", &clock).build();
    let tree = grown(&clock, pool(1, &beats, 1), vec![one.beside("x"), two.beside("x")]).await;
    let release = hold_thread(&first).await;
    is_left_behind(&beats, &tree).await;
    until(&tree, "root/two", lives(2)).await;
    {
        let mut ended = std::pin::pin!(tree.ended());
        assert!(futures_util::poll!(ended.as_mut()).is_pending(), "one may be stuck");
    }

    let release_too = hold_thread(&second).await;
    let (end, ()) = join(tree.ended(), is_left_behind(&beats, &tree)).await;

    assert_eq!(end, End::Stuck);
    tree.stop().await;
    drop((release, release_too));
}

#[actix_rt::test]
async fn a_supervisors_own_stuck_thread_ends_the_tree_and_its_stop_does_not_hang() {
    let (clock, beats) = (Clock::real(), Clock::manual());
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let (child, puppet) = Script::new("puppet", &clock).build();
    let child = child.monitor(move |_| {
        let _ = blocked.lock().unwrap().recv();
    });
    let tree = grown(&clock, pool(1, &beats, 3), vec![child]).await;
    let (well, other) = Script::new("well", &clock).build();
    tree.root().start_child(well).await.unwrap();
    puppet.tell(crate::puppet::boom()).unwrap();

    let others_answer = async || assert_eq!(other.ask(generation(), WITHIN).await, Ok(1));
    let stuck = beat_until(&beats, others_answer, || tree.stuck_threads() == 1);
    let (end, ()) = join(tree.ended(), stuck).await;

    assert_eq!(end, End::Stuck);
    assert_eq!(tree.stop().await, End::Stuck);
    drop(release);
}

// === Stopping ===

#[actix_rt::test]
async fn a_tree_with_a_stuck_thread_stops_while_it_is_still_stuck() {
    let (clock, beats) = (Clock::real(), Clock::manual());
    let (child, blocker) = Script::new("blocker", &clock).build();
    let tree = grown(&clock, pool(1, &beats, 3), vec![child]).await;
    let release = hold_thread(&blocker).await;
    is_left_behind(&beats, &tree).await;

    assert_eq!(tree.stop().await, End::Shutdown);
    assert!(blocker.is_closed());
    drop(release);
}

/// Nobody has noticed yet that the thread is stuck, and once the tree stops nobody may wait for it.
#[actix_rt::test]
async fn a_tree_stops_though_a_thread_blocks_that_no_heartbeat_has_found_yet() {
    let (clock, beats) = (Clock::manual(), Clock::manual());
    let (child, blocker) = Script::new("blocker", &clock).build();
    let tree = grown(&clock, pool(1, &beats, 3), vec![child.shutdown(Shutdown::Kill)]).await;
    let release = hold_thread(&blocker).await;

    let real = Clock::real();
    let stop = real.timeout(WITHIN, tree.stop());
    let ticking = async {
        loop {
            for clock in [&clock, &beats] {
                if clock.next_wake().is_some_and(|wake| wake > clock.now()) {
                    clock.advance(EVERY);
                }
            }
            tokio::task::yield_now().await;
        }
    };
    let stop = std::pin::pin!(stop);
    let ticking = std::pin::pin!(ticking);
    let stopped = match futures_util::future::select(stop, ticking).await {
        futures_util::future::Either::Left((stopped, _)) => stopped,
        futures_util::future::Either::Right(((), _)) => unreachable!(),
    };

    drop(release);
    assert_eq!(stopped, Ok(End::Shutdown), "it waited for a thread that does not answer");
}

#[actix_rt::test]
async fn a_blocked_child_that_is_terminated_is_left_behind_and_its_late_end_does_not_touch_the_next_life() {
    let (clock, beats) = (Clock::manual(), Clock::manual());
    let diary = Diary::default();
    let (child, blocker) = Script::new("blocker", &clock).noted(&diary).build();
    let tree = grown(&clock, pool(1, &beats, 3), vec![child.shutdown(Shutdown::Kill)]).await;
    let release = hold_thread(&blocker).await;

    let (stopped, ()) = join(tree.root().terminate_child("blocker"), async {
        until(&tree, "root/blocker", is(State::Stopping)).await;
        // More than a killed child gets to be gone.
        clock.advance(Duration::from_secs(60));
    })
    .await;
    assert_eq!(stopped, Ok(()));
    let refused = blocker.ask(generation(), WITHIN).await;
    assert!(matches!(refused, Err(AskError::Closed { .. })), "{refused:?}");
    is_left_behind(&beats, &tree).await;
    assert_eq!(tree.root().restart_child("blocker").await, Ok(Birth::Lives));

    drop(release);
    noted(&diary, "root/blocker", 1, Moment::Dropped).await;

    assert_eq!(blocker.ask(generation(), WITHIN).await, Ok(2));
    assert_eq!(blocker.place().state(), State::Running);
    assert_eq!(tree.stop().await, End::Shutdown);
}

#[actix_rt::test]
async fn a_nested_supervisor_heals_too_when_the_thread_of_its_children_is_stuck() {
    let (clock, beats) = (Clock::real(), Clock::manual());
    let (worker, blocker) = Script::new("worker", &clock).build();
    let (quiet, below) = Script::new("quiet", &clock).build();
    let (inner, _) = group("inner", patient(), vec![worker.beside("x"), quiet.beside("x")]).into_child();
    let (beside, neighbour) = Script::new("neighbour", &clock).build();
    let children = vec![inner.backoff(Backoff::NONE), beside.beside("x")];
    let tree = grown(&clock, pool(1, &beats, 3), children).await;

    let release = hold_thread(&blocker).await;
    let asks = futures_util::future::join3(
        blocker.ask(generation(), WITHIN),
        below.ask(generation(), WITHIN),
        neighbour.ask(generation(), WITHIN),
    );
    let (told, ()) = join(asks, is_left_behind(&beats, &tree)).await;

    assert_eq!(told, (Ok(2), Ok(2), Ok(2)));
    let inner = until(&tree, "root/inner", is(State::Running)).await.unwrap();
    assert_eq!(inner.generation, 1, "supervisors live on a thread of their own");
    drop(release);
    tree.stop().await;
}

#[actix_rt::test]
async fn a_start_that_blocks_more_threads_than_may_be_is_given_up() {
    let (clock, beats) = (Clock::real(), Clock::manual());
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let script = Script::new("blocker", &clock).at(move |moment, _| {
        if moment == Moment::Called {
            // Dropped or used, both mean: go on.
            let _ = blocked.lock().unwrap().recv();
        }
    });
    let root = group("root", patient(), vec![script.build().0]);
    let starting = Tree::start(root, clock, pool(1, &beats, 0));
    let beating = async {
        loop {
            if beats.next_wake().is_some_and(|wake| wake > beats.now()) {
                beats.advance(EVERY);
            }
            tokio::task::yield_now().await;
        }
    };

    let end = tokio::select! { started = starting => started.err(), () = beating => None };

    // Whichever word comes first: the bound of the threads, or the child's.
    assert!(matches!(end, Some(End::Stuck | End::StartFailed { .. })), "{end:?}");
    drop(release);
}
