//! Asks beside plain actix: the caller on the actor's own arbiter, and on another one.

use std::sync::Arc;

use actix::Addr;
use futures_util::{StreamExt, stream};
use supervision::Mailbox;

use crate::plain::{Plain, Tally, plain};
use crate::rounds::{Bar, Figures, Plan, Sample, Side, Watch};
use crate::stage::{Echo, Ping, WITHIN, beside, echo, tree};

/// Asks under way at once where many are.
const AT_ONCE: usize = 64;

pub(crate) async fn run(plan: Plan) {
    let (child, asked) = echo("asked", &Arc::default());
    let tree = tree(vec![child]).await;
    // On the very thread of the supervised one.
    let plain = beside(&asked, || async { plain(&Tally::default()) }).await;

    let count = plan.count(200_000, 200);
    let same = [
        Side::new("same arbiter: plain actix", {
            let (host, plain) = (asked.clone(), plain.clone());
            move || on(host.clone(), plain_asks(plain.clone(), count))
        }),
        Side::new("same arbiter: plain actix, with a deadline", {
            let (host, plain) = (asked.clone(), plain.clone());
            move || on(host.clone(), plain_asks_with_deadline(plain.clone(), count))
        }),
        Side::new("same arbiter: supervised", {
            let host = asked.clone();
            move || on(host.clone(), asks(host.clone(), count))
        }),
    ];
    compare(plan, same, "ask on the same arbiter beside plain actix", Some(0.6)).await;

    let same_crowded = [
        Side::new("same arbiter, 64 at once: plain actix", {
            let (host, plain) = (asked.clone(), plain.clone());
            move || on(host.clone(), plain_asks_at_once(plain.clone(), count))
        }),
        Side::new("same arbiter, 64 at once: with a deadline", {
            let (host, plain) = (asked.clone(), plain.clone());
            move || on(host.clone(), plain_asks_at_once_with_deadline(plain.clone(), count))
        }),
        Side::new("same arbiter, 64 at once: supervised", {
            let host = asked.clone();
            move || on(host.clone(), asks_at_once(host.clone(), count))
        }),
    ];
    compare(plan, same_crowded, "asks on the same arbiter, 64 at once", None).await;

    let across_count = plan.count(20_000, 200);
    let across = [
        Side::new("across arbiters: plain actix", {
            let plain = plain.clone();
            move || plain_asks(plain.clone(), across_count)
        }),
        Side::new("across arbiters: plain actix, with a deadline", {
            let plain = plain.clone();
            move || plain_asks_with_deadline(plain.clone(), across_count)
        }),
        Side::new("across arbiters: supervised", {
            let asked = asked.clone();
            move || asks(asked.clone(), across_count)
        }),
    ];
    compare(plan, across, "ask across arbiters beside plain actix", Some(0.8)).await;

    let crowded = [
        Side::new("across arbiters, 64 at once: plain actix", {
            let plain = plain.clone();
            move || plain_asks_at_once(plain.clone(), count)
        }),
        Side::new("across arbiters, 64 at once: with a deadline", {
            let plain = plain.clone();
            move || plain_asks_at_once_with_deadline(plain.clone(), count)
        }),
        Side::new("across arbiters, 64 at once: supervised", {
            let asked = asked.clone();
            move || asks_at_once(asked.clone(), count)
        }),
    ];
    compare(plan, crowded, "asks across arbiters, 64 at once", None).await;
    tree.stop().await;
}

async fn compare(plan: Plan, mut sides: [Side<'_>; 3], what: &str, bar: Option<f64>) {
    plan.alternate(&mut sides).await;
    let [plain, with_deadline, supervised] = &sides;
    let (ratio, by_cpu) = (supervised.speed_beside(plain), supervised.thrift_beside(plain));
    plan.tell("supervised x plain actix", &ratio);
    plan.tell("supervised x plain actix, by CPU time", &by_cpu);
    plan.tell("supervised x plain actix with a deadline", &supervised.speed_beside(with_deadline));
    if let Some(bar) = bar {
        plan.judge(what, Figures::of(ratio, by_cpu), Bar::AtLeast(bar), " x");
    }
}

async fn on(host: Mailbox<Echo>, work: impl Future<Output = Sample> + Send + 'static) -> Sample {
    beside(&host, || work).await
}

async fn plain_asks(actor: Addr<Plain>, count: u64) -> Sample {
    let watch = Watch::start();
    for _ in 0..count {
        actor.send(Ping).await.expect("it answers");
    }
    watch.stop(count)
}

async fn plain_asks_with_deadline(actor: Addr<Plain>, count: u64) -> Sample {
    let watch = Watch::start();
    for _ in 0..count {
        actor.send(Ping).timeout(WITHIN).await.expect("it answers");
    }
    watch.stop(count)
}

async fn asks(actor: Mailbox<Echo>, count: u64) -> Sample {
    let watch = Watch::start();
    for _ in 0..count {
        actor.ask(Ping, WITHIN).await.expect("it answers");
    }
    watch.stop(count)
}

async fn plain_asks_at_once(actor: Addr<Plain>, count: u64) -> Sample {
    let watch = Watch::start();
    let asks = stream::iter(0..count).map(|_| actor.send(Ping)).buffer_unordered(AT_ONCE);
    asks.for_each(|answer| async move { assert_ne!(answer.expect("it answers"), 0) }).await;
    watch.stop(count)
}

async fn plain_asks_at_once_with_deadline(actor: Addr<Plain>, count: u64) -> Sample {
    let watch = Watch::start();
    let asks = stream::iter(0..count).map(|_| actor.send(Ping).timeout(WITHIN)).buffer_unordered(AT_ONCE);
    asks.for_each(|answer| async move { assert_ne!(answer.expect("it answers"), 0) }).await;
    watch.stop(count)
}

async fn asks_at_once(actor: Mailbox<Echo>, count: u64) -> Sample {
    let watch = Watch::start();
    let asks = stream::iter(0..count).map(|_| actor.ask(Ping, WITHIN)).buffer_unordered(AT_ONCE);
    asks.for_each(|answer| async move { assert_ne!(answer.expect("it answers"), 0) }).await;
    watch.stop(count)
}
