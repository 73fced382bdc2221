//! The running server: state folder, tree and doors, started in that order and stopped in the other.
//!
//! Two listeners serve one table of routes: TCP, which wants a key for what writes or runs, and a Unix socket in the state
//! folder, which belongs to the server's user and serves everything.

mod drain;
mod listening;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actors::herald::News;
use actors::recorder::Entry;
use actors::tree::{self, Blueprint, Doors, House, Observed};
use clock::Clock;
use supervision::End;
use tokio::sync::{Semaphore, watch};
use tracing::info;
use workflow::Mode;

use crate::config::{self, Loaded};
use crate::http::{self, Changes, Desk, Gate, MAX_STREAMS, Probe};
use crate::reload::Standing;
use crate::tls::Certificates;
pub use drain::{Hurry, Stopped};
use listening::{Listening, SocketFile, open_socket};

/// A running server. Dropped without [`Server::stop`] it ends at once; what is unfinished goes on at the next start.
pub struct Server {
    listening: Listening,
    stopping: watch::Sender<bool>,
    configuration: watch::Sender<Standing>,
    house: House,
    clock: Clock,
    launcher: PathBuf,
    certificates: Option<Arc<Certificates>>,
    addresses: Addresses,
    streams: Arc<Semaphore>,
    changes: Arc<Changes>,
    drain: Duration,
    socket: SocketFile,
    lock: config::Lock,
}

/// Where a server can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// What a key opens; on loopback, reading without one.
    pub tcp: SocketAddr,
    /// Whether TLS is spoken there.
    pub is_secure: bool,
    /// Everything.
    pub socket: PathBuf,
}

