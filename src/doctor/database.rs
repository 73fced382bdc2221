//! The database: whether it opens, and whether its schema is this program's.

use std::num::NonZero;
use std::time::Duration;

use clock::Clock;
use store::Database;

use super::Finding;

const ABOUT: &str = "database";
/// How long it may take to open.
const OPEN_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn look(database: &Database, clock: &Clock) -> Finding {
    if let Database::Sqlite(file) = database
        && !file.exists()
    {
        return Finding::ok(ABOUT, format!("{} is not there yet; the first start makes it", file.display()));
    }
    let wanted = database.clone();
    let opening = tokio::task::spawn_blocking(move || store::Readers::open(&wanted, NonZero::<usize>::MIN));
    match clock.timeout(OPEN_WITHIN, opening).await {
        Ok(Ok(Ok(_))) => {
            let schema = database.schema_version();
            Finding::ok(ABOUT, format!("{database} opens; its schema is that of this program, {schema}"))
        }
        Ok(Ok(Err(store::Error::OlderSchema { .. }))) => {
            Finding::ok(ABOUT, format!("{database} opens; the next start makes or upgrades its schema"))
        }
        Ok(Ok(Err(error))) => Finding::of_error(ABOUT, error),
        Ok(Err(_)) | Err(clock::Elapsed) => Finding::fail(
            ABOUT,
            format!("{database} does not open within {} s", OPEN_WITHIN.as_secs()),
            "check that its server runs and that this machine reaches it",
        ),
    }
}
