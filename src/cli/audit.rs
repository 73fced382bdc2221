//! `audit`: who did, or was denied, what; and whether somebody has touched that since.

use std::num::NonZero;

use clap::{Args, Subcommand, ValueEnum};
use clock::Clock;
use store::{AuditQuery, AuditRow, Chain, Database, Readers};
use units::UnixMillis;

use super::screen::Screen;
use super::story::{Line, Mark};
use super::{End, Global, logging, printable, reach, refuse};
use crate::config::{self, Loaded};

/// What to do with the audit log.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Order {
    /// Show its newest entries, oldest first.
    Show(Show),
    /// Check each server's chain of entries, and name the first one that is missing, changed or added.
    #[command(after_help = "Exit codes: 0 all is whole; 1 a chain is broken; 2 it cannot be read.")]
    Verify,
}

/// Which entries.
#[derive(Clone, Debug, Args)]
pub(crate) struct Show {
    /// No older than this: a number and s, m, h or d, such as 90m.
    #[arg(long, value_name = "AGE", value_parser = age)]
    since: Option<i64>,
    /// By this one alone.
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Of this action, such as workflow.start, or of all of a thing, such as workflow.
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// So many at most.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// text for people; json: one object a line.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

/// How rows are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// Shows or checks the audit log of the running server, or else of the database itself.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn look(screen: &Screen, global: &Global, order: Order) -> anyhow::Result<End> {
    if let Some(client) = reach::named(&global.flags()).await? {
        return match order {
            Order::Show(show) => {
                let rows = client.audit(&show.query()).await.map_err(refuse)?;
                tell_entries(screen, &rows, show.format)
            }
            Order::Verify => tell_chains(screen, client.verify_audit().await.map_err(refuse)?),
        };
    }
    let loaded = config::load(&global.flags()).map_err(refuse)?;
    logging::start(&loaded.settings.log, logging::QUIET, screen.progress());
    match order {
        Order::Show(show) => self::show(screen, &loaded, show).await,
        Order::Verify => verify(screen, &loaded).await,
    }
}

async fn show(screen: &Screen, loaded: &Loaded, show: Show) -> anyhow::Result<End> {
    let (query, format) = (show.query(), show.format);
    let rows = match reach::running(loaded).await? {
        Some(client) => client.audit(&query).await.map_err(refuse)?,
        None => read(loaded, move |readers| readers.audit(&query)).await?,
    };
    tell_entries(screen, &rows, format)
}

impl Show {
    fn query(&self) -> AuditQuery {
        let since = self.since.map(|age| UnixMillis(Clock::real().wall().0.saturating_sub(age)));
        let Self { who, action, limit, .. } = self;
        AuditQuery { since, who: who.clone(), action: action.clone(), limit: Some((*limit).into()) }
    }
}

fn tell_entries(screen: &Screen, rows: &[AuditRow], format: Format) -> anyhow::Result<End> {
    for row in rows {
        match format {
            Format::Text => screen.say(&line(row))?,
            Format::Json => screen.say(&serde_json::to_string(row)?)?,
        }
    }
    Ok(End::Done)
}

async fn verify(screen: &Screen, loaded: &Loaded) -> anyhow::Result<End> {
    let chains = match reach::running(loaded).await? {
        Some(client) => client.verify_audit().await.map_err(refuse)?,
        None => read(loaded, Readers::verify_audit).await?,
    };
    tell_chains(screen, chains)
}

fn tell_chains(screen: &Screen, chains: Vec<Chain>) -> anyhow::Result<End> {
    if chains.is_empty() {
        screen.line(&Line::new(Mark::Said, "the audit log has no entries"))?;
    }
    let mut end = End::Done;
    for Chain { node, first, entries, last, head, broken } in chains {
        let line = match broken {
            None => {
                let what = format!("{node}: {entries} entries, whole up to number {}", last.0);
                let from = format!("what stood before number {} has had its time", first.0);
                let more = [format!("head: {head}")].into_iter().chain((first.0 > 1).then_some(from));
                Line::new(Mark::Done, what).with(more.collect())
            }
            Some(broken) => {
                end = End::Failed;
                let text = format!("{node}: entry {} {}", broken.seq.0, broken.how.words());
                Line::new(Mark::Failed, text).with(vec![format!("{entries} entries before it are whole")])
            }
        };
        screen.line(&line)?;
    }
    Ok(end)
}

/// Reads the database itself; who may do that, the file's permissions or the server's say.
pub(super) async fn read<T: Send + 'static>(
    loaded: &Loaded,
    read: impl FnOnce(&Readers) -> Result<T, store::Error> + Send + 'static,
) -> anyhow::Result<T> {
    let database = loaded.database.clone();
    if let Database::Sqlite(file) = &database
        && !file.exists()
    {
        let path = file.display();
        return Err(refuse(anyhow::anyhow!("no server runs, and there is no database at `{path}`")));
    }
    let found = tokio::task::spawn_blocking(move || read(&Readers::open(&database, NonZero::<usize>::MIN)?));
    found.await?.map_err(refuse)
}

fn line(AuditRow { node, seq, entry, .. }: &AuditRow) -> String {
    let mut text = format!(
        "{}  {}/{}  {}  {}  {}  {}",
        utc(entry.at),
        node,
        seq.0,
        entry.who,
        entry.action,
        entry.subject,
        entry.outcome
    );
    if entry.times > 1 {
        text.push_str(&format!("  {} times", entry.times));
    }
    if let Some(detail) = &entry.detail {
        text.push_str(&format!("  ({detail})"));
    }
    // What others sent is quoted in it.
    printable::line(&text.replace(['\n', '\r'], " ")).to_string()
}

/// An age in milliseconds.
pub(super) fn age(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no age: write a number and s, m, h or d, such as 90m");
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let millis = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(i64::from(number) * millis)
}

/// `2026-11-22 20:13:40Z`; the days are counted as howardhinnant.github.io/date_algorithms.html does (civil_from_days).
pub(super) fn utc(UnixMillis(millis): UnixMillis) -> String {
    let seconds = millis.div_euclid(1_000);
    let (days, second) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let (year, day) = (year + era * 400 + i64::from(month <= 2), day - (153 * shifted + 2) / 5 + 1);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (millis, text) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_400_000, "2000-02-29 00:00:00Z"),
            (1_709_251_199_999, "2024-02-29 23:59:59Z"),
            (1_795_378_420_000, "2026-11-22 20:13:40Z"),
            (-1, "1969-12-31 23:59:59Z"),
        ] {
            assert_eq!(utc(UnixMillis(millis)), text);
        }
    }

    #[test]
    fn an_age_has_a_unit() {
        assert_eq!(
            (age("90m").unwrap(), age("2d").unwrap(), age("1s").unwrap()),
            (5_400_000, 172_800_000, 1_000)
        );
        for wrong in ["", "m", "5", "-1h", "5y", "5 h", "5é", "99999999999d"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }
}