/// How a server ended by itself.
#[derive(Debug)]
pub enum Ended {
    /// The supervision tree gave up.
    Tree(End),
    /// The doors closed.
    Doors(io::Result<()>),
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration or the state folder, or another server that runs on it.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// Others could reach it, and nobody said that keys may cross the network as they are.
    #[error(
        "`server.listen` is {listen}, which other machines can reach, and nothing encrypts the way there: listen on \
         127.0.0.1 or [::1], set `server.tls`, or `server.plaintext: true` where a proxy or the network itself encrypts"
    )]
    Plaintext {
        /// What was asked for.
        listen: SocketAddr,
    },
    /// Others could reach it, and none of them could be told from another.
    #[error(
        "`server.listen` is {listen}, which other machines can reach, and no key is valid: start it with `--listen \
         127.0.0.1:7300`, make one with `impresario keys create --name NAME --scope workflows`, and start it again"
    )]
    NoKeys {
        /// What was asked for.
        listen: SocketAddr,
    },
    /// The address is not to be had.
    #[error("cannot listen on {listen}: {source}; stop what listens there, or choose another with --listen")]
    Listen {
        /// What was asked for.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The socket cannot be made.
    #[error("cannot make the socket `{}`: {source}; look at its folder, or choose another with --state-dir", path.display())]
    Socket {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The doors do not open.
    #[error("the server's threads do not start: {0}")]
    Doors(io::Error),
    /// The program does not know where it is, and so cannot limit the commands that it runs.
    #[error("the path of this program is not to be had: {0}; start it by its path")]
    Program(io::Error),
    /// The house does not stand.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// What an earlier process left cannot be read.
    #[error("the workflows that are unfinished cannot be read: {0}")]
    Resume(actors::workflows::Error),
}

impl Server {
    /// Starts everything and goes on with what an earlier process left unfinished. Wants an actix system around it.
    ///
    /// # Errors
    /// What keeps a part from starting; nothing runs then.
    pub async fn start(loaded: Loaded) -> Result<Self, Error> {
        Self::start_observed(loaded, Observed::default()).await
    }

    /// As [`Server::start`], observed from outside.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub async fn start_observed(loaded: Loaded, observed: Observed) -> Result<Self, Error> {
        let launcher = std::env::current_exe().map_err(Error::Program)?;
        Self::open(loaded, Clock::real(), launcher, observed).await
    }

    /// As [`Server::start`], with this clock, and `launcher` as the program that limits the commands it runs.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub async fn start_with(loaded: Loaded, clock: Clock, launcher: PathBuf) -> Result<Self, Error> {
        Self::open(loaded, clock, launcher, Observed::default()).await
    }

    async fn open(
        loaded: Loaded,
        clock: Clock,
        launcher: PathBuf,
        observed: Observed,
    ) -> Result<Self, Error> {
        let listen = loaded.settings.server.listen;
        let is_open = !http::is_loopback(listen.ip());
        let server = &loaded.settings.server;
        if is_open && !server.plaintext && server.tls.certificate.is_none() {
            return Err(Error::Plaintext { listen });
        }
        loaded.state.make()?;
        let lock = loaded.state.lock()?;
        let certificates = Certificates::open(&loaded.settings.server.tls)?;
        let tcp = TcpListener::bind(listen).map_err(|source| Error::Listen { listen, source })?;
        let own = tcp.local_addr().map_err(|source| Error::Listen { listen, source })?;
        let (unix, socket) = open_socket(loaded.state.socket())?;
        let addresses = Addresses { tcp: own, is_secure: certificates.is_some(), socket: socket.0.clone() };

        let blueprint = config::blueprint(&loaded, clock.clone(), launcher.clone()).await?;
        let house = tree::build(Blueprint { observed, ..blueprint }).await?;
        if is_open && !house.doors().keys.has_valid() {
            house.stop().await;
            return Err(Error::NoKeys { listen });
        }
        let (stopping, stops) = watch::channel(false);
        let (configuration, standing) = watch::channel(Standing::first(clock.wall()));
        let server = loaded.settings.server.clone();
        let gate = Arc::new(Gate::new(server, clock.clone(), house.doors().traffic.clone()));
        let desk = Desk {
            doors: house.doors().clone(),
            probe: Arc::new(Probe::new(house.doors().readers.clone(), clock.clone())),
            gate,
            changes: Arc::new(Changes::new()),
            clock: clock.clone(),
            limits: loaded.settings.workflow.limits(Mode::Run),
            gateway: Arc::new(loaded.settings.gateway.clone()),
            rules: loaded.settings.retention.rules(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            stopping: stops,
            configuration: standing,
        };
        let (streams, changes) = (desk.streams.clone(), desk.changes.clone());
        let drain = loaded.settings.server.drain();
        // Before anybody is served, so that nobody meets a workflow that has not come back yet; who connects waits.
        let resumed = match house.doors().workflows.resume().await {
            Ok(resumed) => resumed,
            Err(error) => {
                house.stop().await;
                return Err(Error::Resume(error));
            }
        };
        let listening = match Listening::open(desk, tcp, unix, certificates.as_ref(), drain).await {
            Ok(open) => open,
            Err(error) => {
                house.stop().await;
                return Err(Error::Doors(error));
            }
        };
        let Addresses { tcp, socket: path, .. } = &addresses;
        info!(%tcp, socket = %path.display(), resumed, "serves");
        note(house.doors(), "server.start", "ok", Some(format!("version {}", env!("CARGO_PKG_VERSION"))));
        house.doors().announcer.tell(News::Ready { status: format!("serving on {tcp}") });
        Ok(Self {
            listening,
            stopping,
            configuration,
            house,
            clock,
            launcher,
            certificates,
            addresses,
            streams,
            changes,
            drain,
            socket,
            lock,
        })
    }

    /// Where it can be reached.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What doors use.
    pub fn doors(&self) -> &Doors {
        self.house.doors()
    }

    /// Puts another configuration in force, as far as a running server can: its providers, who asks them and how. Calls
    /// that are under way end as they began. The number of the configuration that is in force then.
    ///
    /// # Errors
    /// What is wrong with it; then the last one stays in force.
    pub async fn follow(&self, loaded: &Loaded) -> Result<i64, Error> {
        let read = async {
            // Files of other names are followed; TLS itself is turned on and off by a restart.
            let certificate = match &self.certificates {
                Some(_) => config::certificate(&loaded.settings.server.tls)?,
                None => None,
            };
            let blueprint = config::blueprint(loaded, self.clock.clone(), self.launcher.clone()).await?;
            Ok::<_, config::Error>((certificate, blueprint))
        };
        let (certificate, blueprint) = read.await.inspect_err(|_| self.house.refused())?;
        let revision = self.house.follow(&blueprint).await?;
        if let (Some(shown), Some(certificate)) = (&self.certificates, certificate) {
            shown.show(certificate);
        }
        Ok(revision)
    }

    /// Whether all providers and models of the configuration in force have a place; else it is to be followed again.
    pub fn is_whole(&self) -> bool {
        self.house.is_whole()
    }

    /// Where it is told which configuration is in force.
    pub(crate) fn configuration(&self) -> &watch::Sender<Standing> {
        &self.configuration
    }

    /// Counts a configuration that was too wrong to be followed.
    pub fn refused(&self) {
        self.house.refused();
    }

    /// Waits until it has ended by itself, which is a failure.
    pub async fn ended(&self) -> Ended {
        tokio::select! {
            end = self.house.ended() => Ended::Tree(end),
            result = self.listening.ended() => Ended::Doors(result),
        }
    }
}

/// Records what the server does by itself.
pub(crate) fn note(doors: &Doors, action: &str, outcome: &str, detail: Option<String>) {
    let (who, action, outcome) = ("server".to_owned(), action.to_owned(), outcome.to_owned());
    doors.recorder.audit(Entry { who, action, subject: "server".to_owned(), outcome, detail });
}
