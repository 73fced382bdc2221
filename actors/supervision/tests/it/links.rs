//! Links end those that are tied together; monitors hear of each end before anything follows from it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::Clock;
use supervision::{
    Backoff, ChildSpec, Down, End, Failure, Follows, Intensity, Limit, Mailbox, Place, Pool, Restart, State,
    Tree, Watch,
};

use crate::bodies::{WITHIN, is, lives, patient, until};
use crate::puppet::{Moment, Puppet, Run, Script, boom, generation, group, grown, leave, run, strict};

struct Two {
    tree: Tree,
    a: Mailbox<Puppet>,
    b: Mailbox<Puppet>,
}

/// Two puppets, not tied yet.
async fn two(limit: Limit, change: impl Fn(&str, ChildSpec) -> ChildSpec) -> Two {
    let clock = Clock::real();
    let (first, a) = Script::new("a", &clock).build();
    let (second, b) = Script::new("b", &clock).build();
    let spec = group("root", limit, vec![change("a", first), change("b", second)]);
    let tree = Tree::start(spec, clock, Pool::new(2)).await.unwrap();
    Two { tree, a, b }
}

fn tie(to: Place) -> Run<()> {
    run(move |puppet, _| puppet.life.link(&to))
}

fn fail() -> Run<()> {
    run(|puppet, _| puppet.life.fail(Failure::new("the world")))
}

fn linked(path: &str, end: End) -> Option<End> {
    Some(End::Linked { path: path.to_owned(), end: Box::new(end) })
}

fn told_to_panic() -> End {
    End::Panicked { message: "told to panic".to_owned() }
}

// === Links ===

#[actix_rt::test]
async fn whichever_of_two_linked_ends_first_ends_the_other() {
    let Two { tree, a, b } = two(patient(), |_, child| child).await;
    a.ask(tie(b.place()), WITHIN).await.unwrap();
    b.tell(boom()).unwrap();
    let node = until(&tree, "root/a", lives(2)).await.unwrap();
    assert_eq!(node.last_end, linked("root/b", told_to_panic()));
    assert_eq!(b.ask(generation(), WITHIN).await, Ok(2));

    a.ask(tie(b.place()), WITHIN).await.unwrap();
    a.tell(boom()).unwrap();
    let node = until(&tree, "root/b", lives(3)).await.unwrap();
    assert_eq!(node.last_end, linked("root/a", told_to_panic()));
    assert_eq!(a.ask(generation(), WITHIN).await, Ok(3));
    tree.stop().await;
}

#[actix_rt::test]
async fn every_end_travels_over_a_link_but_a_normal_one_and_sleep() {
    let Two { tree, a, b } = two(patient(), |_, child| child).await;
    let tied = async |lives_of_a: u64| {
        a.ask(tie(b.place()), WITHIN).await.unwrap();
        assert_eq!(a.ask(generation(), WITHIN).await, Ok(lives_of_a));
    };

    tied(1).await;
    b.tell(leave()).unwrap();
    until(&tree, "root/b", lives(2)).await;
    tied(1).await;
    b.tell(run(|puppet, _| puppet.life.finish())).unwrap();
    until(&tree, "root/b", lives(3)).await;
    tied(1).await;
    b.tell(run(|puppet, _| puppet.life.passivate())).unwrap();
    until(&tree, "root/b", is(State::Asleep)).await;
    assert_eq!(b.ask(generation(), WITHIN).await, Ok(4));

    tied(1).await;
    b.tell(fail()).unwrap();
    let node = until(&tree, "root/a", lives(2)).await.unwrap();
    assert_eq!(node.last_end, linked("root/b", End::Failed(Failure::new("the world"))));
    until(&tree, "root/b", lives(5)).await;

    tied(2).await;
    tree.root().kill_child("b").await.unwrap();
    let node = until(&tree, "root/a", lives(3)).await.unwrap();
    assert_eq!(node.last_end, linked("root/b", End::Killed));
    until(&tree, "root/b", lives(6)).await;

    tied(3).await;
    tree.root().terminate_child("b").await.unwrap();
    let node = until(&tree, "root/a", lives(4)).await.unwrap();
    assert_eq!(node.last_end, linked("root/b", End::Shutdown));
    tree.stop().await;
}

