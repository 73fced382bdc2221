//! A client's own bytes, answered in the client's own dialect: how doors ask.
//!
//! Where the provider speaks the same dialect, the bytes go through as they are; `docs/gateway.md` lists what may change.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use chat::Parameter;
use units::DeploymentId;
use upstream::{Credential, HttpEndpoint, Method, Relayed, Verbatim, Way};
use wire::hot::{Field, Hot};
use wire::patch::{self, Patch};
use wire::watch::{self, Start, Watch};
use wire::{Asked as Understood, Dialect, Encode, Failure, Invalid};

use crate::alive::{self, Alive};
use crate::asked::Asked;
use crate::run::Ask;
use crate::translating::{self, Translating};
use crate::untold::Untold;
use crate::{Begun, Deployment, Error, MAX_ANSWER_BYTES, Out, Why, aside, counting};

/// A request as it came in.
#[derive(Clone, Copy, Debug)]
pub struct Relay<'a> {
    /// What the client speaks.
    pub dialect: Dialect,
    /// What it asks for.
    pub way: Way<'a>,
    /// The model, as the client calls it.
    pub model: &'a str,
    /// The body.
    pub body: &'a Bytes,
    /// What was read of it.
    pub hot: &'a Hot<'a>,
    /// What the request is called in the log.
    pub request_id: &'a str,
    /// Headers that go along, by their names in lower case.
    pub headers: &'a [(&'static str, String)],
    /// The client's own credential at its vendor, if it brought one.
    pub credential: Option<&'a Credential>,
}

pub(crate) struct Relaying<'a, O> {
    relay: Relay<'a>,
    /// What the client pays with, where it pays.
    pub(crate) credential: Option<&'a Credential>,
    /// The longest silence of a stream.
    keep_alive: Duration,
    out: &'a mut O,
    /// The question in the domain's words, once somebody needed it so.
    understood: Option<Understood>,
    /// Who writes a stream in other words, when it broke off.
    encoder: Option<Box<dyn Encode>>,
    /// How many events a client of Responses was given.
    events: u64,
}

impl<O: Out> Ask for Relaying<'_, O> {
    type Answer = ();

    fn fits(&self, deployment: &Deployment) -> bool {
        offered(self.relay.way, deployment).is_some()
            || translating::can(self.relay.way)
            || aside::elsewhere(self.relay.way, deployment).is_some()
    }

    fn tells(&self, parameter: Parameter) -> bool {
        self.relay.dialect != Dialect::Gemini && self.relay.hot.fields.get(parameter.name()).is_some()
    }

    fn has_thoughts(&self) -> bool {
        let Relay { dialect, model, body, .. } = self.relay;
        patch::unthink(dialect, model, body).is_ok_and(|without| without.is_some())
    }

    async fn ask(&mut self, asked: &mut Asked<'_>, untold: Untold) -> Result<(), Why> {
        let (deployment, relay) = (asked.deployment, self.relay);
        let Some((endpoint, way)) = offered(relay.way, deployment) else {
            return match (self.credential, aside::elsewhere(relay.way, deployment)) {
                // It is of the client's own vendor.
                (Some(_), _) => Err(Why::OtherDialect),
                (None, Some((endpoint, way))) => aside::ask(&relay, endpoint, way, asked, self.out).await,
                (None, None) => self.in_other_words(asked, untold).await,
            };
        };
        let answered = self.in_the_same_words(endpoint, way, asked, untold).await;
        answered.map_err(|why| if self.credential.is_some() { why.of_a_client_who_pays() } else { why })
    }
}

impl<'a, O: Out> Relaying<'a, O> {
    pub(crate) fn new(relay: Relay<'a>, keep_alive: Duration, out: &'a mut O) -> Self {
        Self { relay, credential: None, keep_alive, out, understood: None, encoder: None, events: 0 }
    }

    async fn in_the_same_words(
        &mut self,
        endpoint: &HttpEndpoint,
        way: Way<'_>,
        asked: &mut Asked<'_>,
        untold: Untold,
    ) -> Result<(), Why> {
        let (deployment, relay) = (asked.deployment, self.relay);
        let (body, unsaid) = relay.body_for(deployment, untold).map_err(Why::BadRequest)?;
        let waits = counting::waits(way, asked.waits_for(relay.is_streamed()));
        let call = Verbatim { way, headers: relay.headers, credential: self.credential, body: &body, waits };
        let answer = asked.gateway.client.relay(endpoint, &call).await.map_err(failed)?;
        let begun = Begun {
            status: answer.status(),
            content_type: answer.content_type(),
            headers: answer.headers(),
            deployment: deployment.id.clone(),
            unsaid,
            whole: None,
        };
        if relay.is_streamed() {
            self.stream(answer, begun, asked).await
        } else {
            self.whole(answer, begun, asked).await
        }
    }

