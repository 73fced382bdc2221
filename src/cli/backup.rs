//! `backup FILE` and `restore FILE`: a copy of the database in one file, made beside a running server, and put back.

use std::path::Path;

use anyhow::Context as _;
use store::Summary;

use super::screen::Screen;
use super::story::{Line, Mark};
use super::{End, logging, refuse};
use crate::config::{self, Flags};

/// Copies the database into a new file and opens that to see that it holds.
///
/// # Errors
/// When the file is there already, or the database cannot be read.
pub(crate) async fn backup(screen: &Screen, flags: &Flags, file: &Path) -> anyhow::Result<End> {
    let loaded = config::load(flags).map_err(refuse)?;
    logging::start(&loaded.settings.log, logging::QUIET, screen.progress());
    let (database, target) = (loaded.database.clone(), file.to_owned());
    let summary =
        tokio::task::spawn_blocking(move || store::backup(&database, &target)).await?.map_err(refuse)?;
    let made = format!("{} holds all of {}", file.display(), loaded.database);
    screen.line(&told(&made, &summary))?;
    Ok(End::Done)
}

/// Puts a copy back into a database that holds nothing, while no server runs.
///
/// # Errors
/// When a server runs, the database is not empty, or the file is no copy.
pub(crate) async fn restore(screen: &Screen, flags: &Flags, file: &Path) -> anyhow::Result<End> {
    let loaded = config::load(flags).map_err(refuse)?;
    logging::start(&loaded.settings.log, logging::QUIET, screen.progress());
    loaded.state.make().map_err(refuse)?;
    let _lock = loaded.state.lock().context("a copy is put back while no server runs").map_err(refuse)?;
    let (copy, database, folder) = (file.to_owned(), loaded.database.clone(), loaded.state.path().to_owned());
    let seeded = actors::catalogue::seeded();
    let restored = tokio::task::spawn_blocking(move || store::restore(&copy, &database, &folder, &seeded));
    let summary = restored.await?.map_err(refuse)?;
    let made = format!("{} holds what {} did", loaded.database, file.display());
    screen.line(&told(&made, &summary))?;
    Ok(End::Done)
}

fn told(made: &str, summary: &Summary) -> Line {
    let mut details: Vec<String> =
        summary.tables.iter().map(|(table, rows)| format!("{table}: {rows} rows")).collect();
    details.push(format!("{} bytes, migration {}; opened and found whole", summary.bytes, summary.migration));
    Line::new(Mark::Done, made).with(details)
}