#[actix_rt::test]
async fn who_links_to_something_that_is_down_ends_at_once() {
    let change = |id: &str, child: ChildSpec| match id {
        "b" => child.restart(Restart::Transient),
        _ => child,
    };
    let own = Limit::PerChild(Intensity { restarts: 1, ..Intensity::default() });
    let Two { tree, a, b } = two(own, change).await;
    b.tell(boom()).unwrap();
    until(&tree, "root/b", lives(2)).await;
    b.tell(boom()).unwrap();
    until(&tree, "root/b", is(State::Parked)).await;

    a.tell(tie(b.place())).unwrap();

    let node = until(&tree, "root/a", lives(2)).await.unwrap();
    assert_eq!(node.last_end, linked("root/b", told_to_panic()));
    tree.stop().await;
}

#[actix_rt::test]
async fn who_links_to_something_that_waits_for_its_restart_ends_at_once() {
    let clock = Clock::manual();
    let day = Duration::from_secs(86_400);
    let slow = Backoff { min: day, max: day, ..Backoff::NONE };
    let (first, a) = Script::new("a", &clock).build();
    let (second, b) = Script::new("b", &clock).build();
    let tree = grown(&clock, 1, vec![first, second.backoff(slow)]).await;
    b.tell(boom()).unwrap();
    until(&tree, "root/b", is(State::BackingOff)).await;

    a.tell(tie(b.place())).unwrap();

    let node = until(&tree, "root/a", lives(2)).await.unwrap();
    assert_eq!(node.last_end, linked("root/b", told_to_panic()));
    tree.stop().await;
}

#[actix_rt::test]
async fn a_link_ties_two_lives_and_not_their_places() {
    let Two { tree, a, b } = two(patient(), |_, child| child).await;
    a.ask(tie(b.place()), WITHIN).await.unwrap();
    b.tell(boom()).unwrap();
    until(&tree, "root/a", lives(2)).await;
    until(&tree, "root/b", lives(2)).await;

    b.tell(boom()).unwrap();
    until(&tree, "root/b", lives(3)).await;
    a.tell(boom()).unwrap();
    until(&tree, "root/a", lives(3)).await;

    assert_eq!(b.ask(generation(), WITHIN).await, Ok(3));
    assert_eq!(a.ask(generation(), WITHIN).await, Ok(3));
    tree.stop().await;
}

#[actix_rt::test]
async fn an_end_travels_along_a_chain_and_round_a_ring_once() {
    let clock = Clock::real();
    let built: Vec<_> = ["a", "b", "c"].map(|id| Script::new(id, &clock).build()).into();
    let (children, puppets): (Vec<_>, Vec<_>) = built.into_iter().unzip();
    let tree = grown(&clock, 2, children).await;
    for (nth, puppet) in puppets.iter().enumerate() {
        puppet.ask(tie(puppets[(nth + 1) % 3].place()), WITHIN).await.unwrap();
    }

    puppets[1].tell(boom()).unwrap();

    for path in ["root/a", "root/b", "root/c"] {
        until(&tree, path, lives(2)).await;
    }
    for puppet in &puppets {
        assert_eq!(puppet.ask(generation(), WITHIN).await, Ok(2));
    }
    assert_eq!(puppets[1].place().last_end(), Some(told_to_panic()));
    tree.stop().await;
}

#[actix_rt::test]
async fn what_the_world_did_to_one_counts_against_nobody_who_is_linked_to_it() {
    let Two { tree, a, b } = two(strict(), |_, child| child).await;
    for round in 1..=10 {
        a.ask(tie(b.place()), WITHIN).await.unwrap();
        b.tell(fail()).unwrap();
        until(&tree, "root/a", lives(round + 1)).await;
        until(&tree, "root/b", lives(round + 1)).await;
    }
    assert_eq!(tree.stop().await, End::Shutdown);
}

#[actix_rt::test]
async fn a_bug_counts_against_those_that_are_linked_too() {
    let change = |_: &str, child: ChildSpec| child;
    let once = Limit::Shared(Intensity { restarts: 1, ..Intensity::default() });
    let Two { tree, a, b } = two(once, change).await;
    a.ask(tie(b.place()), WITHIN).await.unwrap();
    b.tell(boom()).unwrap();
    // One restart is put up with, and there were two.
    assert!(matches!(tree.ended().await, End::GaveUp { .. }));
    tree.stop().await;
}

