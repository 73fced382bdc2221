//! How audit entries, requests and usage are kept on their way into the database.

use std::time::Duration;

use actors::recorder::Options;
use serde::{Deserialize, Serialize};

use super::StateFolder;
use super::bounded::Bounded;

const LEAST_SPOOL: u64 = 32 << 20;
const MOST_SPOOL: u64 = 1 << 40;

/// How records are kept on their way into the database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Records {
    /// How long rows may gather before they are written.
    pub window_ms: Bounded<1, 60_000>,
    /// So many bytes may wait while PostgreSQL is away.
    pub spool_bytes: Bounded<LEAST_SPOOL, MOST_SPOOL>,
}

impl Default for Records {
    fn default() -> Self {
        Self { window_ms: Bounded::new(200), spool_bytes: Bounded::new(256 << 20) }
    }
}

impl Records {
    pub(super) fn options(&self, state: &StateFolder) -> Options {
        Options {
            node: state.node(),
            window: Duration::from_millis(self.window_ms.get()),
            spool: state.spool(),
            spool_bytes: self.spool_bytes.get(),
        }
    }
}
