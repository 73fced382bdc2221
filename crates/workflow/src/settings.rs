//! The limits of one run, pinned when it starts.

use serde::{Deserialize, Serialize};

use crate::bounds::MAX_LIMIT;
use crate::refused::Refused;

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Plan, edit, review.
    Run,
    /// Plan, and nothing is written.
    PlanOnly,
}

/// The limits of a run. Each but `step_failures` is from 1 to [`MAX_LIMIT`], that one from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How far the run goes.
    pub mode: Mode,
    /// How often the planner may answer.
    pub plan_attempts: u32,
    /// How often an editor may answer for one task.
    pub edit_attempts: u32,
    /// How many reviews there are at most; the last one has to approve.
    pub review_rounds: u32,
    /// How many tasks are edited at once.
    pub parallel_editors: u32,
    /// How often the world (upstream, disk) may fail one attempt of a step before the run gives up.
    pub step_failures: u32,
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), Refused> {
        let limits = [
            ("plan_attempts", self.plan_attempts, 1),
            ("edit_attempts", self.edit_attempts, 1),
            ("review_rounds", self.review_rounds, 1),
            ("parallel_editors", self.parallel_editors, 1),
            ("step_failures", self.step_failures, 0),
        ];
        match limits.into_iter().find(|(_, found, least)| !(*least..=MAX_LIMIT).contains(found)) {
            Some((setting, found, least)) => {
                Err(Refused::BadSetting { setting, found, least, most: MAX_LIMIT })
            }
            None => Ok(()),
        }
    }
}
