//! The end of a server, in order: nobody new, who is served is served to the end, then the tree, then the files.
//!
//! Streams and requests that are under way have until a deadline to end in their own way. Then streams are told that the
//! server stops and are closed, and what still runs is cut. Hurried, the deadline is now.

use std::pin::pin;
use std::time::Duration;

use actors::herald::News;
use clock::Clock;
use futures_util::future::{Either, select};
use supervision::End;
use tokio::sync::watch;
use tracing::{info, warn};

use super::{Server, note};
use crate::http::MAX_STREAMS;

/// How long streams may take to say goodbye once the drain is over, and requests to be answered after all.
pub(super) const PARTING_WITHIN: Duration = Duration::from_secs(5);
/// The same, and the longest that the tree may take, when somebody is in a hurry.
const HURRIED_WITHIN: Duration = Duration::from_secs(2);
/// How long changes may take to end once they are cut: each gives up where it next waits for something.
const CUT_WITHIN: Duration = Duration::from_secs(2);

/// How a server was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// How the tree ended; `None` when it was not waited for.
    pub tree: Option<End>,
    /// Something that was under way was cut, because somebody was in a hurry.
    pub hurried: bool,
}

/// Somebody may come to be in a hurry.
#[derive(Clone, Debug)]
pub struct Hurry(watch::Receiver<bool>);

impl Hurry {
    /// A hurry that begins when the sender says `true`.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (hurry, hurried) = watch::channel(false);
        (hurry, Self(hurried))
    }

    fn is_on(&self) -> bool {
        *self.0.borrow()
    }

    async fn begins(&mut self) {
        if self.0.wait_for(|hurried| *hurried).await.is_err() {
            std::future::pending().await
        }
    }

    /// Does `work`, unless it takes longer than `within` after a hurry has begun.
    async fn at_most<T>(&mut self, within: Duration, work: impl Future<Output = T>) -> Option<T> {
        let late = async {
            self.begins().await;
            Clock::real().sleep(within).await;
        };
        match select(pin!(work), pin!(late)).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

impl Server {
    /// Takes no more connections, tells the streams that it stops, answers what is being answered, and stops the tree.
    /// What is unfinished goes on at the next start.
    pub async fn stop(self) -> End {
        let (_never, hurry) = Hurry::new();
        self.end(Duration::ZERO, hurry).await.tree.unwrap_or(End::Killed)
    }

    /// As [`Server::stop`], but what is under way has until the configured deadline to end in its own way.
    pub async fn drain(self, hurry: Hurry) -> Stopped {
        let within = self.drain;
        self.end(within, hurry).await
    }

    async fn end(self, within: Duration, mut hurry: Hurry) -> Stopped {
        let streams = MAX_STREAMS.saturating_sub(self.streams.available_permits());
        let status = format!("stopping; {streams} streams have {} s to end", within.as_secs());
        info!(streams, within_s = within.as_secs(), "stops: nobody new is let in");
        self.house.doors().announcer.tell(News::Stopping { status });
        let is_drained = self.close_doors(within, &mut hurry).await;
        let Self { house, socket, lock, .. } = self;
        note(house.doors(), "server.stop", "ok", None);
        let tree = hurry.at_most(HURRIED_WITHIN, house.stop()).await;
        drop((socket, lock));
        match &tree {
            Some(end) => info!(?end, "stopped"),
            None => warn!("the tree was not waited for any longer"),
        }
        Stopped { hurried: hurry.is_on() && (!is_drained || tree.is_none()), tree }
    }

    /// Whether all ended in its own way.
    async fn close_doors(&self, within: Duration, hurry: &mut Hurry) -> bool {
        // The machine's own clock: a manual one may stand still, and the process has to come to its end.
        let clock = Clock::real();
        let mut closed = pin!(async {
            if !self.listening.is_over().await {
                self.listening.stop().await;
            }
            // Also those whose askers are gone: they are recorded at their end.
            self.changes.ended().await;
        });
        {
            let waited = pin!(clock.timeout(within, hurry.begins()));
            if let Either::Left(_) = select(closed.as_mut(), waited).await {
                return true;
            }
        }
        self.stopping.send_replace(true);
        let parted = hurry.at_most(HURRIED_WITHIN, clock.timeout(PARTING_WITHIN, closed)).await;
        if !matches!(parted, Some(Ok(()))) {
            // Who is answered goes with the doors themselves; a change says first that it was cut.
            warn!("what was still being answered or done was cut");
            if clock.timeout(CUT_WITHIN, self.changes.cut()).await.is_err() {
                warn!("a change does not end: what became of it is not recorded");
            }
        }
        false
    }
}
