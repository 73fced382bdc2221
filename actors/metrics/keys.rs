//! How many of a provider's keys are in force: read from their cells when somebody looks. No key is named.

use clock::Clock;
use gateway::Routes;
use prometheus::IntGaugeVec;
use upstream::Endpoint;

use super::shelf::Shelf;

/// The family. Cloning shares it.
#[derive(Clone)]
pub(super) struct Keys {
    keys: IntGaugeVec,
}

impl Keys {
    pub(super) fn new(shelf: &Shelf) -> Self {
        Self {
            keys: shelf.gauges(
                "impresario_provider_keys",
                "A provider's keys; one that was refused or is limited is set aside where there are others.",
                &["provider", "state"],
            ),
        }
    }

    /// Who has left the routes is shown no longer. A provider's deployments share its keys.
    pub(super) fn observe(&self, routes: &Routes, clock: &Clock) {
        self.keys.reset();
        for deployment in routes.deployments() {
            let (all, in_force) = match &deployment.endpoint {
                Endpoint::Scripted(_) => (0, 0),
                Endpoint::Http(endpoint) => match &endpoint.keys {
                    Some(keys) => (keys.count(), keys.in_force(clock)),
                    // An only key is never set aside.
                    None => (usize::from(endpoint.key.is_some()), usize::from(endpoint.key.is_some())),
                },
            };
            let provider = deployment.id.provider.as_str();
            for (state, count) in [("in_force", in_force), ("set_aside", all.saturating_sub(in_force))] {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.keys.with_label_values(&[provider, state]).set(count);
            }
        }
    }
}
