//! What breakers do, and how many calls are under way: read from their cells when somebody looks.

use cells::{Override, State};
use gateway::Routes;
use prometheus::IntGaugeVec;

use super::shelf::Shelf;

const STATES: [State; 3] = [State::Closed, State::HalfOpen, State::Open];
const OVERRIDES: [Override; 3] = [Override::ForcedOpen, Override::ForcedClosed, Override::Disabled];

/// The families. Cloning shares them.
#[derive(Clone)]
pub(super) struct Breakers {
    state: IntGaugeVec,
    overridden: IntGaugeVec,
    in_flight: IntGaugeVec,
}

impl Breakers {
    pub(super) fn new(shelf: &Shelf) -> Self {
        Self {
            state: shelf.gauges(
                "impresario_breaker_state",
                "1 for what a model's circuit breaker does with calls now, an operator's word included.",
                &["provider", "model", "state"],
            ),
            overridden: shelf.gauges(
                "impresario_breaker_override",
                "1 for an operator's word that holds for a model's circuit breaker; all 0 where it decides itself.",
                &["provider", "model", "override"],
            ),
            in_flight: shelf.gauges(
                "impresario_model_calls_in_flight",
                "Calls to a model that are under way.",
                &["provider", "model"],
            ),
        }
    }

    /// Who has left the routes is shown no longer.
    pub(super) fn observe(&self, routes: &Routes) {
        for family in [&self.state, &self.overridden, &self.in_flight] {
            family.reset();
        }
        for deployment in routes.deployments() {
            let (provider, model) = (deployment.id.provider.as_str(), deployment.id.model.as_str());
            let (now, word) = (deployment.breaker.state(), deployment.breaker.control());
            for state in STATES {
                let gauge = self.state.with_label_values(&[provider, model, name_of_state(state)]);
                gauge.set(i64::from(state == now));
            }
            for known in OVERRIDES {
                let gauge = self.overridden.with_label_values(&[provider, model, name_of_override(known)]);
                gauge.set(i64::from(word == Some(known)));
            }
            self.in_flight.with_label_values(&[provider, model]).set(deployment.load.in_flight().into());
        }
    }
}

fn name_of_state(state: State) -> &'static str {
    match state {
        State::Closed => "closed",
        State::HalfOpen => "half_open",
        State::Open => "open",
    }
}

fn name_of_override(word: Override) -> &'static str {
    match word {
        Override::ForcedOpen => "forced_open",
        Override::ForcedClosed => "forced_closed",
        Override::Disabled => "disabled",
    }
}
