//! What is asked of a model and is no conversation (vectors, counts), of a provider of another dialect: it has a way of
//! its own for the same, and its answer is told in the client's words.

use bytes::Bytes;
use chat::Usage;
use upstream::{Endpoint, HttpEndpoint, Method, Verbatim, Way};
use wire::{
    Asked as Understood, Dialect, EmbedAsked, Encoded, To, anthropic, gemini, openai_embeddings,
    openai_responses,
};

use crate::asked::Asked;
use crate::relaying::{Relay, failed, read};
use crate::{Begun, Deployment, Out, Why, counting};

/// What is asked, in the domain's words.
enum Question {
    Count(Box<Understood>),
    Embed(EmbedAsked),
}

/// The provider and its own way to say the same, where it has one.
pub(crate) fn elsewhere<'a>(way: Way<'_>, deployment: &'a Deployment) -> Option<(&'a HttpEndpoint, Way<'a>)> {
    let Endpoint::Http(endpoint) = &deployment.endpoint else { return None };
    let model = deployment.id.model.as_str();
    let gemini = |method| Way::Gemini { model, method };
    let ways = if counting::is_count(way) {
        [Way::CountTokens, Way::InputTokens, gemini(Method::CountTokens)]
    } else if is_embedding(way) {
        [Way::Embeddings, Way::Embeddings, gemini(Method::EmbedBatch)]
    } else {
        return None;
    };
    ways.into_iter().find(|way| endpoint.offers(*way)).map(|way| (endpoint, way))
}

fn is_embedding(way: Way<'_>) -> bool {
    matches!(way, Way::Embeddings | Way::Gemini { method: Method::Embed | Method::EmbedBatch, .. })
}

/// One attempt at one provider.
pub(crate) async fn ask<O: Out>(
    relay: &Relay<'_>,
    endpoint: &HttpEndpoint,
    way: Way<'_>,
    asked: &mut Asked<'_>,
    out: &mut O,
) -> Result<(), Why> {
    let deployment = asked.deployment;
    let question = Question::of(relay).map_err(Why::BadRequest)?;
    let (body, unsaid) = question.put(way, deployment);
    let waits = counting::waits(way, asked.waits_for(false));
    let call = Verbatim { way, headers: &[], credential: None, body: &body, waits };
    let answer = asked.gateway.client.relay(endpoint, &call).await;
    let mut answer = answer.map_err(|error| failed(error.without_refusal()))?;
    let body = read(&mut answer).await?;
    let (told, usage) = question.told(relay, way, &body).map_err(|error| failed(answer.broken(error)))?;
    asked.used(usage);
    asked.shows();
    out.begin(Begun {
        status: 200,
        content_type: "application/json".to_owned(),
        headers: Vec::new(),
        deployment: deployment.id.clone(),
        unsaid,
        whole: Some(Bytes::from(told)),
    });
    Ok(())
}

impl Question {
    fn of(relay: &Relay<'_>) -> Result<Self, wire::Invalid> {
        if counting::is_count(relay.way) {
            return counting::question(relay).map(|asked| Self::Count(Box::new(asked)));
        }
        match relay.dialect {
            Dialect::Gemini => gemini::embed_request(relay.body, relay.model),
            Dialect::Anthropic | Dialect::OpenAiChat | Dialect::OpenAiResponses => {
                openai_embeddings::request(relay.body)
            }
        }
        .map(Self::Embed)
    }

    /// The body for a provider, and what of the question it does not say.
    fn put(&self, way: Way<'_>, deployment: &Deployment) -> (Bytes, Vec<String>) {
        let model = deployment.id.model.as_str();
        let is_gemini = matches!(way, Way::Gemini { .. });
        let (body, lost, mut unsaid) = match self {
            Self::Embed(asked) if is_gemini => {
                (gemini::encode_embed(asked, model), Vec::new(), asked.unsaid.clone())
            }
            Self::Embed(asked) => (openai_embeddings::encode(asked, model), Vec::new(), asked.unsaid.clone()),
            Self::Count(asked) => {
                let issuer = deployment.id.to_string();
                let to = To { model, is_streamed: false, issuer: &issuer };
                let encode = match way {
                    Way::Gemini { .. } => gemini::encode_count,
                    Way::Messages | Way::CountTokens => anthropic::encode_count,
                    Way::ChatCompletions | Way::Responses | Way::InputTokens | Way::Embeddings => {
                        openai_responses::encode_count
                    }
                };
                let Encoded { body, unsaid } = encode(&asked.request, &to);
                (body, unsaid, asked.unsaid.clone())
            }
        };
        unsaid.extend(lost.into_iter().map(str::to_owned));
        unsaid.sort_unstable();
        unsaid.dedup();
        (Bytes::from(body.to_string()), unsaid)
    }

    /// The client's answer, and what is to be paid for it: nothing for a count.
    fn told(&self, relay: &Relay<'_>, way: Way<'_>, body: &[u8]) -> Result<(Vec<u8>, Usage), wire::Error> {
        let is_gemini = matches!(way, Way::Gemini { .. });
        match self {
            Self::Count(_) => {
                let tokens = match way {
                    Way::Gemini { .. } => gemini::counted(body)?,
                    Way::CountTokens | Way::Messages => anthropic::counted(body)?,
                    Way::InputTokens | Way::ChatCompletions | Way::Responses | Way::Embeddings => {
                        openai_responses::counted(body)?
                    }
                };
                Ok((counting::words(relay.dialect, tokens), Usage::default()))
            }
            Self::Embed(asked) => {
                let embeddings =
                    if is_gemini { gemini::embedded(body)? } else { openai_embeddings::answer(body)? };
                embeddings.of(asked)?;
                let usage = Usage { input: embeddings.used, ..Usage::default() };
                let told = match relay.way {
                    Way::Gemini { method, .. } => {
                        gemini::embed_answer(&embeddings, method == Method::EmbedBatch)
                    }
                    Way::Messages
                    | Way::CountTokens
                    | Way::ChatCompletions
                    | Way::Responses
                    | Way::InputTokens
                    | Way::Embeddings => openai_embeddings::whole(&embeddings, asked),
                };
                Ok((told, usage))
            }
        }
    }
}
