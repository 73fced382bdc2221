//! What an idle actor holds in memory: each round in a process of its own, for what was freed once is not given back.

use std::process::Command;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use supervision::Birth;

use crate::plain::{Tally, plain};
use crate::rounds::{Bar, Figures, Plan, Spread, anonymous_bytes, say};
use crate::stage::{crowd, echo, tree};

/// The argument that makes this program measure one side and print bytes.
pub(crate) const ALONE: &str = "--idle-actors";

const ACTORS: u64 = 100_000;
/// Starts under way at once.
const AT_ONCE: usize = 64;

#[expect(clippy::cast_precision_loss, reason = "bytes and actors are far below 2^52")]
pub(crate) async fn run(plan: Plan) {
    let count = plan.count(ACTORS, 200);
    let mut sides = [("plain actix", "plain", Vec::new()), ("supervised", "supervised", Vec::new())];
    for _ in 0..plan.rounds {
        for (_, side, bytes) in &mut sides {
            bytes.push(in_a_process_of_its_own(side, count) as f64);
        }
    }
    let [plain, supervised] = sides.map(|(name, _, bytes)| {
        plan.tell(
            &format!("{count} idle actors, {name}: bytes each"),
            &Spread::of(bytes.iter().map(|all| all / count as f64)),
        );
        bytes
    });
    plan.tell(
        "supervised x plain actix",
        &Spread::of(supervised.iter().zip(&plain).map(|(own, other)| own / other)),
    );
    let megabytes = Spread::of(supervised.into_iter()).median / 1e6;
    plan.judge("100,000 idle supervised actors", Figures::timeless(megabytes), Bar::AtMost(250.0), " MB");
}

fn in_a_process_of_its_own(side: &str, count: u64) -> u64 {
    let program = std::env::current_exe().expect("a program knows its own file");
    let count = count.to_string();
    let output = Command::new(program).args([ALONE, side, &count]).output().expect("the program runs again");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("bytes, not `{text}` {}", String::from_utf8_lossy(&output.stderr)))
}

/// Prints by how many bytes so many idle actors let this process grow.
pub(crate) fn alone(arguments: &[String]) {
    let [side, count] = arguments else { panic!("{ALONE} takes a side and a number") };
    let count = count.parse().expect("a number of actors");
    let bytes = actix_rt::System::new().block_on(async {
        match side.as_str() {
            "plain" => idle_plain(count),
            _ => idle_supervised(count).await,
        }
    });
    say(&bytes.to_string());
}

fn idle_plain(count: u64) -> u64 {
    let tally = Tally::default();
    let mut actors = Vec::new();
    let before = anonymous_bytes();
    for _ in 0..count {
        actors.push(plain(&tally));
    }
    let after = anonymous_bytes();
    drop(actors);
    after.saturating_sub(before)
}

async fn idle_supervised(count: u64) -> u64 {
    let tree = tree(Vec::new()).await;
    let crowd = crowd(&tree, usize::try_from(count).expect("actors fit in memory")).await;
    let lives = Arc::default();
    let before = anonymous_bytes();
    stream::iter(0..count)
        .map(|place| {
            let (child, _) = echo(format!("idle-{place}"), &lives);
            crowd.start_child(child)
        })
        .buffer_unordered(AT_ONCE)
        .for_each(|started| async move { assert_eq!(started, Ok(Birth::Lives)) })
        .await;
    let bytes = anonymous_bytes().saturating_sub(before);
    // Its end is the process's end: nobody waits for 100,000 actors to stop.
    drop(tree);
    bytes
}
