//! Migrations as both databases run them: what is missing is run, and what this program does not know is refused.

use diesel::backend::Backend;
use diesel::migration::{MigrationSource, MigrationVersion};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};

use super::Database;
use crate::error::{Error, Failure};

/// Why a database is not brought up to date.
pub(super) enum Migration {
    /// It is of another version.
    Refused(Error),
    /// The database failed.
    Failed(Failure),
}

impl From<diesel::result::Error> for Migration {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(Failure::new(error))
    }
}

/// Runs what is missing; inside a transaction and under a lock that keeps other programs out.
pub(super) fn run<B: Backend>(
    connection: &mut impl MigrationHarness<B>,
    embedded: fn() -> EmbeddedMigrations,
    name: &Database,
) -> Result<(), Migration> {
    pending(connection, embedded, name)?;
    let run = connection.run_pending_migrations(embedded());
    run.map(|_| ()).map_err(|cause| Migration::Failed(Failure::new(cause)))
}

/// The newest of the embedded migrations, which names the schema.
pub(super) fn newest<B: Backend>(embedded: fn() -> EmbeddedMigrations) -> String {
    let migrations = MigrationSource::<B>::migrations(&embedded()).unwrap_or_default();
    migrations.iter().map(|migration| migration.name().version().to_string()).max().unwrap_or_default()
}

/// The embedded migrations that the database lacks; refuses one that has what is not embedded.
pub(super) fn pending<B: Backend>(
    connection: &mut impl MigrationHarness<B>,
    embedded: fn() -> EmbeddedMigrations,
    name: &Database,
) -> Result<Vec<MigrationVersion<'static>>, Migration> {
    let failed = |cause| Migration::Failed(Failure::new(cause));
    let migrations = MigrationSource::<B>::migrations(&embedded()).map_err(failed)?;
    let mut known: Vec<_> =
        migrations.iter().map(|migration| migration.name().version().as_owned()).collect();
    let applied = connection.applied_migrations().map_err(failed)?;
    if let Some(newer) = applied.iter().find(|version| !known.contains(version)) {
        let error = Error::NewerSchema { database: name.clone(), migration: newer.to_string() };
        return Err(Migration::Refused(error));
    }
    known.retain(|version| !applied.contains(version));
    Ok(known)
}
