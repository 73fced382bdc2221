//! What the store's writer costs beside the same rows in the same group commit without it, on both databases.
//!
//! `cargo bench --bench storage [-- [--quick] [--rounds N] [--postgres URL] [part…]]`; see docs/benchmarks.md. Bars are
//! printed as met or missed and never asserted.

#[path = "storage/load.rs"]
mod load;
#[path = "storage/ours.rs"]
mod ours;
#[path = "storage/raw_postgres.rs"]
mod raw_postgres;
#[path = "storage/raw_sqlite.rs"]
mod raw_sqlite;
#[expect(dead_code, reason = "each benchmark uses a part of it")]
mod rounds;

use std::path::Path;

use load::{Rows, Sink, push};
use rounds::{Bar, Figures, Plan, Side, say};

const PARTS: [(&str, Rows); 2] = [("appends", Rows::Appends), ("usage", Rows::Usage)];
/// How many wait for their answers at one time, and how many rows they write in a round.
const PRODUCERS: [(usize, u64); 3] = [(1, 300), (8, 2_400), (64, 12_800)];

struct Wish {
    plan: Plan,
    postgres: Option<String>,
    parts: Vec<String>,
}

fn main() {
    let wish = read(std::env::args().skip(1));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    say(&format!("{} rounds, median (least..most); load before: {}", wish.plan.rounds, load.trim()));
    let folder = tempfile::tempdir().expect("the folder for temporary files takes files");
    for (name, rows) in PARTS {
        if wish.parts.is_empty() || wish.parts.iter().any(|part| part == name) {
            say(&format!("{name}, SQLite"));
            on_sqlite(wish.plan, rows, &folder.path().join(name));
            if let Some(url) = &wish.postgres {
                say(&format!("{name}, PostgreSQL"));
                on_postgres(wish.plan, rows, name, url);
            }
        }
    }
    if wish.postgres.is_none() {
        say("PostgreSQL: not measured; say --postgres URL");
    }
    if wish.plan.quick {
        say("every part works; a quick run says nothing about time");
    }
}

fn read(arguments: impl Iterator<Item = String>) -> Wish {
    let mut wish = Wish { plan: Plan { rounds: 11, quick: false }, postgres: None, parts: Vec::new() };
    // Cargo adds `--bench`.
    let mut arguments = arguments.filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => wish.plan = Plan { rounds: 1, quick: true },
            "--rounds" => {
                let rounds = arguments.next().and_then(|rounds| rounds.parse().ok());
                wish.plan.rounds = rounds.expect("--rounds takes a number");
            }
            "--postgres" => wish.postgres = Some(arguments.next().expect("--postgres takes a URL")),
            _ => wish.parts.push(argument),
        }
    }
    if let Some(unknown) = wish.parts.iter().find(|wanted| PARTS.iter().all(|(name, _)| name != wanted)) {
        let names = PARTS.map(|(name, _)| name).join(", ");
        say(&format!("there is no part `{unknown}`; there are: {names}"));
        std::process::exit(2);
    }
    wish
}

fn on_sqlite(plan: Plan, rows: Rows, folder: &Path) {
    std::fs::create_dir(folder).expect("the folder is fresh");
    let own = store::Database::Sqlite(folder.join("ours.db"));
    let raw = folder.join("raw.db");
    // The same schema: made by the store itself.
    drop(store::Writer::open(&store::Database::Sqlite(raw.clone())).expect("the store opens a fresh file"));
    say(&format!("  raw: {}", raw_sqlite::settings(&raw)));
    let (ours, theirs) = (ours::open(&own, rows), raw_sqlite::open(&raw));
    compare(plan, rows, &ours, &theirs, &|| flushes_of_all_disks().map(|flushes| (flushes, "disk flushes")));
}

fn on_postgres(plan: Plan, rows: Rows, name: &str, url: &str) {
    let address = |side: &str| format!("{url}?schema=bench_{name}_{side}_{}", std::process::id());
    let database = |url: &str| store::Database::Postgres(url.parse().expect("--postgres takes a URL"));
    let (own, raw) = (address("ours"), address("raw"));
    drop(store::Writer::open(&database(&raw)).expect("the server takes a schema"));
    let (ours, theirs) = (ours::open(&database(&own), rows), raw_postgres::open(url, &raw));
    say(&format!("  server: {}", theirs.settings()));
    compare(plan, rows, &ours, &theirs.sink, &|| Some((theirs.syncs(), "syncs of the log")));
    drop(ours);
    theirs.drop_schemas(&[&own, &raw]);
}

/// So many of these there have been.
type Synced = (u64, &'static str);
type Counter<'a> = &'a dyn Fn() -> Option<Synced>;

fn compare(plan: Plan, rows: Rows, ours: &Sink, raw: &Sink, synced: Counter<'_>) {
    let runtime = load::runtime();
    for (producers, full) in PRODUCERS {
        let count = plan.count(full, producers as u64 * 2);
        let side = |name: &str, sink: &Sink| {
            let (sink, name) = (sink.clone(), format!("{producers:>2} producers, {name}"));
            Side::new(name, move || push(sink.clone(), rows, producers, count))
        };
        let mut sides = [side("raw", raw), side("the store", ours)];
        let commits_before = [raw, ours].map(Sink::commits);
        let synced_before = synced();
        runtime.block_on(plan.alternate(&mut sides));
        let commits = [raw.commits() - commits_before[0], ours.commits() - commits_before[1]];
        tell_commits(plan, count * plan.rounds as u64, commits, synced_before, synced());
        let [raw, ours] = &sides;
        let figures = Figures::of(ours.speed_beside(raw), ours.thrift_beside(raw));
        plan.judge(&format!("durable rows/s, {producers} producers, × raw"), figures, Bar::AtLeast(0.8), "");
    }
}

/// How many rows shared a commit, and what a commit cost the disk.
#[expect(clippy::cast_precision_loss, reason = "counts of rows and commits are far below 2^52")]
fn tell_commits(plan: Plan, rows: u64, commits: [u64; 2], before: Option<Synced>, after: Option<Synced>) {
    let [raw, ours] = commits;
    let shares = format!("{:.1}, {:.1}", rows as f64 / raw as f64, rows as f64 / ours as f64);
    plan.tell("rows in a commit: raw, the store", &shares);
    if let (Some((before, what)), Some((after, _))) = (before, after) {
        let share = (after - before) as f64 / (raw + ours) as f64;
        plan.tell(&format!("{what} for each commit of either"), &format!("{share:.2}"));
    }
}

/// Flushes that all disks of this machine have done, other programs' too; `None` where Linux does not count them.
fn flushes_of_all_disks() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/diskstats").ok()?;
    // The eighteenth field after the device's name.
    let flushes = |line: &str| line.split_whitespace().nth(18)?.parse::<u64>().ok();
    text.lines().map(flushes).sum()
}
