//! A supervisor's children in the order of their start, with what is due and who waits kept beside them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::member::{Child, Origin, Phase};
use crate::child::ChildSpec;

/// The children. Each look-up and each change takes logarithmic time, for a supervisor may have a hundred thousand; only
/// a restart that takes siblings along, and the rare questions about all of them, walk over them.
#[derive(Default)]
pub(super) struct Roster {
    /// Boxed: a node of the map is half empty when its keys only ever grow.
    children: BTreeMap<u64, Box<Child>>,
    serials: HashMap<Arc<str>, u64>,
    due: BTreeSet<(Instant, u64)>,
    waiting: BTreeSet<u64>,
    /// The one that was started in order and has not acknowledged its start yet.
    under_way: Option<u64>,
    last_serial: u64,
}

impl Roster {
    /// A new child waits; the youngest of all.
    pub(super) fn adopt(&mut self, spec: ChildSpec, origin: Origin) -> u64 {
        self.last_serial += 1;
        let serial = self.last_serial;
        self.serials.insert(spec.body.vitals().id().clone(), serial);
        self.children.insert(serial, Box::new(Child::new(serial, spec, origin)));
        serial
    }

    pub(super) fn len(&self) -> usize {
        self.children.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    pub(super) fn get(&self, serial: u64) -> Option<&Child> {
        self.children.get(&serial).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, serial: u64) -> Option<&mut Child> {
        self.children.get_mut(&serial).map(Box::as_mut)
    }

    pub(super) fn serial_of(&self, id: &str) -> Option<u64> {
        self.serials.get(id).copied()
    }

    /// The eldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Child> {
        self.children.values().map(Box::as_ref)
    }

    pub(super) fn youngest(&self) -> Option<&Child> {
        self.children.values().next_back().map(Box::as_ref)
    }

    pub(super) fn serials(&self) -> Vec<u64> {
        self.children.keys().copied().collect()
    }

    /// Moves a child into another phase.
    pub(super) fn enter(&mut self, serial: u64, phase: Phase) {
        let Some(child) = self.children.get_mut(&serial) else { return };
        if let Some(at) = child.phase.due() {
            self.due.remove(&(at, serial));
        }
        self.waiting.remove(&serial);
        if self.under_way == Some(serial) {
            self.under_way = None;
        }
        child.phase = phase;
        if let Some(at) = phase.due() {
            self.due.insert((at, serial));
        }
        if phase == Phase::Waiting {
            self.waiting.insert(serial);
        }
    }

    pub(super) fn remove(&mut self, serial: u64) -> Option<Child> {
        self.enter(serial, Phase::Ended);
        let child = self.children.remove(&serial)?;
        self.serials.remove(child.spec.body.vitals().id());
        Some(*child)
    }

    /// The eldest that waits for its turn, unless an elder one is still starting; it is taken to be started now.
    pub(super) fn next_in_order(&mut self) -> Option<u64> {
        if self.under_way.is_some() {
            return None;
        }
        self.waiting.first().copied()
    }

    /// Those that wait for their turn, from this serial on.
    pub(super) fn waiting_from(&self, serial: u64) -> Vec<u64> {
        self.waiting.range(serial..).copied().collect()
    }

    pub(super) fn starts_in_order(&mut self, serial: u64) {
        self.under_way = Some(serial);
    }

    /// Nobody waits for a start or is on its way in order.
    pub(super) fn has_settled(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_none()
    }

    /// The first that is due and, while restarts are held, has to be gone by then.
    pub(super) fn next_due(&self, restarts_held: bool) -> Option<(Instant, u64)> {
        let matters = |serial: u64| {
            !restarts_held
                || self.get(serial).is_some_and(|child| matches!(child.phase, Phase::Stopping { .. }))
        };
        self.due.iter().copied().find(|(_, serial)| matters(*serial))
    }
}
