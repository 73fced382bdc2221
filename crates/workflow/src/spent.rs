//! What a run has used and cost, by deployment and role.

use std::collections::BTreeMap;

use chat::Usage;
use units::{DeploymentId, Nanodollars};

use crate::state::{Memo, State};
use crate::step::Role;

/// The sum over some calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// How many calls were answered.
    pub calls: u64,
    /// What they used.
    pub usage: Usage,
    /// What they cost, as far as prices are known.
    pub cost: Nanodollars,
    /// How many of the calls have no known price.
    pub unpriced: u64,
}

impl Spent {
    fn add(&mut self, memo: &Memo) {
        self.calls += 1;
        self.usage += memo.answer.usage;
        match memo.cost {
            Some(cost) => self.cost = self.cost.saturating_add(cost),
            None => self.unpriced += 1,
        }
    }
}

impl State {
    /// What all answered calls used and cost.
    pub fn spent(&self) -> Spent {
        let mut sum = Spent::default();
        for memo in self.memos.values() {
            sum.add(memo);
        }
        sum
    }

    /// The same, by who answered and who asked.
    pub fn spent_by(&self) -> BTreeMap<(DeploymentId, Role), Spent> {
        let mut sums = BTreeMap::<_, Spent>::new();
        for (key, memo) in &self.memos {
            sums.entry((memo.deployment.clone(), key.role())).or_default().add(memo);
        }
        sums
    }
}
