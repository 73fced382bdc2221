//! A review that requests changes becomes one more task.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use plan::{MAX_LIST, MAX_TITLE_BYTES, Task};
use review::{Finding, Review, Severity};
use units::TaskId;

use crate::bounds::cut_end;
use crate::state::State;

const PREFIX: &str = "revise-";
const MAX_DETAIL_BYTES: usize = 64 * 1024;

/// Whether a planner's task would take the name of a revision.
pub(crate) fn is_reserved(id: &TaskId) -> bool {
    let number = id.as_str().strip_prefix(PREFIX);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The task that answers the review of `round`: it may write what the findings name and the workflow changed, or
/// everything that the workflow changed when they name nothing of that. The rest it may read.
pub(crate) fn task(state: &State, round: u32, review: &Review) -> Task {
    let changed = changed_or_claimed(state);
    let named: BTreeSet<&str> = review.findings.iter().map(|finding| finding.path.as_str()).collect();
    let mendable: BTreeSet<&str> = named.intersection(&changed).copied().collect();
    let writes = if mendable.is_empty() { &changed } else { &mendable };
    // What a finding names comes first, in case not all fits.
    let rest = named.iter().chain(changed.difference(&named)).filter(|path| !writes.contains(*path));
    Task {
        id: format!("{PREFIX}{round}").parse().expect("the prefix and a number are a valid id"),
        title: cut_end(&format!("Revise: {}", review.summary), MAX_TITLE_BYTES),
        detail: detail(review),
        depends_on: Vec::new(),
        reads: rest.take(MAX_LIST).map(|path| (*path).to_owned()).collect(),
        writes: writes.iter().map(|path| (*path).to_owned()).collect(),
    }
}

/// A workflow whose commits wrote nothing may still be asked to change something: then its claims count.
fn changed_or_claimed(state: &State) -> BTreeSet<&str> {
    let changed = state.changed();
    if !changed.is_empty() {
        return changed;
    }
    state.works().flat_map(|work| work.task.writes.iter().map(String::as_str)).collect()
}

fn detail(review: &Review) -> String {
    let mut text = format!("A reviewer requests changes: {}\n", review.summary);
    for finding in &review.findings {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        let Finding { path, title, detail, .. } = finding;
        write!(text, "\n- {severity} in {path}{line}: {title}\n  {detail}\n").expect("writing into memory");
    }
    cut_end(&text, MAX_DETAIL_BYTES)
}
