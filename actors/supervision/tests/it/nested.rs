//! Supervisors below supervisors: a failure takes the subtree and nobody beside it, and what comes back is fresh.

use std::sync::Arc;
use std::sync::Mutex;

use clock::Clock;
use futures_util::future::join;
use supervision::{AskError, ChildSpec, End, Handle, Mailbox, Node, Shutdown, Strategy, SupervisorSpec};

use crate::bodies::{Diary, WITHIN, lives, patient, until};
use crate::puppet::{
    Moment, Puppet, Script, boom, generation, group, grown, hold, line, noted, place_of, run, strict,
    until_so,
};

fn puppet(id: &str, clock: &Clock, diary: &Diary) -> (ChildSpec, Mailbox<Puppet>) {
    Script::new(id, clock).noted(diary).build()
}

fn at_once(spec: SupervisorSpec) -> (ChildSpec, Handle) {
    let (child, handle) = spec.into_child();
    (child.backoff(supervision::Backoff::NONE), handle)
}

/// A child that holds its thread at that moment of its first life, until the sender is dropped.
fn slow(when: Moment, clock: &Clock, diary: &Diary) -> (std::sync::mpsc::Sender<()>, ChildSpec) {
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let (blocked, notes) = (Mutex::new(blocked), diary.clone());
    let script = Script::new("slow", clock).noted(diary).at(move |moment, life| {
        if moment == when && life.generation() == 1 {
            // Dropped or used, both mean: go on.
            let _ = blocked.lock().unwrap().recv();
            notes.write("slow#1 is let go");
        }
    });
    (release, script.build().0)
}

fn ids(node: &Node) -> Vec<&str> {
    node.children.iter().map(|child| child.id.as_str()).collect()
}

#[actix_rt::test]
async fn a_supervisors_failure_takes_its_subtree_and_leaves_its_siblings_alone() {
    let (clock, diary) = (Clock::real(), Diary::default());
    let (elder, one) = puppet("elder", &clock, &diary);
    let (a, fails) = puppet("a", &clock, &diary);
    let (b, beside) = puppet("b", &clock, &diary);
    let (younger, two) = puppet("younger", &clock, &diary);
    let (inner, _) = at_once(group("inner", strict(), vec![a, b]));
    let tree = grown(&clock, 2, vec![elder, inner, younger]).await;

    fails.tell(boom()).unwrap();
    let inner = until(&tree, "root/inner", lives(2)).await.unwrap();

    assert_eq!(inner.last_end, Some(End::GaveUp { child: "a".to_owned() }));
    assert_eq!(fails.ask(generation(), WITHIN).await, Ok(2));
    assert_eq!(beside.ask(generation(), WITHIN).await, Ok(2));
    assert_eq!(one.ask(generation(), WITHIN).await, Ok(1));
    assert_eq!(two.ask(generation(), WITHIN).await, Ok(1));
    let lines = diary.lines();
    let old = place_of(&lines, "root/inner/b", 1, Moment::Dropped);
    assert!(old < place_of(&lines, "root/inner/a", 2, Moment::Called));
    assert!(
        place_of(&lines, "root/inner/a", 2, Moment::Started)
            < place_of(&lines, "root/inner/b", 2, Moment::Called)
    );
    tree.stop().await;
}

#[actix_rt::test]
async fn a_failure_that_nobody_puts_up_with_escalates_level_by_level() {
    let (clock, diary) = (Clock::real(), Diary::default());
    let (worker, fails) = puppet("worker", &clock, &diary);
    let (low, _) = at_once(group("low", strict(), vec![worker]));
    let (beside, cousin) = puppet("cousin", &clock, &diary);
    let (middle, _) = at_once(group("middle", strict(), vec![beside, low]));
    let (other, stranger) = puppet("stranger", &clock, &diary);
    let tree = grown(&clock, 2, vec![other, middle]).await;

    fails.tell(boom()).unwrap();
    let middle = until(&tree, "root/middle", lives(2)).await.unwrap();

    assert_eq!(middle.last_end, Some(End::GaveUp { child: "low".to_owned() }));
    let low = until(&tree, "root/middle/low", lives(2)).await.unwrap();
    assert_eq!(low.last_end, Some(End::GaveUp { child: "worker".to_owned() }));
    assert_eq!(fails.ask(generation(), WITHIN).await, Ok(2));
    assert_eq!(cousin.ask(generation(), WITHIN).await, Ok(2));
    assert_eq!(stranger.ask(generation(), WITHIN).await, Ok(1));
    tree.stop().await;
}

