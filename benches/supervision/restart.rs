//! A panic and the restart after it: one after the other, and of many actors at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::Addr;
use futures_util::future::join_all;
use supervision::Mailbox;

use crate::plain::{Leave, Plain, guarded, under_actix};
use crate::rounds::{Bar, Figures, Plan, Sample, Side, Watch};
use crate::stage::{Crash, Echo, Ping, WITHIN, beside, echo, tree};

/// Actors that panic at once, and panics of each in a round.
const ACTORS: u64 = 1000;

pub(crate) async fn run(plan: Plan) {
    let lives = Arc::<AtomicU64>::default();
    let (child, one) = echo("one", &lives);
    let (mut children, mut many) = (vec![child], Vec::new());
    for place in 0..plan.count(ACTORS, 10) {
        let (child, mailbox) = echo(format!("one-of-many-{place}"), &lives);
        children.push(child);
        many.push(mailbox);
    }
    let tree = tree(children).await;
    let first_lives = lives.load(Ordering::SeqCst);
    // The baselines live on the thread of the supervised ones, and so do all callers.
    let (actix, least) = beside(&one, || async { (under_actix(), guarded()) }).await;

    let mut panics = 0;
    sequential(plan, &one, &actix, &least, &mut panics).await;
    at_once(plan, &one, many, &mut panics).await;
    let restarts = lives.load(Ordering::SeqCst) - first_lives;
    assert_eq!(restarts, panics, "each panic is followed by one life");
    tree.stop().await;
}

async fn sequential(
    plan: Plan,
    one: &Mailbox<Echo>,
    actix: &Addr<Plain>,
    least: &Addr<Plain>,
    panics: &mut u64,
) {
    let count = plan.count(5_000, 20);
    let mut sides = [
        Side::new("one after the other: actix::Supervisor, stop", {
            let (host, actix) = (one.clone(), actix.clone());
            move || {
                let actix = actix.clone();
                let cycle = move || async move {
                    let watch = Watch::start();
                    for _ in 0..count {
                        actix.do_send(Leave);
                        actix.send(Ping).await.expect("it answers after its restart");
                    }
                    watch.stop(count)
                };
                let host = host.clone();
                async move { beside(&host, cycle).await }
            }
        }),
        Side::new("one after the other: least guard, panic", {
            let (host, least) = (one.clone(), least.clone());
            move || {
                let least = least.clone();
                let cycle = move || async move {
                    let watch = Watch::start();
                    for _ in 0..count {
                        least.do_send(Crash);
                        least.send(Ping).await.expect("it answers after its restart");
                    }
                    watch.stop(count)
                };
                let host = host.clone();
                async move { beside(&host, cycle).await }
            }
        }),
        Side::new("one after the other: supervised, panic", || {
            *panics += count;
            let one = one.clone();
            async move { beside(&one.clone(), move || crashes(vec![one], count)).await }
        }),
    ];
    plan.alternate(&mut sides).await;
    let [_, least, supervised] = &sides;
    plan.tell("supervised x least guard", &supervised.speed_beside(least));
    plan.tell("supervised x least guard, by CPU time", &supervised.thrift_beside(least));
    plan.judge("panic and restart, one after the other", micros(supervised), Bar::AtMost(10.0), " µs");
}

async fn at_once(plan: Plan, host: &Mailbox<Echo>, many: Vec<Mailbox<Echo>>, panics: &mut u64) {
    let each = plan.count(10, 2);
    let guards = many.len();
    let least = beside(host, move || async move { (0..guards).map(|_| guarded()).collect::<Vec<_>>() }).await;
    let mut sides = [
        Side::new("many at once: least guard, panic", {
            let host = host.clone();
            move || {
                let (host, least) = (host.clone(), least.clone());
                async move { beside(&host, move || guarded_crashes(least, each)).await }
            }
        }),
        Side::new("many at once: supervised, panic", || {
            let (host, many) = (host.clone(), many.clone());
            *panics += many.len() as u64 * each;
            async move { beside(&host, move || crashes(many, each)).await }
        }),
    ];
    plan.alternate(&mut sides).await;
    let [least, supervised] = &sides;
    plan.tell("supervised x least guard", &supervised.speed_beside(least));
    plan.tell("supervised x least guard, by CPU time", &supervised.thrift_beside(least));
    plan.judge("panic and restart, many at once", micros(supervised), Bar::AtMost(10.0), " µs");
}

/// Each of `actors` panics `each` times; the next of its panics is told when it has answered in its next life.
async fn crashes(actors: Vec<Mailbox<Echo>>, each: u64) -> Sample {
    let watch = Watch::start();
    let panics = actors.len() as u64 * each;
    let one = |actor: Mailbox<Echo>| async move {
        for _ in 0..each {
            actor.tell(Crash).expect("its queue has room");
            actor.ask(Ping, WITHIN).await.expect("it answers in its next life");
        }
    };
    join_all(actors.into_iter().map(one)).await;
    watch.stop(panics)
}

async fn guarded_crashes(actors: Vec<Addr<Plain>>, each: u64) -> Sample {
    let watch = Watch::start();
    let panics = actors.len() as u64 * each;
    let one = |actor: Addr<Plain>| async move {
        for _ in 0..each {
            actor.do_send(Crash);
            actor.send(Ping).await.expect("it answers after its restart");
        }
    };
    join_all(actors.into_iter().map(one)).await;
    watch.stop(panics)
}

fn micros(side: &Side<'_>) -> Figures {
    Figures::of(side.wall().map(|nanos| nanos / 1e3), side.cpu().map(|nanos| nanos / 1e3))
}
