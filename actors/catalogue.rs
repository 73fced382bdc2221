//! The catalogue owns the prompt templates in force and publishes them as a snapshot.
//!
//! Who renders reads the snapshot and never waits for this actor. A restart publishes the same templates again.
//! Mailbox: 16; when it is full the sender is told that it is busy.

use std::sync::Arc;

use actix::{Actor, Context, Handler, Message};
use supervision::{ActorSpec, ChildSpec, Mailbox, Snapshot, Start, WhileDown, actor};

/// The templates in force.
pub type Templates = Arc<Snapshot<prompts::Catalogue>>;

/// The actor of the catalogue.
pub struct Catalogue {
    templates: Templates,
}

/// The names of all templates.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "Vec<String>")]
pub struct GetNames;

impl Catalogue {
    /// The catalogue of the templates that come with the product, as a child, and its cell.
    pub(crate) fn child(clock: &clock::Clock) -> (ChildSpec, Mailbox<Self>, Templates) {
        let spec = ActorSpec {
            id: "catalogue".to_owned(),
            capacity: 16,
            while_down: WhileDown::Keep,
            clock: clock.clone(),
        };
        let templates: Templates = Arc::new(Snapshot::new(prompts::Catalogue::embedded()));
        let cell = templates.clone();
        let (child, mailbox) = actor(spec, move |_: Start<Self>| {
            let templates = cell.clone();
            async move {
                templates.publish(prompts::Catalogue::embedded());
                Ok(Self { templates })
            }
        });
        (child.cell(templates.clone()), mailbox, templates)
    }
}

impl Actor for Catalogue {
    type Context = Context<Self>;
}

impl Handler<GetNames> for Catalogue {
    type Result = Vec<String>;

    fn handle(&mut self, _: GetNames, _: &mut Self::Context) -> Vec<String> {
        self.templates.load().templates().map(|template| template.name.clone()).collect()
    }
}
