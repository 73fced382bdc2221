//! The doors for clients that speak a vendor's dialect: Anthropic's, OpenAI's two, Gemini's.
//!
//! What they are refused by is told in their dialect too, whoever refuses: `reworded` sees to that.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use access::{Models, Principal};
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};
use gateway::{Asking, Begun, Gateway, Operation, Out, Relay, Told};
use upstream::{Credential, Method, Way};
use wire::hot::Hot;
use wire::{Dialect, Failure, Invalid};

use super::identity::Caller;
use super::pouring::{Pouring, Spout, pour};
use super::request_id::RequestId;
use super::responses::{Keeper, Shelf, Unkept, Unprepared};
use super::{Desk, Refusal, credential, passages, retrieved, template};
use crate::config::settings::OnHangUp;

/// Who answered: `provider/model`.
const ANSWERED_BY: HeaderName = HeaderName::from_static("x-impresario-deployment");
/// What of the request could not be said to the provider, by name.
const UNSAID: HeaderName = HeaderName::from_static("x-impresario-unsaid");
/// What our own request id is called where the vendor's own name for it is passed on.
const PROVIDERS_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
/// Headers of a client that go along to its vendor.
const ALONG: [&str; 3] = ["anthropic-version", "anthropic-beta", "openai-beta"];
/// The most bytes of one of them.
const MAX_ALONG_BYTES: usize = 4_096;

/// How much longer than a call its answer is waited for.
const LATER: Duration = Duration::from_secs(5);
/// Gemini's routes end in `{model}:{method}`, and have a stream in two shapes.
const GEMINI: [&str; 2] = ["/v1beta/models/{call:.*}", "/v1/models/{call:.*}"];

/// A request as its door takes it apart.
struct Question {
    dialect: Dialect,
    way: OwnWay,
    operation: Operation,
}

