//! A new configuration for a server that runs: on SIGHUP, and when a file of it has changed.
//!
//! The files of TLS are read anew with it, and are looked at too.
//!
//! The file is looked at rather than watched: that costs one call of the system in a while, and sees every way in which
//! editors and deployments replace a file (written in place, renamed over it, a link that leads elsewhere).

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use actors::herald::News;
use clock::Clock;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};
use units::UnixMillis;

use crate::config::{self, Environment, Flags, Loaded, Settings};
use crate::server::{Server, note};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// When to reload, and from what.
#[derive(Debug)]
pub struct Reloads {
    flags: Flags,
    environment: Environment,
    /// The configuration's own file, and those of TLS.
    files: Vec<PathBuf>,
    /// What the server was started with.
    started: Settings,
    clock: Clock,
    hangup: Signal,
    /// The files as they were last read.
    read: Vec<Option<Stamp>>,
    /// The files as they were last seen, where that differs.
    changing: Option<Vec<Option<Stamp>>>,
    /// What the tree has lost was tried to be given back.
    mended: bool,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let found = path.metadata().ok()?;
        let modified = (found.mtime(), found.mtime_nsec());
        Some(Self { device: found.dev(), inode: found.ino(), bytes: found.len(), modified })
    }
}

/// The configuration of a running server as it stands; over HTTP too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The number of the one in force; the one of the start is 1.
    pub revision: i64,
    /// Since when it is in force.
    pub since: UnixMillis,
    /// The last one that was not put in force.
    pub refused: Option<Refused>,
    /// The settings that differ from those in force and wait for a restart.
    pub waiting: Vec<String>,
}

/// A configuration that was not put in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// When it was read.
    pub at: UnixMillis,
    /// The number of the one that stayed in force.
    pub kept: i64,
    /// Everything that was wrong with it.
    pub faults: Vec<String>,
}

impl Standing {
    /// That of a server that starts.
    pub(crate) fn first(now: UnixMillis) -> Self {
        Self { revision: 1, since: now, refused: None, waiting: Vec::new() }
    }

    /// Whether the newest configuration is not the one in force.
    pub fn is_refused(&self) -> bool {
        self.refused.as_ref().is_some_and(|refused| refused.kept == self.revision)
    }
}

impl Reloads {
    /// Listens from now on: SIGHUP does not end the process any more.
    ///
    /// # Errors
    /// When the system gives no handler.
    pub fn listen(flags: &Flags, loaded: &Loaded, clock: Clock) -> io::Result<Self> {
        let files = files(loaded);
        Ok(Self {
            flags: flags.clone(),
            environment: loaded.environment.clone(),
            started: loaded.settings.clone(),
            clock,
            hangup: signal(SignalKind::hangup())?,
            read: stamps(&files),
            changing: None,
            mended: false,
            files,
        })
    }

    /// Waits until there is something to reload: a signal, another file, or places that the tree has lost.
    pub async fn next(&mut self, server: &Server) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => return,
                () = self.clock.sleep(LOOK_EVERY) => {}
            }
            let is_whole = server.is_whole();
            // Once: where that does not help, a person is needed, and the log has said so.
            if !is_whole && !std::mem::replace(&mut self.mended, true) {
                return;
            }
            self.mended &= !is_whole;
            let now = stamps(&self.files);
            if now == self.read {
                self.changing = None;
                continue;
            }
            // Twice the same: nobody is in the middle of writing it.
            if self.changing.replace(now.clone()) == Some(now) {
                return;
            }
        }
    }

    /// Reads and checks everything anew, and puts it in force; where anything is wrong, the last good one stays.
    pub async fn carry_out(&mut self, server: &Server) {
        let announcer = &server.doors().announcer;
        announcer.tell(News::Reloading);
        (self.read, self.changing) = (stamps(&self.files), None);
        match self.load(server).await {
            Ok((loaded, revision)) => {
                info!(revision, "a new configuration is in force");
                note(server.doors(), "config.reload", "ok", Some(format!("revision {revision}")));
                let waiting = config::wait_for_restart(&self.started, &loaded.settings);
                if !waiting.is_empty() {
                    let settings = waiting.join(", ");
                    warn!(settings, "these settings differ from those in force and wait for a restart");
                }
                let since = self.clock.wall();
                server.configuration().send_modify(|standing| {
                    (standing.revision, standing.since, standing.waiting) = (revision, since, waiting);
                });
                announcer.tell(News::Ready { status: format!("configuration {revision} is in force") });
            }
            Err(faults) => {
                let told = faults.join("; ");
                error!(faults = told, "the configuration is not reloaded: the last good one stays in force");
                note(server.doors(), "config.reload", "refused", Some(told));
                let at = self.clock.wall();
                server.configuration().send_modify(|standing| {
                    standing.refused = Some(Refused { at, kept: standing.revision, faults });
                });
                let status = "a new configuration was refused: the last good one stays in force";
                announcer.tell(News::Ready { status: status.to_owned() });
            }
        }
    }

    async fn load(&mut self, server: &Server) -> Result<(Loaded, i64), Vec<String>> {
        let checked = config::check_from(&self.flags, &self.environment);
        let loaded = config::load_from(&self.flags, self.environment.clone());
        if let Ok(loaded) = &loaded {
            // Before what they hold is read: what changes after this is seen.
            self.look_at(files(loaded));
        }
        let loaded = match loaded {
            Ok(loaded) if checked.faults.is_empty() => loaded,
            Ok(_) => {
                server.refused();
                return Err(checked.faults);
            }
            Err(error) => {
                server.refused();
                let told = [error.to_string()];
                return Err(if checked.faults.is_empty() { told.to_vec() } else { checked.faults });
            }
        };
        let revision = server.follow(&loaded).await.map_err(|error| vec![error.to_string()])?;
        Ok((loaded, revision))
    }

    fn look_at(&mut self, files: Vec<PathBuf>) {
        (self.read, self.files) = (last_read(&self.files, &self.read, &files), files);
    }
}

/// The files that a configuration is made of: its own, and those of TLS.
fn files(loaded: &Loaded) -> Vec<PathBuf> {
    let tls = &loaded.settings.server.tls;
    [&loaded.file, &tls.certificate, &tls.key].into_iter().flatten().cloned().collect()
}

/// The stamps of `now`. What was looked at before keeps the stamp from before it was read, so that what changed since is
/// seen.
fn last_read(before: &[PathBuf], read: &[Option<Stamp>], now: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |file: &PathBuf| match before.iter().position(|known| known == file) {
        Some(known) => read[known],
        None => Stamp::of(file),
    };
    now.iter().map(stamp).collect()
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    files.iter().map(|file| Stamp::of(file)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_made_while_other_files_are_named_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let [config, old, new] = ["x.yaml", "old.pem", "new.pem"].map(|name| folder.path().join(name));
        for file in [&config, &old, &new] {
            std::fs::write(file, "1").unwrap();
        }
        let before = [config.clone(), old];
        let read = stamps(&before);
        // It has been read, and names another certificate; the next edit comes before that one is looked at.
        std::fs::write(&config, "the next").unwrap();
        let now = [config, new];
        let kept = last_read(&before, &read, &now);
        assert_eq!((kept[0], kept[1]), (read[0], Stamp::of(&now[1])));
        assert_ne!(kept, stamps(&now), "so it is read once more");
    }
}
