//! A failing plan made smaller, for whoever has to read it.

use std::time::Duration;

use clock::Clock;

use crate::generate::is_decided;
use crate::plan::Plan;
use crate::world;

/// How long is spent on it, in the machine's own time.
const EFFORT: Duration = Duration::from_secs(40);
/// How long a tree may take to come to rest meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);

/// A plan that fails as well, with as few steps as are found in time, and how it fails.
pub(crate) async fn smallest(plan: Plan, failure: String) -> (Plan, String) {
    let clock = Clock::real();
    let deadline = clock.now() + EFFORT;
    let (mut plan, mut failure) = (plan, failure);
    let mut place = plan.steps.len();
    while place > 0 && clock.now() < deadline {
        place -= 1;
        let mut smaller = plan.clone();
        smaller.steps.remove(place);
        if is_decided(&smaller)
            && let Err(other) = world::run(&smaller, PATIENCE).await
        {
            (plan, failure) = (smaller, other);
            place = place.min(plan.steps.len());
        }
    }
    (plan, failure)
}