/// [`Way`], holding what it names.
enum OwnWay {
    Plain(Way<'static>),
    Gemini { model: String, method: Method },
}

/// What a request for an answer holds on to until that is written.
struct Held {
    question: Question,
    body: Bytes,
    headers: Vec<(&'static str, String)>,
    credential: Option<Credential>,
    client: Principal,
    within: Duration,
    keep_alive: Duration,
    request_id: String,
    /// Where answers are kept, for those that may be.
    shelf: Option<Shelf>,
}

pub(super) async fn messages(request: HttpRequest, desk: Data<Desk>, body: Bytes) -> HttpResponse {
    plain(request, desk, body, Dialect::Anthropic, Way::Messages, Operation::Chat).await
}

pub(super) async fn count_tokens(request: HttpRequest, desk: Data<Desk>, body: Bytes) -> HttpResponse {
    plain(request, desk, body, Dialect::Anthropic, Way::CountTokens, Operation::Chat).await
}

pub(super) async fn chat_completions(request: HttpRequest, desk: Data<Desk>, body: Bytes) -> HttpResponse {
    plain(request, desk, body, Dialect::OpenAiChat, Way::ChatCompletions, Operation::Chat).await
}

pub(super) async fn responses(request: HttpRequest, desk: Data<Desk>, body: Bytes) -> HttpResponse {
    plain(request, desk, body, Dialect::OpenAiResponses, Way::Responses, Operation::Chat).await
}

pub(super) async fn input_tokens(request: HttpRequest, desk: Data<Desk>, body: Bytes) -> HttpResponse {
    plain(request, desk, body, Dialect::OpenAiResponses, Way::InputTokens, Operation::Chat).await
}

pub(super) async fn embeddings(request: HttpRequest, desk: Data<Desk>, body: Bytes) -> HttpResponse {
    plain(request, desk, body, Dialect::OpenAiChat, Way::Embeddings, Operation::Embed).await
}

pub(super) async fn gemini(
    request: HttpRequest,
    desk: Data<Desk>,
    call: Path<String>,
    body: Bytes,
) -> HttpResponse {
    let is_events = request.query_string().split('&').any(|pair| pair == "alt=sse");
    let known = call.rsplit_once(':').and_then(|(model, method)| {
        let (method, operation) = match method {
            "generateContent" => (Method::Generate, Operation::Chat),
            "streamGenerateContent" if is_events => (Method::StreamEvents, Operation::Chat),
            "streamGenerateContent" => (Method::StreamArray, Operation::Chat),
            "countTokens" => (Method::CountTokens, Operation::Chat),
            "embedContent" => (Method::Embed, Operation::Embed),
            "batchEmbedContents" => (Method::EmbedBatch, Operation::Embed),
            _ => return None,
        };
        Some((OwnWay::Gemini { model: model.to_owned(), method }, operation))
    });
    let Some((way, operation)) = known else {
        if let Some(call) = call.rsplit_once(':')
            && let Some(answer) = passages::gemini(&request, &desk, call, body).await
        {
            return answer;
        }
        let path = request.path().to_owned();
        return HttpResponse::from_error(Refusal::NoRoute { path });
    };
    answer(&request, &desk, body, Question { dialect: Dialect::Gemini, way, operation }).await
}

async fn plain(
    request: HttpRequest,
    desk: Data<Desk>,
    body: Bytes,
    dialect: Dialect,
    way: Way<'static>,
    operation: Operation,
) -> HttpResponse {
    answer(&request, &desk, body, Question { dialect, way: OwnWay::Plain(way), operation }).await
}

async fn answer(request: &HttpRequest, desk: &Desk, body: Bytes, question: Question) -> HttpResponse {
    let dialect = question.dialect;
    let held = Held {
        headers: along(request),
        credential: credential::of(request, dialect),
        client: Caller::of(request).principal,
        within: desk.gateway.within_s.seconds(),
        keep_alive: desk.gateway.keep_alive_s.seconds(),
        request_id: id_of(request),
        shelf: matches!(question.way, OwnWay::Plain(Way::Responses | Way::InputTokens))
            .then(|| Shelf::of(request, desk)),
        question,
        body,
    };
    let gateway = desk.doors.workbench.gateway().clone();
    let poured = pour(move |spout| ask(gateway, held, spout)).await;
    concluded(request, desk, dialect, poured)
}

/// The answer, once it has begun, or what is said in its place.
pub(super) fn concluded(
    request: &HttpRequest,
    desk: &Desk,
    dialect: Dialect,
    poured: Result<(Begun, Pouring), Option<Ended>>,
) -> HttpResponse {
    let id = id_of(request);
    match poured {
        Ok((begun, rest)) => {
            let rest = match desk.gateway.on_hang_up {
                OnHangUp::Cancel => rest,
                OnHangUp::Drain => rest.draining(),
            };
            begin(begun, |response| response.body(rest))
        }
        Err(Some(Ended::Invalid(invalid))) => invalid_request(dialect, &invalid, &id),
        Err(Some(Ended::Failed(error))) => failed(dialect, &error, &id),
        Err(Some(Ended::Refused(refusal))) => {
            let body = worded(&refusal, dialect, &id);
            refusal.error_response().map_body(|_, _| BoxBody::new(body))
        }
        Err(Some(Ended::Whole) | None) => {
            Refusal::internal("a call ended without an answer").error_response()
        }
    }
}

/// How a call ended.
pub(super) enum Ended {
    Whole,
    Invalid(Invalid),
    Failed(Rc<gateway::Error>),
    Refused(Refusal),
}

impl From<Result<(), gateway::Error>> for Ended {
    fn from(ended: Result<(), gateway::Error>) -> Self {
        match ended {
            Ok(()) => Self::Whole,
            Err(error) => Self::Failed(Rc::new(error)),
        }
    }
}

async fn ask(gateway: Gateway, held: Held, mut spout: Spout) -> Ended {
    let hot = match wire::hot::read(held.question.dialect, &held.body) {
        Ok(hot) => hot,
        Err(invalid) => return Ended::Invalid(invalid),
    };
    let is_count = matches!(held.question.way, OwnWay::Plain(Way::InputTokens));
    let concerns = |shelf: &&Shelf| if is_count { hot.previous.is_some() } else { shelf.concerns(&hot) };
    match held.shelf.as_ref().filter(concerns) {
        // All other calls are spared the room that this one takes.
        Some(shelf) => Box::pin(kept(&gateway, &held, shelf, &hot, spout)).await,
        None => relay(&gateway, &held, &held.body, &hot, &mut spout).await,
    }
}

/// Has an answer kept, or goes on from one.
async fn kept(gateway: &Gateway, held: &Held, shelf: &Shelf, hot: &Hot<'_>, mut spout: Spout) -> Ended {
    let mut prepared = match shelf.prepare(&held.body, hot).await {
        Ok(prepared) => prepared,
        Err(Unprepared::Invalid(invalid)) => return Ended::Invalid(invalid),
        Err(Unprepared::Refused(refusal)) => return Ended::Refused(refusal),
    };
    let body = Bytes::from(std::mem::take(&mut prepared.body));
    let hot = match wire::hot::read(held.question.dialect, &body) {
        Ok(hot) => hot,
        Err(invalid) => return Ended::Invalid(invalid),
    };
    if matches!(held.question.way, OwnWay::Plain(Way::InputTokens)) {
        return relay(gateway, held, &body, &hot, &mut spout).await;
    }
    let mut keeper = Keeper::new(shelf.clone(), prepared, &held.request_id, spout);
    let ended = relay(gateway, held, &body, &hot, &mut keeper).await;
    match keeper.finish().await {
        Ok(()) => ended,
        Err(Unkept(refusal)) => Ended::Refused(refusal),
    }
}

async fn relay(gateway: &Gateway, held: &Held, body: &Bytes, hot: &Hot<'_>, out: &mut impl Out) -> Ended {
    let Held { question, headers, credential, client, within, keep_alive, request_id, .. } = held;
    let (way, model) = match &question.way {
        OwnWay::Plain(way) => (*way, hot.model.as_deref()),
        OwnWay::Gemini { model, method } => (Way::Gemini { model, method: *method }, Some(model.as_str())),
    };
    let Some(model) = model.filter(|model| !model.is_empty()) else {
        return Ended::Invalid(Invalid::new("model", "must name a model"));
    };
    let (dialect, credential) = (question.dialect, credential.as_ref());
    let relay = Relay { dialect, way, model, body, hot, request_id, headers, credential };
    let asking =
        Asking { relay, operation: question.operation, client, within: *within, keep_alive: *keep_alive };
    gateway.relay(asking, out).await.into()
}

/// What of a client's headers its vendor wants to know.
pub(super) fn along(request: &HttpRequest) -> Vec<(&'static str, String)> {
    let header = |name: &'static str| {
        // Several of one name count as one list.
        let values: Vec<&str> =
            request.headers().get_all(name).filter_map(|value| value.to_str().ok()).collect();
        let joined = values.join(",");
        (!joined.is_empty() && joined.len() <= MAX_ALONG_BYTES).then_some((name, joined))
    };
    ALONG.into_iter().filter_map(header).collect()
}

fn begin(begun: Begun, rest: impl FnOnce(&mut HttpResponseBuilder) -> HttpResponse) -> HttpResponse {
    let Begun { status, content_type, headers, deployment, unsaid, whole } = begun;
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::OK));
    response.insert_header((CONTENT_TYPE, content_type));
    response.insert_header((ANSWERED_BY, deployment.to_string()));
    if !unsaid.is_empty() {
        response.insert_header((UNSAID, unsaid.join(", ")));
    }
    tell(&mut response, &headers);
    match whole {
        Some(whole) => response.body(whole),
        None => {
            response.insert_header((CACHE_CONTROL, "no-cache"));
            rest(&mut response)
        }
    }
}

