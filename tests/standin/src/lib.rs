//! Plays Anthropic, OpenAI and Gemini over HTTP: for tests, for official clients, for benchmarks. Loopback only.
//!
//! What happens is chosen by the model's name, see [`Scenario`]. Answers have the shape that each vendor publishes
//! (source: the types of the official SDKs). It is a server of its own on bare sockets, because half of what it plays no
//! HTTP library would send. It asks for a key, counts what comes, and keeps the last request as it came. Bounded: heads,
//! bodies, connections.

mod answer;
mod anthropic;
mod counts;
mod gemini;
mod http;
mod openai_chat;
mod openai_other;
mod openai_responses;
mod refusal;
mod route;
mod said;
mod scenario;

pub use counts::{Counts, Received};
pub use scenario::Scenario;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

/// The key that it asks for.
pub const KEY: &str = "standin-key";
/// The most connections at once; those beyond wait to be accepted.
const MAX_CONNECTIONS: usize = 4_096;

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Standin {
    address: SocketAddr,
    shared: Arc<answer::Shared>,
    serving: AbortHandle,
    // Dropping it ends what serves.
    _tasks: JoinSet<()>,
}

impl Standin {
    /// Listens on a free port of the loopback interface, within the runtime that calls.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> io::Result<Self> {
        Self::listen(0).await
    }

    /// Listens on this port of the loopback interface; 0 is a free one.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn listen(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(answer::Shared::new(address));
        let mut tasks = JoinSet::new();
        let serving = tasks.spawn(serve(listener, shared.clone()));
        Ok(Self { address, shared, serving, _tasks: tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://` and where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came so far.
    pub fn counts(&self) -> Counts {
        self.shared.tally.counts()
    }

    /// The last request to a vendor's path, as it came.
    pub fn last(&self) -> Option<Received> {
        self.shared.tally.last()
    }

    /// Whether it serves still.
    pub fn is_serving(&self) -> bool {
        !self.serving.is_finished()
    }
}

async fn serve(listener: TcpListener, shared: Arc<answer::Shared>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let permit = room.clone().acquire_owned().await.expect("nobody closes it");
        // An accept fails when the process is out of files; that passes.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let shared = shared.clone();
        connections.spawn(async move {
            // Who hung up is counted; there is nobody left to tell.
            answer::converse(stream, &shared).await.ok();
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests;
