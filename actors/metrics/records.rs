//! What is told to be recorded and is not in the database yet, and where it is not taken.

use prometheus::{IntGauge, IntGaugeVec};

use super::shelf::{Shelf, shown};
use crate::recorder::{Behind, Stuck};

/// The families. Cloning shares them.
#[derive(Clone)]
pub(super) struct Records {
    rows: IntGauge,
    spool: IntGauge,
    stuck: IntGaugeVec,
}

impl Records {
    pub(super) fn new(shelf: &Shelf) -> Self {
        let records = Self {
            rows: shelf.gauge("impresario_records_waiting", "Rows of records that wait in memory."),
            spool: shelf.gauge(
                "impresario_records_spool_bytes",
                "Bytes of records that wait in the spool on the local disk.",
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

    pub(super) fn observe(&self, Behind { rows, spool_bytes, stuck: Stuck { database, disk } }: Behind) {
        self.rows.set(shown(rows));
        self.spool.set(shown(spool_bytes));
        for (place, is_stuck) in [("database", database), ("disk", disk)] {
            self.stuck.with_label_values(&[place]).set(is_stuck.into());
        }
    }
}
