//! Where a connection came in, and whether there is room for it; one for which there is none is told so and closed.
//!
//! The Unix socket belongs to the server's user, and serves everything. TCP can be reached by everybody on this
//! machine, and by pages in a browser.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actors::metrics::Connected;
use rustix::net::{SendFlags, Shutdown, send, shutdown, sockopt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OwnedSemaphorePermit;

use super::counts::Held;
use super::gate::{Gate, Whence};
use super::{Refusal, request_id};

/// Where a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// At this address of this machine.
    Tcp { own: SocketAddr },
    /// Over the socket in the state folder.
    Socket,
    /// Over that socket too, from a process that is kept apart from the server's own, such as a workspace's command.
    Confined,
}

/// What is known of a connection; it lives as long as that does.
pub(super) struct Arrival {
    pub(super) door: Door,
    pub(super) peer: Option<IpAddr>,
    /// Whose process is at the other end of the socket.
    pub(super) account: Option<u32>,
    pub(super) is_secure: bool,
    _room: Room,
}

/// The room that a connection takes.
pub(super) struct Room {
    pub(super) _at_port: OwnedSemaphorePermit,
    pub(super) _of_whence: Option<Held<Whence>>,
    pub(super) _open: Connected,
}

/// Notes where a connection came in; one without such a note is treated as a stranger's.
pub(crate) fn on_connect(gate: &Gate, connection: &dyn Any, extensions: &mut Extensions) {
    if let Some(tcp) = connection.downcast_ref::<TcpStream>() {
        arrive_by_tcp(gate, tcp, false, extensions);
    } else if let Some(tls) = connection.downcast_ref::<TlsStream<TcpStream>>() {
        arrive_by_tcp(gate, tls.get_ref().0, true, extensions);
    } else if let Some(unix) = connection.downcast_ref::<UnixStream>() {
        let peer = unix.peer_cred().ok();
        let (process, account) = (peer.and_then(|peer| peer.pid()), peer.map(|peer| peer.uid()));
        let door = if process.is_some_and(shares_the_processes) { Door::Socket } else { Door::Confined };
        match gate.room(door, None, account) {
            Ok(room) => {
                extensions.insert(Arrival { door, peer: None, account, is_secure: false, _room: room });
            }
            Err(refusal) => turn_away(unix.as_fd(), &refusal),
        }
    }
}

fn arrive_by_tcp(gate: &Gate, tcp: &TcpStream, is_secure: bool, extensions: &mut Extensions) {
    let stalled = u32::try_from(gate.stalled().as_millis()).unwrap_or(u32::MAX);
    // Without it a stalled reader keeps its place for longer, and nothing else.
    let _ = sockopt::set_tcp_user_timeout(tcp, stalled);
    let (Ok(peer), Ok(own)) = (tcp.peer_addr(), tcp.local_addr()) else { return };
    // Where both families come in at one socket, an IPv4 address is written as such in a request.
    let own = SocketAddr::new(own.ip().to_canonical(), own.port());
    let (door, peer) = (Door::Tcp { own }, Some(peer.ip()));
    match gate.room(door, peer, None) {
        Ok(room) => {
            extensions.insert(Arrival { door, peer, account: None, is_secure, _room: room });
        }
        Err(_) if is_secure => close(tcp.as_fd()),
        Err(refusal) => turn_away(tcp.as_fd(), &refusal),
    }
}

/// Says why before anything was asked. What the system does not take at once is not worth waiting for.
fn turn_away(connection: BorrowedFd<'_>, refusal: &Refusal) {
    let answer = refusal.as_bytes(&request_id::fresh());
    let _ = send(connection, &answer, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    close(connection);
}

/// Whoever serves the connection finds it ended.
fn close(connection: BorrowedFd<'_>) {
    let _ = shutdown(connection, Shutdown::Both);
}

/// Whether a process lives in this server's process namespace. The commands of workspaces do not: without this, what a
/// model wrote could start workflows of its own.
fn shares_the_processes(pid: i32) -> bool {
    let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/pid"));
    match (namespace("self"), namespace(&pid.to_string())) {
        (Ok(own), Ok(theirs)) => own == theirs,
        _ => false,
    }
}

/// Whether an address is this machine's own, and no other's.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_not_there_shares_nothing() {
        assert!(shares_the_processes(i32::try_from(std::process::id()).unwrap()));
        assert!(!shares_the_processes(i32::MAX), "a process that is not there");
    }
}
