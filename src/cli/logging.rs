//! The log of this process: to standard error, past whatever is live on the terminal; and its traces, where they go out.

use std::io::{self, IsTerminal, Write};

use indicatif::MultiProgress;
use tracing_subscriber::Layer;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{DefaultFields, FormatFields, JsonFields, Writer};
use tracing_subscriber::fmt::{FormattedFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::settings::{Format, Level, Log};
use crate::telemetry::Outlet;

/// Writes log lines while what is live steps aside.
#[derive(Clone)]
struct Aside(MultiProgress);

/// Shows what a span was begun with. What is found out at its end no line tells any more: it goes to the traces, and to write
/// it into each span's line for nobody was a sixth of what a relayed call costs (docs/benchmarks.md).
struct AsBegun<F>(F);

impl<'writer, F: FormatFields<'writer>> FormatFields<'writer> for AsBegun<F> {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> std::fmt::Result {
        self.0.format_fields(writer, fields)
    }

    fn add_fields(
        &self,
        _: &'writer mut FormattedFields<Self>,
        _: &tracing::span::Record<'_>,
    ) -> std::fmt::Result {
        Ok(())
    }
}

/// For commands whose news is on the screen.
pub(crate) const QUIET: LevelFilter = LevelFilter::WARN;
/// For a server.
pub(crate) const TALKATIVE: LevelFilter = LevelFilter::INFO;
/// How much is heard of crates that are not ours: what they say at lower levels may hold what passes through them.
const OTHERS: LevelFilter = LevelFilter::WARN;
/// The crates of the house.
const HOUSE: [&str; 27] = [
    "access",
    "actors",
    "answers",
    "cells",
    "chat",
    "clock",
    "edits",
    "gateway",
    "histogram",
    "impresario",
    "plan",
    "pricing",
    "process",
    "prompts",
    "review",
    "routing",
    "scripted",
    "secrets",
    "spool",
    "store",
    "supervision",
    "units",
    "upstream",
    "wire",
    "workflow",
    "workspace",
    "yaml",
];

/// Starts the log, at `level` unless the configuration says another; a second call changes nothing.
pub(crate) fn start(log: &Log, level: LevelFilter, progress: &MultiProgress) {
    begin(log, level, progress, None);
}

/// As [`start`], and spans go out through `outlet`.
pub(crate) fn start_with(log: &Log, level: LevelFilter, progress: &MultiProgress, outlet: Option<&Outlet>) {
    begin(log, level, progress, outlet);
}

fn begin(log: &Log, level: LevelFilter, progress: &MultiProgress, outlet: Option<&Outlet>) {
    let writer = Aside(progress.clone());
    let lines = tracing_subscriber::fmt::layer::<Registry>().with_writer(writer);
    let is_terminal = io::stderr().is_terminal();
    let colours = is_terminal && console::colors_enabled_stderr();
    let lines = match (log.format, is_terminal) {
        (Format::Json, _) | (Format::Auto, false) => {
            lines.json().fmt_fields(AsBegun(JsonFields::new())).boxed()
        }
        (Format::Text, _) | (Format::Auto, true) => {
            let lines = lines.with_target(false).with_ansi(colours);
            lines.fmt_fields(AsBegun(DefaultFields::new())).boxed()
        }
    };
    let spans = outlet.map(|outlet| {
        let house = HOUSE.map(|name| (name, LevelFilter::INFO));
        outlet.layer().with_filter(Targets::new().with_targets(house))
    });
    // A command that loads the configuration twice asks twice.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter(log, level))).with(spans).try_init();
}

fn filter(log: &Log, level: LevelFilter) -> Targets {
    let level = log.level.map_or(level, of);
    let own = log.targets.0.iter().map(|(name, level)| (name.clone(), of(*level)));
    Targets::new()
        .with_default(level.min(OTHERS))
        .with_targets(HOUSE.map(|name| (name, level)))
        .with_targets(own)
}

fn of(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

impl<'a> MakeWriter<'a> for Aside {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Aside {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_crate_of_the_house_is_heard() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut crates: BTreeSet<String> = names.map(|name| name.into_string().unwrap()).collect();
        crates.extend(["actors", "impresario", "supervision"].map(str::to_owned));
        assert_eq!(HOUSE.map(str::to_owned).into_iter().collect::<BTreeSet<_>>(), crates);
    }

    #[test]
    fn a_part_has_its_own_level_and_others_crates_say_little_unless_they_are_named() {
        let log: Log = serde_json::from_str(
            r#"{"level": "trace", "targets": {"supervision": "warn", "hyper": "debug"}}"#,
        )
        .unwrap();
        let filter = filter(&log, QUIET);
        let is_heard =
            |target: &str, level: LevelFilter| filter.would_enable(target, &level.into_level().unwrap());
        assert!(is_heard("gateway::run", LevelFilter::TRACE));
        assert!(is_heard("supervision", LevelFilter::WARN) && !is_heard("supervision", LevelFilter::INFO));
        assert!(
            is_heard("hyper::proto", LevelFilter::DEBUG) && !is_heard("hyper::proto", LevelFilter::TRACE)
        );
        assert!(is_heard("rustls", LevelFilter::WARN) && !is_heard("rustls", LevelFilter::INFO));

        let plain = super::filter(&Log::default(), TALKATIVE);
        assert!(plain.would_enable("actors::writer", &tracing::Level::INFO));
        assert!(!plain.would_enable("actors::writer", &tracing::Level::DEBUG));
    }
}