/// Hands on what a provider tells of its own account of things.
fn tell(response: &mut HttpResponseBuilder, headers: &[(String, String)]) {
    for (name, value) in headers {
        let name = match name.as_str() {
            "x-request-id" => PROVIDERS_ID,
            name => match HeaderName::try_from(name) {
                Ok(name) => name,
                Err(_) => continue,
            },
        };
        if let Ok(value) = HeaderValue::try_from(value.as_str()) {
            response.insert_header((name, value));
        }
    }
}

fn invalid_request(dialect: Dialect, invalid: &Invalid, request_id: &str) -> HttpResponse {
    let message = invalid.to_string();
    let failure = Failure {
        status: 400,
        message: &message,
        code: "invalid_request",
        param: Some(&invalid.field),
        request_id,
    };
    refused(dialect, &failure, None)
}

fn failed(dialect: Dialect, error: &gateway::Error, request_id: &str) -> HttpResponse {
    let Told { status, code, retry_after, refusal } = error.told();
    if let Some(refusal) = refusal {
        let mut response =
            HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY));
        response.insert_header((CONTENT_TYPE, refusal.content_type.as_str()));
        tell(&mut response, &refusal.headers);
        return response.body(refusal.body.clone());
    }
    let message = error.to_string();
    let failure = Failure { status, message: &message, code, param: None, request_id };
    refused(dialect, &failure, retry_after)
}

