//! The feed tells who follows a workflow that its history has grown, and passes on what is not worth storing.
//!
//! It owns the pulses, which readers watch. Hints carry no events: a follower reads the store from where it is, so
//! there are no gaps and nothing is shown that is not stored. Progress (a model's output as it comes) is ephemeral
//! and may be lost. A restart loses nothing; a hint that is lost is made up for by the next.
//! Mailbox: 4,096 hints; when it is full a hint is dropped.

use std::sync::Arc;

use actix::{Actor, Context, Handler, Message};
use dashmap::DashMap;
use serde::{Deserialize, Serialize};
use supervision::{ActorSpec, ChildSpec, Mailbox, Start, WhileDown, actor};
use tokio::sync::{broadcast, watch};
use units::{Seq, WorkflowId};

/// Progress that a slow follower may miss.
const PROGRESS: usize = 256;
/// The most events read from the store at once.
const PAGE: usize = 64;

/// Owns the pulses.
pub struct Feed {
    pulses: Pulses,
}

/// A workflow's history has grown to `seq`, durably.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
#[rtype(result = "()")]
pub struct Grown {
    /// Which.
    pub workflow: WorkflowId,
    /// Its last event.
    pub seq: Seq,
}

/// Something that happens while a step is under way; it has no number and may be lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Progress {
    /// A step has begun.
    StepStarted {
        /// Its name, such as `edit/parser/1`.
        step: String,
    },
    /// A model writes.
    Output {
        /// The step.
        step: String,
        /// What follows.
        text: String,
    },
    /// A step does something a person may want to know of.
    Note {
        /// The step.
        step: String,
        /// What it does, in the present.
        text: String,
    },
}

/// The cell of the feed: a pulse for each workflow that somebody follows or that lives. Cloning shares it.
#[derive(Clone, Default)]
pub struct Pulses(Arc<DashMap<WorkflowId, Pulse>>);

struct Pulse {
    grown: watch::Sender<Seq>,
    progress: broadcast::Sender<Progress>,
}

/// What a follower gets.
#[derive(Clone, Debug)]
pub enum Shown {
    /// A stored event.
    Event(Box<store::EventRow>),
    /// Something ephemeral.
    Progress(Progress),
}

/// Follows one workflow from a number on.
pub struct Follower {
    readers: store::Readers,
    workflow: WorkflowId,
    after: Seq,
    page: std::collections::VecDeque<store::EventRow>,
    pulses: Pulses,
    hearing: Option<Hearing>,
}

/// A follower's two ears.
struct Hearing {
    grown: watch::Receiver<Seq>,
    progress: broadcast::Receiver<Progress>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        // First the ears go, then the pulse if these were the last.
        self.hearing = None;
        self.pulses.0.remove_if(&self.workflow, |_, pulse| pulse.is_idle());
    }
}

impl Feed {
    /// The feed as a child, its mailbox, and the pulses that it keeps.
    pub(crate) fn child(clock: &clock::Clock) -> (ChildSpec, Mailbox<Self>, Pulses) {
        let spec = ActorSpec {
            id: "feed".to_owned(),
            capacity: 4096,
            while_down: WhileDown::Keep,
            clock: clock.clone(),
        };
        let pulses = Pulses::default();
        let cell = pulses.clone();
        let (child, mailbox) = actor(spec, move |_: Start<Self>| {
            let pulses = cell.clone();
            async move { Ok(Self { pulses }) }
        });
        (child, mailbox, pulses)
    }
}

impl Actor for Feed {
    type Context = Context<Self>;
}

impl Handler<Grown> for Feed {
    type Result = ();

    fn handle(&mut self, Grown { workflow, seq }: Grown, _: &mut Self::Context) {
        if let Some(pulse) = self.pulses.0.get(&workflow) {
            pulse.grown.send_if_modified(|known| {
                let newer = seq > *known;
                *known = seq.max(*known);
                newer
            });
        }
        // Whoever follows holds a receiver: a pulse without any is of no use to anybody.
        self.pulses.0.remove_if(&workflow, |_, pulse| pulse.is_idle());
    }
}

impl Pulse {
    fn new() -> Self {
        Self { grown: watch::Sender::new(Seq(0)), progress: broadcast::Sender::new(PROGRESS) }
    }

    fn is_idle(&self) -> bool {
        self.grown.receiver_count() == 0 && self.progress.receiver_count() == 0
    }
}

impl Pulses {
    /// Shows progress to those who follow now.
    pub fn show(&self, workflow: &WorkflowId, progress: Progress) {
        if let Some(pulse) = self.0.get(workflow) {
            // Nobody listening is fine.
            let _ = pulse.progress.send(progress);
        }
    }

    /// Follows a workflow's history from the event after `after` on.
    pub fn follow(&self, readers: store::Readers, workflow: WorkflowId, after: Seq) -> Follower {
        let pulse = self.0.entry(workflow.clone()).or_insert_with(Pulse::new);
        let hearing = Hearing { grown: pulse.grown.subscribe(), progress: pulse.progress.subscribe() };
        drop(pulse);
        let page = std::collections::VecDeque::new();
        Follower { readers, workflow, after, page, pulses: self.clone(), hearing: Some(hearing) }
    }
}

impl Follower {
    /// What comes next; waits for it. Events come in order and without gaps; progress comes between them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next(&mut self) -> Result<Shown, store::Error> {
        loop {
            if let Some(row) = self.page.pop_front() {
                self.after = row.seq;
                return Ok(Shown::Event(Box::new(row)));
            }
            let Some(Hearing { grown, progress }) = &mut self.hearing else {
                return std::future::pending().await;
            };
            // Marked as seen before the read: what grows after it wakes the wait below.
            grown.borrow_and_update();
            self.page = read(&self.readers, &self.workflow, self.after).await?.into();
            if !self.page.is_empty() {
                continue;
            }
            tokio::select! {
                biased;
                changed = grown.changed() => {
                    // The sender lives in the map as long as this follower holds a receiver.
                    if changed.is_err() { std::future::pending::<()>().await; }
                }
                progress = progress.recv() => match progress {
                    Ok(progress) => return Ok(Shown::Progress(progress)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => std::future::pending::<()>().await,
                }
            }
        }
    }
}

async fn read(
    readers: &store::Readers,
    workflow: &WorkflowId,
    after: Seq,
) -> Result<Vec<store::EventRow>, store::Error> {
    let (readers, workflow) = (readers.clone(), workflow.clone());
    crate::blocking(move || readers.events_after(&workflow, after, PAGE)).await
}
