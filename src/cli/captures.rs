//! `captures`: bodies that were captured, where the configuration names routes.

use actors::captures::{CaptureId, Shown, Summary};
use clap::{Subcommand, ValueEnum};

use super::audit::utc;
use super::reach::Reach;
use super::screen::Screen;
use super::{End, printable, refuse};
use crate::config::Flags;

/// What to do with captures.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Order {
    /// List the newest ones, without their bodies.
    List {
        /// So many at most.
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// text for people; json: one object a line.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
    },
    /// Show one, its bodies among it. The audit log says that you did.
    Show {
        /// The capture, by its id.
        id: CaptureId,
        /// text for people; json: one object.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
    },
}

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For scripts.
    Json,
}

/// Lists captures of the running server, or shows one.
///
/// # Errors
/// When no server runs, or the capture has gone.
pub(crate) async fn look(screen: &Screen, flags: &Flags, order: Order) -> anyhow::Result<End> {
    let reach = Reach::of_running(screen, flags).await?;
    match order {
        Order::List { limit, format } => {
            let summaries = reach.client.captures(limit).await.map_err(refuse)?;
            if summaries.is_empty() && format == Format::Text {
                screen.say(
                    "nothing is captured; `telemetry.capture.routes` in the configuration names routes",
                )?;
            }
            for summary in &summaries {
                match format {
                    Format::Text => screen.say(&line(summary))?,
                    Format::Json => screen.say(&serde_json::to_string(summary)?)?,
                }
            }
        }
        Order::Show { id, format } => {
            let capture = reach.client.capture(&id).await.map_err(refuse)?;
            if format == Format::Json {
                screen.say(&serde_json::to_string(&capture)?)?;
                return Ok(End::Done);
            }
            screen.say(&line(&capture.summary))?;
            for (which, half) in [("request", &capture.request), ("answer", &capture.answer)] {
                let target = if which == "request" { capture.target.as_str() } else { "" };
                show(screen, which, target, half)?;
            }
        }
    }
    Ok(End::Done)
}

fn show(screen: &Screen, which: &str, target: &str, half: &Shown) -> anyhow::Result<()> {
    let state = match (half.is_cut, half.is_whole) {
        (false, true) => "",
        (true, true) => ", only the beginning is kept",
        (_, false) => ", it did not come to its end",
    };
    screen.say(&printable::line(&format!("--- {which} {target} ({} bytes{state})", half.bytes)))?;
    for header in &half.headers {
        screen.say(&printable::line(&format!("{}: {}", header.name, header.value)))?;
    }
    screen.say("")?;
    match &half.text {
        Some(text) => {
            for row in printable::lines(text, usize::MAX) {
                screen.say(&row)?;
            }
        }
        None => screen.say("(no text)")?,
    }
    Ok(())
}

fn line(summary: &Summary) -> String {
    let Summary { id, at, who, method, route, status, duration_ms, .. } = summary;
    let status = status.map_or_else(|| "given up".to_owned(), |status| status.to_string());
    let text = format!("{id}  {}  {who}  {method} {route}  {status}  {duration_ms} ms", utc(*at));
    printable::line(&text.replace(['\n', '\r'], " ")).to_string()
}
