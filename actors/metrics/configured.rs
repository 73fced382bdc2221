//! Which configuration is in force, and how many were not put in force.

use prometheus::{IntCounter, IntGauge};

use super::shelf::Shelf;

/// The cell of the configuration. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Configured {
    revision: IntGauge,
    failures: IntCounter,
}

impl Configured {
    pub(super) fn new(shelf: &Shelf) -> Self {
        let configured = Self {
            revision: shelf.gauge(
                "impresario_config_revision",
                "The configuration in force: 1 since the start, 1 more with each reload.",
            ),
            failures: shelf.counter(
                "impresario_config_reload_failures_total",
                "Reloads that changed nothing, because the configuration was wrong.",
            ),
        };
        configured.revision.set(1);
        configured
    }

    /// The next configuration is in force; its number.
    pub(crate) fn next(&self) -> i64 {
        self.revision.inc();
        self.revision.get()
    }

    /// A configuration was wrong and is not in force.
    pub(crate) fn failed(&self) {
        self.failures.inc();
    }
}
