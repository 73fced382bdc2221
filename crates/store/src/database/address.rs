//! The URL of a PostgreSQL database: what it may say, and that its password is never shown.
//!
//! `postgres://user:password@host:port/database`, or with `?host=/folder` for a Unix socket. Beside what every client
//! of PostgreSQL knows it takes `sslmode`, `sslrootcert` and `schema`.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrets::Secret;
use tokio_postgres::config::{Host, SslMode};
use url::Url;

/// The schema where none is named.
const USUAL_SCHEMA: &str = "impresario";
/// The longest name that PostgreSQL does not cut off, in bytes.
const MAX_NAME_BYTES: usize = 63;
/// The longest URL, in bytes.
const MAX_URL_BYTES: usize = 4096;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A connection whose server is silent for about a minute is given up.
const PROBE_AFTER: Duration = Duration::from_secs(30);
const PROBE_EVERY: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// Why a text is no URL of a PostgreSQL database. It never repeats the text, as there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It does not parse.
    #[error("it is no URL of PostgreSQL: write for example postgres://user@127.0.0.1:5432/database")]
    NotPostgres,
    /// It names no database.
    #[error("it names no database: write it behind the host, as in postgres://user@host/database")]
    NoDatabase,
    /// A mode that encrypts only where it happens to work, or checks half of a certificate.
    #[error(
        "its sslmode must be disable, require or verify-full; the last two both check the certificate and its name"
    )]
    Mode,
    /// TLS over a Unix socket.
    #[error("there is no TLS over a Unix socket: leave sslmode away")]
    SocketMode,
    /// The schema's name has to be quoted or is too long.
    #[error(
        "its schema must be a name of at most 63 small letters, digits and underscores, and not begin with a digit or `pg_`"
    )]
    Schema,
}

/// A database of a PostgreSQL server, and how it is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    pub(super) config: Box<tokio_postgres::Config>,
    pub(super) schema: String,
    pub(super) encryption: Encryption,
    shown: String,
}

/// How the connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// Not: a Unix socket, this machine, or the operator has said so.
    None,
    /// TLS, with a certificate for the host's name from somebody whom this machine or the named file trusts.
    Verified { roots: Option<PathBuf> },
}

#[derive(Default)]
struct Own {
    mode: Option<String>,
    roots: Option<PathBuf>,
    schema: Option<String>,
}

impl FromStr for PostgresUrl {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if text.len() > MAX_URL_BYTES {
            return Err(BadAddress::NotPostgres);
        }
        let mut url = Url::parse(text).map_err(|_| BadAddress::NotPostgres)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(BadAddress::NotPostgres);
        }
        let own = take_own(&mut url);
        let mut config: tokio_postgres::Config = url.as_str().parse().map_err(|_| BadAddress::NotPostgres)?;
        if config.get_hosts().is_empty() || config.get_hosts().len() > 1 {
            return Err(BadAddress::NotPostgres);
        }
        if config.get_dbname().is_none() {
            return Err(BadAddress::NoDatabase);
        }
        let encryption = encryption(&config.get_hosts()[0], own.mode.as_deref(), own.roots)?;
        config.ssl_mode(match &encryption {
            Encryption::None => SslMode::Disable,
            Encryption::Verified { .. } => SslMode::Require,
        });
        let schema = own.schema.unwrap_or_else(|| USUAL_SCHEMA.to_owned());
        check_schema(&schema)?;
        settle(&mut config);
        Ok(Self { config: Box::new(config), schema, encryption, shown: shown(url) })
    }
}

/// Takes out what only this program reads.
fn take_own(url: &mut Url) -> Own {
    let mut own = Own::default();
    let mut others = Vec::new();
    for (key, value) in url.query_pairs() {
        match &*key {
            "sslmode" => own.mode = Some(value.into_owned()),
            "sslrootcert" => own.roots = Some(PathBuf::from(value.into_owned())),
            "schema" => own.schema = Some(value.into_owned()),
            _ => others.push((key.into_owned(), value.into_owned())),
        }
    }
    url.set_query(None);
    if !others.is_empty() {
        url.query_pairs_mut().extend_pairs(others);
        // A client of PostgreSQL reads a `+` as itself.
        let query = url.query().unwrap_or_default().replace('+', "%20");
        url.set_query(Some(&query));
    }
    own
}

fn encryption(host: &Host, mode: Option<&str>, roots: Option<PathBuf>) -> Result<Encryption, BadAddress> {
    let (socket, here) = match host {
        Host::Tcp(name) => {
            let address: Option<IpAddr> = name.parse().ok();
            (false, name == "localhost" || address.is_some_and(|address| address.is_loopback()))
        }
        Host::Unix(_) => (true, true),
    };
    match mode {
        Some("disable") => Ok(Encryption::None),
        Some("require" | "verify-full") if socket => Err(BadAddress::SocketMode),
        Some("require" | "verify-full") => Ok(Encryption::Verified { roots }),
        Some(_) => Err(BadAddress::Mode),
        None if here && roots.is_none() => Ok(Encryption::None),
        None if socket => Err(BadAddress::SocketMode),
        None => Ok(Encryption::Verified { roots }),
    }
}

/// So that it can stand in SQL and in a connection's options without quotes.
fn check_schema(name: &str) -> Result<(), BadAddress> {
    let fits = name.len() <= MAX_NAME_BYTES
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !name.starts_with("pg_");
    if fits { Ok(()) } else { Err(BadAddress::Schema) }
}

fn settle(config: &mut tokio_postgres::Config) {
    if config.get_application_name().is_none() {
        config.application_name("impresario");
    }
    config
        .connect_timeout(CONNECT_WITHIN)
        .keepalives(true)
        .keepalives_idle(PROBE_AFTER)
        .keepalives_interval(PROBE_EVERY)
        .keepalives_retries(PROBES)
        .tcp_user_timeout(UNACKNOWLEDGED);
}

/// The URL as it may be logged: without its password and without its parameters, one of which can be a password too.
fn shown(mut url: Url) -> String {
    let host: Vec<String> =
        url.query_pairs().filter(|(key, _)| key == "host").map(|(_, value)| value.into_owned()).collect();
    if let Some(password) = url.password().and_then(|password| Secret::try_new(password).ok()) {
        let hidden = url.set_password(None).is_ok();
        if !hidden {
            return password.redact(url.as_str());
        }
    }
    url.set_query(None);
    url.set_fragment(None);
    match host.first() {
        Some(host) => format!("{url}?host={host}"),
        None => url.into(),
    }
}

impl PostgresUrl {
    /// The schema that holds the tables.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Whether the URL itself holds a password.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// The same with this password.
    #[must_use]
    pub fn with_password(mut self, password: &Secret) -> Self {
        self.config.password(password.expose());
        self
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (schema {})", self.shown, self.schema)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
