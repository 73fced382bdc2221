//! `requests`: who asked what of the server, how it was answered, and how long that took.

use clap::Args;
use clock::Clock;
use store::{AnsweredRequest, RequestQuery, RequestRow};
use units::UnixMillis;

use super::audit::{Format, age, read, utc};
use super::screen::Screen;
use super::{End, Global, logging, printable, reach, refuse};
use crate::config;

/// Which requests.
#[derive(Clone, Debug, Args)]
pub(crate) struct Order {
    /// No older than this: a number and s, m, h or d, such as 90m.
    #[arg(long, value_name = "AGE", value_parser = age)]
    since: Option<i64>,
    /// Of this one alone: operator, anonymous, or key/ID.
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// By this route, as the documentation writes it, such as /v1/workflows/{id}.
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,
    /// With this status; 499 is a client that did not wait for its answer.
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(100..=599))]
    status: Option<u16>,
    /// Only what was recorded before the request of this number, which is the first word of its line.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    before: Option<u64>,
    /// So many at most.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// text for people; json: one object a line.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

/// Those of this machine's server, or of its database when none runs.
async fn here(screen: &Screen, global: &Global, query: RequestQuery) -> anyhow::Result<Vec<AnsweredRequest>> {
    let loaded = config::load(&global.flags()).map_err(refuse)?;
    logging::start(&loaded.settings.log, logging::QUIET, screen.progress());
    match reach::running(&loaded).await? {
        Some(client) => client.requests(&query).await.map_err(refuse),
        None => read(&loaded, move |readers| readers.requests(&query)).await,
    }
}

/// Shows the answered requests of the running server, or else of the database itself, oldest first.
///
/// # Errors
/// When they cannot be read.
pub(crate) async fn show(screen: &Screen, global: &Global, order: Order) -> anyhow::Result<End> {
    let Order { since, principal, route, status, before, limit, format } = order;
    let since = since.map(|age| UnixMillis(Clock::real().wall().0.saturating_sub(age)));
    let query = RequestQuery { since, principal, route, status, before, limit: Some(limit.into()) };
    let rows = match reach::named(&global.flags()).await? {
        Some(client) => client.requests(&query).await.map_err(refuse)?,
        None => here(screen, global, query).await?,
    };
    for row in rows.iter().rev() {
        match format {
            Format::Text => screen.say(&line(row))?,
            Format::Json => screen.say(&serde_json::to_string(row)?)?,
        }
    }
    Ok(End::Done)
}

fn line(AnsweredRequest { id, row, .. }: &AnsweredRequest) -> String {
    let RequestRow { at, request_id, principal, door, method, route, status, duration_ms, .. } = row;
    let text = format!(
        "{id}  {}  {principal}  {door}  {method} {route}  {status}  {duration_ms} ms  {request_id}",
        utc(*at)
    );
    printable::line(&text).to_string()
}
