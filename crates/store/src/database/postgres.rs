//! PostgreSQL: reaching the server, what each connection is set to, and the migrations of a schema.
//!
//! The client is tokio-postgres; each connection has a thread of its own that talks to the server, and whoever asks
//! blocks until it has the answer, just as with SQLite.

use std::error::Error as _;
use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::BlockOn;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use tokio::runtime::{Builder, Runtime};
use tokio::task::unconstrained;

use super::Database;
use super::address::{Encryption, PostgresUrl};
use super::tls;
use super::upgrade::{self, Migration};
use crate::connection::PgConnection;
use crate::error::{Error, Failure};

const EMBEDDED: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// A commit is on the server's disk when it returns, whatever the server's own default; a transaction whose client
/// is gone holds its rows no longer than the next writer can wait.
const WRITER_SETTINGS: &str = "SET synchronous_commit = on; SET statement_timeout = '60s'; SET lock_timeout = '30s'; \
     SET idle_in_transaction_session_timeout = '30s'; SET default_transaction_isolation = 'read committed';";
/// How long to wait for the writer before.
const PATIENCE: &str = "SET lock_timeout = '5s'";
/// The server notices within about a minute that the machine of a writer is gone, and ends its session.
const LIVENESS: &str =
    "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;";
const READER_SETTINGS: &str = "SET default_transaction_read_only = on; SET statement_timeout = '60s';";

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// A connection and what drives it.
pub(crate) struct Session {
    pub(crate) connection: PgConnection,
    /// After the connection, so that it is dropped after it.
    _engine: Engine,
}

/// The thread that talks to the server for one connection.
struct Engine(Option<Runtime>);

/// How a caller waits for the engine: its thread sleeps until it is woken, as it would for a disk.
pub(crate) struct Parked;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl BlockOn for Parked {
    fn block_on<F: Future>(&self, work: F) -> F::Output {
        // The caller's own runtime, if it has one, must not make it yield: nobody would wake it.
        let mut work = pin!(unconstrained(work));
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match work.as_mut().poll(&mut context) {
                Poll::Ready(done) => return done,
                Poll::Pending => thread::park(),
            }
        }
    }

    fn get_runtime() -> Self {
        Self
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Not by its own drop, which panics on an event loop: the last reader may be dropped there.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Makes the schema where there is none, and brings it up to date.
pub(super) fn open_for_writing(url: &PostgresUrl) -> Result<Session, Error> {
    let mut session = connect(url)?;
    let connection = &mut session.connection;
    connection
        .transaction(|connection| migrate(connection, url))
        .map_err(|migration| refuse(url, migration))?;
    // Only now: a migration of large tables may take its time.
    connection.batch_execute(WRITER_SETTINGS).map_err(|error| unreachable(url, error))?;
    Ok(session)
}

/// Opens a schema that a writer has opened before.
pub(super) fn open_for_reading(url: &PostgresUrl) -> Result<Session, Error> {
    let mut session = connect(url)?;
    let connection = &mut session.connection;
    let ledger: Count = diesel::sql_query(
        "SELECT COUNT(*) AS count FROM pg_catalog.pg_tables \
         WHERE schemaname = $1 AND tablename = '__diesel_schema_migrations'",
    )
    .bind::<Text, _>(&url.schema)
    .get_result(connection)
    .map_err(|error| unreachable(url, error))?;
    let name = Database::Postgres(url.clone());
    let current = ledger.count > 0
        && upgrade::pending(connection, migrations, &name)
            .map_err(|migration| refuse(url, migration))?
            .is_empty();
    if !current {
        return Err(Error::OlderSchema { database: name });
    }
    // Only now: looking for pending migrations makes their table if it has to.
    connection.batch_execute(READER_SETTINGS).map_err(|error| unreachable(url, error))?;
    Ok(session)
}

/// Under a lock of the schema from the first look on: of two programs that start at once, one migrates and one finds
/// it done.
fn migrate(connection: &mut PgConnection, url: &PostgresUrl) -> Result<(), Migration> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended('impresario.migrations.' || $1, 0))")
        .bind::<Text, _>(&url.schema)
        .execute(connection)?;
    // Asked first: making one that is there needs the right to make one.
    let found: Count =
        diesel::sql_query("SELECT COUNT(*) AS count FROM pg_catalog.pg_namespace WHERE nspname = $1")
            .bind::<Text, _>(&url.schema)
            .get_result(connection)?;
    if found.count == 0 {
        connection.batch_execute(&format!("CREATE SCHEMA {}", url.schema))?;
    }
    upgrade::run(connection, migrations, &Database::Postgres(url.clone()))
}

/// The name of this program's schema.
pub(super) fn schema_version() -> String {
    upgrade::newest::<diesel::pg::Pg>(migrations)
}

fn migrations() -> EmbeddedMigrations {
    EMBEDDED
}

/// Becomes the schema's one writer until the session ends. The one before may still be at its last COMMIT, though its
/// client is gone: when this returns, what that has written is there to be read.
pub(super) fn hold(session: &mut Session, url: &PostgresUrl) -> Result<(), Error> {
    let connection = &mut session.connection;
    connection.batch_execute(LIVENESS).map_err(|error| unreachable(url, error))?;
    connection.batch_execute(PATIENCE).map_err(|error| unreachable(url, error))?;
    let held = diesel::sql_query("SELECT pg_advisory_lock(hashtextextended('impresario.writer.' || $1, 0))")
        .bind::<Text, _>(&url.schema)
        .execute(connection);
    if let Err(error) = held {
        if connection.batch_execute("").is_err() {
            return Err(unreachable(url, error));
        }
        return Err(Error::InUse { database: Database::Postgres(url.clone()) });
    }
    connection.batch_execute("SET lock_timeout = '30s'").map_err(|error| unreachable(url, error))
}

pub(crate) fn connect(url: &PostgresUrl) -> Result<Session, Error> {
    let engine = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("store-postgres")
        .enable_all()
        .build()
        .map_err(|error| unreachable(url, error))?;
    let established = {
        let _inside = engine.enter();
        Parked.block_on(establish(url))
    };
    let engine = Engine(Some(engine));
    let mut session = Session { connection: PgConnection::from(established?), _engine: engine };
    session
        .connection
        .batch_execute(&format!("SET search_path = {}", url.schema))
        .map_err(|error| unreachable(url, error))?;
    Ok(session)
}

async fn establish(url: &PostgresUrl) -> Result<AsyncPgConnection, Error> {
    let connection = match &url.encryption {
        Encryption::None => {
            let (client, connection) =
                url.config.connect(tokio_postgres::NoTls).await.map_err(|error| told(url, &error))?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
        }
        Encryption::Verified { roots } => {
            let connector = tls::connector(roots.as_deref())?;
            let (client, connection) =
                url.config.connect(connector).await.map_err(|error| told(url, &error))?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
        }
    };
    connection.map_err(|error| unreachable(url, error))
}

/// All that the client knows: its own words leave the cause to their sources.
fn told(url: &PostgresUrl, error: &tokio_postgres::Error) -> Error {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, ": {cause}").expect("a String takes all that is written to it");
        source = cause.source();
    }
    unreachable(url, text)
}

fn unreachable(url: &PostgresUrl, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Unreachable { database: Database::Postgres(url.clone()), failure: Failure::new(cause) }
}

fn refuse(url: &PostgresUrl, migration: Migration) -> Error {
    match migration {
        Migration::Refused(error) => error,
        Migration::Failed(failure) => {
            Error::Unreachable { database: Database::Postgres(url.clone()), failure }
        }
    }
}

#[cfg(test)]
mod tests;
