//! Which servers on this machine run, and what models they have: asked once, at start, all at the same time.

use std::time::Duration;

use clock::Clock;
use futures_util::future::join_all;
use tracing::debug;
use units::ModelName;
use upstream::{Client, Endpoint, Options};

use super::accounts::Account;

/// A server on this machine accepts at once or does not run.
const CONNECT_WITHIN: Duration = Duration::from_millis(500);
/// How long it may take to name its models.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// The most models that are taken from one server: each becomes a child of the tree.
const MAX_MODELS: usize = 64;
/// Models whose names hold this turn text into numbers and cannot answer.
const EMBEDDING: &str = "embed";

/// What is known of a provider's models.
pub(super) struct Known {
    pub(super) account: Account,
    /// Why its models are not known, where they are not.
    pub(super) silent: Option<String>,
}

/// Asks those accounts whose models are not configured.
pub(super) async fn ask(
    accounts: &[Account],
    options: &Options,
    clock: &Clock,
) -> Result<Vec<Known>, upstream::Error> {
    let options = Options { connect_timeout: CONNECT_WITHIN, ca_file: options.ca_file.clone() };
    let client = Client::try_new(&options, clock.clone())?;
    Ok(join_all(accounts.iter().map(|account| known(account, &client, clock))).await)
}

async fn known(account: &Account, client: &Client, clock: &Clock) -> Known {
    let mut account = account.clone();
    if account.models.is_some() {
        return Known { account, silent: None };
    }
    let silent = match models(&account.endpoint, client, clock).await {
        Ok(models) => {
            account.models = Some(models.into_iter().map(|model| (model, None)).collect());
            None
        }
        Err(reason) => {
            debug!(provider = %account.id, reason, "no server on this machine");
            Some(reason)
        }
    };
    Known { account, silent }
}

async fn models(endpoint: &Endpoint, client: &Client, clock: &Clock) -> Result<Vec<ModelName>, String> {
    let Endpoint::Http(endpoint) = endpoint else { return Err("it is a script".to_owned()) };
    let listed = clock.timeout(ANSWER_WITHIN, client.models(endpoint)).await;
    let listed = listed.map_err(|clock::Elapsed| {
        format!("{} did not name them within {} s", endpoint.origin(), ANSWER_WITHIN.as_secs())
    })?;
    let mut models = listed.map_err(|error| error.to_string())?;
    models.retain(|model| !model.as_str().contains(EMBEDDING));
    models.truncate(MAX_MODELS);
    if models.is_empty() {
        return Err(format!("{} runs, but has no model that can answer", endpoint.origin()));
    }
    Ok(models)
}

#[cfg(test)]
pub(super) mod tests;
