//! The catalogue owns the prompt templates in force and publishes them as a snapshot.
//!
//! Who renders reads the snapshot and never waits for this actor. A restart publishes the same templates again.
//! Each version that is new is stored, so that a call's prompt can be looked up later; until the store takes it, it is
//! tried again.
//! Mailbox: 16; when it is full the sender is told that it is busy.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, Message};
use store::{PromptRow, Upkeep};
use supervision::{ActorSpec, ChildSpec, Life, Mailbox, Snapshot, Start, WhileDown, actor};
use tracing::warn;
use units::UnixMillis;

use crate::writer::Pen;

/// How long to wait before the versions are stored again.
const STORE_AGAIN: Duration = Duration::from_secs(5);

/// The templates in force.
pub type Templates = Arc<Snapshot<prompts::Catalogue>>;

/// The actor of the catalogue.
pub struct Catalogue {
    life: Life,
    pen: Pen,
    templates: Templates,
}

/// The names of all templates.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "Vec<String>")]
pub struct GetNames;

impl Catalogue {
    /// The catalogue of the templates that come with the product, as a child, and its cell.
    pub(crate) fn child(pen: &Pen, clock: &clock::Clock) -> (ChildSpec, Mailbox<Self>, Templates) {
        let spec = ActorSpec {
            id: "catalogue".to_owned(),
            capacity: 16,
            while_down: WhileDown::Keep,
            clock: clock.clone(),
        };
        let templates: Templates = Arc::new(Snapshot::new(prompts::Catalogue::embedded()));
        let (cell, pen) = (templates.clone(), pen.clone());
        let (child, mailbox) = actor(spec, move |start: Start<Self>| {
            let (templates, pen) = (cell.clone(), pen.clone());
            async move {
                templates.publish(prompts::Catalogue::embedded());
                Ok(Self { life: start.life, pen, templates })
            }
        });
        (child.cell(templates.clone()), mailbox, templates)
    }
}

impl Actor for Catalogue {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let (pen, clock) = (self.pen.clone(), self.life.clock().clone());
        let templates = self.templates.load_full();
        self.life.spawn(async move {
            loop {
                let upkeep = Upkeep::Prompts(rows(&templates, clock.wall()));
                match pen.write(|reply| store::Write::Upkeep { upkeep, reply }).await {
                    Ok(_) => return,
                    Err(error) => warn!(%error, "the versions of the prompts are not stored yet"),
                }
                clock.sleep(STORE_AGAIN).await;
            }
        });
    }
}

/// The names and versions of the prompts that a server of this version stores when it starts, whether it is used or not.
pub fn seeded() -> Vec<(String, String)> {
    let embedded = prompts::Catalogue::embedded();
    embedded.hashed().map(|(template, hash)| (template.name.clone(), hash.to_owned())).collect()
}

fn rows(templates: &prompts::Catalogue, now: UnixMillis) -> Vec<PromptRow> {
    let row = |(template, hash): (&prompts::Template, &str)| PromptRow {
        name: template.name.clone(),
        version: hash.to_owned(),
        number: template.version.get(),
        description: template.description.clone(),
        system: template.system.clone(),
        user: template.user.clone(),
        first_at: now,
    };
    templates.hashed().map(row).collect()
}

impl Handler<GetNames> for Catalogue {
    type Result = Vec<String>;

    fn handle(&mut self, _: GetNames, _: &mut Self::Context) -> Vec<String> {
        self.templates.load().templates().map(|template| template.name.clone()).collect()
    }
}
