//! `serve`: the server in the foreground.

use actors::tree::Observed;
use clock::Clock;
use tracing::warn;

use super::interrupts::Interrupts;
use super::screen::Screen;
use super::story::{Line, Mark};
use super::{End, INTERRUPTED, logging, refuse};
use crate::config::{self, Flags, Loaded};
use crate::reload::Reloads;
use crate::server::{Addresses, Hurry, Server, Stopped};
use crate::telemetry::Outlet;

/// Runs a server until it is told to stop, or gives up; a new configuration is put in force meanwhile.
///
/// # Errors
/// When it cannot be started.
pub(crate) async fn serve(screen: &Screen, flags: &Flags) -> anyhow::Result<End> {
    let loaded = config::load(flags).and_then(Loaded::under_the_manager).map_err(refuse)?;
    let outlet = Outlet::open(&loaded).map_err(refuse)?;
    logging::start_with(&loaded.settings.log, logging::TALKATIVE, screen.progress(), outlet.as_ref());
    let observed = outlet.as_ref().map(Outlet::observed).unwrap_or_default();
    let end = serve_observed(screen, flags, loaded, observed).await;
    if let Some(outlet) = outlet {
        outlet.close();
    }
    end
}

async fn serve_observed(
    screen: &Screen,
    flags: &Flags,
    loaded: Loaded,
    observed: Observed,
) -> anyhow::Result<End> {
    let mut interrupts = Interrupts::listen()?;
    let mut reloads = Reloads::listen(flags, &loaded, Clock::real())?;
    let Some(server) = interrupts.unless(Server::start_observed(loaded, observed)).await else {
        return Ok(End::Interrupted);
    };
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
    let stopped = stop(server, &mut interrupts).await;
    Ok(match (stopped, gave_up) {
        (_, Some(_)) => End::GaveUp,
        (Stopped { hurried: true, .. }, None) => End::Hurried,
        (Stopped { hurried: false, .. }, None) => End::Done,
    })
}

/// Drains; another signal hurries, and one more ends the process where it stands.
async fn stop(server: Server, interrupts: &mut Interrupts) -> Stopped {
    let (hurry, hurried) = Hurry::new();
    let mut stopping = std::pin::pin!(server.drain(hurried));
    if let Some(stopped) = interrupts.unless(&mut stopping).await {
        return stopped;
    }
    warn!("asked to stop once more: what is under way is cut");
    hurry.send_replace(true);
    match interrupts.unless(&mut stopping).await {
        Some(stopped) => stopped,
        // Whatever holds the stop up would hold up every way out but this one.
        None => std::process::exit(INTERRUPTED.into()),
    }
}

/// Where a server can be reached, and by whom.
pub(crate) fn listens(Addresses { tcp, is_secure, socket }: &Addresses) -> Line {
    let scheme = if *is_secure { "https" } else { "http" };
    Line::new(Mark::Done, "serving; Ctrl-C stops").with(vec![
        format!("with a key, or to look: {scheme}://{tcp}"),
        format!("everything: {}", socket.display()),
    ])
}
