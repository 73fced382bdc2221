//! Resumption goes on with workflows whose supervisor was restarted: its children are dynamic, and it knows no more of
//! them than the store does.
//!
//! It only asks for what every start of the server asks for. It owns nothing; a restart of it looks for unfinished
//! workflows once more, which harms nobody. Mailbox: 4; when it is full, what is asked for is under way already.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use actix::{Actor, Context, Handler, Message};
use supervision::{ActorSpec, Cell, ChildSpec, End, Failure, Life, Mailbox, Start, WhileDown, actor};
use tracing::info;

use crate::workflows::Workflows;

/// The actor that resumes.
pub struct Resumption {
    life: Life,
    /// Empty until the tree stands.
    workflows: Arc<OnceLock<Workflows>>,
    is_first_life: bool,
}

/// The workflows' supervisor begins again, without them.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub(crate) struct Lost;

/// Hears of each life of the workflows' supervisor, whoever started it.
pub(crate) struct Returned(Mailbox<Resumption>);

impl Resumption {
    /// The one who resumes, as a child, and what the workflows' supervisor publishes for it.
    pub(crate) fn child(
        workflows: &Arc<OnceLock<Workflows>>,
        clock: &clock::Clock,
    ) -> (ChildSpec, Arc<Returned>) {
        let spec = ActorSpec {
            id: "resumption".to_owned(),
            capacity: 4,
            while_down: WhileDown::Keep,
            clock: clock.clone(),
        };
        let cell = workflows.clone();
        let (child, mailbox) = actor(spec, move |start: Start<Self>| {
            let (workflows, is_first_life) = (cell.clone(), start.after.is_none());
            async move { Ok(Self { life: start.life, workflows, is_first_life }) }
        });
        (child, Arc::new(Returned(mailbox)))
    }

    fn resume(&self) {
        let Some(workflows) = self.workflows.get().cloned() else { return };
        let life = self.life.clone();
        self.life.spawn(async move {
            match workflows.resume().await {
                Ok(resumed) => info!(resumed, "went on with workflows that had lost their supervisor"),
                Err(error) => life.fail(Failure::new(error)),
            }
        });
    }
}

impl Actor for Resumption {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        // At its first the server itself resumes, once all stands.
        if !self.is_first_life {
            self.resume();
        }
    }
}

impl Cell for Returned {
    fn down(&self, _: &End, _: Option<Instant>) {}

    fn up(&self, generation: u64) {
        // With the first life the server itself resumes. Full is fine: then it is about to look already.
        if generation > 1 {
            drop(self.0.tell(Lost));
        }
    }
}

impl Handler<Lost> for Resumption {
    type Result = ();

    fn handle(&mut self, Lost: Lost, _: &mut Self::Context) {
        self.resume();
    }
}
