//! Configuration: the only reader of configuration files and of the environment.
//!
//! Layers, each over the one before: the defaults in config/impresario.yaml, the vendors' own variables for their
//! URLs, the operator's file, `IMPRESARIO_…` variables, flags. Each layer is checked by itself first, so that an error
//! names its file and line or its variable. Keys are read here and held as `Secret`; nothing prints them.

mod accounts;
mod assembly;
mod base_url;
mod bounded;
mod capture;
mod certificate;
mod checking;
mod doors;
mod environment;
mod error;
mod extras;
mod forerunner;
mod gateway;
mod keeping;
mod key_place;
mod key_places;
mod layers;
mod local_servers;
mod log;
mod notify_socket;
mod one_or_many;
mod origins;
mod printing;
mod providers;
mod records;
mod remote;
mod secret_source;
pub mod settings;
mod speaks;
mod state_folder;
mod store_url;
mod strategy;
mod survey;
pub mod telemetry;

use std::net::SocketAddr;
use std::path::PathBuf;

use actors::herald::NotifySocket;
use units::ProviderId;

pub use assembly::{ROLES, blueprint, can_answer, no_provider_help};
pub use certificate::certificate;
pub use checking::Checked;
pub use environment::Environment;
pub use error::{Defect, Error};
pub use remote::{BadRemote, Elsewhere, Remote, Way};
pub use secret_source::Fault;
pub use settings::Settings;
pub use state_folder::{Lock, MAX_SOCKET_PATH_BYTES, StateFolder};
pub use survey::Contact;

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
    /// The server that a command asks, in place of the one on the state folder.
    pub elsewhere: Elsewhere,
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
    /// Where everything is stored; without its password where a command says that: [`Loaded::unlocked_database`].
    pub database: store::Database,
    /// The environment as it was when this was loaded.
    pub environment: Environment,
    /// Who is told how the server does; [`Loaded::under_the_manager`] finds it.
    pub manager: Option<NotifySocket>,
    accounts: Vec<Account>,
    /// The command that says the store's password.
    password_command: Option<Vec<String>>,
    fail_point: Option<FailPoint>,
}

impl Loaded {
    /// The same for a server that tells the service manager which started it, if one did.
    ///
    /// # Errors
    /// When the variables that it left cannot be read.
    pub fn under_the_manager(self) -> Result<Self, Error> {
        Ok(Self { manager: notify_socket::find(&self.environment, std::process::id())?, ..self })
    }
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
    let (database, password_command) = assembly::database(&settings.store, &state, &environment)?;
    Ok(Loaded {
        database,
        password_command,
        state,
        accounts: accounts::read(&settings.providers, &environment)?,
        fail_point: assembly::fail_point(&environment)?,
        manager: None,
        settings,
        file,
        environment,
    })
}

/// The folder for the server's state; no other part of the configuration is looked at.
///
/// # Errors
/// When nothing says where it is.
pub fn state_folder(flags: &Flags) -> Result<StateFolder, Error> {
    StateFolder::find(flags.state_dir.as_deref(), &surroundings())
}

/// The server that a command is to ask over TCP; none where that is the one on the state folder.
///
/// # Errors
/// When its address or key is none, or the key would cross a network as it is.
pub fn remote(flags: &Flags) -> Result<Option<Remote>, Error> {
    remote::find(&flags.elsewhere, &surroundings())
}

impl Loaded {
    /// Where everything is stored, with the password, whoever says it.
    ///
    /// # Errors
    /// When the command of `store.password` does not say it.
    pub async fn unlocked_database(&self, clock: &clock::Clock) -> Result<store::Database, Error> {
        let Some(command) = &self.password_command else { return Ok(self.database.clone()) };
        let password = secret_source::ask(command, "store.password", &self.environment, clock).await?;
        Ok(match &self.database {
            store::Database::Postgres(url) => store::Database::Postgres(url.clone().with_password(&password)),
            store::Database::Sqlite(path) => store::Database::Sqlite(path.clone()),
        })
    }
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
