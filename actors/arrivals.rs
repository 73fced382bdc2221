//! What is counted at the doors: connections that are open, requests that were turned away, failed authentications.
//!
//! It is a cell, and no actor: doors bump its handles and ask nobody, and `metrics` shows them. Labels are words of the
//! doors' own, never an address, a path or a name that a client sent. A new server counts from 0.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::metrics::register;

/// Where connections come in.
pub const DOORS: [&str; 2] = ["socket", "tcp"];

/// The handles. Cloning shares them.
#[derive(Clone)]
pub struct Arrivals {
    connections: IntGaugeVec,
    refused: IntCounterVec,
    failed: IntCounter,
}

/// An open connection, counted until it is dropped.
pub struct Open(IntGauge);

impl Arrivals {
    pub(crate) fn new(registry: &Registry) -> Self {
        let connections = Opts::new("impresario_door_connections", "Connections that are open, by door.");
        let refused = Opts::new(
            "impresario_door_refused_total",
            "Connections and requests that a door turned away before anybody looked at them, by reason.",
        );
        let failed = IntCounter::new(
            "impresario_door_failed_authentications_total",
            "Requests with a key that is none, or is not in force.",
        );
        let arrivals = Self {
            connections: register(registry, IntGaugeVec::new(connections, &["door"])),
            refused: register(registry, IntCounterVec::new(refused, &["reason"])),
            failed: register(registry, failed),
        };
        for door in DOORS {
            arrivals.connections.with_label_values(&[door]);
        }
        arrivals
    }

    /// Counts a connection of this door, one of [`DOORS`].
    #[must_use]
    pub fn open(&self, door: &'static str) -> Open {
        let gauge = self.connections.with_label_values(&[door]);
        gauge.inc();
        Open(gauge)
    }

    /// Counts what was turned away; `reason` is the stable code of the refusal.
    pub fn refused(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// Counts a failed authentication.
    pub fn authentication_failed(&self) {
        self.failed.inc();
    }
}

impl Default for Arrivals {
    /// Counted, and shown to nobody.
    fn default() -> Self {
        Self::new(&Registry::new())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
