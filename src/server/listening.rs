//! The two listeners: the port and the Unix socket, each served by threads of its own.
//!
//! What bounds handshakes of TLS and connections is counted by thread, and a thread whose bound is reached takes nothing
//! new from any listener that it serves. So a port full of handshakes that never end holds up nobody at the socket.

use std::future::pending;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use futures_util::future::{Fuse, FusedFuture, FutureExt, join};
use tokio::sync::Mutex;
use tracing::warn;

use super::Error;
use super::drain::PARTING_WITHIN;
use crate::http::{self, Desk};
use crate::tls::Certificates;

/// How long a closing connection is read from, so that the last answer arrives.
const LINGERS_FOR: Duration = Duration::from_secs(1);
/// How long a client may take for the handshake of TLS.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// Handshakes that a thread of the port has under way at once; who comes then waits until one of them ends.
const HANDSHAKES: usize = 512;
/// Connections of a thread that the gate has not counted yet: it does so after the handshake.
const UNCOUNTED: usize = HANDSHAKES + 256;
/// Threads that serve the socket: those who come there are few, and one of them may hold up a thread for a moment.
const SOCKET_WORKERS: usize = 2;

/// What serves the port, and what serves the socket.
pub(super) struct Listening {
    port: Serving,
    socket: Serving,
}

enum Listener<'a> {
    Port(TcpListener, Option<&'a Arc<Certificates>>),
    Socket(UnixListener),
}

struct Serving {
    handle: ServerHandle,
    web: Mutex<Fuse<actix_web::dev::Server>>,
}

/// The socket's file, which goes when the server does.
pub(super) struct SocketFile(pub(super) PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // One that stays behind is replaced by the next server.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listening {
    /// Serves both; `drain` is how long they may take to end.
    ///
    /// # Errors
    /// When the threads do not start; then nothing is served.
    pub(super) async fn open(
        desk: Desk,
        tcp: TcpListener,
        unix: UnixListener,
        certificates: Option<&Arc<Certificates>>,
        drain: Duration,
    ) -> io::Result<Self> {
        let port = serve(desk.clone(), Listener::Port(tcp, certificates), drain)?;
        match serve(desk, Listener::Socket(unix), drain) {
            Ok(socket) => Ok(Self { port, socket }),
            Err(error) => {
                port.stop().await;
                Err(error)
            }
        }
    }

    /// Takes nobody new, and waits until whoever is served is served to the end.
    pub(super) async fn stop(&self) {
        join(self.port.stop(), self.socket.stop()).await;
    }

    /// Waits until one of them has ended by itself.
    pub(super) async fn ended(&self) -> io::Result<()> {
        tokio::select! {
            result = self.port.ended() => result,
            result = self.socket.ended() => result,
        }
    }

    /// Whether nobody is served any more.
    pub(super) async fn is_over(&self) -> bool {
        self.port.web.lock().await.is_terminated() && self.socket.web.lock().await.is_terminated()
    }
}

impl Serving {
    fn start(server: actix_web::dev::Server) -> io::Result<Self> {
        let (handle, mut web) = (server.handle(), server.fuse());
        // The first look starts the threads that serve; the later ones only wait for the end.
        if let Some(Err(error)) = (&mut web).now_or_never() {
            return Err(error);
        }
        Ok(Self { handle, web: Mutex::new(web) })
    }

    async fn stop(&self) {
        let mut web = self.web.lock().await;
        if web.is_terminated() {
            return;
        }
        // Sent at once; the doors carry it out while they are waited for.
        let told = self.handle.stop(true);
        if let (_, Err(error)) = join(told, &mut *web).await {
            warn!(%error, "the doors did not close well");
        }
    }

    async fn ended(&self) -> io::Result<()> {
        let mut web = self.web.lock().await;
        if web.is_terminated() { pending().await } else { (&mut *web).await }
    }
}

fn serve(desk: Desk, listener: Listener<'_>, drain: Duration) -> io::Result<Serving> {
    let gate = desk.gate.clone();
    let rules = gate.rules().clone();
    let factory = move || {
        // The last one is the first that a request meets.
        App::new()
            .app_data(Data::new(desk.clone()))
            .wrap(from_fn(http::identity::identified))
            .wrap(from_fn(http::admission::admitted))
            .wrap(from_fn(http::origin::checked))
            .wrap(from_fn(http::request_id::named))
            .wrap(from_fn(http::trace))
            // The outermost: who is refused is counted too.
            .wrap(from_fn(http::count))
            .configure(http::routes)
    };
    let limits = &rules.limits;
    let workers = match listener {
        Listener::Port(..) => rules.workers.size(),
        Listener::Socket(_) => SOCKET_WORKERS,
    };
    let server = HttpServer::new(factory)
        .workers(workers)
        // The gate counts, and closes at once what is too much: here who is too much would be kept waiting.
        .max_connections(limits.connections.size() + UNCOUNTED)
        .max_connection_rate(HANDSHAKES)
        .client_request_timeout(limits.head_s.seconds())
        .client_disconnect_timeout(LINGERS_FOR)
        .tls_handshake_timeout(HANDSHAKE_WITHIN)
        .keep_alive(limits.idle_s.seconds())
        .h1_allow_half_closed(false)
        .tcp_nodelay(true)
        // Never before the drain itself gives up.
        .shutdown_timeout(drain.saturating_add(PARTING_WITHIN * 2).as_secs())
        .disable_signals()
        .on_connect(move |connection, extensions| http::on_connect(&gate, connection, extensions));
    let server = match listener {
        Listener::Port(tcp, Some(certificates)) => server.listen_rustls_0_23(tcp, certificates.offer())?,
        Listener::Port(tcp, None) => server.listen(tcp)?,
        Listener::Socket(unix) => server.listen_uds(unix)?,
    };
    Serving::start(server.run())
}

/// Makes the socket. The lock is held: one that is there belongs to a server that is gone.
///
/// # Errors
/// When it cannot be made, or something else is in its place.
pub(super) fn open_socket(path: PathBuf) -> Result<(UnixListener, SocketFile), Error> {
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
