//! Every route, in one table; and what all requests go through before they reach one.
//!
//! Handlers are thin: take apart, ask the tree or the store, answer. Reads go straight to the store.

mod admin;
mod administration;
pub(crate) mod admission;
mod asker;
mod audit;
mod auditing;
mod body;
mod captured;
mod captures;
mod changes;
mod configuration;
mod counts;
mod credential;
mod dialects;
mod door;
mod failures;
mod following;
mod gate;
mod health;
pub(crate) mod identity;
mod kept;
mod keys;
mod meter;
mod needs;
mod nesting;
pub(crate) mod origin;
mod passages;
mod patience;
mod pouring;
mod projection;
mod refusal;
pub(crate) mod request_id;
mod requests;
mod responses;
mod retrieved;
mod sse;
mod template;
mod traced;
mod usage;
pub mod views;
mod workflows;

use std::sync::Arc;

use actix_web::dev::HttpServiceFactory;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig, delete, get, post};
use actix_web::{HttpRequest, Resource, Route};
use clock::Clock;
use tokio::sync::{Semaphore, watch};

use crate::reload::Standing;
use crate::ws;
pub(crate) use changes::Changes;
pub(crate) use door::{is_loopback, on_connect};
pub(crate) use following::{Following, Shown, event_json};
pub(crate) use gate::Gate;
#[cfg(test)]
pub(crate) use gate::MAX_STREAMS_OF_ONE;
pub(crate) use health::Probe;
pub(crate) use meter::count;
pub(crate) use needs::templates;
pub(crate) use refusal::Refusal;
pub(crate) use traced::trace;

/// The most event streams that are open at once, SSE and WebSockets together.
pub(crate) const MAX_STREAMS: usize = 256;

/// What handlers work with. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) doors: actors::tree::Doors,
    /// How much room there is at the doors.
    pub(crate) gate: Arc<Gate>,
    /// The changes that are under way.
    pub(crate) changes: Arc<Changes>,
    /// What was last seen of the database.
    pub(crate) probe: Arc<Probe>,
    pub(crate) clock: Clock,
    /// The limits of runs that name none.
    pub(crate) limits: workflow::Settings,
    /// What the doors for vendors' clients allow.
    pub(crate) gateway: Arc<crate::config::settings::Gateway>,
    /// How long what is finished is kept.
    pub(crate) rules: actors::retention::Rules,
    /// One permit for each open stream.
    pub(crate) streams: Arc<Semaphore>,
    /// Becomes true when the server stops: streams end.
    pub(crate) stopping: watch::Receiver<bool>,
    /// Which configuration is in force.
    pub(crate) configuration: watch::Receiver<Standing>,
}

