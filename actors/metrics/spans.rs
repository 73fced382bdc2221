//! How many spans of traces went out, and how many did not; counted also before there is a tree.

use prometheus::{IntCounter, IntCounterVec, Opts};

use super::shelf::Shelf;

/// The cell of whoever sends traces. Cloning shares it.
#[derive(Clone)]
pub struct Spans {
    family: IntCounterVec,
    exported: IntCounter,
    dropped: IntCounter,
}

impl Spans {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        let help =
            "Spans of traces: those that the collector took, and those that found no room or no collector.";
        let family = IntCounterVec::new(Opts::new("impresario_trace_spans_total", help), &["outcome"])
            .expect("the names of the family and its label are well-formed");
        let of = |outcome: &str| family.with_label_values(&[outcome]);
        Self { exported: of("exported"), dropped: of("dropped"), family }
    }

    /// So many went out.
    pub fn exported(&self, count: usize) {
        self.exported.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// So many did not.
    pub fn dropped(&self, count: usize) {
        self.dropped.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// How many went out, and how many did not.
    pub fn counts(&self) -> (u64, u64) {
        (self.exported.get(), self.dropped.get())
    }

    pub(super) fn show(&self, shelf: &Shelf) {
        shelf.show(self.family.clone());
    }
}

impl Default for Spans {
    fn default() -> Self {
        Self::new()
    }
}
