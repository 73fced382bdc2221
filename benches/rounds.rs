//! Measures sides against each other in alternating rounds (A B A B …), so that what the machine does beside them hits
//! all alike; tells medians with their spread.
//!
//! Beside the time on the wall stands the CPU time of the whole process: machines are shared, and only the second says
//! what the work took. Ratios are taken round by round between neighbours, and their median is the ratio.

use std::fmt;
use std::future::Future;
use std::io::Write;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Rounds of each side.
    pub(crate) rounds: usize,
    /// Each part runs once with small counts, and nothing is said about time.
    pub(crate) quick: bool,
}

/// Operations of one round and what they took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    operations: u64,
    wall: Duration,
    cpu: Duration,
}

/// A running measurement.
pub(crate) struct Watch {
    wall: Instant,
    cpu: Duration,
}

/// The median of some values, their least and their most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    least: f64,
    most: f64,
}

/// One way to do the same thing, and its rounds.
pub(crate) struct Side<'a> {
    name: String,
    round: Box<dyn FnMut() -> LocalBoxFuture<'a, Sample> + 'a>,
    samples: Vec<Sample>,
}

/// The medians that a bar is for: by the time on the wall and by CPU time, where it has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) wall: f64,
    pub(crate) cpu: Option<f64>,
}

/// What a figure has to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

// === Plan ===

impl Plan {
    /// How many operations a round has.
    pub(crate) fn count(self, full: u64, quick: u64) -> u64 {
        if self.quick { quick } else { full }
    }

    /// Prints a figure beside its bar, and what it is by CPU time, which is the steadier one on a machine that is shared;
    /// a quick run has no verdict.
    pub(crate) fn judge(self, what: &str, figures: Figures, bar: Bar, unit: &str) {
        let (limit, word) = match bar {
            Bar::AtLeast(limit) => (limit, "at least"),
            Bar::AtMost(limit) => (limit, "at most"),
        };
        let verdict = |figure: f64| {
            let met = match bar {
                Bar::AtLeast(limit) => figure >= limit,
                Bar::AtMost(limit) => figure <= limit,
            };
            format!("{figure:.2}{unit}, {}", if met { "met" } else { "missed" })
        };
        let by_cpu = figures.cpu.map(|cpu| format!("; by CPU time {}", verdict(cpu))).unwrap_or_default();
        if !self.quick {
            say(&format!("  bar: {what} {word} {limit}{unit}: {}{by_cpu}", verdict(figures.wall)));
        }
    }

    /// Prints what was measured; a quick run only proves that it works.
    pub(crate) fn tell(self, what: &str, value: &dyn fmt::Display) {
        if !self.quick {
            say(&format!("  {what:<58} {value}"));
        }
    }

    /// Runs all sides in turn, round after round, and prints a line for each.
    pub(crate) async fn alternate(self, sides: &mut [Side<'_>]) {
        for _ in 0..self.rounds {
            for side in sides.iter_mut() {
                let sample = (side.round)().await;
                side.samples.push(sample);
            }
        }
        for side in sides.iter() {
            self.tell(&side.name, &format!("{}, CPU {}", Nanos(side.wall()), Nanos(side.cpu())));
        }
    }
}

// === Watch, Sample and Side ===

impl Watch {
    pub(crate) fn start() -> Self {
        Self { cpu: cpu_time(), wall: Instant::now() }
    }

    pub(crate) fn stop(self, operations: u64) -> Sample {
        let wall = self.wall.elapsed();
        Sample { operations, wall, cpu: cpu_time().saturating_sub(self.cpu) }
    }
}

impl Sample {
    /// Nanoseconds for one operation.
    pub(crate) fn wall(&self) -> f64 {
        per(self.wall, self.operations)
    }

    /// Nanoseconds of CPU for one operation, over all threads.
    pub(crate) fn cpu(&self) -> f64 {
        per(self.cpu, self.operations)
    }
}

impl<'a> Side<'a> {
    pub(crate) fn new<F, W>(name: impl Into<String>, mut round: F) -> Self
    where
        F: FnMut() -> W + 'a,
        W: Future<Output = Sample> + 'a,
    {
        Self { name: name.into(), round: Box::new(move || round().boxed_local()), samples: Vec::new() }
    }

    /// Nanoseconds for one operation.
    pub(crate) fn wall(&self) -> Spread {
        Spread::of(self.samples.iter().map(Sample::wall))
    }

    /// Nanoseconds of CPU for one operation, over all threads.
    pub(crate) fn cpu(&self) -> Spread {
        Spread::of(self.samples.iter().map(Sample::cpu))
    }

    /// How many operations this side does in the time of one of `other`.
    pub(crate) fn speed_beside(&self, other: &Self) -> Spread {
        Spread::of(other.samples.iter().zip(&self.samples).map(|(other, own)| other.wall() / own.wall()))
    }

    /// The same, in CPU time.
    pub(crate) fn thrift_beside(&self, other: &Self) -> Spread {
        Spread::of(other.samples.iter().zip(&self.samples).map(|(other, own)| other.cpu() / own.cpu()))
    }
}

impl Figures {
    pub(crate) fn of(wall: Spread, cpu: Spread) -> Self {
        Self { wall: wall.median, cpu: Some(cpu.median) }
    }

    /// A figure that is no time.
    pub(crate) fn timeless(figure: f64) -> Self {
        Self { wall: figure, cpu: None }
    }
}

// === Spread ===

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() {
            0 => f64::NAN,
            even if even % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
            _ => values[middle],
        };
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        Self { median, least: end(values.first()), most: end(values.last()) }
    }

    pub(crate) fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Self { median: change(self.median), least: change(self.least), most: change(self.most) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2}..{:.2})", self.median, self.least, self.most)
    }
}

/// Nanoseconds as a person reads them.
pub(crate) struct Nanos(pub(crate) Spread);

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.median {
            tiny if tiny < 100.0 => write!(f, "{:.1} ns ({:.1}..{:.1})", tiny, self.0.least, self.0.most),
            small if small < 10_000.0 => {
                write!(f, "{:.0} ns ({:.0}..{:.0})", small, self.0.least, self.0.most)
            }
            large if large < 10_000_000.0 => write!(f, "{} µs", self.0.map(|nanos| nanos / 1e3)),
            _ => write!(f, "{} ms", self.0.map(|nanos| nanos / 1e6)),
        }
    }
}

// === The machine ===

/// A line to the screen.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that has gone away wants nothing more.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// CPU time of all threads of this process so far.
pub(crate) fn cpu_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process may ask for its own usage");
    of_timeval(usage.user_time()) + of_timeval(usage.system_time())
}

/// Bytes of anonymous memory that this process has in RAM.
pub(crate) fn anonymous_bytes() -> u64 {
    let text =
        std::fs::read_to_string("/proc/self/smaps_rollup").expect("Linux tells a process of its memory");
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("the line is there");
    let kibibytes = line.trim().trim_end_matches("kB").trim();
    kibibytes.parse::<u64>().expect("a number of kB") * 1024
}

fn of_timeval(time: TimeVal) -> Duration {
    let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

#[expect(clippy::cast_precision_loss, reason = "counts of operations are far below 2^52")]
fn per(time: Duration, operations: u64) -> f64 {
    time.as_secs_f64() * 1e9 / operations as f64
}
