//! The running server: state folder, tree and doors, started in that order and stopped in the other.
//!
//! Two listeners serve one table of routes: TCP on loopback, which only reads, and a Unix socket in the state folder,
//! which belongs to the server's user and serves everything.

use std::future::pending;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use actors::tree::{self, Doors, House};
use clock::Clock;
use futures_util::future::{Fuse, FusedFuture, FutureExt};
use supervision::End;
use tokio::sync::{Mutex, Semaphore, watch};
use tracing::info;
use workflow::Mode;

use crate::config::{self, Loaded};
use crate::http::{self, Desk, Gate, MAX_STREAMS, Probe};
use crate::tls::Certificates;

/// How long what is being answered may take when the server stops, in seconds.
const STOPPING_WITHIN_S: u64 = 5;
/// How long a closing connection is read from, so that the last answer arrives.
const LINGERS_FOR: Duration = Duration::from_secs(1);
/// How long a client may take for the handshake of TLS.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// Connections of a worker that the gate has not counted yet: it does so after the handshake.
const UNCOUNTED: usize = 256;

/// A running server. Dropped without [`Server::stop`] it ends at once; what is unfinished goes on at the next start.
pub struct Server {
    web: Mutex<Fuse<actix_web::dev::Server>>,
    handle: ServerHandle,
    stopping: watch::Sender<bool>,
    house: House,
    clock: Clock,
    launcher: PathBuf,
    certificates: Option<Arc<Certificates>>,
    addresses: Addresses,
    _socket: SocketFile,
    _lock: config::Lock,
}