#[actix_rt::test]
async fn past_the_roots_own_patience_the_tree_ends_and_says_over_whom() {
    let (clock, diary) = (Clock::real(), Diary::default());
    let (worker, fails) = puppet("worker", &clock, &diary);
    let (low, _) = at_once(group("low", strict(), vec![worker]));
    let (middle, _) = at_once(group("middle", strict(), vec![low]));
    let (beside, cousin) = puppet("cousin", &clock, &diary);
    let root = group("root", strict(), vec![beside, middle]);
    let tree = supervision::Tree::start(root, clock, supervision::Pool::new(1)).await.unwrap();

    fails.tell(boom()).unwrap();

    assert_eq!(tree.ended().await, End::GaveUp { child: "middle".to_owned() });
    assert!(matches!(cousin.ask(generation(), WITHIN).await, Err(AskError::Closed { .. })));
    assert!(matches!(fails.ask(generation(), WITHIN).await, Err(AskError::Closed { .. })));
    let lines = diary.lines();
    let _ = place_of(&lines, "root/cousin", 1, Moment::Dropped);
    tree.stop().await;
}

#[actix_rt::test]
async fn a_supervisor_comes_back_with_the_children_it_started_with_and_not_with_later_ones() {
    let (clock, diary) = (Clock::real(), Diary::default());
    let (fixed, stays) = puppet("fixed", &clock, &diary);
    let (inner, handle) = at_once(group("inner", patient(), vec![fixed]));
    let tree = grown(&clock, 2, vec![inner]).await;
    let (late, goes) = puppet("late", &clock, &diary);
    handle.start_child(late).await.unwrap();
    let (deeper, lowest) = puppet("deeper", &clock, &diary);
    let (low, low_handle) = at_once(group("low", patient(), vec![deeper]));
    handle.start_child(low).await.unwrap();
    assert_eq!(lowest.ask(generation(), WITHIN).await, Ok(1));

    let (release, held) = tokio::sync::oneshot::channel::<()>();
    goes.ask(hold(held), WITHIN).await.unwrap();
    let (told, ()) = join(goes.ask(generation(), WITHIN), async {
        until_so(|| goes.queued() == 1).await;
        tree.root().kill_child("inner").await.unwrap();
    })
    .await;
    drop(release);

    assert!(matches!(told, Err(AskError::Closed { .. })), "who waited is told so: {told:?}");
    let inner = until(&tree, "root/inner", lives(2)).await.unwrap();
    assert_eq!(ids(&inner), ["fixed"]);
    assert_eq!(inner.last_end, Some(End::Killed));
    assert_eq!(stays.ask(generation(), WITHIN).await, Ok(2));
    for gone in [&goes, &lowest] {
        assert!(gone.is_closed());
        assert!(matches!(gone.ask(generation(), WITHIN).await, Err(AskError::Closed { .. })));
    }
    assert_eq!(low_handle.which_children().await, Err(supervision::ChildError::Unavailable));
    for path in ["root/inner/late", "root/inner/low", "root/inner/low/deeper"] {
        assert!(tree.registry().place(path).is_none(), "{path} can still be found");
    }
    assert!(tree.registry().find::<Puppet>("root/inner/fixed").is_some());
    let known: Vec<_> = handle.which_children().await.unwrap().into_iter().map(|child| child.id).collect();
    assert_eq!(known, ["fixed"]);
    tree.stop().await;
}

#[actix_rt::test]
async fn a_supervisors_new_life_waits_for_an_old_child_that_takes_its_time_in_stopping() {
    let (clock, diary) = (Clock::manual(), Diary::default());
    let (release, slow) = slow(Moment::Stopping, &clock, &diary);
    let (fast, fails) = puppet("fast", &clock, &diary);
    let (inner, _) = at_once(group("inner", strict(), vec![slow.shutdown(Shutdown::Infinity), fast]));
    let tree = grown(&clock, 2, vec![inner]).await;

    fails.tell(boom()).unwrap();
    noted(&diary, "root/inner/slow", 1, Moment::Stopping).await;
    drop(release);
    until(&tree, "root/inner", lives(2)).await;

    assert_lives_apart(&diary);
    tree.stop().await;
}

