//! Configuration: the only reader of configuration files and of the environment.
//!
//! Layers, each over the one before: the defaults in config/impresario.yaml, the vendors' own variables for their
//! URLs, the operator's file, `IMPRESARIO_…` variables, flags. Each layer is checked by itself first, so that an error
//! names its file and line or its variable. Keys are read here and held as `Secret`; nothing prints them.

mod accounts;
mod assembly;
mod base_url;
mod bounded;
mod checking;
mod environment;
mod error;
mod forerunner;
mod key_place;
mod layers;
mod local_servers;
mod log;
mod one_or_many;
mod origins;
mod printing;
mod providers;
pub mod settings;
mod state_folder;
mod store_url;
mod strategy;
pub mod telemetry;

use std::net::SocketAddr;
use std::path::PathBuf;

use units::ProviderId;

pub use assembly::{ROLES, blueprint, can_answer, no_provider_help};
pub use checking::Checked;
pub use environment::Environment;
pub use error::{Defect, Error};
pub use settings::Settings;
pub use state_folder::{Lock, MAX_SOCKET_PATH_BYTES, StateFolder};

use accounts::Account;
use assembly::FailPoint;

/// What the command line says; the default says nothing.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The configuration file, in place of the usual one.
    pub config: Option<PathBuf>,
    /// The state folder, in place of the usual one.
    pub state_dir: Option<PathBuf>,
    /// Where the server listens.
    pub listen: Option<SocketAddr>,
    /// Folders to work in, beside those of `workspaces.roots`.
    pub roots: Vec<PathBuf>,
    /// The provider that all roles use.
    pub provider: Option<ProviderId>,
}

/// Everything that was read, checked.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The effective settings.
    pub settings: Settings,
    /// Where the server keeps what it must not forget.
    pub state: StateFolder,
    /// The configuration file that was looked for; it need not be there.
    pub file: Option<PathBuf>,
    /// Where everything is stored.
    pub database: store::Database,
    /// The environment as it was when this was loaded.
    pub environment: Environment,
    accounts: Vec<Account>,
    fail_point: Option<FailPoint>,
}

/// Reads everything that configures this process. Calls nobody and writes nothing.
///
/// # Errors
/// What is wrong, in which file and line or variable, and what to do about it.
pub fn load(flags: &Flags) -> Result<Loaded, Error> {
    load_from(flags, surroundings())
}

/// As [`load`], from an environment that the caller made up.
///
/// # Errors
/// As [`load`].
pub fn load_from(flags: &Flags, environment: Environment) -> Result<Loaded, Error> {
    let layers::Effective { settings, file, .. } = layers::read(flags, &environment)?;
    checking::ports(&settings).map_or(Ok(()), Err)?;
    let state = StateFolder::find(flags.state_dir.as_deref(), &environment)?;
    Ok(Loaded {
        database: assembly::database(&settings.store, &state, &environment)?,
        state,
        accounts: accounts::read(&settings.providers, &environment)?,
        fail_point: assembly::fail_point(&environment)?,
        settings,
        file,
        environment,
    })
}

/// The effective settings as YAML that can be saved as a configuration file, each with where it comes from.
///
/// # Errors
/// As [`load`]; but no key is looked up, and the state folder may be missing.
pub fn print(flags: &Flags) -> Result<String, Error> {
    printing::print(flags, &surroundings())
}

/// As [`print()`], as JSON.
///
/// # Errors
/// As [`print()`].
pub fn print_json(flags: &Flags) -> Result<String, Error> {
    printing::print_json(flags, &surroundings())
}

/// Checks everything that can be checked without calling anybody, and tells all that is wrong at once.
pub fn check(flags: &Flags) -> Checked {
    check_from(flags, &surroundings())
}

/// As [`check`], in an environment that the caller made up.
pub fn check_from(flags: &Flags, environment: &Environment) -> Checked {
    checking::check(flags, environment)
}

/// The settings of `new` that differ from those that a server was started with and that it does not change while it runs.
pub fn wait_for_restart(started: &Settings, new: &Settings) -> Vec<String> {
    checking::wait_for_restart(started, new)
}

fn surroundings() -> Environment {
    std::env::vars_os().collect()
}

#[cfg(test)]
mod tests;
