//! A server under mixed load for half an hour: its memory does not grow, and its open files stay as many as they were.
//!
//! `cargo bench --bench soak [-- [--seconds N] [--burst]]`; see docs/benchmarks.md. Under 600 seconds it shows that every
//! load works and says nothing of growth. `--burst` shows what memory a burst of large bodies leaves behind instead.

#[path = "soak/burst.rs"]
mod burst;
#[path = "soak/load.rs"]
mod load;
#[path = "soak/samples.rs"]
mod samples;
#[path = "soak/stage.rs"]
mod stage;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use samples::Samples;
use stage::Stage;

/// Half an hour.
const USUAL_S: u64 = 1_800;
/// A shorter run says nothing of growth.
const LEAST_S: u64 = 600;
/// How often a line is shown, in samples, which come every second.
const SHOWN_EVERY: usize = 60;

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (mut seconds, mut is_burst) = (USUAL_S, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => {
                let given = arguments.next().and_then(|seconds| seconds.parse().ok());
                seconds = given.expect("--seconds takes a number");
            }
            "--burst" => is_burst = true,
            other => panic!("there is no `{other}`; there are --seconds N and --burst"),
        }
    }
    let held = actix_rt::System::new().block_on(async {
        let stage = Stage::open().await;
        if is_burst {
            burst::run(&stage).await;
            return stage.close().await;
        }
        let held = soak(&stage, Duration::from_secs(seconds)).await;
        stage.close().await && held
    });
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether memory and open files held.
async fn soak(stage: &Stage, length: Duration) -> bool {
    let load = load::Load::new(stage, length);
    let watching = async {
        let mut samples = Samples::default();
        while !load.is_over() {
            stage.clock.sleep(Duration::from_secs(1)).await;
            samples.take(stage.pid());
            if samples.len() % SHOWN_EVERY == 0 {
                say(&format!("{} {}", samples.last(), load.counts()));
            }
        }
        samples
    };
    let (samples, ()) = futures_util::join!(watching, load.run());
    say(&format!("{} {}", samples.last(), load.counts()));
    let missing = load.missing();
    if !missing.is_empty() {
        say(&format!("FAILED: nothing was done of: {}", missing.join(", ")));
        return false;
    }
    let growth = samples.growth();
    say(&growth.to_string());
    if length < Duration::from_secs(LEAST_S) {
        say("every load works; so short a run says nothing of growth");
        return true;
    }
    growth.is_flat()
}

fn say(line: &str) {
    // Who does not listen any more misses nothing that matters to the verdict.
    let _ = writeln!(std::io::stdout(), "{line}");
}