    async fn in_other_words(&mut self, asked: &mut Asked<'_>, untold: Untold) -> Result<(), Why> {
        let relay = self.relay;
        let understood = match self.understood.take() {
            Some(understood) => understood,
            None => wire::request(relay.dialect, relay.body, relay.model, relay.is_streamed())
                .map_err(Why::BadRequest)?,
        };
        let understood = self.understood.insert(understood);
        let (out, encoder, keep_alive) = (&mut *self.out, &mut self.encoder, self.keep_alive);
        Translating { relay, understood, keep_alive, out, encoder }.ask(asked, untold).await
    }

    /// Whether whoever counts refused in a way that says nothing about the question, so that it can be estimated still.
    pub(crate) fn may_estimate(&self, error: &Error, deployment: &Deployment) -> bool {
        let is_own = offered(self.relay.way, deployment).is_some();
        counting::is_count(self.relay.way) && counting::says_nothing(error, is_own)
    }

    /// Answers how many tokens there are without anybody who knows.
    pub(crate) fn estimate(&mut self, first: &DeploymentId) -> Result<(), Error> {
        let relay = self.relay;
        let understood = counting::question(&relay);
        let refuse = |invalid| Error::Refused {
            deployment: first.clone(),
            why: Why::BadRequest(invalid),
            attempts: Vec::new(),
        };
        let understood = understood.map_err(refuse)?;
        self.out.begin(counting::answer(relay.dialect, &understood.request, first.clone()));
        Ok(())
    }

    /// Ends a stream that broke off, in the client's dialect.
    pub(crate) async fn fail(&mut self, failure: &Failure<'_>) {
        let bytes = match &mut self.encoder {
            Some(encoder) => {
                let mut bytes = Vec::new();
                encoder.fail(failure, &mut bytes);
                bytes
            }
            None if self.relay.is_array() => wire::broken_array(failure),
            None => wire::broken_events(self.relay.dialect, failure, self.events),
        };
        self.out.give(Bytes::from(bytes)).await;
    }

    /// A whole answer is read before any of it is shown: an error inside of a success still goes to the next candidate.
    async fn whole(&mut self, mut answer: Relayed, begun: Begun, asked: &mut Asked<'_>) -> Result<(), Why> {
        let body = read(&mut answer).await?;
        let seen = watch::whole(self.relay.dialect, &body).map_err(|error| failed(answer.broken(error)))?;
        asked.used(seen.usage.unwrap_or_default());
        asked.shows();
        self.out.begin(Begun { whole: Some(Bytes::from(body)), ..begun });
        Ok(())
    }

    /// What comes before the first output is held back, so that an error still goes to the next candidate.
    async fn stream(&mut self, mut answer: Relayed, begun: Begun, asked: &mut Asked<'_>) -> Result<(), Why> {
        if !begun.content_type.starts_with("text/event-stream") && !self.relay.is_array() {
            return Err(failed(answer.unexpected("text/event-stream")));
        }
        let mut watch = self.relay.watch();
        let mut begun = Some(begun);
        let mut alive = None;
        let mut pieces = Vec::new();
        loop {
            let piece = match alive::next(answer.chunk(), &mut alive, self.out).await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                // The answer was whole before its connection broke.
                Err(_) if watch.has_ended() => break,
                Err(error) => return Err(failed(error)),
            };
            let pushed = watch.push(&piece, &mut pieces);
            asked.used(watch.usage().unwrap_or_default());
            pushed.map_err(|error| failed(answer.broken(error)))?;
            match watch.start() {
                Start::Waiting => continue,
                Start::Failed => break,
                Start::Output => {}
            }
            if let Some(begun) = begun.take() {
                answer.begin();
                asked.shows();
                self.out.begin(begun);
            }
            self.events = watch.events();
            let sign = wire::keep_alive(self.relay.dialect, self.relay.is_array());
            let alive =
                alive.get_or_insert_with(|| Alive::begin(&asked.gateway.clock, self.keep_alive, sign));
            for piece in pieces.drain(..) {
                self.out.give(piece).await;
                alive.heard();
            }
        }
        let ended = watch.finish(&mut pieces);
        asked.used(watch.usage().unwrap_or_default());
        ended.map_err(|error| failed(answer.broken(error)))?;
        if let Some(begun) = begun.take() {
            asked.shows();
            self.out.begin(begun);
        }
        for piece in pieces.drain(..) {
            self.out.give(piece).await;
        }
        Ok(())
    }
}

