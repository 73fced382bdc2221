//! What the process takes of its machine, as Linux tells it; under the names that every Prometheus dashboard knows.

use std::fs;

use prometheus::{Counter, IntGauge};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::shelf::{Shelf, shown};

/// Where the fields of /proc/self/stat stand behind the process's name; proc(5) counts from 1 and has two before it.
const USER_TICKS: usize = 14 - 3;
const SYSTEM_TICKS: usize = 15 - 3;
const THREADS: usize = 20 - 3;
const START_TICKS: usize = 22 - 3;
const VIRTUAL_BYTES: usize = 23 - 3;
const RESIDENT_PAGES: usize = 24 - 3;

/// The families. Cloning shares them.
#[derive(Clone)]
pub(super) struct Machine {
    cpu: Counter,
    resident: IntGauge,
    virtual_bytes: IntGauge,
    open_files: IntGauge,
    max_files: IntGauge,
    threads: IntGauge,
    start: IntGauge,
}

/// What /proc says of this process.
struct Found {
    cpu_seconds: f64,
    resident_bytes: u64,
    virtual_bytes: u64,
    threads: u64,
    /// Since the machine's own start.
    started_seconds: u64,
}

impl Machine {
    pub(super) fn new(shelf: &Shelf) -> Self {
        Self {
            cpu: shelf.sum(
                "process_cpu_seconds_total",
                "CPU time of the user's and the system's code, in seconds.",
            ),
            resident: shelf.gauge("process_resident_memory_bytes", "Resident memory, in bytes."),
            virtual_bytes: shelf.gauge("process_virtual_memory_bytes", "Virtual memory, in bytes."),
            open_files: shelf.gauge("process_open_fds", "Open file descriptors."),
            max_files: shelf.gauge("process_max_fds", "The most file descriptors that may be open."),
            threads: shelf.gauge("process_threads", "Threads."),
            start: shelf
                .gauge("process_start_time_seconds", "When the process started, in seconds of Unix time."),
        }
    }

    /// What cannot be read is left as it was.
    pub(super) fn observe(&self) {
        if let Some(found) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Found::of) {
            self.cpu.reset();
            self.cpu.inc_by(found.cpu_seconds);
            self.resident.set(shown(found.resident_bytes));
            self.virtual_bytes.set(shown(found.virtual_bytes));
            self.threads.set(shown(found.threads));
            if let Some(booted) = booted() {
                self.start.set(shown(booted.saturating_add(found.started_seconds)));
            }
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is this look itself.
            self.open_files.set(shown(open.count().saturating_sub(1)));
        }
        let most = getrlimit(Resource::Nofile).current;
        self.max_files.set(most.map_or(i64::MAX, shown));
    }
}

impl Found {
    fn of(stat: &str) -> Option<Self> {
        // The name stands in parentheses and may hold any character, those among them.
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
        let ticks = clock_ticks_per_second().max(1);
        let cpu_ticks = number(USER_TICKS)?.saturating_add(number(SYSTEM_TICKS)?);
        let pages = number(RESIDENT_PAGES)?;
        Some(Self {
            cpu_seconds: cpu_ticks as f64 / ticks as f64,
            resident_bytes: pages.saturating_mul(page_size() as u64),
            virtual_bytes: number(VIRTUAL_BYTES)?,
            threads: number(THREADS)?,
            started_seconds: number(START_TICKS)? / ticks,
        })
    }
}

/// When the machine started, in seconds of Unix time.
fn booted() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_process_whose_name_is_hostile() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 300 150 0 0 20 0 9 0 5000 8192 3 18446744073709551615";
        let found = Found::of(&format!("77 (a) R (b) {rest}")).unwrap();
        let ticks = clock_ticks_per_second();
        assert_eq!((found.threads, found.virtual_bytes), (9, 8192));
        assert_eq!(found.resident_bytes, 3 * page_size() as u64);
        assert_eq!(found.started_seconds, 5000 / ticks);
        assert!((found.cpu_seconds - 450.0 / ticks as f64).abs() < 1e-9);
        for cut in ["", "77 (a", "77 (a) S 1 2 3", "77 (a) S x"] {
            assert!(Found::of(cut).is_none(), "{cut}");
        }
    }

    #[test]
    fn this_process_has_memory_threads_and_open_files() {
        let machine = Machine::new(&Shelf::new());
        machine.observe();
        for gauge in [&machine.resident, &machine.virtual_bytes, &machine.threads, &machine.open_files] {
            assert!(gauge.get() > 0);
        }
        assert!(machine.max_files.get() >= machine.open_files.get());
        assert!(machine.cpu.get() >= 0.0);
    }
}
