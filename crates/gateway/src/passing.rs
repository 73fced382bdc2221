//! A vendor's other routes: a request for a model goes to a provider of the client's dialect as it is, and the answer
//! comes back as it comes, whatever it is. Nothing is translated and nothing is kept; what was used is seen on the way past.

use std::time::Duration;

use access::Principal;
use bytes::Bytes;
use chat::{Parameter, Usage};
use tokio::sync::{mpsc, oneshot};
use units::ModelName;
use upstream::{Dialect, Endpoint, HttpEndpoint, Load, Passage, Verb, Waits};
use wire::hot::Hot;
use wire::patch::Patch;
use wire::watch::Glance;

use crate::asked::Asked;
use crate::concluding::Concluding;
use crate::relaying::failed;
use crate::run::{Ask, Question, Run};
use crate::untold::Untold;
use crate::{Begun, CLIENT, Deployment, Error, Gateway, Interrupted, MAX_WITHIN, Operation, Out, Payer, Why};

/// How much longer than for all of a form its answer is waited for.
const LATER: Duration = Duration::from_secs(1);
/// Stands for the model's name in a place.
pub const MODEL: &str = "{model}";

/// A client's request for one of its vendor's other routes.
pub struct Pass<'a> {
    /// Whose routes.
    pub dialect: Dialect,
    /// What for.
    pub operation: Operation,
    /// Who is asked.
    pub whom: Whom<'a>,
    /// How.
    pub verb: Verb,
    /// Who asks, and which models it may be asked of.
    pub client: &'a Principal,
    /// Where, beneath the provider's base URL, segment by segment; `{model}` stands for the model's name there.
    pub place: &'a [String],
    /// The query, without anything that is a key.
    pub query: &'a [(String, String)],
    /// Headers that go along, by their names in lower case.
    pub headers: &'a [(&'static str, String)],
    /// The body: JSON, and what was read of it.
    pub body: Option<(&'a Bytes, &'a Hot<'a>)>,
    /// Or a form, piece by piece.
    pub upload: Option<Upload>,
    /// The longest that all attempts together may take; at most [`crate::MAX_WITHIN`].
    pub within: Duration,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom<'a> {
    /// Whoever has this model, as the client calls it.
    Model(&'a str),
    /// Whoever opens what it keeps for its account; of several the one of this name, or the most preferred.
    Account(Option<&'a str>),
}

/// A form that comes in while it goes out. It goes to one provider, once.
pub struct Upload {
    /// Its type, with its boundary.
    pub content_type: String,
    /// Its pieces; it is whole when they end.
    pub pieces: mpsc::Receiver<Bytes>,
    /// Is told what the provider calls the model, as soon as it is known who is asked; nothing where that does not matter.
    pub named: oneshot::Sender<Option<ModelName>>,
}

struct Passing<'a, O> {
    pass: &'a Pass<'a>,
    upload: Option<Upload>,
    /// Whether the upload went out.
    is_spent: bool,
    has_begun: bool,
    out: &'a mut O,
}

impl Gateway {
    /// Has one of a vendor's other routes answered by a provider of its dialect. Dropping the future cancels the call.
    ///
    /// Candidates follow one another until the first output, except where a form goes out: that goes to the first one alone.
    ///
    /// # Errors
    /// As for [`Gateway::call`]; [`Error::NotOffered`] where no provider of the model speaks the dialect. What broke off after
    /// its first output was cut, see [`Out::cut`].
    pub async fn pass<O: Out>(&self, mut pass: Pass<'_>, out: &mut O) -> Result<(), Error> {
        let concluding = Concluding::begin(self, pass.operation);
        let upload = pass.upload.take();
        let mut passing = Passing { pass: &pass, upload, is_spent: false, has_begun: false, out };
        let ended = match pass.whom {
            Whom::Model(model) => self.passed(model, &mut passing).await,
            Whom::Account(provider) => self.passed_to_account(provider, &mut passing).await,
        };
        if let Err(Error::Interrupted(_)) = &ended {
            passing.out.cut();
        }
        concluding.end(&ended);
        ended
    }

    async fn passed<O: Out>(&self, model: &str, passing: &mut Passing<'_, O>) -> Result<(), Error> {
        let pass = passing.pass;
        let routes = self.routes.load_full();
        let candidates = routes.candidates_named(model, pass.client.models())?;
        let Pass { client, operation, within, .. } = *pass;
        let question =
            Question { role: CLIENT, client: Some(client), payer: Payer::Operator, operation, within };
        let is_upload = passing.upload.is_some();
        let most = if is_upload { 1 } else { routes.table().policy().attempts() };
        let mut run = Run::start(self, question, most);
        for (place, deployment) in candidates.iter().enumerate() {
            let others = !is_upload && candidates[place + 1..].iter().any(|other| other.may_answer());
            if run.candidate(deployment, others, passing).await?.is_some() {
                return Ok(());
            }
            if passing.is_spent {
                break;
            }
        }
        if candidates.iter().any(|one| passing.fits(one)) {
            return Err(run.unavailable());
        }
        Err(Error::NotOffered { model: model.to_owned() })
    }

    /// What is no model's affair says nothing about one: no breaker, no load, no usage.
    async fn passed_to_account<O: Out>(
        &self,
        provider: Option<&str>,
        passing: &mut Passing<'_, O>,
    ) -> Result<(), Error> {
        let (pass, routes) = (passing.pass, self.routes.load_full());
        let (deployment, endpoint) =
            routes.account(pass.dialect, provider, pass.client.models()).ok_or(Error::NoAccount)?;
        let total = pass.within.min(MAX_WITHIN);
        let waits = Waits { first_byte: total, between_bytes: self.patience.between_bytes, total };
        let body = pass.body.map(|(body, _)| body.clone());
        let upload = passing.upload.take();
        let (load, content_type) = match (upload, &body) {
            (Some(Upload { content_type, pieces, named }), _) => {
                // Who is not there any more has left, and takes this call along.
                drop(named.send(None));
                (Load::Pieces(Some(pieces)), Some(content_type))
            }
            (None, Some(body)) => (Load::Whole(body), Some("application/json".to_owned())),
            (None, None) => (Load::Nothing, None),
        };
        let passage = Passage {
            verb: pass.verb,
            place: pass.place,
            query: pass.query,
            headers: pass.headers,
            content_type: content_type.as_deref(),
            load,
            waits,
        };
        let ended = match self.client.pass(endpoint, passage).await {
            Ok(answer) => passing.hand_on(answer, deployment, None).await,
            Err(error) => Err(failed(error)),
        };
        let deployment = deployment.id.clone();
        ended.map_err(|why| {
            if passing.has_begun {
                let (usage, cost, attempts) = (Usage::default(), None, Vec::new());
                return Error::Interrupted(Box::new(Interrupted { deployment, why, usage, cost, attempts }));
            }
            Error::Refused { deployment, why, attempts: Vec::new() }
        })
    }
}

impl<O: Out> Ask for Passing<'_, O> {
    type Answer = ();

    fn fits(&self, deployment: &Deployment) -> bool {
        self.endpoint(deployment).is_some()
    }

    fn tells(&self, _: Parameter) -> bool {
        false
    }

    async fn ask(&mut self, asked: &mut Asked<'_>, _: Untold) -> Result<(), Why> {
        let (deployment, pass) = (asked.deployment, self.pass);
        let Some(endpoint) = self.endpoint(deployment) else { return Err(Why::OtherDialect) };
        let model = &deployment.id.model;
        let place: Vec<String> =
            pass.place.iter().map(|segment| segment.replace(MODEL, model.as_str())).collect();
        let body = match pass.body {
            Some((body, hot)) => renamed(body, hot, model.as_str()).map_err(Why::BadRequest)?,
            None => Bytes::new(),
        };
        let mut waits = asked.waits_for(false);
        let (load, content_type) = match self.upload.take() {
            Some(Upload { content_type, pieces, named }) => {
                self.is_spent = true;
                // How long a form takes is its sender's affair, and speaks against nobody else.
                waits.first_byte = waits.total.saturating_add(LATER);
                // Who is not there any more has left, and takes this call along.
                drop(named.send(Some(model.clone())));
                (Load::Pieces(Some(pieces)), content_type)
            }
            None => (Load::Whole(&body), "application/json".to_owned()),
        };
        let passage = Passage {
            verb: pass.verb,
            place: &place,
            query: pass.query,
            headers: pass.headers,
            content_type: Some(&content_type),
            load,
            waits,
        };
        let answer = asked.gateway.client.pass(endpoint, passage).await.map_err(failed)?;
        self.hand_on(answer, deployment, Some(asked)).await
    }
}

