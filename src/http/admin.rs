//! The server as its operator looks at it: who lives in it, what it counted, which models it can call.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use actors::metrics::TEXT_FORMAT;
use cells::{Override, State};
use supervision::Node;

use super::views::{Breaker, DeploymentView, Providers, Readiness, Source};
use super::{Desk, MAX_STREAMS, Refusal};

/// `GET /admin/tree`: the supervision tree as it is now; it asks no actor.
pub(super) async fn tree(desk: Data<Desk>) -> Json<Node> {
    Json((desk.doors.view)())
}

/// `GET /metrics`: what was counted since the start, as Prometheus reads it.
pub(super) async fn metrics(desk: Data<Desk>) -> Result<HttpResponse, Refusal> {
    desk.doors.traffic.streams(MAX_STREAMS - desk.streams.available_permits());
    let unanswered = |_| Refusal::Busy("the metrics are not to be had now".to_owned());
    let text = desk.doors.metrics().await.map_err(unanswered)?;
    Ok(HttpResponse::Ok().content_type(TEXT_FORMAT).body(text))
}

/// `GET /v1/providers`
pub(super) async fn providers(desk: Data<Desk>) -> Json<Providers> {
    let routes = desk.doors.routes.load_full();
    let view = |known: &routing::Deployment| {
        let published = routes.deployment(&known.id);
        DeploymentView {
            deployment: known.id.clone(),
            source: match known.source {
                routing::Source::Model => Source::Model,
                routing::Source::Script => Source::Script,
            },
            readiness: match known.readiness {
                routing::Readiness::Ready => Readiness::Ready,
                routing::Readiness::NoKey => Readiness::NoKey,
                routing::Readiness::NoServer => Readiness::NoServer,
            },
            breaker: published.map(|deployment| shown(&deployment.breaker)),
            priced: published.is_some_and(|deployment| deployment.price.is_some()),
        }
    };
    Json(Providers { deployments: routes.table().deployments().iter().map(view).collect() })
}

/// An operator's word first, because it decides.
pub(super) fn shown(breaker: &cells::Breaker) -> Breaker {
    match (breaker.control(), breaker.state()) {
        (Some(Override::ForcedOpen), _) => Breaker::ForcedOpen,
        (Some(Override::ForcedClosed), _) => Breaker::ForcedClosed,
        (Some(Override::Disabled), _) => Breaker::Disabled,
        (None, State::Closed) => Breaker::Closed,
        (None, State::Open) => Breaker::Open,
        (None, State::HalfOpen) => Breaker::HalfOpen,
    }
}
