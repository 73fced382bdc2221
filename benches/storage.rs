//! What the store's writer costs beside the same rows in the same group commit without it, on both databases.
//!
//! `cargo bench --bench storage [-- [--quick] [--rounds N] [--postgres URL] [part…]]`; see docs/benchmarks.md. Bars are
//! printed as met or missed and never asserted.

#[path = "storage/disk.rs"]
mod disk;
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

use load::{Position, Rows, Sink, push};
use rounds::{Bar, Figures, Plan, Side, say};
use tokio::runtime::Runtime;

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
    let runtime = load::runtime();
    let own = store::Database::Sqlite(folder.join("ours.db"));
    let raw = |name: &str, position| {
        let path = folder.join(name);
        // The same schema: made by the store itself.
        drop(
            store::Writer::open(&store::Database::Sqlite(path.clone()))
                .expect("the store opens a fresh file"),
        );
        say(&format!("  raw: {}", raw_sqlite::settings(&path)));
        raw_sqlite::open(&path, position)
    };
    let plain = raw("raw.db", Position::NotKept);
    let exact = (rows == Rows::Usage).then(|| raw("exact.db", Position::Moved));
    let ours = ours::open(&own, rows, &runtime);
    let disk = disk::Disk::of(folder);
    let count = || disk.as_ref()?.flushes().map(|flushes| (flushes, "flushes of its disk, by all programs,"));
    compare(plan, rows, &runtime, (&ours, &plain, exact.as_ref()), &count);
}

fn on_postgres(plan: Plan, rows: Rows, name: &str, url: &str) {
    let runtime = load::runtime();
    let address = |side: &str| format!("{url}?schema=bench_{name}_{side}_{}", std::process::id());
    let database = |url: &str| store::Database::Postgres(url.parse().expect("--postgres takes a URL"));
    let raw = |side: &str, position| {
        let raw = address(side);
        drop(store::Writer::open(&database(&raw)).expect("the server takes a schema"));
        raw_postgres::open(url, &raw, position)
    };
    let plain = raw("raw", Position::NotKept);
    let exact = (rows == Rows::Usage).then(|| raw("exact", Position::Moved));
    let ours = ours::open(&database(&address("ours")), rows, &runtime);
    say(&format!("  server: {}", plain.settings()));
    let sides = (&ours, &plain.sink, exact.as_ref().map(|exact| &exact.sink));
    compare(plan, rows, &runtime, sides, &|| Some((plain.syncs(), "syncs of the server's log")));
    drop((ours, runtime));
    let sides = ["ours", "raw", "exact"].into_iter().take(if rows == Rows::Usage { 3 } else { 2 });
    plain.drop_schemas(&sides.map(address).collect::<Vec<_>>());
}

/// So many of these there have been.
type Synced = (u64, &'static str);
type Counter<'a> = &'a dyn Fn() -> Option<Synced>;
/// The store, the yardstick, and the yardstick that keeps its position too, where the store does.
type Sides<'a> = (&'a Sink, &'a Sink, Option<&'a Sink>);

fn compare(plan: Plan, rows: Rows, runtime: &Runtime, sinks: Sides<'_>, synced: Counter<'_>) {
    let (ours, plain, exact) = sinks;
    for (producers, full) in PRODUCERS {
        let count = plan.count(full, producers as u64 * 2);
        let side = |name: &str, sink: &Sink| {
            let (sink, name) = (sink.clone(), format!("{producers:>2} producers, {name}"));
            Side::new(name, move || push(sink.clone(), rows, producers, count))
        };
        let sinks: Vec<&Sink> = [ours, plain].into_iter().chain(exact).collect();
        let mut sides = vec![side("the store", ours), side("raw", plain)];
        sides.extend(exact.map(|exact| side("raw, with its position", exact)));
        let commits_before: Vec<u64> = sinks.iter().map(|sink| sink.commits()).collect();
        let synced_before = synced();
        runtime.block_on(plan.alternate(&mut sides));
        let commits: Vec<u64> =
            sinks.iter().zip(commits_before).map(|(sink, b)| sink.commits() - b).collect();
        tell_commits(plan, count * plan.rounds as u64, &commits, synced_before, synced());
        for (raw, name) in sides[1..].iter().zip(["raw", "raw with its position"]) {
            let figures = Figures::of(sides[0].speed_beside(raw), sides[0].thrift_beside(raw));
            let what = format!("durable rows/s, {producers} producers, × {name}");
            plan.judge(&what, figures, Bar::AtLeast(0.8), "");
        }
    }
}

/// How many rows shared a commit, and what a commit cost the disk.
#[expect(clippy::cast_precision_loss, reason = "counts of rows and commits are far below 2^52")]
fn tell_commits(plan: Plan, rows: u64, commits: &[u64], before: Option<Synced>, after: Option<Synced>) {
    let shares: Vec<String> =
        commits.iter().map(|commits| format!("{:.1}", rows as f64 / *commits as f64)).collect();
    plan.tell("rows in a commit: the store, then raw", &shares.join(", "));
    if let (Some((before, what)), Some((after, _))) = (before, after) {
        let share = (after - before) as f64 / commits.iter().sum::<u64>() as f64;
        plan.tell(&format!("{what} for each commit of all"), &format!("{share:.2}"));
    }
}
