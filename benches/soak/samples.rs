//! Memory and open files of a process, sample by sample, and the straight line through them.

use std::fmt;
use std::fs;

/// The growth that is asked about: over 20 minutes.
const OVER_S: f64 = 1_200.0;
/// The most memory that may be gained over that, in MB.
const MOST_MB: f64 = 1.0;
/// How many more files may be open at the quietest moment of the last third than at that of the middle one: how many
/// connections there are at a moment is the load's own doing, and a leak raises the quietest moment too.
const MORE_FILES: u64 = 1;

/// One look at a process.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sample {
    /// Anonymous memory in RAM, in kB.
    pub(crate) memory_kb: u64,
    pub(crate) files: u64,
    pub(crate) threads: u64,
}

/// A sample for each second.
#[derive(Default)]
pub(crate) struct Samples(Vec<Sample>);

/// What the last two thirds of a run say about 20 minutes.
pub(crate) struct Growth {
    memory_mb: f64,
    /// The least of the middle third, and of the last.
    files: [u64; 2],
}

impl Sample {
    pub(crate) fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
        };
        let files = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |files| files.count() as u64);
        Self { memory_kb: number("RssAnon:"), files, threads: number("Threads:") }
    }
}

impl Samples {
    pub(crate) fn take(&mut self, pid: u32) {
        self.0.push(Sample::of(pid));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn last(&self) -> String {
        let Sample { memory_kb, files, threads } = self.0.last().copied().unwrap_or_default();
        format!(
            "{:>5} s  {:>7.1} MB  {files:>4} files  {threads:>3} threads ",
            self.0.len(),
            megabytes(memory_kb)
        )
    }

    pub(crate) fn growth(&self) -> Growth {
        let third = self.0.len() / 3;
        let memory: Vec<f64> = self.0[third..].iter().map(|sample| megabytes(sample.memory_kb)).collect();
        let least = |samples: &[Sample]| samples.iter().map(|sample| sample.files).min().unwrap_or_default();
        let files = [least(&self.0[third..2 * third]), least(&self.0[2 * third..])];
        Growth { memory_mb: slope(&memory) * OVER_S, files }
    }
}

impl Growth {
    fn holds_files(&self) -> bool {
        let [middle, last] = self.files;
        last <= middle + MORE_FILES
    }

    pub(crate) fn is_flat(&self) -> bool {
        self.memory_mb < MOST_MB && self.holds_files()
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = |held| if held { "met" } else { "MISSED" };
        let [middle, last] = self.files;
        write!(
            f,
            "over 20 minutes: {:+.2} MB of memory (< {MOST_MB}: {}); open files at the least: {middle}, then {last} (flat: {})",
            self.memory_mb,
            verdict(self.memory_mb < MOST_MB),
            verdict(self.holds_files()),
        )
    }
}

pub(crate) fn megabytes(kilobytes: u64) -> f64 {
    kilobytes as f64 / 1024.0
}

/// The slope of the line that the least squares choose, by sample.
fn slope(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let (x_mean, y_mean) = ((count - 1.0) / 2.0, values.iter().sum::<f64>() / count);
    let (mut over, mut under) = (0.0, 0.0);
    for (x, y) in values.iter().enumerate() {
        let x = x as f64 - x_mean;
        over += x * (y - y_mean);
        under += x * x;
    }
    if under == 0.0 { 0.0 } else { over / under }
}
