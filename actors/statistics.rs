//! Statistics writes down how each model does, hour by hour, so that it can be asked for after a restart.
//!
//! What is counted is in its cell, the tally, which the request path adds to when a call has ended. The actor stores
//! what has changed, twice a minute; each time the whole hour, so that twice is once. Whoever stops the server stores the
//! rest, when nobody works any more: also where the actor is down just then.
//! A crash of the actor loses nothing; one of the process loses the counts of half a minute, and no money: costs have
//! rows of their own. Mailbox: none is ever sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::{Actor, Context};
use chat::Usage;
use gateway::{End, Fault, Outcome};
use histogram::Histogram;
use store::{Calls, MetricsRow, Upkeep};
use supervision::{ActorSpec, ChildSpec, Life, Start, WhileDown, actor};
use tracing::warn;
use units::{DeploymentId, Nanodollars, UnixMillis};

use crate::writer::{self, Pen};

const HOUR_MS: i64 = 60 * 60 * 1_000;
/// How often what was counted is stored.
const STORE_EVERY: Duration = Duration::from_secs(30);
/// Rows of one write.
const BATCH: usize = 256;

/// The actor that stores the tally.
pub struct Statistics {
    life: Life,
    tally: Arc<Tally>,
    pen: Pen,
}

/// What was counted in the hours that are not over for long.
pub(crate) struct Tally {
    /// Tells this run of the server from all others.
    run: u64,
    hours: Mutex<BTreeMap<(i64, DeploymentId), Hour>>,
}

#[derive(Clone, Default)]
struct Hour {
    calls: Calls,
    usage: Usage,
    cost: Nanodollars,
    unpriced: u64,
    latency: Histogram,
    first_output: Histogram,
    /// Counted and not stored yet.
    fresh: u64,
}

impl Statistics {
    /// The actor as a child, and its cell. `run` is drawn by whoever starts the server.
    pub(crate) fn child(run: u64, pen: &Pen, clock: &clock::Clock) -> (ChildSpec, Arc<Tally>) {
        let spec = ActorSpec {
            id: "statistics".to_owned(),
            capacity: 1,
            while_down: WhileDown::Keep,
            clock: clock.clone(),
        };
        let tally = Arc::new(Tally { run: run >> 1, hours: Mutex::default() });
        let (cell, pen) = (tally.clone(), pen.clone());
        let (child, _) = actor(spec, move |start: Start<Self>| {
            let (tally, pen) = (cell.clone(), pen.clone());
            async move { Ok(Self { life: start.life, tally, pen }) }
        });
        (child, tally)
    }
}

impl Actor for Statistics {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let (tally, pen, clock) = (self.tally.clone(), self.pen.clone(), self.life.clock().clone());
        self.life.spawn(async move {
            loop {
                clock.sleep(STORE_EVERY).await;
                if let Err(error) = tally.store(&pen, clock.wall()).await {
                    warn!(%error, "the statistics are not stored yet");
                }
            }
        });
    }
}

impl Tally {
    /// Counts a call that has ended now. It waits for whoever counts another, and for nobody else.
    pub(crate) fn count(&self, outcome: &Outcome, now: UnixMillis) {
        let mut hours = self.hours();
        // A clock that is set back must not begin an hour anew that was stored and let go of.
        let latest = hours.keys().next_back().map_or(i64::MIN, |(hour, _)| *hour);
        let hour = begin(now).max(latest);
        hours.entry((hour, outcome.deployment.clone())).or_default().count(outcome);
    }