/// Where a server can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Reads, over loopback.
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
    /// Others could reach it.
    #[error(
        "`server.listen` is {listen}, which other machines can reach, and there are no keys yet: listen on \
         127.0.0.1 or [::1]"
    )]
    NotLoopback {
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

/// The socket's file, which goes when the server does.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // One that stays behind is replaced by the next server.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Server {
    /// Starts everything and goes on with what an earlier process left unfinished. Wants an actix system around it.
    ///
    /// # Errors
    /// What keeps a part from starting; nothing runs then.
    pub async fn start(loaded: Loaded) -> Result<Self, Error> {
        let launcher = std::env::current_exe().map_err(Error::Program)?;
        Self::start_with(loaded, Clock::real(), launcher).await
    }

    /// As [`Server::start`], with this clock, and `launcher` as the program that limits the commands it runs.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub async fn start_with(loaded: Loaded, clock: Clock, launcher: PathBuf) -> Result<Self, Error> {
        let listen = loaded.settings.server.listen;
        if !http::is_loopback(listen.ip()) {
            return Err(Error::NotLoopback { listen });
        }
        loaded.state.make()?;
        let lock = loaded.state.lock()?;
        let certificates = Certificates::open(&loaded.settings.server.tls)?;
        let tcp = TcpListener::bind(listen).map_err(|source| Error::Listen { listen, source })?;
        let own = tcp.local_addr().map_err(|source| Error::Listen { listen, source })?;
        let (unix, socket) = open_socket(loaded.state.socket())?;
        let addresses = Addresses { tcp: own, is_secure: certificates.is_some(), socket: socket.0.clone() };

        let house = tree::build(config::blueprint(&loaded, clock.clone(), launcher.clone()).await?).await?;
        let (stopping, stops) = watch::channel(false);
        let server = loaded.settings.server.clone();
        let gate = Arc::new(Gate::new(server, clock.clone(), house.doors().arrivals.clone()));
        let desk = Desk {
            doors: house.doors().clone(),
            probe: Arc::new(Probe::new(house.doors().readers.clone(), clock.clone())),
            gate,
            clock: clock.clone(),
            limits: loaded.settings.workflow.limits(Mode::Run),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            stopping: stops,
        };
        // Before anybody is served, so that nobody meets a workflow that has not come back yet; who connects waits.
        let resumed = match house.doors().workflows.resume().await {
            Ok(resumed) => resumed,
            Err(error) => {
                house.stop().await;
                return Err(Error::Resume(error));
            }
        };
        let (handle, web) = match open_doors(desk, tcp, unix, certificates.as_ref()) {
            Ok(open) => open,
            Err(error) => {
                house.stop().await;
                return Err(Error::Doors(error));
            }
        };
        let Addresses { tcp, socket: path, .. } = &addresses;
        info!(%tcp, socket = %path.display(), resumed, "serves");
        Ok(Self {
            web: Mutex::new(web),
            handle,
            stopping,
            house,
            clock,
            launcher,
            certificates,
            addresses,
            _socket: socket,
            _lock: lock,
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
            let certificate = self.certificates.as_ref().map(|shown| shown.read()).transpose()?;
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

    /// Counts a configuration that was too wrong to be followed.
    pub fn refused(&self) {
        self.house.refused();
    }

    /// Waits until it has ended by itself, which is a failure.
    pub async fn ended(&self) -> Ended {
        let doors = async {
            let mut web = self.web.lock().await;
            if web.is_terminated() { pending().await } else { (&mut *web).await }
        };
        tokio::select! {
            end = self.house.ended() => Ended::Tree(end),
            result = doors => Ended::Doors(result),
        }
    }

    /// Takes no more requests, ends the streams, answers what is being answered, and stops the tree. What is
    /// unfinished goes on at the next start.
    pub async fn stop(self) -> End {
        self.stopping.send_replace(true);
        let mut web = self.web.into_inner();
        if !web.is_terminated() {
            let (_, ended) = tokio::join!(self.handle.stop(true), &mut web);
            if let Err(error) = ended {
                tracing::warn!(%error, "the doors did not close well");
            }
        }
        drop(web);
        self.house.stop().await
    }
}

fn open_doors(
    desk: Desk,
    tcp: TcpListener,
    unix: UnixListener,
    certificates: Option<&Arc<Certificates>>,
) -> io::Result<(ServerHandle, Fuse<actix_web::dev::Server>)> {
    let gate = desk.gate.clone();
    let rules = gate.rules().clone();
    let factory = move || {
        // The last one is the first that a request meets.
        App::new()
            .app_data(Data::new(desk.clone()))
            .wrap(from_fn(http::body::taken))
            .wrap(from_fn(http::admission::admitted))
            .wrap(from_fn(http::origin::checked))
            .wrap(from_fn(http::request_id::named))
            .configure(http::routes)
    };
    let limits = &rules.limits;
    let server = HttpServer::new(factory)
        .workers(rules.workers.size())
        // The gate counts, and closes at once what is too much: here a full port would keep the other waiting.
        .max_connections(2 * limits.connections.size() + UNCOUNTED)
        .client_request_timeout(limits.head_s.seconds())
        .client_disconnect_timeout(LINGERS_FOR)
        .tls_handshake_timeout(HANDSHAKE_WITHIN)
        .keep_alive(limits.idle_s.seconds())
        .h1_allow_half_closed(false)
        .tcp_nodelay(true)
        .shutdown_timeout(STOPPING_WITHIN_S)
        .disable_signals()
        .on_connect(move |connection, extensions| http::on_connect(&gate, connection, extensions));
    let server = match certificates {
        Some(certificates) => server.listen_rustls_0_23(tcp, certificates.offer())?,
        None => server.listen(tcp)?,
    };
    let server = server.listen_uds(unix)?.run();
    let (handle, mut server) = (server.handle(), server.fuse());
    // The first look starts the threads that serve; the later ones only wait for the end.
    if let Some(Err(error)) = (&mut server).now_or_never() {
        return Err(error);
    }
    Ok((handle, server))
}

/// The lock is held: a socket that is there belongs to a server that is gone.
fn open_socket(path: PathBuf) -> Result<(UnixListener, SocketFile), Error> {
    let make = || {
        remove_stale(&path)?;
        let listener = UnixListener::bind(&path)?;
        // Its folder is closed to others already.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    };
    match make() {
        Ok(listener) => Ok((listener, SocketFile(path))),
        Err(source) => Err(Error::Socket { path, source }),
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no socket is there")),
    }
}
