//! The configuration, as `config check` sees it.

use super::Finding;
use crate::config::{self, Checked, Flags};

const ABOUT: &str = "configuration";

pub(super) fn look(flags: &Flags) -> Vec<Finding> {
    let Checked { layers, faults, notes } = config::check(flags);
    let mut findings: Vec<Finding> = faults.iter().map(|fault| Finding::of_error(ABOUT, fault)).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(ABOUT, format!("good; checked: {}", layers.join(", "))));
    }
    // A note may be what was meant.
    findings.extend(notes.into_iter().map(|note| Finding::ok(ABOUT, note)));
    findings
}