    fn hours(&self) -> MutexGuard<'_, BTreeMap<(i64, DeploymentId), Hour>> {
        self.hours.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores what is fresh, and lets go of the hours that are over.
    pub(crate) async fn store(&self, pen: &Pen, now: UnixMillis) -> Result<(), writer::Error> {
        let fresh: Vec<_> = {
            let hours = self.hours();
            let fresh = hours.iter().filter(|(_, hour)| hour.fresh > 0);
            fresh.map(|(key, hour)| (key.clone(), hour.clone())).collect()
        };
        for batch in fresh.chunks(BATCH) {
            let rows = batch.iter().map(|((hour, deployment), counted)| self.row(*hour, deployment, counted));
            let upkeep = Upkeep::Metrics(rows.collect());
            pen.write(|reply| store::Write::Upkeep { upkeep, reply }).await?;
            let mut hours = self.hours();
            for (key, stored) in batch {
                if let Some(hour) = hours.get_mut(key) {
                    // Another look may have stored the same calls.
                    hour.fresh = hour.fresh.saturating_sub(stored.fresh);
                }
            }
        }
        let mut hours = self.hours();
        // The latest stays, so that it is known which it was.
        let latest = hours.keys().next_back().map_or(i64::MIN, |(hour, _)| *hour);
        hours.retain(|(hour, _), counted| counted.fresh > 0 || *hour == latest || *hour >= begin(now));
        Ok(())
    }

    fn row(&self, hour: i64, deployment: &DeploymentId, counted: &Hour) -> MetricsRow {
        MetricsRow {
            hour: UnixMillis(hour),
            deployment: deployment.clone(),
            run: self.run,
            calls: counted.calls,
            usage: counted.usage,
            cost: counted.cost,
            unpriced: counted.unpriced,
            latency: counted.latency.to_string(),
            first_output: counted.first_output.to_string(),
        }
    }
}

impl Hour {
    fn count(&mut self, outcome: &Outcome) {
        let calls = &mut self.calls;
        let end = match outcome.end {
            End::Answered => &mut calls.answered,
            End::Interrupted(_) => &mut calls.interrupted,
            End::Cancelled => &mut calls.cancelled,
            End::Failed(_) => match outcome.fault {
                Some(Fault::Caller) => &mut calls.caller,
                Some(Fault::Policy) => &mut calls.policy,
                Some(Fault::Provider) => &mut calls.provider,
                Some(Fault::Own) | None => &mut calls.own,
            },
        };
        *end += 1;
        self.usage += outcome.usage;
        match outcome.cost {
            Some(cost) => self.cost = self.cost.saturating_add(cost),
            None => self.unpriced += 1,
        }
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.latency.record(ms(outcome.duration));
        if let Some(first) = outcome.first_output {
            self.first_output.record(ms(first));
        }
        self.fresh += 1;
    }
}

fn begin(now: UnixMillis) -> i64 {
    now.0.div_euclid(HOUR_MS) * HOUR_MS
}

#[cfg(test)]
mod tests {
    use upstream::FailureClass;

    use super::*;

    fn outcome(end: End, fault: Option<Fault>) -> Outcome {
        Outcome {
            deployment: "demo/one".parse().unwrap(),
            role: "planner".to_owned(),
            operation: gateway::Operation::Plan,
            fault,
            end,
            usage: Usage::default(),
            cost: Some(Nanodollars(5)),
            client: None,
            payer: gateway::Payer::Operator,
            first_output: None,
            duration: Duration::from_millis(700),
        }
    }

    #[test]
    fn an_hour_has_its_own_row_and_a_clock_set_back_begins_none_anew() {
        let tally = Tally { run: 1, hours: Mutex::default() };
        tally.count(&outcome(End::Answered, None), UnixMillis(10));
        tally.count(
            &outcome(End::Failed(FailureClass::Limited), Some(Fault::Policy)),
            UnixMillis(HOUR_MS + 1),
        );
        tally.count(&outcome(End::Cancelled, None), UnixMillis(10));
        let hours = tally.hours();
        let counted: Vec<_> = hours.iter().map(|((hour, _), counted)| (*hour, counted.calls)).collect();
        let later = Calls { policy: 1, cancelled: 1, ..Calls::default() };
        assert_eq!(counted, [(0, Calls { answered: 1, ..Calls::default() }), (HOUR_MS, later)]);
    }
}
