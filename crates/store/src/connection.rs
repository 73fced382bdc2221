//! One connection to either database, and the transactions of both.
//!
//! A query is written once, inside [`each`]: the macro compiles it for each database by itself, so that whatever one
//! of them cannot do does not build. Nothing else of the crate asks which database it has.

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;

use crate::database::{self, Parked, Session};

/// A connection to PostgreSQL that blocks.
pub(crate) type PgConnection = AsyncConnectionWrapper<AsyncPgConnection, Parked>;

/// A connection to either database.
pub(crate) enum Connection {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<Session>),
}

/// `each!(connection, one => query.load(one))`: the same code for whichever connection it is.
macro_rules! each {
    ($connection:expr, $one:ident => $body:expr) => {
        match $connection {
            $crate::connection::Connection::Sqlite($one) => {
                let $one = &mut **$one;
                $body
            }
            $crate::connection::Connection::Postgres($one) => {
                let $one = &mut $one.connection;
                $body
            }
        }
    };
}
pub(crate) use each;

type PgTransactions = <PgConnection as diesel::Connection>::TransactionManager;

impl Connection {
    /// Takes SQLite's write lock at once: a transaction that starts by reading could not wait for it.
    pub(crate) fn begin(&mut self) -> QueryResult<()> {
        match self {
            Self::Sqlite(one) => AnsiTransactionManager::begin_transaction_sql(&mut **one, "BEGIN IMMEDIATE"),
            Self::Postgres(one) => PgTransactions::begin_transaction(&mut one.connection),
        }
    }

    pub(crate) fn commit(&mut self) -> QueryResult<()> {
        match self {
            Self::Sqlite(one) => AnsiTransactionManager::commit_transaction(&mut **one),
            Self::Postgres(one) => PgTransactions::commit_transaction(&mut one.connection),
        }
    }

    pub(crate) fn roll_back(&mut self) -> QueryResult<()> {
        match self {
            Self::Sqlite(one) => AnsiTransactionManager::rollback_transaction(&mut **one),
            Self::Postgres(one) => PgTransactions::rollback_transaction(&mut one.connection),
        }
    }

    /// Before the last close: leaves nothing behind that the next start would have to fold in. `false` when a reader was
    /// in the way, which costs that start a moment and nothing else.
    pub(crate) fn fold(&mut self) -> QueryResult<bool> {
        match self {
            Self::Sqlite(one) => database::fold_log(one).map(|is_kept_back| !is_kept_back),
            Self::Postgres(_) => Ok(true),
        }
    }

    /// Whether the server has gone away from this connection, as far as asking it tells. A file goes nowhere.
    pub(crate) fn is_cut(&mut self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(one) => one.connection.batch_execute("").is_err(),
        }
    }
}
