//! A workflow's history as its follower hears it: every event in order, none missing, none twice.

use std::collections::BTreeSet;

use clock::Clock;
use impresario::client::{Client, Events};
use impresario::http::views::{Numbered, ServerEvent};
use units::{Seq, WorkflowId};
use workflow::{Event, Outcome};

use crate::house::LIMIT;
use crate::vendor::Vendor;

/// A follower from the first event on.
pub(crate) struct Story {
    events: Events,
    heard: Vec<Numbered>,
}

impl Story {
    pub(crate) fn follow(client: &Client, id: &WorkflowId) -> Self {
        Self { events: client.follow(id, Seq(0)), heard: Vec::new() }
    }

    /// Waits for the first event for which `is_it` holds.
    pub(crate) async fn until(&mut self, what: &str, is_it: impl Fn(&Event) -> bool) {
        while !self.heard.last().is_some_and(|last| is_it(&last.event)) {
            assert!(self.hear().await, "the workflow ended before {what}: {:#?}", self.kinds());
        }
    }

    /// Hears it to its end: how it ended, and all of it.
    pub(crate) async fn end(mut self) -> (Outcome, Vec<Numbered>) {
        while self.hear().await {}
        let Some(Numbered { event: Event::Finished { outcome }, .. }) = self.heard.last() else {
            panic!("the stream ended without an end: {:#?}", self.kinds());
        };
        (outcome.clone(), self.heard)
    }

    /// Hears it to its end, which has to be a good one.
    pub(crate) async fn done(self) -> Vec<Numbered> {
        let (outcome, heard) = self.end().await;
        assert_eq!(outcome, Outcome::Done, "{heard:#?}");
        heard
    }

    /// The next event; `false` when there is none.
    async fn hear(&mut self) -> bool {
        loop {
            let next = Clock::real().timeout(LIMIT, self.events.next()).await;
            let next = next.unwrap_or_else(|_| panic!("nothing more was heard after {:#?}", self.kinds()));
            match next.transpose().unwrap() {
                None => return false,
                Some(ServerEvent::Progress(_)) => {}
                Some(ServerEvent::Event(event)) => {
                    let before = self.heard.last().map_or(Seq(0), |last| last.seq);
                    assert_eq!(event.seq, before.next(), "there is a gap or a repetition");
                    self.heard.push(*event);
                    return true;
                }
            }
        }
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.heard.iter().map(|heard| heard.event.kind()).collect()
    }
}

/// How many events are such ones.
pub(crate) fn count(heard: &[Numbered], is_it: impl Fn(&Event) -> bool) -> usize {
    heard.iter().filter(|heard| is_it(&heard.event)).count()
}

/// What the provider answered, what the history remembers and what the books say is the same: so many calls, none of
/// them paid for twice.
pub(crate) async fn assert_paid_once(
    client: &Client,
    id: &WorkflowId,
    heard: &[Numbered],
    vendor: &Vendor,
    calls: usize,
) {
    let answered = vendor.answered();
    let different: BTreeSet<&str> = answered.iter().map(|asked| asked.body.as_str()).collect();
    assert_eq!(different.len(), answered.len(), "something was paid for twice");
    let models: Vec<&str> = answered.iter().map(|asked| asked.model.as_str()).collect();
    assert_eq!(answered.len(), calls, "{models:?}");
    assert_eq!(count(heard, |event| matches!(event, Event::CallAnswered { .. })), calls);

    let totals = client.workflow(id).await.unwrap().totals;
    for total in &totals {
        let model = total.deployment.model.as_str();
        let answers = models.iter().filter(|answered| **answered == model).count();
        assert_eq!(usize::try_from(total.calls).unwrap(), answers, "calls of `{model}` in the books");
    }
    assert_eq!(totals.iter().map(|total| total.calls).sum::<u64>(), u64::try_from(calls).unwrap());
}