impl Relay<'_> {
    pub(crate) fn is_streamed(&self) -> bool {
        match self.way {
            Way::Messages | Way::ChatCompletions | Way::Responses => self.hot.is_streamed,
            Way::CountTokens | Way::InputTokens | Way::Embeddings => false,
            Way::Gemini { method, .. } => matches!(method, Method::StreamEvents | Method::StreamArray),
        }
    }

    /// Whether the stream is one JSON array and no events.
    pub(crate) fn is_array(&self) -> bool {
        matches!(self.way, Way::Gemini { method: Method::StreamArray, .. })
    }

    fn watch(&self) -> Watch {
        if self.asks_for_usage() { Watch::without_usage() } else { Watch::new(self.dialect) }
    }

    /// Whether the provider has to be asked to tell what was used, which the client did not ask for.
    fn asks_for_usage(&self) -> bool {
        self.dialect == Dialect::OpenAiChat && self.is_streamed() && !self.hot.wants_usage
    }

    /// Has the provider keep nothing: all clients ask with the operator's one key, and each could go on from the answers of
    /// the others. Names what the client asked for.
    fn keep_nothing(&self, patch: &mut Patch<'_>) -> Result<Option<String>, Invalid> {
        let is_count = counting::is_count(self.way);
        if self.hot.previous.is_some() {
            return Err(Invalid::previous_response());
        }
        let is_set =
            |field: &Field<'_>| field.name == "conversation" && !self.body[field.value.clone()].eq(b"null");
        if self.hot.fields.iter().any(is_set) {
            return Err(Invalid::new("conversation", "is not kept here: send the turns as `input`"));
        }
        match self.hot.store {
            // What is only counted is kept by nobody, and the vendor's route does not know the word.
            Some(_) if is_count => drop(patch.remove("store")),
            // Left out, it means true.
            None | Some(true) if !is_count => drop(patch.set("store", "false")),
            None | Some(_) => {}
        }
        Ok((self.hot.store == Some(true) && !is_count).then(|| "store".to_owned()))
    }

    /// The body for a deployment, and what had to be left out of it.
    fn body_for(
        &self,
        deployment: &Deployment,
        untold: Untold,
    ) -> Result<(Cow<'_, Bytes>, Vec<String>), Invalid> {
        let mut unsaid: Vec<String> = untold.names().collect();
        let mut patch = Patch::new(self.body, &self.hot.fields)?;
        let model = deployment.id.model.as_str();
        if self.hot.model.as_ref().is_some_and(|named| named != model) {
            patch.set_text("model", model);
        }
        if let Some(parameter) = untold.parameter {
            patch.remove(parameter.name());
        }
        if self.asks_for_usage() {
            patch.include_usage()?;
        }
        if self.dialect == Dialect::OpenAiResponses {
            unsaid.extend(self.keep_nothing(&mut patch)?);
        }
        let patched = match self.way {
            Way::Gemini { .. } if self.model != model => patch::rename(self.body, model)?,
            Way::Gemini { .. } => None,
            Way::Messages | Way::CountTokens | Way::ChatCompletions | Way::Responses => patch.apply(),
            Way::InputTokens | Way::Embeddings => patch.apply(),
        };
        let patched = patched.map(Bytes::from);
        let body = patched.map_or(Cow::Borrowed(self.body), Cow::Owned);
        if untold.thoughts {
            let without = patch::unthink(self.dialect, model, &body)?.map(Bytes::from);
            return Ok((without.map_or(body, Cow::Owned), unsaid));
        }
        let unsealed = patch::unseal(&body, &deployment.id.to_string())?;
        Ok(match unsealed {
            None => (body, unsaid),
            Some(unsealed) => {
                if unsealed.dropped > 0 {
                    unsaid.push("thoughts".to_owned());
                }
                (Cow::Owned(Bytes::from(unsealed.body)), unsaid)
            }
        })
    }
}

/// The same way to another's model.
fn at<'a>(way: Way<'_>, deployment: &'a Deployment) -> Way<'a> {
    match way {
        Way::Messages => Way::Messages,
        Way::CountTokens => Way::CountTokens,
        Way::ChatCompletions => Way::ChatCompletions,
        Way::Responses => Way::Responses,
        Way::InputTokens => Way::InputTokens,
        Way::Embeddings => Way::Embeddings,
        Way::Gemini { method, .. } => Way::Gemini { model: deployment.id.model.as_str(), method },
    }
}

/// The provider and its way, where it offers this in the client's own dialect.
fn offered<'a>(way: Way<'_>, deployment: &'a Deployment) -> Option<(&'a HttpEndpoint, Way<'a>)> {
    let upstream::Endpoint::Http(endpoint) = &deployment.endpoint else { return None };
    let way = at(way, deployment);
    endpoint.offers(way).then_some((endpoint, way))
}

/// All of an answer that comes whole.
pub(crate) async fn read(answer: &mut Relayed) -> Result<Vec<u8>, Why> {
    if !answer.content_type().contains("json") {
        return Err(failed(answer.unexpected("application/json")));
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(failed)? {
        if body.len() + piece.len() > MAX_ANSWER_BYTES {
            return Err(Why::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Whether a client may pay there itself: where its own dialect is spoken, and the operator lets it.
pub(crate) fn lets_through(way: Way<'_>, deployment: &Deployment) -> bool {
    offered(way, deployment).is_some_and(|(endpoint, _)| endpoint.lets_through)
}

pub(crate) fn failed(error: upstream::Error) -> Why {
    Why::Upstream(Box::new(error))
}
