//! What comes through the doors: requests by the template of their route, connections, streams.
//!
//! Whoever asks chooses paths and methods, but no label: what is not of a closed set is `other`.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::shelf::{Shelf, shown};

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
/// What is not of a closed set.
const OTHER: &str = "other";
/// In seconds.
const REQUEST: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The families; what doors count with. Cloning shares them.
#[derive(Clone)]
pub struct Traffic {
    requests: IntCounterVec,
    duration: HistogramVec,
    connections: IntGaugeVec,
    accepted: IntCounterVec,
    streams: IntGauge,
    refused: IntCounterVec,
    failed_authentications: IntCounter,
}

/// Where a connection comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A port.
    Tcp,
    /// The socket in the state folder.
    Socket,
}

/// An open connection; dropping it closes it in the count.
#[derive(Debug)]
#[must_use = "the connection counts only as long as this lives"]
pub struct Connected(IntGauge);

impl Traffic {
    pub(super) fn new(shelf: &Shelf) -> Self {
        let traffic = Self {
            requests: shelf.counters(
                "impresario_http_requests_total",
                "Requests, by the template of their route and the class of their status; who did not wait is a 4xx.",
                &["route", "method", "status"],
            ),
            duration: shelf.histograms(
                "impresario_http_request_seconds",
                "Time from a request's head to the head of its answer; what a stream takes then is not in it.",
                &["route", "method"],
                &REQUEST,
            ),
            connections: shelf.gauges("impresario_http_connections", "Open connections.", &["door"]),
            accepted: shelf.counters(
                "impresario_http_connections_total",
                "Connections that were accepted.",
                &["door"],
            ),
            streams: shelf.gauge(
                "impresario_http_streams",
                "Open streams of events, server-sent and WebSockets together.",
            ),
            refused: shelf.counters(
                "impresario_http_refused_total",
                "Connections and requests that a door turned away before anybody looked at them, by reason.",
                &["reason"],
            ),
            failed_authentications: shelf.counter(
                "impresario_http_failed_authentications_total",
                "Requests with a key that is none, or is not in force.",
            ),
        };
        for door in [Door::Tcp, Door::Socket] {
            traffic.connections.with_label_values(&[door.name()]);
            traffic.accepted.with_label_values(&[door.name()]);
        }
        traffic
    }

    /// Counts an answer. `route` is the template of the route that was found, and never what was asked for.
    pub fn answered(&self, route: Option<&str>, method: &str, status: u16, took: Duration) {
        self.unanswered(route, method, status);
        self.duration.with_label_values(&[route.unwrap_or(OTHER), known(method)]).observe(took.as_secs_f64());
    }

    /// Counts a request that got no answer, by the status that says why: it has no duration.
    pub fn unanswered(&self, route: Option<&str>, method: &str, status: u16) {
        let class = match status {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            500..=599 => "5xx",
            _ => OTHER,
        };
        self.requests.with_label_values(&[route.unwrap_or(OTHER), known(method), class]).inc();
    }

    /// Counts a connection until it is dropped.
    pub fn connected(&self, door: Door) -> Connected {
        self.accepted.with_label_values(&[door.name()]).inc();
        let open = self.connections.with_label_values(&[door.name()]);
        open.inc();
        Connected(open)
    }

    /// Counts what was turned away; `reason` is the stable code of the refusal.
    pub fn refused(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// Counts a failed authentication.
    pub fn authentication_failed(&self) {
        self.failed_authentications.inc();
    }

    /// Notes how many streams are open.
    pub fn streams(&self, open: usize) {
        self.streams.set(shown(open));
    }
}

/// The method as a label.
fn known(method: &str) -> &'static str {
    METHODS.into_iter().find(|known| *known == method).unwrap_or(OTHER)
}

impl Default for Traffic {
    /// Counted, and shown to nobody.
    fn default() -> Self {
        Self::new(&Shelf::new())
    }
}

impl Door {
    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Socket => "socket",
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}
