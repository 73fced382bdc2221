//! Looks for what keeps a server from running well on this machine, and says what to do about it.
//!
//! It changes nothing, pays for nothing, and works beside a server that runs as well as without one. A file per part; each
//! makes findings and stops for no fault of another.

mod clock;
mod configuration;
mod database;
mod limits;
mod listening;
mod providers;
mod state;

use std::path::Path;

use ::clock::Clock;
use serde::Serialize;

use crate::client::Client;
use crate::config::{self, Flags, Loaded};

/// What was found about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub about: &'static str,
    /// What it comes to.
    pub verdict: Verdict,
    /// What was found.
    pub text: String,
    /// What to do about it, where something is to be done.
    pub remedy: Option<String>,
}

/// What a finding comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing is to be done.
    Ok,
    /// A server runs, but worse than it could, or not for long.
    Warn,
    /// A server does not run, or not what it is for.
    Fail,
}

impl Finding {
    fn ok(about: &'static str, text: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Ok, text: text.into(), remedy: None }
    }

    fn warn(about: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Warn, text: text.into(), remedy: Some(remedy.into()) }
    }

    fn fail(about: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Fail, text: text.into(), remedy: Some(remedy.into()) }
    }

    /// Of an error whose message says both what is wrong and what to do.
    fn of_error(about: &'static str, error: impl std::fmt::Display) -> Self {
        Self { about, verdict: Verdict::Fail, text: error.to_string(), remedy: None }
    }
}

/// Looks at everything that can be looked at; `launcher` is the program that limits commands.
pub async fn examine(flags: &Flags, launcher: &Path) -> Vec<Finding> {
    let clock = Clock::real();
    let mut findings = configuration::look(flags);
    let socket = config::state_folder(flags).map(|state| state.socket());
    let running = match socket {
        Ok(socket) => Client::connect(&socket).await.is_ok(),
        Err(_) => false,
    };
    findings.extend(state::look(flags, running));
    // With a configuration that cannot be read, what depends on it stays unseen; that is said already.
    if let Ok(loaded) = config::load(flags) {
        findings.extend(of_loaded(&loaded, running, &clock).await);
    }
    findings.extend(clock::look(flags, &clock));
    findings.push(limits::isolation(&process::probe(launcher, &clock).await));
    findings
}

async fn of_loaded(loaded: &Loaded, running: bool, clock: &Clock) -> Vec<Finding> {
    let mut findings = vec![listening::look(loaded.settings.server.listen, running, clock).await];
    findings.extend(limits::look(&loaded.settings));
    findings.push(database::look(&loaded.database, clock).await);
    findings.extend(providers::look(loaded, clock).await);
    findings
}
