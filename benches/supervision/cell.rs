//! Reading what the request path reads instead of asking an actor: a breaker's cell and a snapshot.

use std::future::ready;
use std::hint::black_box;
use std::num::NonZeroU8;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cells::{Breaker, Probes, Thresholds};
use supervision::Snapshot;

use crate::rounds::{Bar, Figures, Plan, Sample, Side, Watch};

pub(crate) async fn run(plan: Plan) {
    let count = plan.count(5_000_000, 1_000);
    let now = Instant::now();
    let (closed, open) = (breaker(now), breaker(now));
    open.down(None);
    let word = AtomicU64::new(7);
    let snapshot = Snapshot::new(7_u64);
    let mut sides = [
        repeated("one atomic load", count, || black_box(&word).load(Ordering::Acquire)),
        repeated("Breaker::state", count, || black_box(&closed).state()),
        repeated("Breaker::try_enter, closed", count, || black_box(&closed).try_enter(now).is_ok()),
        repeated("Breaker::try_enter, open", count, || black_box(&open).try_enter(now).is_ok()),
        repeated("a whole call: clock, try_enter, clock, succeed", count, || {
            let permit = black_box(&closed).try_enter(Instant::now());
            permit.expect("a closed breaker lets all through").succeed(Instant::now());
        }),
        repeated("Snapshot::load", count, || **black_box(&snapshot).load()),
    ];
    plan.alternate(&mut sides).await;
    for (what, side) in [
        ("reading a breaker's cell", &sides[1]),
        ("entering a closed breaker", &sides[2]),
        ("being refused by an open one", &sides[3]),
    ] {
        plan.judge(what, Figures::of(side.wall(), side.cpu()), Bar::AtMost(30.0), " ns");
    }
}

fn breaker(origin: Instant) -> Breaker {
    let probes = Probes { count: NonZeroU8::MIN, deadline: Duration::from_secs(30) };
    Breaker::new(Thresholds::default(), probes, origin)
}

fn repeated<'a, T>(name: &str, count: u64, read: impl Fn() -> T + 'a) -> Side<'a> {
    Side::new(name, move || {
        let watch = Watch::start();
        for _ in 0..count {
            black_box(read());
        }
        ready::<Sample>(watch.stop(count))
    })
}