/// All routes. Who is served which, `needs` says.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        // The bound that counts is kept before a route is asked.
        .app_data(web::PayloadConfig::new(usize::MAX))
        .app_data(web::JsonConfig::default().limit(usize::MAX).error_handler(refusal::of_body))
        .app_data(web::QueryConfig::default().error_handler(refusal::of_query))
        .app_data(web::PathConfig::default().error_handler(refusal::of_path))
        // They are looked through in this order, and most requests are for these.
        .service(at("/v1/messages", [post().to(dialects::messages)]))
        .service(at("/v1/messages/count_tokens", [post().to(dialects::count_tokens)]))
        .service(at("/v1/chat/completions", [post().to(dialects::chat_completions)]))
        .service(at("/v1/responses", [post().to(dialects::responses)]))
        .service(at("/v1/responses/input_tokens", [post().to(dialects::input_tokens)]))
        .service(at(
            "/v1/responses/{id:resp_[^/]+}",
            [get().to(responses::show), delete().to(responses::forget)],
        ))
        .service(at("/v1/responses/{id:resp_[^/]+}/input_items", [get().to(responses::input_items)]))
        .service(at("/v1/embeddings", [post().to(dialects::embeddings)]))
        .configure(passages::register)
        .service(at("/v1/models", [get().to(dialects::models)]))
        .service(at("/v1/models/{call:.*}", [get().to(retrieved::model), post().to(dialects::gemini)]))
        .service(at("/v1beta/models", [get().to(dialects::gemini_models)]))
        .service(at(
            "/v1beta/models/{call:.*}",
            [get().to(retrieved::gemini_model), post().to(dialects::gemini)],
        ))
        .service(at("/admin/config", [get().to(configuration::standing)]))
        .service(at("/healthz", [get().to(health::lives)]))
        .service(at("/livez", [get().to(health::lives)]))
        .service(at("/readyz", [get().to(health::is_ready)]))
        .service(at("/admin/audit", [get().to(audit::show)]))
        .service(at("/admin/audit/verify", [get().to(audit::verify)]))
        .service(at("/admin/requests", [get().to(requests::show)]))
        .service(at("/admin/usage", [get().to(usage::show)]))
        .service(at("/admin/tree", [get().to(admin::tree)]))
        .service(at("/admin/tree/kill", [post().to(administration::kill)]))
        .service(at("/admin/tree/terminate", [post().to(administration::terminate)]))
        .service(at("/admin/tree/restart", [post().to(administration::restart)]))
        .service(at("/admin/tree/suspend", [post().to(administration::suspend)]))
        .service(at("/admin/tree/resume", [post().to(administration::resume)]))
        .service(at("/admin/breakers", [post().to(administration::breaker)]))
        .service(at("/admin/keys", [get().to(keys::list), post().to(keys::create)]))
        .service(at("/admin/keys/{id}/revoke", [post().to(keys::revoke)]))
        .service(at("/admin/keys/{id}/rotate", [post().to(keys::rotate)]))
        .service(at("/admin/captures", [get().to(captures::list)]))
        .service(at("/admin/captures/{id}", [get().to(captures::show)]))
        .service(at("/metrics", [get().to(admin::metrics)]))
        .service(at("/admin/purge", [post().to(kept::purge)]))
        .service(at("/admin/models", [get().to(kept::models)]))
        .service(at("/admin/prompts", [get().to(kept::prompts)]))
        .service(at("/v1/providers", [get().to(admin::providers)]))
        .service(at("/v1/workflows", [get().to(workflows::list), post().to(workflows::start)]))
        .service(at("/v1/workflows/{id}", [get().to(workflows::show)]))
        .service(at("/v1/workflows/{id}/agents", [get().to(kept::agents)]))
        .service(at("/v1/workflows/{id}/tasks", [get().to(kept::tasks)]))
        .service(at("/v1/workflows/{id}/diff", [get().to(workflows::diff)]))
        .service(at("/v1/workflows/{id}/events", [get().to(sse::events)]))
        .service(at("/v1/workflows/{id}/ws", [get().to(ws::events)]))
        .service(at("/v1/workflows/{id}/abort", [post().to(workflows::abort)]))
        .default_service(web::to(no_route));
}

fn at<const N: usize>(path: &'static str, routes: [Route; N]) -> impl HttpServiceFactory {
    let resource = routes.into_iter().fold(web::resource(path), Resource::route);
    let resource = resource.default_service(web::to(no_method));
    // Nobody's body is read but of those who may ask for this.
    let resource = resource.wrap(from_fn(body::taken));
    let resource = resource.wrap(from_fn(move |request, next| captured::captured(path, request, next)));
    let resource = resource.wrap(from_fn(move |request, next| needs::met(path, request, next)));
    resource.wrap(from_fn(patience::answered))
}

async fn no_route(request: HttpRequest) -> Result<web::Json<()>, Refusal> {
    Err(Refusal::NoRoute { path: request.path().to_owned() })
}

async fn no_method(request: HttpRequest) -> Result<web::Json<()>, Refusal> {
    Err(Refusal::NoMethod { method: request.method().to_string() })
}

/// Runs a read of the store or of a workspace where it stops nobody.
pub(crate) async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    web::block(read).await.map_err(|_| Refusal::Stopping)?
}

#[cfg(test)]
mod tests;
