//! The server as its operator looks at it: whether it lives, who lives in it, and which models it can call.

use actix_web::web::{Data, Json};
use cells::State;
use supervision::Node;

use super::Desk;
use super::views::{Breaker, DeploymentView, Health, Providers, Readiness, Source};

/// `GET /healthz`
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

/// `GET /admin/tree`: the supervision tree as it is now; it asks no actor.
pub(super) async fn tree(desk: Data<Desk>) -> Json<Node> {
    Json((desk.doors.view)())
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
            breaker: published.map(|deployment| match deployment.breaker.state() {
                State::Closed => Breaker::Closed,
                State::Open => Breaker::Open,
                State::HalfOpen => Breaker::HalfOpen,
            }),
            priced: published.is_some_and(|deployment| deployment.price.is_some()),
        }
    };
    Json(Providers { deployments: routes.table().deployments().iter().map(view).collect() })
}