pub(super) fn refused(
    dialect: Dialect,
    failure: &Failure<'_>,
    retry_after: Option<Duration>,
) -> HttpResponse {
    // Only Anthropic's clients know its status for a provider without room by name; all take it for a server's error.
    let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = HttpResponse::build(status);
    if let Some(wait) = retry_after {
        response.insert_header((RETRY_AFTER, wait.as_millis().div_ceil(1_000).max(1).to_string()));
    }
    response.insert_header((CONTENT_TYPE, "application/json"));
    response.body(wire::error_body(dialect, failure))
}

pub(super) fn id_of(request: &HttpRequest) -> String {
    request.extensions().get::<RequestId>().map(|RequestId(id)| id.clone()).unwrap_or_default()
}

/// `GET /v1/models`: in the dialect of whoever asks.
pub(super) async fn models(request: HttpRequest, desk: Data<Desk>) -> HttpResponse {
    let names = names(&request, &desk);
    let names = names.iter().map(String::as_str);
    json(match retrieved::asker(&request) {
        Dialect::Anthropic => wire::anthropic::models_list(names),
        Dialect::Gemini => wire::gemini::models_list(names),
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            wire::openai_chat::models_list(names, desk.clock.wall().0 / 1_000)
        }
    })
}

/// `GET /v1beta/models`
pub(super) async fn gemini_models(request: HttpRequest, desk: Data<Desk>) -> HttpResponse {
    let names = names(&request, &desk);
    let names = names.iter().map(String::as_str);
    json(wire::gemini::models_list(names))
}

fn json(body: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(body)
}

/// What somebody may ask for: whole aliases, models by their own names, and each at its provider.
fn names(request: &HttpRequest, desk: &Desk) -> Vec<String> {
    let allowed = models_of(request);
    let routes = desk.doors.routes.load();
    let ids = || routes.deployments().map(|deployment| &deployment.id).filter(|id| allowed.allow(id));
    let aliases = routes.table().aliases().keys().map(ToString::to_string);
    let mut names: Vec<String> = aliases.filter(|alias| !alias.ends_with('*')).collect();
    names.extend(ids().map(|id| id.model.to_string()));
    names.extend(ids().map(ToString::to_string));
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

pub(super) fn models_of(request: &HttpRequest) -> Models {
    Caller::of(request).principal.grant().map(|grant| grant.models.clone()).unwrap_or_default()
}

fn of_request(request: &ServiceRequest) -> Option<&Data<Desk>> {
    let is_ours = template::of(request.request()).is_some_and(|route| of(&route).is_some());
    if is_ours { request.app_data::<Data<Desk>>() } else { None }
}

/// The longest that an answer may take here.
pub(super) fn within(request: &ServiceRequest) -> Option<Duration> {
    // The call itself ends first, and says more.
    of_request(request).map(|desk| desk.gateway.within_s.seconds() + LATER)
}

/// The largest body here.
pub(super) fn most_bytes(request: &ServiceRequest) -> Option<usize> {
    of_request(request).map(|desk| desk.gateway.body_bytes.size())
}

/// The dialect of a route's clients.
pub(super) fn of(route: &str) -> Option<Dialect> {
    Some(match route {
        "/v1/messages" | "/v1/messages/count_tokens" => Dialect::Anthropic,
        "/v1/chat/completions" | "/v1/embeddings" => Dialect::OpenAiChat,
        "/v1/responses"
        | "/v1/responses/input_tokens"
        | "/v1/responses/{id:resp_[^/]+}"
        | "/v1/responses/{id:resp_[^/]+}/input_items" => Dialect::OpenAiResponses,
        "/v1/models" => Dialect::OpenAiChat,
        "/v1beta/models" => Dialect::Gemini,
        route if GEMINI.contains(&route) => Dialect::Gemini,
        route => return passages::of(route),
    })
}

/// The same answer, its refusal said in the dialect of whoever asked here.
pub(super) fn reworded(response: ServiceResponse<BoxBody>, id: &str) -> ServiceResponse<BoxBody> {
    let Some(dialect) = retrieved::spoken(response.request()) else { return response };
    let Some(refusal) = response.response().error().and_then(|error| error.as_error::<Refusal>()) else {
        return response;
    };
    let body = worded(refusal, dialect, id);
    response.map_body(|_, _| BoxBody::new(body))
}

fn worded(refusal: &Refusal, dialect: Dialect, id: &str) -> Vec<u8> {
    let (status, message) = (refusal.status_code().as_u16(), refusal.to_string());
    let (code, param) = (refusal.code(), refusal.param());
    wire::error_body(dialect, &Failure { status, message: &message, code, param, request_id: id })
}
