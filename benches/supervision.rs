//! What supervision costs beside plain actix and tokio, against the bars that it was built for.
//!
//! `cargo bench --bench supervision [-- [--quick] [--rounds N] [part…]]`; see docs/benchmarks.md. Bars are printed as
//! met or missed and never asserted. The panics that are measured are silent: printing them would be the most of it.

#[path = "supervision/ask.rs"]
mod ask;
#[path = "supervision/cell.rs"]
mod cell;
#[path = "supervision/children.rs"]
mod children;
#[path = "supervision/http.rs"]
mod http;
#[path = "supervision/memory.rs"]
mod memory;
#[path = "supervision/plain.rs"]
mod plain;
#[path = "supervision/restart.rs"]
mod restart;
mod rounds;
#[path = "supervision/stage.rs"]
mod stage;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use rounds::{Plan, say};

type Part = (&'static str, fn(Plan) -> LocalBoxFuture<'static, ()>);

const PARTS: [Part; 6] = [
    ("ask", |plan| ask::run(plan).boxed_local()),
    ("restart", |plan| restart::run(plan).boxed_local()),
    ("cell", |plan| cell::run(plan).boxed_local()),
    ("memory", |plan| memory::run(plan).boxed_local()),
    ("children", |plan| children::run(plan).boxed_local()),
    ("http", |plan| http::run(plan).boxed_local()),
];

fn main() {
    // Cargo adds `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let mut plan = Plan { rounds: 11, quick: false };
    let mut wanted = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => plan = Plan { rounds: 1, quick: true },
            "--rounds" => {
                let rounds = arguments.next().and_then(|rounds| rounds.parse().ok());
                plan.rounds = rounds.expect("--rounds takes a number");
            }
            memory::ALONE => return memory::alone(&arguments.collect::<Vec<_>>()),
            _ => wanted.push(argument),
        }
    }
    let unknown = wanted.iter().find(|wanted| PARTS.iter().all(|(name, _)| name != wanted));
    if let Some(unknown) = unknown {
        let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        say(&format!("there is no part `{unknown}`; there are: {}", names.join(", ")));
        std::process::exit(2);
    }
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some(stage::TOLD_TO_PANIC) {
            usual(panic);
        }
    }));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    say(&format!("{} rounds, median (least..most); load before: {}", plan.rounds, load.trim()));
    for (name, part) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            say(name);
            actix_rt::System::new().block_on(part(plan));
        }
    }
    if plan.quick {
        say("every part works; a quick run says nothing about time");
    }
}
