//! Everything that is wrong with a configuration, told at once. Calls nobody and writes nothing.

use std::path::PathBuf;

use clock::Clock;
use routing::Readiness;
use yaml::Value;

use super::accounts::{self, Account};
use super::environment::Environment;
use super::layers::{self, Effective};
use super::origins::Origins;
use super::settings::{Bounded, Settings};
use super::state_folder::StateFolder;
use super::{Error, Flags, assembly};
use crate::http::is_loopback;
use crate::server;

/// What a configuration was found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// What was checked: the configuration file where there is one, the variables, the flags.
    pub layers: Vec<String>,
    /// Everything that is wrong: what, where, and what to do about it. Nothing starts with any of these.
    pub faults: Vec<String>,
    /// What is not wrong, but may not be what was meant.
    pub notes: Vec<String>,
}

pub(super) fn check(flags: &Flags, environment: &Environment) -> Checked {
    let mut checked = Checked::default();
    let state = StateFolder::find(flags.state_dir.as_deref(), environment);
    match layers::read_all(flags, environment) {
        Ok(effective) => checked.look_at(effective, environment),
        Err(errors) => {
            checked.faults = errors.iter().map(Error::to_string).collect();
            checked.notes.push(
                "what depends on these was not checked yet: correct them and check once more".to_owned(),
            );
        }
    }
    checked.fault(state);
    checked.fault(assembly::fail_point(environment));
    checked
}

/// Two servers on one port.
pub(super) fn ports(settings: &Settings) -> Option<Error> {
    let port = |port: Option<Bounded<1, 65_535>>| port.map(Bounded::get);
    let named = [
        ("server.listen", Some(u64::from(settings.server.listen.port()))),
        ("mcp.context_port", port(settings.mcp.context_port)),
        ("mcp.model_port", port(settings.mcp.model_port)),
    ];
    let pairs = [(0, 1), (0, 2), (1, 2)].map(|(one, other)| (named[one], named[other]));
    pairs.into_iter().find_map(|((one, port), (other, second))| {
        let port = port.filter(|port| Some(*port) == second)?;
        Some(Error::SamePort { one, other, port })
    })
}

/// What a running server changes; all else waits for a restart.
const RELOADED: [&[&str]; 5] = [&["agents"], &["gateway", "aliases"], &["mcp"], &["providers"], &["routing"]];
const TLS: [&str; 2] = ["server", "tls"];

pub(super) fn wait_for_restart(started: &Settings, new: &Settings) -> Vec<String> {
    let value = |settings: &Settings| {
        let text = yaml::to_string(settings).unwrap_or_default();
        Value::parse("the settings", &text).unwrap_or_default()
    };
    // Other files are followed; TLS itself is turned on and off by a restart.
    let follows_tls = [started, new].iter().all(|settings| settings.server.tls.certificate.is_some());
    let (started, new) = (value(started), value(new));
    let differs = |path: &Vec<String>| {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let is_reloaded = RELOADED.iter().any(|reloaded| keys.starts_with(reloaded));
        let is_followed = is_reloaded || (follows_tls && keys.starts_with(&TLS));
        !is_followed && started.get(&keys) != new.get(&keys)
    };
    new.leaves().into_iter().filter(differs).map(|path| path.join(".")).collect()
}

impl Checked {
    fn fault<T>(&mut self, result: Result<T, impl Into<Error>>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let text = error.into().to_string();
                if !self.faults.contains(&text) {
                    self.faults.push(text);
                }
                None
            }
        }
    }

    /// The values together, once each layer is right by itself.
    fn look_at(&mut self, effective: Effective, environment: &Environment) {
        let Effective { settings, origins, layers, file } = effective;
        self.look_at_file(file, &layers);
        self.layers = layers;
        let listen = settings.server.listen;
        let server = &settings.server;
        if !is_loopback(listen.ip()) && !server.plaintext && server.tls.certificate.is_none() {
            self.faults.push(server::Error::Plaintext { listen }.to_string());
        } else if !is_loopback(listen.ip()) {
            let text = format!(
                "other machines can reach {listen}: the server starts there only when a key is valid"
            );
            self.notes.push(text);
        }
        self.faults.extend(ports(&settings).map(|error| error.to_string()));
        if origins.say(&["mcp"]) {
            let text = "`mcp` is checked and not used yet: the MCP servers come with a later version";
            self.notes.push(text.to_owned());
        }
        for root in &settings.workspaces.roots.0 {
            self.fault(workspace::Roots::try_new(vec![root.clone()]).map_err(Error::Roots));
        }
        self.fault(super::certificate(&settings.server.tls));
        self.fault(upstream::Client::try_new(&settings.upstream.options(), Clock::real()));
        let read = accounts::read_each(&settings.providers, environment);
        let accounts: Vec<Account> = read.into_iter().filter_map(|account| self.fault(account)).collect();
        // A provider that is wrong is missing from now on, and roles that name it would be blamed for it.
        if accounts.len() == settings.providers.iter().len() {
            self.look_at_accounts(&settings, &origins, accounts);
        }
    }

    fn look_at_file(&mut self, file: Option<PathBuf>, layers: &[String]) {
        let Some(file) = file else { return };
        match layers::read_text(&file) {
            Ok(text) if text.trim().is_empty() => {
                self.notes.push(format!("{} is empty: the defaults are in force", file.display()));
            }
            Ok(_) => {}
            // One that is named has been read by now.
            Err(_) if layers.len() == 1 => {
                self.notes.push(format!("there is no {}: the defaults are in force", file.display()));
            }
            Err(_) => self.notes.push(format!("there is no {}", file.display())),
        }
    }

    fn look_at_accounts(&mut self, settings: &Settings, origins: &Origins, accounts: Vec<Account>) {
        for Account { id, readiness, .. } in &accounts {
            // Those that are there by default are passed by in silence.
            let is_meant = origins.say(&["providers", id.as_str()]);
            if *readiness == Readiness::NoKey && is_meant {
                self.notes.push(format!("`providers.{id}` is passed by: the variable of its key is not set"));
            }
        }
        let assembly::Doubts { faults, notes } = assembly::doubts(accounts, settings);
        for error in faults {
            self.fault::<()>(Err(error));
        }
        self.notes.extend(notes);
    }
}

#[cfg(test)]
mod tests;
