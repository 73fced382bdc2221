//! What is told to be recorded and is not in the database yet, and where it is not taken.

use prometheus::{IntCounter, IntGauge, IntGaugeVec};

use super::shelf::{Shelf, shown};
use crate::recorder::{Behind, Stuck};

/// The families. Cloning shares them.
#[derive(Clone)]
pub(super) struct Records {
    rows: IntGauge,
    lost: IntCounter,
    spool: IntGauge,
    spool_max: IntGauge,
    stuck: IntGaugeVec,
}

impl Records {
    pub(super) fn new(shelf: &Shelf) -> Self {
        let records = Self {
            rows: shelf.gauge("impresario_records_waiting", "Rows of records that wait in memory."),
            lost: shelf.counter(
                "impresario_records_lost_total",
                "Rows of records that had no room in memory and were given up, or waited in the spool of another database.",
            ),
            spool: shelf.gauge(
                "impresario_records_spool_bytes",
                "Bytes of records that wait in the spool on the local disk.",
            ),
            spool_max: shelf.gauge(
                "impresario_records_spool_bytes_max",
                "Bytes that may wait in the spool before new work is refused; 0 where there is none.",
            ),
            stuck: shelf.gauges(
                "impresario_records_stuck",
                "1 where records are not taken now; they wait, and are tried on.",
                &["place"],
            ),
        };
        records.observe(Behind::default());
        records
    }

    pub(super) fn observe(&self, behind: Behind) {
        let Behind { rows, lost, spool_bytes, spool_bytes_max, stuck: Stuck { database, disk } } = behind;
        self.rows.set(shown(rows));
        // It only grows: the recorder counts from the start of the process, as this does.
        self.lost.inc_by(lost.saturating_sub(self.lost.get()));
        self.spool.set(shown(spool_bytes));
        self.spool_max.set(shown(spool_bytes_max));
        for (place, is_stuck) in [("database", database), ("disk", disk)] {
            self.stuck.with_label_values(&[place]).set(is_stuck.into());
        }
    }
}