impl<O: Out> Passing<'_, O> {
    fn endpoint<'d>(&self, deployment: &'d Deployment) -> Option<&'d HttpEndpoint> {
        match &deployment.endpoint {
            Endpoint::Http(endpoint) => endpoint.has_routes_of(self.pass.dialect).then_some(endpoint),
            Endpoint::Scripted(_) => None,
        }
    }

    /// The first piece is waited for before anything is shown: until then another one can still be asked.
    async fn hand_on(
        &mut self,
        mut answer: upstream::Relayed,
        deployment: &Deployment,
        mut asked: Option<&mut Asked<'_>>,
    ) -> Result<(), Why> {
        let content_type = answer.content_type();
        let is_read = content_type.contains("json") || content_type.starts_with("text/event-stream");
        let mut glance = (is_read && asked.is_some()).then(Glance::default);
        let mut piece = answer.chunk().await.map_err(failed)?;
        answer.begin();
        if let Some(asked) = &mut asked {
            asked.shows();
        }
        self.has_begun = true;
        self.out.begin(Begun {
            status: answer.status(),
            content_type,
            headers: answer.headers(),
            deployment: deployment.id.clone(),
            unsaid: Vec::new(),
            whole: None,
        });
        while let Some(bytes) = piece {
            if let (Some(glance), Some(asked)) = (&mut glance, &mut asked) {
                glance.push(&bytes);
                asked.used(glance.usage().unwrap_or_default());
            }
            self.out.give(bytes).await;
            piece = answer.chunk().await.map_err(failed)?;
        }
        Ok(())
    }
}

/// The body with the provider's name for the model.
fn renamed(body: &Bytes, hot: &Hot<'_>, model: &str) -> Result<Bytes, wire::Invalid> {
    if hot.model.as_ref().is_none_or(|named| named == model) {
        return Ok(body.clone());
    }
    let mut patch = Patch::new(body, &hot.fields)?;
    patch.set_text("model", model);
    Ok(patch.apply().map_or_else(|| body.clone(), Bytes::from))
}
