//! How workflows ended.

use prometheus::IntCounterVec;

use super::shelf::Shelf;

/// How workflows end, so that each is there with a 0 before its first.
const OUTCOMES: [&str; 5] = ["done", "planned", "failed", "aborted", "needs_attention"];

/// The cell of all workflows: how many ended, by outcome. Cloning shares it.
#[derive(Clone)]
pub struct Finished(IntCounterVec);

impl Finished {
    pub(super) fn new(shelf: &Shelf) -> Self {
        let finished = shelf.counters(
            "impresario_workflows_finished_total",
            "Workflows that ended since the server started, by outcome.",
            &["outcome"],
        );
        for outcome in OUTCOMES {
            finished.with_label_values(&[outcome]);
        }
        Self(finished)
    }

    /// Counts a workflow that has just ended.
    pub(crate) fn count(&self, outcome: &workflow::Outcome) {
        self.0.with_label_values(&[outcome.name()]).inc();
    }
}