#[actix_rt::test]
async fn a_killed_supervisors_new_life_waits_for_an_old_child_that_takes_its_time_in_being_dropped() {
    let (clock, diary) = (Clock::manual(), Diary::default());
    let (release, slow) = slow(Moment::Dropped, &clock, &diary);
    let (fast, puppet) = puppet("fast", &clock, &diary);
    let (inner, _) = at_once(group("inner", patient(), vec![slow, fast]));
    let tree = grown(&clock, 2, vec![inner]).await;

    tree.root().kill_child("inner").await.unwrap();
    noted(&diary, "root/inner/slow", 1, Moment::Dropped).await;
    drop(release);
    until(&tree, "root/inner", lives(2)).await;
    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(2));

    assert_lives_apart(&diary);
    tree.stop().await;
}

/// No child of a new life is called before all of the old life are gone.
fn assert_lives_apart(diary: &Diary) {
    let lines = diary.lines();
    let is_old_end = |text: &String| text.ends_with("#1 Dropped") || text.ends_with("#1 is let go");
    let is_new_start = |text: &String| text.ends_with("#2 Called");
    let last_end = lines.iter().rposition(is_old_end).unwrap();
    let first_start = lines.iter().position(is_new_start).unwrap();
    assert!(last_end < first_start, "{lines:#?}");
}

#[actix_rt::test]
async fn lives_of_one_place_never_overlap_whatever_ends_them() {
    let (clock, diary) = (Clock::real(), Diary::default());
    let built: Vec<_> = ["a", "b", "c", "d"].map(|id| puppet(id, &clock, &diary)).into();
    let (children, puppets): (Vec<_>, Vec<_>) = built.into_iter().unzip();
    let spec = SupervisorSpec { strategy: Strategy::RestForOne, ..group("inner", strict(), children) };
    let (inner, handle) = at_once(spec);
    let tree = grown(&clock, 2, vec![inner]).await;

    for round in 0..60_usize {
        let puppet = &puppets[round % puppets.len()];
        match round % 3 {
            0 => puppet.tell(boom()).unwrap(),
            1 => handle.kill_child("b").await.unwrap(),
            _ => tree.root().kill_child("inner").await.unwrap(),
        }
        // Whatever is going on, the place answers again.
        for puppet in &puppets {
            puppet.ask(generation(), WITHIN).await.unwrap();
        }
    }
    tree.stop().await;

    let lines = diary.lines();
    for id in ["a", "b", "c", "d"] {
        let path = format!("root/inner/{id}");
        let own = lines.iter().filter(|line| line.starts_with(&format!("{path}#")));
        let ends_and_starts: Vec<_> =
            own.filter(|line| line.ends_with("Building") || line.ends_with("Dropped")).collect();
        let mut alive: Option<u64> = None;
        for text in ends_and_starts {
            let number: u64 = text[path.len() + 1..].split(' ').next().unwrap().parse().unwrap();
            if *text == line(&path, number, Moment::Building) {
                assert_eq!(alive.replace(number), None, "{text} while another one lived");
            } else {
                assert_eq!(alive.take(), Some(number), "{text}");
            }
        }
        assert_eq!(alive, None, "{id} ended with the tree");
    }
}

#[actix_rt::test]
async fn a_supervisor_that_is_restarted_keeps_what_waits_for_its_children() {
    let (clock, diary) = (Clock::real(), Diary::default());
    let (child, puppet) = puppet("puppet", &clock, &diary);
    let (inner, _) = at_once(group("inner", patient(), vec![child]));
    let tree = grown(&clock, 1, vec![inner]).await;
    let (_release, held) = tokio::sync::oneshot::channel::<()>();
    puppet.ask(hold(held), WITHIN).await.unwrap();

    let order: Arc<Mutex<Vec<u32>>> = Arc::default();
    for nth in 0..50 {
        let order = order.clone();
        puppet.tell(run(move |_, _| order.lock().unwrap().push(nth))).unwrap();
    }
    tree.root().kill_child("inner").await.unwrap();

    assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(2));
    assert_eq!(*order.lock().unwrap(), (0..50).collect::<Vec<_>>());
    tree.stop().await;
}
