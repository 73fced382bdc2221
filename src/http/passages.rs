//! A vendor's other routes, which nothing is known of but where they are: relayed to a provider of that vendor's dialect.
//!
//! The table is closed, so that no client chooses a path at a provider. The model says which provider: in the body, in the
//! form, in the path. What a vendor keeps for the operator's account is [`account`]'s.

mod account;
mod upload;

use std::time::Duration;

use access::Principal;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, UPGRADE};
use actix_web::web::{Bytes, Data, Payload, Query, ServiceConfig, post};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use gateway::{Gateway, Operation, Pass, Whom};
use upstream::{Dialect as Speaks, Verb};
use wire::form::Form;
use wire::{Dialect, Invalid};

use super::dialects::{self, Ended};
use super::identity::Caller;
use super::pouring::{Spout, pour};
use super::{Desk, Refusal, at, retrieved, template};
use upload::Source;

/// Which model is asked, where a form names it too late.
const MODEL_HEADER: &str = "x-impresario-model";
/// The most parts of a query that are relayed.
const MAX_QUERY: usize = 32;
/// What stands in a query for a key: it opens this server or another one, and is no provider's business.
const KEYS: [&str; 6] = ["key", "api_key", "api-key", "apikey", "access_token", "token"];

/// A route of OpenAI's, and of whatever is compatible with it.
struct Route {
    template: &'static str,
    operation: Operation,
    /// Whether it takes a form; all others take JSON.
    takes_forms: bool,
}

const fn route(template: &'static str, operation: Operation, takes_forms: bool) -> Route {
    Route { template, operation, takes_forms }
}

const JSON: bool = false;
const FORMS: bool = true;

const ROUTES: [Route; 9] = [
    route("/v1/completions", Operation::Chat, JSON),
    route("/v1/moderations", Operation::Relay, JSON),
    route("/v1/rerank", Operation::Relay, JSON),
    route("/v1/audio/speech", Operation::Relay, JSON),
    route("/v1/audio/transcriptions", Operation::Relay, FORMS),
    route("/v1/audio/translations", Operation::Relay, FORMS),
    route("/v1/images/generations", Operation::Relay, JSON),
    route("/v1/images/edits", Operation::Relay, FORMS),
    route("/v1/images/variations", Operation::Relay, FORMS),
];
/// Methods of Gemini's that are relayed as they are.
const METHODS: [&str; 2] = ["generateAnswer", "predict"];

/// What a request holds on to until it is answered.
struct Held {
    speaks: Speaks,
    dialect: Dialect,
    operation: Operation,
    place: Vec<String>,
    query: Vec<(String, String)>,
    headers: Vec<(&'static str, String)>,
    /// The model, where it is known already.
    model: Option<String>,
    /// Where an account is asked and no model: of which provider.
    account: Option<Option<String>>,
    verb: Verb,
    client: Principal,
    within: Duration,
}

/// All of them.
pub(super) fn register(config: &mut ServiceConfig) {
    for Route { template, .. } in &ROUTES {
        config.service(at(template, [post().to(relayed)]));
    }
    account::register(config);
}

/// The dialect of one of these; OpenAI's also where the client's headers say more, see [`is_shared`].
pub(super) fn of(template: &str) -> Option<Dialect> {
    if let Some(route) = account::find(template) {
        return Some(route.dialect().unwrap_or(Dialect::OpenAiChat));
    }
    ROUTES.iter().any(|route| route.template == template).then_some(Dialect::OpenAiChat)
}

/// Whether several vendors have it.
pub(super) fn is_shared(template: &str) -> bool {
    account::find(template).is_some_and(|route| route.dialect().is_none())
}

/// Whether a request brings a form to where forms are taken. Nobody reads it before its route does.
pub(super) fn brings_form(request: &ServiceRequest) -> bool {
    let Some(template) = template::of(request.request()) else { return false };
    let takes = ROUTES.iter().any(|route| route.takes_forms && *route.template == *template);
    let takes = takes || account::find(&template).is_some_and(|route| route.takes_forms);
    takes && is_form(request.request())
}

fn is_form(request: &HttpRequest) -> bool {
    content_type(request).is_some_and(|kind| {
        kind.get(..19).is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/form-data"))
    })
}

fn content_type(request: &HttpRequest) -> Option<&str> {
    let mut types = request.headers().get_all(CONTENT_TYPE);
    let (Some(kind), None) = (types.next(), types.next()) else { return None };
    kind.to_str().ok()
}

/// What is refused before any of a form is read.
pub(super) fn admitted(request: &ServiceRequest) -> Result<(), Refusal> {
    let headers = request.headers();
    let is_packed =
        headers.get_all(CONTENT_ENCODING).any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_packed || headers.contains_key(UPGRADE) {
        return Err(Refusal::BadRequest("a form comes as it is, and is not packed".to_owned()));
    }
    let most = request.app_data::<Data<Desk>>().map_or(0, |desk| desk.gateway.upload_bytes.size());
    let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > most as u64) {
        return Err(Refusal::BodyTooLarge { most });
    }
    Ok(())
}

async fn relayed(request: HttpRequest, desk: Data<Desk>, payload: Payload) -> HttpResponse {
    let template = template::of(&request).unwrap_or_default();
    let held = match ROUTES.iter().find(|route| *route.template == *template) {
        Some(Route { template, operation, .. }) => {
            let place = template.split('/').skip(2).map(str::to_owned).collect();
            let dialect = (Speaks::OpenAiChat, Dialect::OpenAiChat);
            Held { operation: *operation, ..Held::of(&request, &desk, dialect, place) }
        }
        None => match account::find(&template) {
            Some(route) => of_account(&request, &desk, route),
            None => return HttpResponse::from_error(Refusal::NoRoute { path: request.path().to_owned() }),
        },
    };
    if is_form(&request) {
        return with_form(&request, &desk, held, payload).await;
    }
    match Bytes::from_request(&request, &mut payload.into_inner()).await {
        Ok(body) => with_json(&request, &desk, held, body).await,
        Err(error) => HttpResponse::from_error(error),
    }
}

