//! Dynamic children at scale: what one of 1,000 costs to start and to stop, and what one of 100,000.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use supervision::{Birth, Handle, Tree};

use crate::plain::{Tally, plain};
use crate::rounds::{Bar, Figures, Nanos, Plan, Sample, Spread, Watch};
use crate::stage::{CROWD, crowd, echo, tree};

/// Requests under way at once.
const AT_ONCE: usize = 64;
/// Linear is: one of the most costs at most this much more than one of the fewest. Caches grow cold meanwhile.
const LINEAR: f64 = 2.0;

/// The rounds of one crowd's size.
#[derive(Default)]
struct Sized {
    count: u64,
    plain: Vec<Sample>,
    start: Vec<Sample>,
    terminate: Vec<Sample>,
    stop_all: Vec<Sample>,
}

pub(crate) async fn run(plan: Plan) {
    let counts = if plan.quick { [50, 100, 200] } else { [1_000, 10_000, 100_000] };
    let mut sizes = counts.map(|count| Sized { count, ..Sized::default() });
    let tree = tree(Vec::new()).await;
    for _ in 0..plan.rounds {
        for size in &mut sizes {
            // Once for nothing: the allocator first tidies away what the last crowd left.
            plain_start_and_stop(size.count).await;
            size.plain.push(plain_start_and_stop(size.count).await);
            let crowd = crowd(&tree, usize::try_from(size.count).expect("a count of children")).await;
            size.start.push(start(&crowd, size.count).await);
            size.terminate.push(terminate(&crowd, size.count).await);
            start(&crowd, size.count).await;
            size.stop_all.push(stop_all(&tree, size.count).await);
        }
    }
    tree.stop().await;

    for size in &sizes {
        for (what, samples) in [
            ("plain actix, start and stop", &size.plain),
            ("started, 64 requests at once", &size.start),
            ("terminated, 64 requests at once", &size.terminate),
            ("stopped with their supervisor", &size.stop_all),
        ] {
            let wall = Nanos(Spread::of(samples.iter().map(Sample::wall)));
            let cpu = Nanos(Spread::of(samples.iter().map(Sample::cpu)));
            plan.tell(&format!("{} children, each: {what}", size.count), &format!("{wall}, CPU {cpu}"));
        }
    }
    let [fewest, _, most] = &sizes;
    judge(plan, "starting", &fewest.start, &most.start);
    judge(plan, "terminating", &fewest.terminate, &most.terminate);
    judge(plan, "stopping all", &fewest.stop_all, &most.stop_all);
}

fn judge(plan: Plan, what: &str, fewest: &[Sample], most: &[Sample]) {
    let growth = |cost: fn(&Sample) -> f64| {
        Spread::of(most.iter().zip(fewest).map(|(most, fewest)| cost(most) / cost(fewest)))
    };
    let (wall, cpu) = (growth(Sample::wall), growth(Sample::cpu));
    plan.tell(&format!("{what}: one of 100,000 x one of 1,000"), &wall);
    plan.tell(&format!("{what}: one of 100,000 x one of 1,000, by CPU time"), &cpu);
    let bar = format!("{what} is linear: one of 100,000");
    plan.judge(&bar, Figures::of(wall, cpu), Bar::AtMost(LINEAR), " x one of 1,000");
}

async fn start(crowd: &Handle, count: u64) -> Sample {
    let lives = Arc::default();
    let watch = Watch::start();
    stream::iter(0..count)
        .map(|place| {
            let (child, _) = echo(format!("child-{place}"), &lives);
            crowd.start_child(child)
        })
        .buffer_unordered(AT_ONCE)
        .for_each(|started| async move { assert_eq!(started, Ok(Birth::Lives)) })
        .await;
    watch.stop(count)
}

async fn terminate(crowd: &Handle, count: u64) -> Sample {
    let watch = Watch::start();
    stream::iter(0..count)
        .map(|place| async move { crowd.terminate_child(&format!("child-{place}")).await })
        .buffer_unordered(AT_ONCE)
        .for_each(|stopped| async move { stopped.expect("a child stops") })
        .await;
    watch.stop(count)
}

async fn stop_all(tree: &Tree, count: u64) -> Sample {
    let watch = Watch::start();
    tree.root().terminate_child(CROWD).await.expect("the supervisor stops");
    let sample = watch.stop(count);
    tree.root().delete_child(CROWD).await.expect("a stopped child can be deleted");
    // Answered when what the crowd left behind has been dropped, which would else be the next side's time.
    tree.root().count_children().await.expect("the root lives");
    sample
}

async fn plain_start_and_stop(count: u64) -> Sample {
    let tally = Tally::default();
    let watch = Watch::start();
    let actors: Vec<_> = (0..count).map(|_| plain(&tally)).collect();
    while tally.started.get() < count {
        actix_rt::task::yield_now().await;
    }
    drop(actors);
    while tally.stopped.get() < count {
        actix_rt::task::yield_now().await;
    }
    watch.stop(count)
}
