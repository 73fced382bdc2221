//! The log of this process: to standard error, past whatever is live on the terminal.

use std::io::{self, IsTerminal, Write};

use indicatif::MultiProgress;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::settings::{Format, Level, Log};

/// Writes log lines while what is live steps aside.
#[derive(Clone)]
struct Aside(MultiProgress);

/// For commands whose news is on the screen.
pub(crate) const QUIET: LevelFilter = LevelFilter::WARN;
/// For a server.
pub(crate) const TALKATIVE: LevelFilter = LevelFilter::INFO;

/// Starts the log, at `level` unless the configuration says another; a second call changes nothing.
pub(crate) fn start(log: &Log, level: LevelFilter, progress: &MultiProgress) {
    let level = match log.level {
        None => level,
        Some(Level::Error) => LevelFilter::ERROR,
        Some(Level::Warn) => LevelFilter::WARN,
        Some(Level::Info) => LevelFilter::INFO,
        Some(Level::Debug) => LevelFilter::DEBUG,
        Some(Level::Trace) => LevelFilter::TRACE,
    };
    let writer = Aside(progress.clone());
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(writer).with_target(false);
    let colours = io::stderr().is_terminal() && console::colors_enabled_stderr();
    // A command that loads the configuration twice asks twice.
    let _ = match log.format {
        Format::Json => builder.json().try_init(),
        Format::Text => builder.with_ansi(colours).try_init(),
    };
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
