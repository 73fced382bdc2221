//! `serve`: the server in the foreground.

use clock::Clock;

use super::interrupts::Interrupts;
use super::screen::Screen;
use super::story::{Line, Mark};
use super::{End, logging, refuse};
use crate::config::{self, Flags};
use crate::reload::Reloads;
use crate::server::{Addresses, Server};

/// Runs a server until it is told to stop, or gives up; a new configuration is put in force meanwhile.
///
/// # Errors
/// When it cannot be started.
pub(crate) async fn serve(screen: &Screen, flags: &Flags) -> anyhow::Result<End> {
    let loaded = config::load(flags).map_err(refuse)?;
    logging::start(&loaded.settings.log, logging::TALKATIVE, screen.progress());
    let mut interrupts = Interrupts::listen()?;
    let mut reloads = Reloads::listen(flags, &loaded, Clock::real())?;
    let Some(server) = interrupts.unless(Server::start(loaded)).await else { return Ok(End::Interrupted) };
    let server = server.map_err(refuse)?;
    screen.line(&listens(server.addresses()))?;
    let gave_up = loop {
        let next = async {
            tokio::select! {
                end = server.ended() => Some(end),
                () = reloads.next(&server) => None,
            }
        };
        match interrupts.unless(next).await {
            None => break None,
            Some(Some(end)) => break Some(end),
            Some(None) => {
                if interrupts.unless(reloads.carry_out(&server)).await.is_none() {
                    break None;
                }
            }
        }
    };
    if let Some(end) = &gave_up {
        screen.line(&Line::new(Mark::Attention, format!("the server gave up: {end:?}; its log says why")))?;
    }
    match (interrupts.unless(server.stop()).await, gave_up) {
        (None, _) => Ok(End::Interrupted),
        (Some(_), Some(_)) => Ok(End::Failed),
        (Some(_), None) => Ok(End::Done),
    }
}

/// Where a server can be reached, and by whom.
pub(crate) fn listens(Addresses { tcp, is_secure, socket }: &Addresses) -> Line {
    let scheme = if *is_secure { "https" } else { "http" };
    Line::new(Mark::Done, "serving; Ctrl-C stops")
        .with(vec![format!("to look: {scheme}://{tcp}"), format!("to write and run: {}", socket.display())])
}
