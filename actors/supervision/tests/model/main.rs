//! Supervision against its model: random trees and random faults, thousands of them, each to be what a plain function says.
//!
//! A seed makes a tree and a list of steps. After each step the real tree has to come to rest exactly where the model is:
//! states, generations, ends and what followed from them, queues, answers, timers, and the order of starts and stops.
//! `MODEL_SEED=<seed>` runs one seed and says all of it; `PROPTEST_CASES=<n>` runs ten times as many.

mod build;
mod dice;
mod generate;
mod ledger;
mod model;
mod plan;
mod puppet;
mod shrink;
mod words;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Seeds in an ordinary run.
const SEEDS: u64 = 2_000;
/// Trees that stand side by side; each has two or three threads of its own.
const SIDE_BY_SIDE: usize = 4;
/// How long a tree may take to come to rest, in the machine's own time.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn every_tree_does_what_the_model_says() {
    hush();
    let seeds = match (asked_for("MODEL_SEED"), asked_for("PROPTEST_CASES")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(cases)) => 0..cases * 10,
        (None, None) => 0..SEEDS,
    };
    let next = AtomicU64::new(seeds.start);
    let failure: Mutex<Option<String>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                actix_rt::System::new().block_on(async {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds.end || failure.lock().unwrap().is_some() {
                            return;
                        }
                        if let Err(report) = run(seed).await {
                            failure.lock().unwrap().get_or_insert(report);
                        }
                    }
                });
            });
        }
    });
    if let Some(report) = failure.into_inner().unwrap() {
        panic!("{report}");
    }
}

async fn run(seed: u64) -> Result<(), String> {
    let plan = generate::plan(seed);
    let Err(failure) = world::run(&plan, PATIENCE).await else { return Ok(()) };
    let (smallest, why) = shrink::smallest(plan.clone(), failure.clone()).await;
    Err(format!(
        "seed {seed} goes another way than the model.\n{plan}{failure}\n\nmade smaller:\n{smallest}{why}\n\n\
         reproduce it: MODEL_SEED={seed} cargo test -p supervision --test model"
    ))
}

/// A number from the environment of who runs the test.
fn asked_for(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "how much is tested is for who runs the tests to say")]
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number of seeds"))
}

/// The panics that plans ask for are not worth a line each.
fn hush() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let said = info.payload_as_str().unwrap_or_default();
        if !said.starts_with("told to panic") {
            loud(info);
        }
    }));
}
