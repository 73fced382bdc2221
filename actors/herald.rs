//! The herald tells the service manager how the server does: ready, reloading, stopping, and that it still gets on.
//!
//! It speaks systemd's notification protocol (sd_notify(3)): datagrams to the socket that the manager named. Where the
//! manager wants a sign of life, it gets one only after every thread of the tree, and the one that the tree was started
//! on, has answered: a server that is stuck falls silent, and the manager starts another. It owns no state; a restart of
//! it loses what was being said and goes on with the signs of life. Without a manager there is no herald.
//! Mailbox: 16; when it is full, news is left out: the signs of life, which count, do not come through it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use actix::{Actor, Context, Handler, Message};
use clock::Clock;
use supervision::{ActorSpec, ChildSpec, Life, Mailbox, RollCall, Start, WhileDown, actor};
use tokio::sync::watch;
use tracing::{debug, info, warn};

/// The actor that tells.
pub struct Herald {
    manager: NotifySocket,
    tree: watch::Receiver<Option<RollCall>>,
    clock: Clock,
    life: Life,
}

/// Who is told, and how often it wants a sign of life.
#[derive(Clone, Debug)]
pub struct NotifySocket {
    address: SocketAddr,
    /// It acts when it has heard nothing for so long.
    patience: Option<Duration>,
}

/// What the manager is told.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
#[rtype(result = "()")]
pub enum News {
    /// The doors are open, or a new configuration has been dealt with.
    Ready {
        /// For people who ask the manager.
        status: String,
    },
    /// A new configuration is being read.
    Reloading,
    /// It drains and then ends.
    Stopping {
        /// For people who ask the manager.
        status: String,
    },
}

/// Reaches the herald, where there is one. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Announcer(Option<Mailbox<Herald>>);

// === NotifySocket ===

impl NotifySocket {
    /// The manager that listens at `socket`: a path, or a name that begins with `@` and is in no file system.
    ///
    /// # Errors
    /// When that is no name of a socket.
    pub fn try_new(socket: &OsStr, patience: Option<Duration>) -> io::Result<Self> {
        let address = match socket.as_bytes() {
            [b'@', name @ ..] => abstract_address(name)?,
            _ => SocketAddr::from_pathname(socket)?,
        };
        Ok(Self { address, patience })
    }

    /// Sends it a line or more; one that takes nothing now misses it, for nobody waits for a manager.
    fn tell(&self, text: &str) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to_addr(text.as_bytes(), &self.address).map(drop)
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

// === Herald ===

impl Herald {
    /// The herald of a tree that says in `tree` how to call its threads, as a child; none where nobody is to be told.
    pub(crate) fn child(
        manager: Option<NotifySocket>,
        tree: watch::Receiver<Option<RollCall>>,
        clock: &Clock,
    ) -> (Option<ChildSpec>, Announcer) {
        let Some(manager) = manager else { return (None, Announcer(None)) };
        let spec = ActorSpec {
            id: "herald".to_owned(),
            capacity: 16,
            while_down: WhileDown::Keep,
            clock: clock.clone(),
        };
        let clock = clock.clone();
        let (child, mailbox) = actor(spec, move |start: Start<Self>| {
            let herald =
                Self { manager: manager.clone(), tree: tree.clone(), clock: clock.clone(), life: start.life };
            async move { Ok(herald) }
        });
        (Some(child), Announcer(Some(mailbox)))
    }

    /// Twice within the manager's patience, as its documentation asks.
    async fn show_life(
        manager: NotifySocket,
        patience: Duration,
        mut tree: watch::Receiver<Option<RollCall>>,
        clock: Clock,
    ) {
        let Ok(Some(threads)) = tree.wait_for(Option::is_some).await.map(|tree| tree.clone()) else { return };
        info!(within_s = patience.as_secs(), "the service manager wants signs of life");
        loop {
            threads.all_answer().await;
            if let Err(error) = manager.tell("WATCHDOG=1") {
                warn!(%error, "the service manager does not hear that this server lives");
            }
            clock.sleep(patience / 2).await;
        }
    }
}

impl Actor for Herald {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let Some(patience) = self.manager.patience else { return };
        self.life.spawn(Self::show_life(
            self.manager.clone(),
            patience,
            self.tree.clone(),
            self.clock.clone(),
        ));
    }
}

impl Handler<News> for Herald {
    type Result = ();

    fn handle(&mut self, news: News, _: &mut Self::Context) {
        if let Err(error) = self.manager.tell(&text(&news)) {
            warn!(%error, ?news, "the service manager was not told");
        }
    }
}

/// Newlines separate assignments: a status has none.
fn text(news: &News) -> String {
    let line = |status: &str| status.replace('\n', " ");
    match news {
        News::Ready { status } => format!("READY=1\nSTATUS={}", line(status)),
        News::Reloading => {
            format!(
                "RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reading the configuration",
                Clock::since_boot().as_micros()
            )
        }
        News::Stopping { status } => format!("STOPPING=1\nSTATUS={}", line(status)),
    }
}

// === Announcer ===

impl Announcer {
    /// Tells the manager, where there is one.
    pub fn tell(&self, news: News) {
        if let Some(Err(refused)) = self.0.as_ref().map(|mailbox| mailbox.tell(news)) {
            debug!(?refused, "the service manager misses news");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_cannot_smuggle_an_assignment() {
        let news = News::Ready { status: "well\nSTOPPING=1".to_owned() };
        assert_eq!(text(&news), "READY=1\nSTATUS=well STOPPING=1");
    }

    #[test]
    fn a_reload_carries_the_time_that_the_manager_compares() {
        let told = text(&News::Reloading);
        let stamp = told.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        assert!(stamp.parse::<u64>().unwrap() > 0, "{told}");
    }

    #[test]
    fn speaks_to_a_path_and_to_a_name_outside_of_the_file_system() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listening = UnixDatagram::bind(&path).unwrap();
        NotifySocket::try_new(path.as_os_str(), None).unwrap().tell("READY=1").unwrap();
        let mut bytes = [0; 64];
        let length = listening.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"READY=1");

        let name = format!("@impresario-herald-{}", std::process::id());
        let address = abstract_address(name.trim_start_matches('@').as_bytes()).unwrap();
        let listening = UnixDatagram::bind_addr(&address).unwrap();
        NotifySocket::try_new(OsStr::new(&name), None).unwrap().tell("WATCHDOG=1").unwrap();
        let length = listening.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"WATCHDOG=1");
    }

    #[test]
    fn a_manager_that_is_gone_is_an_error_and_nobody_waits() {
        let folder = tempfile::tempdir().unwrap();
        let gone = NotifySocket::try_new(folder.path().join("gone").as_os_str(), None).unwrap();
        assert!(gone.tell("READY=1").is_err());
    }
}
