//! How a command reaches a server: one that is named, the one that runs on the state folder, or one of its own in this
//! process.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use routing::{Deployment, Readiness, Source, Table};
use units::WorkflowId;

use super::interrupts::Interrupts;
use super::screen::Screen;
use super::story::{Line, Mark};
use super::{End, Global, logging, refuse};
use crate::client::{self, Client};
use crate::config::{self, Flags, Loaded};
use crate::http::views::{self, DeploymentView};
use crate::server::Server;

/// A server that can be asked.
pub(crate) struct Reach {
    /// Asks it.
    pub(crate) client: Client,
    own: Option<Server>,
}

/// The client of the server that runs on this state folder, if one does.
pub(crate) async fn running(loaded: &Loaded) -> anyhow::Result<Option<Client>> {
    match Client::connect(&loaded.state.socket()).await {
        Ok(client) => Ok(Some(client)),
        Err(client::Error::NotRunning { .. }) => Ok(None),
        Err(error) => Err(error).context("the server on this state folder cannot be asked"),
    }
}

/// The client of the server that flags or variables name, if they do; nothing of this machine's configuration counts.
///
/// # Errors
/// Refused ones: when it is named wrongly, or does not answer.
pub(crate) async fn named(flags: &Flags) -> anyhow::Result<Option<Client>> {
    match config::remote(flags).map_err(refuse)? {
        Some(remote) => Ok(Some(Client::connect_to(&remote).await.map_err(refuse)?)),
        None => Ok(None),
    }
}

impl Reach {
    /// The server that runs, or none.
    ///
    /// # Errors
    /// When the configuration is wrong, or no server runs.
    pub(crate) async fn of_running(screen: &Screen, flags: &Flags) -> anyhow::Result<Self> {
        if let Some(client) = named(flags).await? {
            return Ok(Self { client, own: None });
        }
        let loaded = config::load(flags).map_err(refuse)?;
        logging::start(&loaded.settings.log, logging::QUIET, screen.progress());
        let client = Client::connect(&loaded.state.socket()).await.map_err(refuse)?;
        Ok(Self { client, own: None })
    }

    /// The server that runs, or one of its own that may work in `folder` and has somebody who can answer.
    ///
    /// # Errors
    /// When the configuration is wrong, nobody can answer, or no server can be started.
    pub(crate) async fn to_run_in(screen: &Screen, global: &Global, folder: &Path) -> anyhow::Result<Self> {
        if let Some(client) = named(&global.flags()).await? {
            return Ok(Self { client, own: None });
        }
        let loaded = config::load(&global.flags()).map_err(refuse)?;
        if running(&loaded).await?.is_none() {
            let launcher = std::env::current_exe()?;
            let table =
                config::blueprint(&loaded, clock::Clock::real(), launcher).await.map_err(refuse)?.table();
            let table = table.map_err(refuse)?;
            if !config::can_answer(&table) {
                return Err(refuse(anyhow::anyhow!(config::no_provider_help(&table))));
            }
        }
        Self::to_folder(screen, global, folder).await
    }

    /// The server that runs, or one of its own that may work in `folder`.
    ///
    /// # Errors
    /// When the configuration is wrong, or no server can be started.
    async fn to_folder(screen: &Screen, global: &Global, folder: &Path) -> anyhow::Result<Self> {
        let mut flags = global.flags();
        let loaded = config::load(&flags).map_err(refuse)?;
        logging::start(&loaded.settings.log, logging::QUIET, screen.progress());
        if let Some(client) = running(&loaded).await? {
            return Ok(Self { client, own: None });
        }
        let text =
            format!("no server runs: this process is one meanwhile, and may work in {}", folder.display());
        screen.line(&Line::new(Mark::Said, text))?;
        flags.roots.push(folder.to_owned());
        Self::own(config::load(&flags).map_err(refuse)?).await
    }

    /// The server that runs, or one of its own that may work where this workflow does.
    ///
    /// # Errors
    /// As for one that runs; when none can be started; and when there is no such workflow.
    pub(crate) async fn to_workflow(
        screen: &Screen,
        global: &Global,
        id: &WorkflowId,
    ) -> anyhow::Result<Self> {
        if let Some(client) = named(&global.flags()).await? {
            return Ok(Self { client, own: None });
        }
        let loaded = config::load(&global.flags()).map_err(refuse)?;
        logging::start(&loaded.settings.log, logging::QUIET, screen.progress());
        if let Some(client) = running(&loaded).await? {
            return Ok(Self { client, own: None });
        }
        let missing =
            || refuse(anyhow::anyhow!("no server runs, and there is no workflow {id} in this state folder"));
        let database = loaded.unlocked_database(&clock::Clock::real()).await.map_err(refuse)?;
        if matches!(&database, store::Database::Sqlite(file) if !file.exists()) {
            return Err(missing());
        }
        let wanted = id.clone();
        let found = tokio::task::spawn_blocking(move || {
            store::Readers::open(&database, std::num::NonZero::<usize>::MIN)?.workflow(&wanted)
        });
        let row = found.await??.ok_or_else(missing)?;
        Self::to_folder(screen, global, Path::new(&row.root)).await
    }

    /// A server in this process.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) async fn own(loaded: Loaded) -> anyhow::Result<Self> {
        let server = Server::start(loaded).await.map_err(refuse)?;
        let client = Client::connect(&server.addresses().socket).await?;
        Ok(Self { client, own: Some(server) })
    }

    /// The server in this process, if it is one.
    pub(crate) fn server(&self) -> Option<&Server> {
        self.own.as_ref()
    }

    /// Whether somebody can answer, or else what to do about it.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(crate) async fn answers(&self) -> anyhow::Result<Result<(), String>> {
        if let Some(server) = &self.own {
            let routes = server.doors().routes.load_full();
            let table = routes.table();
            return Ok(if config::can_answer(table) { Ok(()) } else { Err(config::no_provider_help(table)) });
        }
        // What its roles want is not told over the socket; that nobody at all can answer is.
        let deployments = self.client.providers().await?;
        if deployments.iter().any(|known| known.readiness == views::Readiness::Ready) {
            return Ok(Ok(()));
        }
        let table = Table::try_new(deployments.into_iter().map(deployment).collect(), BTreeMap::new())?;
        Ok(Err(config::no_provider_help(&table)))
    }

    /// Stops the server of this process; the end becomes [`End::Interrupted`] when a signal comes meanwhile.
    pub(crate) async fn close(self, interrupts: &mut Interrupts, end: End) -> End {
        let Some(server) = self.own else { return end };
        match interrupts.unless(server.stop()).await {
            Some(_) => end,
            None => End::Interrupted,
        }
    }
}

fn deployment(view: DeploymentView) -> Deployment {
    Deployment {
        id: view.deployment,
        source: match view.source {
            views::Source::Model => Source::Model,
            views::Source::Script => Source::Script,
        },
        readiness: match view.readiness {
            views::Readiness::Ready => Readiness::Ready,
            views::Readiness::NoKey => Readiness::NoKey,
            views::Readiness::NoServer => Readiness::NoServer,
        },
    }
}
