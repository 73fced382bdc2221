//! Which database it is, and its opening: for the one that writes, or for one of those that read.

use std::fmt;
use std::path::PathBuf;

use crate::connection::Connection;
use crate::error::Error;

mod address;
mod postgres;
pub(crate) mod sqlite;
mod tls;
mod upgrade;

pub use address::{BadAddress, PostgresUrl};
#[cfg(test)]
pub(crate) use postgres::connect;
pub(crate) use postgres::{Parked, Session};
pub(crate) use sqlite::fold_log;

/// Where everything is stored. It shows itself without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file of its own, made where there is none.
    Sqlite(PathBuf),
    /// A schema in a database of a PostgreSQL server; the schema is made where there is none.
    Postgres(PostgresUrl),
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl Database {
    /// The name of the schema that this program works with: its newest migration.
    pub fn schema_version(&self) -> String {
        match self {
            Self::Sqlite(_) => sqlite::schema_version(),
            Self::Postgres(_) => postgres::schema_version(),
        }
    }

    /// Makes what is missing and brings the schema up to date.
    pub(crate) fn open_for_writing(&self) -> Result<Connection, Error> {
        Ok(match self {
            Self::Sqlite(path) => Connection::Sqlite(Box::new(sqlite::open_for_writing(path)?)),
            Self::Postgres(url) => Connection::Postgres(Box::new(postgres::open_for_writing(url)?)),
        })
    }

    /// Makes this connection the only one that may write, as far as the database does not see to that by itself.
    pub(crate) fn hold(&self, connection: &mut Connection) -> Result<(), Error> {
        match (self, connection) {
            (Self::Postgres(url), Connection::Postgres(session)) => postgres::hold(session, url),
            (Self::Sqlite(_), _) | (_, Connection::Sqlite(_)) => Ok(()),
        }
    }

    /// Opens what a writer has opened before; the connection cannot write.
    pub(crate) fn open_for_reading(&self) -> Result<Connection, Error> {
        Ok(match self {
            Self::Sqlite(path) => Connection::Sqlite(Box::new(sqlite::open_for_reading(path)?)),
            Self::Postgres(url) => Connection::Postgres(Box::new(postgres::open_for_reading(url)?)),
        })
    }
}
