//! `keys`: who may ask the running server over TCP, and for what.
//!
//! A key's text is printed once, alone on a line of standard output, so that a script can take it; what people want to know
//! beside it goes to standard error.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::str::FromStr;

use access::{ModelRule, Models, Scope};
use clap::{Subcommand, ValueEnum};
use clock::Clock;
use units::{KeyId, UnixMillis};

use super::reach::Reach;
use super::screen::Screen;
use super::{End, Global, printable, refuse};
use crate::http::views::{KeyOrder, KeyState, KeyView, MadeKey};

/// What to do with keys.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Order {
    /// Make a key and show it, once. `--root` confines it to a folder.
    Create {
        /// What people call it.
        #[arg(long)]
        name: String,
        /// What it is good for: gateway, workflows, mcp, admin, metrics; may be given several times.
        #[arg(long = "scope", required = true, value_delimiter = ',')]
        scopes: Vec<Scope>,
        /// How long it lives, such as 90m, 12h, 30d or 8w; until it is revoked where this is left out.
        #[arg(long, value_name = "TIME")]
        expires: Option<Span>,
        /// A model that it may use, as `provider` or `provider/model`; may be given several times. All without it.
        #[arg(long = "model", value_name = "MODEL")]
        models: Vec<ModelRule>,
        /// Something to find again in the records; may be given several times.
        #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = tag)]
        tags: Vec<(String, String)>,
        /// How it is shown.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List all keys, those that are over among them; never a secret.
    List {
        /// How they are shown.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Take a key back: from then on it opens nothing.
    Revoke {
        /// The key, by the part between its first and its second `_`.
        id: KeyId,
        /// How it is shown.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Make a key that is good for the same, and end the old one after a while.
    Rotate {
        /// The old key, by the part between its first and its second `_`.
        id: KeyId,
        /// How long the old one goes on.
        #[arg(long, value_name = "TIME", default_value = "24h")]
        overlap: Span,
        /// How it is shown.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// How an answer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// A time span in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(u64);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no time: write a number and s, m, h, d or w, such as 30d");
        let unit = text.chars().last().ok_or_else(bad)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            'w' => 7 * 24 * 60 * 60,
            _ => return Err(bad()),
        };
        let number: u64 = text[..text.len() - 1].parse().map_err(|_| bad())?;
        number.checked_mul(seconds).map(Self).ok_or_else(bad)
    }
}

fn tag(text: &str) -> Result<(String, String), String> {
    let tags = access::Grant::tags_from_lines(text).map_err(|error| error.to_string())?;
    tags.into_iter().next().ok_or_else(|| "a tag is written name=value".to_owned())
}

/// Asks the running server.
///
/// # Errors
/// Refused ones: no server runs, there is no such key, or no key may grant this.
pub(crate) async fn keys(screen: &Screen, global: &Global, order: Order) -> anyhow::Result<End> {
    let reach = Reach::of_running(screen, &global.flags()).await?;
    match order {
        Order::Create { name, scopes, expires, models, tags, format } => {
            let order = KeyOrder {
                name,
                scopes,
                expires_in_s: expires.map(|span| span.0),
                models: Models(models),
                roots: global.roots.iter().map(std::path::absolute).collect::<Result<_, _>>()?,
                tags: tags.into_iter().collect::<BTreeMap<_, _>>(),
            };
            made(&reach.client.create_key(&order).await.map_err(refuse)?, format, "")?;
        }
        Order::Rotate { id, overlap, format } => {
            let key = reach.client.rotate_key(&id, overlap.0).await.map_err(refuse)?;
            made(&key, format, &old_one(&id, overlap))?;
        }
        Order::Revoke { id, format } => {
            let view = reach.client.revoke_key(&id).await.map_err(refuse)?;
            match format {
                Format::Text => screen.say(&format!("{id} is revoked: it opens nothing any more"))?,
                Format::Json => json(&view)?,
            }
        }
        Order::List { format: Format::Json } => json(&reach.client.keys().await?)?,
        Order::List { format: Format::Text } => {
            let keys = reach.client.keys().await?;
            if keys.is_empty() {
                let command = global.again("keys create --name NAME --scope workflows");
                screen.say(&format!("there are no keys yet: {command}"))?;
            }
            let now = Clock::real().wall();
            for key in &keys {
                screen.say(&line(key, now))?;
            }
        }
    }
    Ok(End::Done)
}

/// What becomes of the key before a rotated one.
fn old_one(id: &KeyId, Span(overlap): Span) -> String {
    match overlap {
        0 => format!("the key before it, {id}, opens nothing any more\n"),
        _ => format!("the key before it, {id}, still works for the time of the overlap\n"),
    }
}

fn made(made: &MadeKey, format: Format, further: &str) -> anyhow::Result<()> {
    match format {
        Format::Json => json(made)?,
        Format::Text => writeln!(io::stdout(), "{}", made.key.0)?,
    }
    let MadeKey { view: KeyView { id, name, .. }, .. } = made;
    let mut hint = format!("key {id} ({}) is shown once: keep it now\n", printable::line(name));
    hint.push_str(further);
    hint.push_str("send it as the header `Authorization: Bearer …`\n");
    io::stderr().write_all(hint.as_bytes())?;
    Ok(())
}

fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{:#}", serde_json::to_value(value)?)?)
}

fn line(key: &KeyView, now: UnixMillis) -> String {
    let state = match key.state {
        KeyState::Valid => key.expires_at.map_or_else(
            || "valid".to_owned(),
            |end| format!("valid for {}", in_words(end.0.saturating_sub(now.0))),
        ),
        KeyState::Expired => "expired".to_owned(),
        KeyState::Revoked => "revoked".to_owned(),
    };
    let used = key.last_used_at.map_or_else(
        || "never used".to_owned(),
        |at| format!("used {} ago", in_words(now.0.saturating_sub(at.0))),
    );
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.word()).collect();
    let mut line = format!("{}  {state:<18}  {used:<18}  {}  {}", key.id, scopes.join(","), key.name);
    let limits = [("models", key.models.0.len()), ("roots", key.roots.len()), ("tags", key.tags.len())];
    for (what, count) in limits.into_iter().filter(|(_, count)| *count > 0) {
        line.push_str(&format!("  {what}: {count}"));
    }
    line
}

