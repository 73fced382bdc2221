//! A question put in the domain's own words, whose answer is shown event by event: how agents ask.

use chat::{Answer, Assembler, Citation, Event, Parameter, Part, Request, Source};

use crate::asked::Asked;
use crate::run::Ask;
use crate::untold::Untold;
use crate::{Deployment, MAX_ANSWER_BYTES, Why};

/// Who shows an event to the caller.
pub(crate) type OnEvent<'a> = &'a mut (dyn FnMut(&Event) + Send);

pub(crate) struct Hearing<'a> {
    pub(crate) role: &'a str,
    pub(crate) request: &'a Request,
    pub(crate) on_event: OnEvent<'a>,
}

impl Ask for Hearing<'_> {
    type Answer = Answer;

    fn fits(&self, _: &Deployment) -> bool {
        true
    }

    fn tells(&self, parameter: Parameter) -> bool {
        self.request.has(parameter)
    }

    async fn ask(&mut self, asked: &mut Asked<'_>, untold: Untold) -> Result<Answer, Why> {
        let gateway = asked.gateway;
        let without = untold.out_of(self.request);
        let call = upstream::Call {
            role: self.role,
            model: &asked.deployment.id.model,
            request: without.as_ref().unwrap_or(self.request),
            // No agent hands thoughts back.
            issuer: "",
            is_streamed: true,
            waits: asked.waits(),
        };
        let upstream = |error| Why::Upstream(Box::new(error));
        let mut stream = gateway.client.call(&asked.deployment.endpoint, &call).await.map_err(upstream)?;
        let (mut assembler, mut held, mut bytes) = (Assembler::default(), Vec::new(), 0_usize);
        while let Some(event) = stream.next().await {
            let event = event.map_err(upstream)?;
            bytes = bytes.saturating_add(size(&event));
            if bytes > MAX_ANSWER_BYTES {
                return Err(Why::TooLarge);
            }
            assembler.push(&event);
            asked.used(assembler.usage());
            self.show(event, &mut held, asked);
        }
        assembler.finish().map_err(|_| Why::NeverStopped)
    }
}

impl Hearing<'_> {
    /// What comes before the first output is held back: until then the next candidate can still take over unnoticed.
    fn show(&mut self, event: Event, held: &mut Vec<Event>, asked: &mut Asked<'_>) {
        if asked.was_shown() {
            return (self.on_event)(&event);
        }
        if matches!(event, Event::Began { .. } | Event::Usage(_)) {
            let kind = std::mem::discriminant(&event);
            held.retain(|held| std::mem::discriminant(held) != kind);
            held.push(event);
            return;
        }
        asked.shows();
        held.drain(..).for_each(|held| (self.on_event)(&held));
        (self.on_event)(&event);
    }
}

/// The bytes of what a model said.
pub(crate) fn size(event: &Event) -> usize {
    match event {
        Event::Text { text } | Event::Thought { text } | Event::Refusal { text } => text.len(),
        Event::Sealed(seal) => seal.value.len(),
        Event::Cited(Citation { url, title, quoted, from: _, to: _ }) => {
            let told = [title, quoted].into_iter().flatten().map(String::len).sum::<usize>();
            size_of::<Citation>() + url.len() + told
        }
        Event::ToolCallStarted { id, name, .. } => id.len() + name.len(),
        Event::ToolCallArguments { json, .. } => json.len(),
        Event::Media { part: Part::Image(media) | Part::Document(media) | Part::Audio(media) } => {
            match &media.source {
                Source::Base64(bytes) | Source::Text(bytes) | Source::Url(bytes) | Source::File(bytes) => {
                    bytes.len()
                }
            }
        }
        Event::Media { .. } | Event::Began { .. } | Event::Usage(_) | Event::Stopped { .. } => 0,
    }
}
