//! A client's question put to a provider of another dialect: taken apart into the domain's words, and the answer put
//! together in the client's.

use std::time::Duration;

use bytes::Bytes;
use chat::{Assembler, Event};
use upstream::{EventStream, Method, Way};
use wire::{Asked as Understood, Encode, Head};

use crate::alive::{self, Alive};
use crate::asked::Asked;
use crate::hearing::size;
use crate::relaying::{Relay, failed};
use crate::untold::Untold;
use crate::{Begun, CLIENT, MAX_ANSWER_BYTES, Out, Why};

/// Whether what is asked can be put in other words.
pub(crate) fn can(way: Way<'_>) -> bool {
    match way {
        Way::Messages | Way::ChatCompletions | Way::Responses => true,
        Way::CountTokens | Way::InputTokens | Way::Embeddings => false,
        Way::Gemini { method, .. } => {
            matches!(method, Method::Generate | Method::StreamEvents | Method::StreamArray)
        }
    }
}

/// One attempt at one provider.
pub(crate) struct Translating<'a, O> {
    pub(crate) relay: Relay<'a>,
    pub(crate) understood: &'a Understood,
    /// The longest silence of a stream.
    pub(crate) keep_alive: Duration,
    pub(crate) out: &'a mut O,
    /// Writes the stream; how it ends when it breaks off is this one's affair too.
    pub(crate) encoder: &'a mut Option<Box<dyn Encode>>,
}

impl<O: Out> Translating<'_, O> {
    pub(crate) async fn ask(mut self, asked: &mut Asked<'_>, untold: Untold) -> Result<(), Why> {
        let (gateway, deployment) = (asked.gateway, asked.deployment);
        let without = untold.out_of(&self.understood.request);
        let issuer = deployment.id.to_string();
        let call = upstream::Call {
            role: CLIENT,
            model: &deployment.id.model,
            request: without.as_ref().unwrap_or(&self.understood.request),
            issuer: &issuer,
            is_streamed: self.relay.is_streamed(),
            waits: asked.waits_for(self.relay.is_streamed()),
        };
        let answer = gateway.client.call(&deployment.endpoint, &call).await.map_err(failed)?;
        let mut unsaid: Vec<String> = self.understood.unsaid.clone();
        unsaid.extend(answer.unsaid().iter().map(|name| (*name).to_owned()));
        unsaid.extend(untold.names());
        unsaid.sort_unstable();
        unsaid.dedup();
        let content_type = match (self.relay.is_streamed(), self.relay.is_array()) {
            (true, false) => "text/event-stream",
            (true, true) | (false, _) => "application/json",
        };
        let begun = Begun {
            status: 200,
            content_type: content_type.to_owned(),
            headers: Vec::new(),
            deployment: deployment.id.clone(),
            unsaid,
            whole: None,
        };
        if self.relay.is_streamed() {
            self.stream(answer, begun, &issuer, asked).await
        } else {
            self.whole(answer, begun, &issuer, asked).await
        }
    }

    fn head<'h>(&'h self, issuer: &'h str, asked: &Asked<'_>) -> Head<'h> {
        Head {
            id: self.relay.request_id,
            model: self.relay.model,
            created_s: asked.gateway.clock.wall().0 / 1_000,
            wants_usage: self.understood.wants_usage,
            issuer,
            request: &self.understood.request,
        }
    }

    async fn whole(
        &mut self,
        mut answer: EventStream,
        begun: Begun,
        issuer: &str,
        asked: &mut Asked<'_>,
    ) -> Result<(), Why> {
        let mut heard = Heard::default();
        while let Some(event) = answer.next().await {
            heard.take(event.map_err(failed)?, issuer, asked)?;
        }
        let message = heard.assembler.message().map_err(|_| Why::NeverStopped)?;
        let body = wire::whole(self.relay.dialect, &message, &self.head(issuer, asked));
        asked.shows();
        self.out.begin(Begun { whole: Some(Bytes::from(body)), ..begun });
        Ok(())
    }

    /// What comes before the first output is held back, so that an error still goes to the next candidate.
    async fn stream(
        &mut self,
        mut answer: EventStream,
        begun: Begun,
        issuer: &str,
        asked: &mut Asked<'_>,
    ) -> Result<(), Why> {
        let head = self.head(issuer, asked);
        let mut encoder = wire::encoder(self.relay.dialect, self.relay.is_array(), &head);
        let mut begun = Some(begun);
        let (mut heard, mut bytes) = (Heard::default(), Vec::new());
        let (mut is_stopped, mut alive) = (false, None);
        let clock = &asked.gateway.clock;
        while let Some(event) = alive::next(answer.next(), &mut alive, self.out).await {
            // What broke off after its beginning is ended by whoever wrote that.
            let event = match event {
                Ok(event) => heard.take(event, issuer, asked),
                Err(error) => Err(failed(error)),
            };
            let event = match event {
                Ok(event) => event,
                Err(why) => {
                    *self.encoder = begun.is_none().then_some(encoder);
                    return Err(why);
                }
            };
            is_stopped |= matches!(event, Event::Stopped { .. });
            encoder.event(&event, &mut bytes);
            if begun.is_some() && matches!(event, Event::Began { .. } | Event::Usage(_)) {
                continue;
            }
            if let Some(begun) = begun.take() {
                asked.shows();
                self.out.begin(begun);
            }
            let sign = wire::keep_alive(self.relay.dialect, self.relay.is_array());
            let alive = alive.get_or_insert_with(|| Alive::begin(clock, self.keep_alive, sign));
            if !bytes.is_empty() {
                self.out.give(Bytes::from(std::mem::take(&mut bytes))).await;
                alive.heard();
            }
        }
        if !is_stopped {
            *self.encoder = begun.is_none().then_some(encoder);
            return Err(Why::NeverStopped);
        }
        encoder.end(&mut bytes);
        if let Some(begun) = begun.take() {
            asked.shows();
            self.out.begin(begun);
        }
        self.out.give(Bytes::from(bytes)).await;
        Ok(())
    }
}

/// What came of an answer.
#[derive(Default)]
struct Heard {
    assembler: Assembler,
    bytes: usize,
}

impl Heard {
    /// Takes the next event, and says whose its seal is.
    fn take(&mut self, mut event: Event, issuer: &str, asked: &mut Asked<'_>) -> Result<Event, Why> {
        if let Event::Sealed(seal) = &mut event {
            seal.issuer = Some(issuer.to_owned());
        }
        self.bytes = self.bytes.saturating_add(size(&event));
        if self.bytes > MAX_ANSWER_BYTES {
            return Err(Why::TooLarge);
        }
        self.assembler.push(&event);
        asked.used(self.assembler.usage());
        Ok(event)
    }
}
