//! Every route, in one table; and what all requests go through before they reach one.
//!
//! Handlers are thin: take apart, ask the tree or the store, answer. Reads go straight to the store.

mod admin;
mod administration;
mod configuration;
mod door;
mod following;
mod kept;
mod meter;
mod projection;
mod refusal;
mod sse;
pub mod views;
mod workflows;

use std::sync::Arc;

use actix_web::web::{self, ServiceConfig, get, post};
use actix_web::{HttpRequest, Resource, Route};
use clock::Clock;
use tokio::sync::{Semaphore, watch};

use crate::reload::Standing;
use crate::ws;
pub(crate) use door::{is_loopback, on_connect, pass};
pub(crate) use following::{Following, Shown, event_json};
pub(crate) use meter::{Meter, count};
pub(crate) use refusal::Refusal;

/// The most bytes of a request's body.
pub(crate) const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The most event streams that are open at once, SSE and WebSockets together.
pub(crate) const MAX_STREAMS: usize = 256;

/// What handlers work with. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) doors: actors::tree::Doors,
    pub(crate) clock: Clock,
    /// The limits of runs that name none.
    pub(crate) limits: workflow::Settings,
    /// How long what is finished is kept.
    pub(crate) rules: actors::retention::Rules,
    /// One permit for each open stream.
    pub(crate) streams: Arc<Semaphore>,
    /// Becomes true when the server stops: streams end.
    pub(crate) stopping: watch::Receiver<bool>,
    /// Which configuration is in force.
    pub(crate) configuration: watch::Receiver<Standing>,
}

/// All routes. On TCP only those that read are served; `door` sees to that.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .app_data(web::JsonConfig::default().limit(MAX_BODY_BYTES).error_handler(refusal::of_body))
        .app_data(web::QueryConfig::default().error_handler(refusal::of_query))
        .app_data(web::PathConfig::default().error_handler(refusal::of_path))
        .service(at("/healthz", [get().to(admin::health)]))
        .service(at("/admin/config", [get().to(configuration::standing)]))
        .service(at("/admin/tree", [get().to(admin::tree)]))
        .service(at("/admin/tree/kill", [post().to(administration::kill)]))
        .service(at("/admin/tree/terminate", [post().to(administration::terminate)]))
        .service(at("/admin/tree/restart", [post().to(administration::restart)]))
        .service(at("/admin/tree/suspend", [post().to(administration::suspend)]))
        .service(at("/admin/tree/resume", [post().to(administration::resume)]))
        .service(at("/admin/breakers", [post().to(administration::breaker)]))
        .service(at("/metrics", [get().to(admin::metrics)]))
        .service(at("/admin/purge", [post().to(kept::purge)]))
        .service(at("/v1/models", [get().to(kept::models)]))
        .service(at("/v1/prompts", [get().to(kept::prompts)]))
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

fn at<const N: usize>(path: &str, routes: [Route; N]) -> Resource {
    let resource = routes.into_iter().fold(web::resource(path), Resource::route);
    resource.default_service(web::to(no_method))
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