#[actix_rt::test]
async fn an_actor_can_be_linked_to_a_supervisor_elsewhere_in_the_tree() {
    let clock = Clock::real();
    let (worker, fails) = Script::new("worker", &clock).build();
    let (inner, handle) = group("inner", strict(), vec![worker]).into_child();
    let (child, a) = Script::new("a", &clock).build();
    let tree = grown(&clock, 1, vec![inner.backoff(Backoff::NONE), child]).await;
    a.ask(tie(handle.place().clone()), WITHIN).await.unwrap();

    fails.tell(boom()).unwrap();

    let node = until(&tree, "root/a", lives(2)).await.unwrap();
    assert_eq!(node.last_end, linked("root/inner", End::GaveUp { child: "worker".to_owned() }));
    until(&tree, "root/inner", lives(2)).await;
    tree.stop().await;
}

#[actix_rt::test]
async fn a_linked_actor_that_ends_stops_the_supervisor_it_is_linked_to() {
    let clock = Clock::real();
    let (worker, below) = Script::new("worker", &clock).build();
    let (inner, handle) = group("inner", strict(), vec![worker]).into_child();
    let (child, a) = Script::new("a", &clock).build();
    let tree = grown(&clock, 1, vec![inner.backoff(Backoff::NONE), child]).await;
    a.ask(tie(handle.place().clone()), WITHIN).await.unwrap();

    a.tell(boom()).unwrap();

    let node = until(&tree, "root/inner", lives(2)).await.unwrap();
    assert_eq!(node.last_end, linked("root/a", told_to_panic()));
    assert_eq!(below.ask(generation(), WITHIN).await, Ok(2));
    tree.stop().await;
}

#[actix_rt::test]
async fn a_link_that_is_made_while_the_other_one_dies_is_never_lost() {
    let Two { tree, a, b } = two(patient(), |_, child| child).await;
    for round in 1..=100 {
        // It is tied to the life that is about to die, or to none, or to the next one, which dies too.
        b.tell(boom()).unwrap();
        a.ask(tie(b.place()), WITHIN).await.unwrap();
        until(&tree, "root/b", lives(2 * round)).await;
        b.tell(boom()).unwrap();
        until(&tree, "root/b", lives(2 * round + 1)).await;
        until(&tree, "root/a", lives(round + 1)).await;
    }
    tree.stop().await;
}

// === Monitors ===