fn in_words(millis: i64) -> String {
    let minutes = millis.max(0) / 60_000;
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        for (text, seconds) in
            [("90s", 90), ("2m", 120), ("12h", 43_200), ("30d", 2_592_000), ("1w", 604_800)]
        {
            assert_eq!(text.parse(), Ok(Span(seconds)), "{text}");
        }
        for text in ["", "d", "30", "-1d", "1.5h", "1y", "18446744073709551615w", "5é"] {
            assert!(text.parse::<Span>().unwrap_err().contains("30d"), "{text}");
        }
    }

    #[test]
    fn what_becomes_of_the_old_key_depends_on_the_overlap() {
        let id = KeyId::from_random(1);
        assert!(old_one(&id, Span(0)).contains("opens nothing any more"));
        assert!(old_one(&id, Span(1)).contains("still works"));
    }

    #[test]
    fn a_key_is_one_line_without_its_secret() {
        let key = KeyView {
            id: KeyId::from_random(1),
            name: "ci\u{1b}[31m".to_owned(),
            state: KeyState::Valid,
            scopes: vec![Scope::Workflows, Scope::Metrics],
            models: Models(vec!["demo".parse().unwrap()]),
            roots: Vec::new(),
            tags: BTreeMap::new(),
            created_at: UnixMillis(0),
            expires_at: Some(UnixMillis(7_200_000)),
            revoked_at: None,
            last_used_at: None,
            rotated_from: None,
        };
        let line = line(&key, UnixMillis(0));
        assert!(line.contains("valid for 2 h") && line.contains("workflows,metrics"), "{line}");
        assert!(line.contains("never used") && line.ends_with("models: 1"), "{line}");
    }
}
