//! Who lives in the tree: how many of each kind do what, what waits in their mailboxes, and who was started again.

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec};
use supervision::{ChildSpec, Down, Follows, Node, State};

use super::shelf::{Shelf, shown};

/// Everybody whom [`kind`] knows.
const KINDS: [&str; 23] = [
    "root",
    "feed",
    "metrics",
    "writer",
    "recorder",
    "keyring",
    "herald",
    "providers",
    "provider",
    "account",
    "deployment",
    "router",
    "catalogue",
    "workflows",
    "workflow",
    "instance",
    "agent",
    "resumption",
    "statistics",
    "disk",
    "retention",
    "captures",
    "other",
];

/// The families. Cloning shares them.
#[derive(Clone)]
pub(super) struct Population {
    actors: IntGaugeVec,
    waiting: IntGaugeVec,
    room: IntGaugeVec,
    restarts: Restarts,
    stuck: IntGauge,
}

/// The cell of all supervisors: how often they started somebody again. Cloning shares it.
#[derive(Clone)]
pub struct Restarts(IntCounterVec);

impl Population {
    pub(super) fn new(shelf: &Shelf) -> Self {
        let restarts = shelf.counters(
            "impresario_actor_restarts_total",
            "How often a supervisor started somebody again that had ended.",
            &["kind"],
        );
        for kind in KINDS {
            restarts.with_label_values(&[kind]);
        }
        Self {
            actors: shelf.gauges(
                "impresario_actors",
                "Who is in the supervision tree, by what they do now.",
                &["kind", "state"],
            ),
            waiting: shelf.gauges(
                "impresario_mailbox_messages",
                "Messages that wait in the mailboxes of all actors of a kind.",
                &["kind"],
            ),
            room: shelf.gauges(
                "impresario_mailbox_capacity_messages",
                "Messages that may wait in the mailboxes of all actors of a kind.",
                &["kind"],
            ),
            restarts: Restarts(restarts),
            stuck: shelf.gauge(
                "impresario_stuck_threads",
                "Threads that did not answer and were left behind since the start.",
            ),
        }
    }

    pub(super) fn restarts(&self) -> &Restarts {
        &self.restarts
    }

    pub(super) fn observe(&self, tree: &Node, stuck_threads: usize) {
        for family in [&self.actors, &self.waiting, &self.room] {
            family.reset();
        }
        for (path, node) in tree.walk() {
            let kind = kind(&path);
            self.actors.with_label_values(&[kind, name(node.state)]).inc();
            self.waiting.with_label_values(&[kind]).add(shown(node.queued));
            self.room.with_label_values(&[kind]).add(shown(node.capacity));
        }
        self.stuck.set(shown(stuck_threads));
    }
}

impl Restarts {
    /// Counts each time that this child is started again.
    pub(crate) fn watch(&self, child: ChildSpec) -> ChildSpec {
        let restarts = self.0.clone();
        child.monitor(move |Down { path, follows, .. }| match follows {
            Follows::Restart { .. } | Follows::Compensation => {
                restarts.with_label_values(&[kind(path)]).inc();
            }
            Follows::Nothing | Follows::Sleep | Follows::GivenUp => {}
        })
    }
}

/// What lives at a path, from a closed set: paths hold the names of workflows and models.
fn kind(path: &str) -> &'static str {
    let mut ids = path.split('/').skip(1);
    let (first, second, third) = (ids.next(), ids.next(), ids.next());
    match (first, second, third) {
        (None, _, _) => "root",
        (Some("providers"), None, _) => "providers",
        (Some("providers"), Some(_), None) => "provider",
        (Some("providers"), Some(_), Some("account")) => "account",
        (Some("providers"), Some(_), Some(_)) => "deployment",
        (Some("workflows"), None, _) => "workflows",
        (Some("workflows"), Some(_), None) => "workflow",
        (Some("workflows"), Some(_), Some("instance")) => "instance",
        (Some("workflows"), Some(_), Some(_)) => "agent",
        (Some(id), None, _) => KINDS.into_iter().find(|kind| *kind == id).unwrap_or("other"),
        (Some(_), Some(_), _) => "other",
    }
}

fn name(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Starting => "starting",
        State::Running => "running",
        State::BackingOff => "backing_off",
        State::Asleep => "asleep",
        State::Stopping => "stopping",
        State::Parked => "parked",
        State::Ignored => "ignored",
        State::Ended => "ended",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_tells_no_name_of_a_workflow_or_a_model() {
        for (path, expected) in [
            ("root", "root"),
            ("root/writer", "writer"),
            ("root/providers", "providers"),
            ("root/providers/account", "provider"),
            ("root/providers/anthropic/account", "account"),
            ("root/providers/anthropic/account@2", "deployment"),
            ("root/workflows/w-1", "workflow"),
            ("root/workflows/w-1/instance", "instance"),
            ("root/workflows/w-1/editor-secret-1", "agent"),
            ("root/newcomer", "other"),
            ("root/newcomer/writer", "other"),
        ] {
            assert_eq!(kind(path), expected, "{path}");
            assert!(KINDS.contains(&kind(path)));
        }
    }
}
