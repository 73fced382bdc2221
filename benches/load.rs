//! What a call through the gateway costs beside nginx, which only copies bytes, in front of the same vendor.
//!
//! `cargo bench --bench load [-- [--quick] [--rounds N] [--minutes N] [part…]]`; see docs/benchmarks.md. Bars are printed
//! as met or missed and never asserted. The program `nginx` has to be on the PATH.

#[path = "load/caller.rs"]
mod caller;
#[path = "load/parts.rs"]
mod parts;
#[expect(dead_code, reason = "each benchmark uses a part of it")]
mod rounds;
#[path = "load/servers.rs"]
mod servers;
#[path = "load/vendor.rs"]
mod vendor;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use rounds::{Plan, say};

/// How long the load goes on after which memory is looked at, in minutes.
const USUAL_MINUTES: u64 = 5;

fn main() {
    // Cargo adds `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let mut plan = Plan { rounds: 11, quick: false };
    let (mut minutes, mut wanted) = (USUAL_MINUTES, Vec::new());
    while let Some(argument) = arguments.next() {
        let mut number = |what: &str| -> u64 {
            let given = arguments.next().and_then(|given| given.parse().ok());
            given.unwrap_or_else(|| panic!("{what} takes a number"))
        };
        match argument.as_str() {
            "--quick" => plan = Plan { rounds: 1, quick: true },
            "--rounds" => plan.rounds = usize::try_from(number("--rounds")).expect("so few rounds"),
            "--minutes" => minutes = number("--minutes"),
            _ => wanted.push(argument),
        }
    }
    if let Some(unknown) = wanted.iter().find(|wanted| !parts::NAMES.contains(&wanted.as_str())) {
        say(&format!("there is no part `{unknown}`; there are: {}", parts::NAMES.join(", ")));
        std::process::exit(2);
    }
    // Both ends of all paced streams are in this process.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a process may ask for its own limits");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("a soft limit may be raised to the hard one");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    say(&format!("{} rounds, median (least..most); load before: {}", plan.rounds, load.trim()));
    actix_rt::System::new().block_on(parts::run(plan, minutes, &wanted));
    if plan.quick {
        say("every part works; a quick run says nothing about time");
    }
}