fn of_account(request: &HttpRequest, desk: &Desk, route: &account::Route) -> Held {
    let dialect = route.dialect().unwrap_or_else(|| retrieved::asker(request));
    let segments = route.template.split('/').skip(if dialect == Dialect::OpenAiChat { 2 } else { 1 });
    let id = request.match_info().get("id").unwrap_or_default();
    let place = segments.map(|segment| if segment.starts_with('{') { id } else { segment }.to_owned());
    let provider = request.headers().get(account::PROVIDER_HEADER).and_then(|name| name.to_str().ok());
    let verb = match request.method().as_str() {
        "GET" => Verb::Get,
        "DELETE" => Verb::Delete,
        _ => Verb::Post,
    };
    let speaks = (account::speaks(dialect), dialect);
    Held {
        account: Some(provider.map(str::to_owned)),
        verb,
        ..Held::of(request, desk, speaks, place.collect())
    }
}

/// One of Gemini's other methods, for `model`; `None` where there is no such method.
pub(super) async fn gemini(
    request: &HttpRequest,
    desk: &Desk,
    (model, method): (&str, &str),
    body: Bytes,
) -> Option<HttpResponse> {
    let method = METHODS.into_iter().find(|known| *known == method)?;
    let place = ["v1beta", "models", &format!("{}:{method}", gateway::MODEL)].map(str::to_owned).to_vec();
    let held = Held {
        model: Some(model.to_owned()),
        ..Held::of(request, desk, (Speaks::Gemini, Dialect::Gemini), place)
    };
    Some(with_json(request, desk, held, body).await)
}

impl Held {
    fn of(
        request: &HttpRequest,
        desk: &Desk,
        (speaks, dialect): (Speaks, Dialect),
        place: Vec<String>,
    ) -> Self {
        Self {
            speaks,
            dialect,
            operation: Operation::Relay,
            place,
            query: query(request),
            headers: dialects::along(request),
            model: None,
            account: None,
            verb: Verb::Post,
            client: Caller::of(request).principal,
            within: desk.gateway.within_s.seconds(),
        }
    }

    fn pass<'a>(&'a self, model: &'a str) -> Pass<'a> {
        let Self { speaks, operation, place, query, headers, client, within, .. } = self;
        let whom = match &self.account {
            Some(provider) => Whom::Account(provider.as_deref()),
            None => Whom::Model(model),
        };
        Pass {
            dialect: *speaks,
            operation: *operation,
            whom,
            verb: self.verb,
            client,
            place,
            query,
            headers,
            body: None,
            upload: None,
            within: *within,
        }
    }
}

/// The query without anything that is a key.
fn query(request: &HttpRequest) -> Vec<(String, String)> {
    let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string());
    let pairs = pairs.map(Query::into_inner).unwrap_or_default().into_iter();
    let is_key = |name: &str| KEYS.iter().any(|key| name.eq_ignore_ascii_case(key));
    pairs.filter(|(name, _)| !is_key(name)).take(MAX_QUERY).collect()
}

async fn with_json(request: &HttpRequest, desk: &Desk, held: Held, body: Bytes) -> HttpResponse {
    let (gateway, dialect) = (desk.doors.workbench.gateway().clone(), held.dialect);
    let poured = pour(move |spout| ask(gateway, held, body, spout)).await;
    dialects::concluded(request, desk, dialect, poured)
}

async fn ask(gateway: Gateway, held: Held, body: Bytes, mut spout: Spout) -> Ended {
    if held.account.is_some() && body.is_empty() {
        return gateway.pass(held.pass(""), &mut spout).await.into();
    }
    let hot = match wire::hot::read(held.dialect, &body) {
        Ok(hot) => hot,
        Err(invalid) => return Ended::Invalid(invalid),
    };
    let model = held.model.as_deref().or(hot.model.as_deref());
    let model = if held.account.is_some() { Some("-") } else { model };
    let Some(model) = model.filter(|model| !model.is_empty()) else {
        return Ended::Invalid(Invalid::new("model", "must name a model: it says whom to ask"));
    };
    let pass = Pass { body: Some((&body, &hot)), ..held.pass(model) };
    gateway.pass(pass, &mut spout).await.into()
}

async fn with_form(request: &HttpRequest, desk: &Desk, held: Held, payload: Payload) -> HttpResponse {
    let (gateway, dialect) = (desk.doors.workbench.gateway().clone(), held.dialect);
    let named = request.headers().get(MODEL_HEADER).and_then(|name| name.to_str().ok());
    let held = Held { model: named.map(str::to_owned), ..held };
    let most = desk.gateway.upload_bytes.size();
    let form = Form::try_new(content_type(request).unwrap_or_default());
    let poured = match form {
        Ok((form, content_type)) => {
            let source = Source::new(payload, form, most);
            pour(move |spout| upload::ask(gateway, held, source, content_type, spout)).await
        }
        Err(invalid) => Err(Some(Ended::Invalid(invalid))),
    };
    let is_answered = poured.is_ok();
    let mut response = dialects::concluded(request, desk, dialect, poured);
    if !is_answered {
        // What is left of the form must not be read as the next request.
        response.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::needs::templates;

    #[test]
    fn each_has_a_row_that_says_who_may_ask() {
        for route in &ROUTES {
            assert!(templates().any(|template| template == route.template), "{}", route.template);
            assert!(!route.template.contains('{'), "{}", route.template);
        }
    }
}