type Heard = Arc<Mutex<Vec<(u64, &'static str, Follows)>>>;

fn listen(place: &Place, heard: &Heard) -> Watch {
    let heard = heard.clone();
    place.monitor(move |Down { generation, end, follows, .. }| {
        heard.lock().unwrap().push((*generation, end.name(), *follows));
    })
}

const NOW: Follows = Follows::Restart { after: Duration::ZERO };

#[actix_rt::test]
async fn a_monitor_hears_of_each_end_until_its_watch_is_dropped() {
    let Two { tree, a, .. } = two(patient(), |_, child| child).await;
    let (short, long) = (Heard::default(), Heard::default());
    let first = listen(&a.place(), &short);
    let _second = listen(&a.place(), &long);

    a.tell(boom()).unwrap();
    until(&tree, "root/a", lives(2)).await;
    a.tell(leave()).unwrap();
    until(&tree, "root/a", lives(3)).await;
    drop(first);
    a.tell(fail()).unwrap();
    until(&tree, "root/a", lives(4)).await;
    tree.stop().await;

    let all =
        [(1, "panicked", NOW), (2, "normal", NOW), (3, "failed", NOW), (4, "shutdown", Follows::Nothing)];
    assert_eq!(*short.lock().unwrap(), all[..2]);
    assert_eq!(*long.lock().unwrap(), all);
}

#[actix_rt::test]
async fn a_monitor_is_told_what_follows() {
    let clock = Clock::manual();
    let nine = Duration::from_secs(9);
    let slow = Backoff { min: nine, max: nine, ..Backoff::NONE };
    let once = Intensity { restarts: 1, period: Duration::from_secs(60) };
    let (child, a) = Script::new("a", &clock).build();
    let child = child.backoff(slow).compensates(Intensity { restarts: 0, ..once });
    let spec = group("root", Limit::PerChild(once), vec![child]);
    let tree = Tree::start(spec, clock.clone(), Pool::new(1)).await.unwrap();
    let heard = Heard::default();
    let _watch = listen(&a.place(), &heard);

    a.tell(run(|puppet, _| puppet.life.passivate())).unwrap();
    until(&tree, "root/a", is(State::Asleep)).await;
    a.tell(boom()).unwrap();
    until(&tree, "root/a", is(State::BackingOff)).await;
    clock.advance(nine);
    until(&tree, "root/a", lives(3)).await;
    a.tell(boom()).unwrap();
    until(&tree, "root/a", lives(4)).await;
    a.tell(boom()).unwrap();
    until(&tree, "root/a", is(State::Parked)).await;
    tree.stop().await;

    let expected = [
        (1, "passivated", Follows::Sleep),
        (2, "panicked", Follows::Restart { after: nine }),
        (3, "panicked", Follows::Compensation),
        (4, "panicked", Follows::GivenUp),
    ];
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[actix_rt::test]
async fn monitoring_what_is_over_tells_so_at_once_and_once() {
    let change = |id: &str, child: ChildSpec| match id {
        "b" => child.restart(Restart::Transient),
        _ => child,
    };
    let Two { tree, a, b } = two(patient(), change).await;
    b.tell(leave()).unwrap();
    until(&tree, "root/b", is(State::Ended)).await;
    let heard = Heard::default();

    let watch = listen(&b.place(), &heard);
    assert_eq!(*heard.lock().unwrap(), [(1, "normal", Follows::Nothing)]);
    drop(watch);

    let living = Heard::default();
    let _watch = listen(&a.place(), &living);
    assert!(living.lock().unwrap().is_empty(), "who lives has not ended");
    tree.stop().await;
    assert_eq!(heard.lock().unwrap().len(), 1);
    assert_eq!(*living.lock().unwrap(), [(1, "shutdown", Follows::Nothing)]);
}

#[actix_rt::test]
async fn a_monitor_hears_before_anything_follows() {
    let clock = Clock::real();
    let order: Arc<Mutex<Vec<String>>> = Arc::default();
    let (life, place, spec) = (order.clone(), order.clone(), order.clone());
    let script = Script::new("a", &clock).at(move |moment, of| {
        if matches!(moment, Moment::Called | Moment::Dropped) {
            life.lock().unwrap().push(format!("{moment:?} {}", of.generation()));
        }
    });
    let (child, a) = script.build();
    let child = child.monitor(move |down| spec.lock().unwrap().push(format!("spec {}", down.generation)));
    let tree = grown(&clock, 1, vec![child]).await;
    let _watch =
        a.place().monitor(move |down| place.lock().unwrap().push(format!("place {}", down.generation)));

    a.tell(boom()).unwrap();
    until(&tree, "root/a", lives(2)).await;
    tree.stop().await;

    let mut order = order.lock().unwrap().clone();
    // Which of the two listeners hears first is nobody's promise.
    order[2..4].sort();
    assert_eq!(order[..5], ["Called 1", "Dropped 1", "place 1", "spec 1", "Called 2"]);
}

#[actix_rt::test]
async fn a_supervisor_can_be_monitored_too() {
    let clock = Clock::real();
    let (worker, fails) = Script::new("worker", &clock).build();
    let (inner, handle) = group("inner", strict(), vec![worker]).into_child();
    let tree = grown(&clock, 1, vec![inner.backoff(Backoff::NONE)]).await;
    let heard = Heard::default();
    let _watch = listen(handle.place(), &heard);

    fails.tell(boom()).unwrap();
    until(&tree, "root/inner", lives(2)).await;

    assert_eq!(*heard.lock().unwrap(), [(1, "gave_up", NOW)]);
    tree.stop().await;
}

#[actix_rt::test]
async fn a_life_that_is_over_ties_nothing() {
    let clock = Clock::real();
    let (one, leaver) = Script::new("leaver", &clock).build();
    let (two, bystander) = Script::new("bystander", &clock).build();
    let tree = grown(&clock, 1, vec![one, two]).await;
    let old = leaver.ask(run(|puppet, _| puppet.life.clone()), WITHIN).await.unwrap();
    leaver.tell(boom()).unwrap();
    assert_eq!(leaver.ask(generation(), WITHIN).await, Ok(2));

    old.link(&bystander.place());
    leaver.tell(boom()).unwrap();
    assert_eq!(leaver.ask(generation(), WITHIN).await, Ok(3));

    assert_eq!(bystander.ask(generation(), WITHIN).await, Ok(1));
    tree.stop().await;
}
