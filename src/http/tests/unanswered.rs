//! Requests that get no answer, because their client left or because their handler panicked.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix_web::dev::Service;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, test};
use clock::Clock;
use futures_util::FutureExt;
use store::RequestQuery;
use tokio::sync::{Semaphore, watch};
use workflow::Mode;

use super::audit::{entries, told};
use super::changes::answered;
use super::stage::Stage;
use crate::http::{Changes, Desk, Gate, Probe, meter, patience, request_id};
use crate::reload::Standing;

/// A desk of its own in the house of this stage.
fn desk(stage: &Stage) -> Desk {
    let (doors, clock) = (stage.server.doors().clone(), Clock::real());
    let settings = Stage::load(&stage.folder, "127.0.0.1:0").settings;
    Desk {
        gate: Arc::new(Gate::new(settings.server.clone(), clock.clone(), doors.traffic.clone())),
        changes: Arc::new(Changes::new()),
        probe: Arc::new(Probe::new(doors.readers.clone(), clock.clone())),
        limits: settings.workflow.limits(Mode::Run),
        gateway: Arc::new(settings.gateway.clone()),
        rules: settings.retention.rules(),
        streams: Arc::new(Semaphore::new(1)),
        stopping: watch::channel(false).1,
        configuration: watch::channel(Standing::first(clock.wall())).1,
        clock,
        doors,
    }
}

async fn panics() -> HttpResponse {
    panic!("as a mistake of ours would")
}

async fn never() -> HttpResponse {
    pending().await
}

/// Asks a handler that gives no answer, behind what counts and records, and hangs up. Whether it panicked.
async fn is_panic(stage: &Stage, path: &str) -> bool {
    let at = |path: &'static str| web::resource(path).wrap(from_fn(patience::answered));
    let app = App::new()
        .app_data(Data::new(desk(stage)))
        .wrap(from_fn(request_id::named))
        .wrap(from_fn(meter::count))
        .service(at("/v1/providers").route(web::get().to(panics)))
        .service(at("/v1/workflows").route(web::get().to(never)))
        .service(at("/livez").route(web::get().to(never)));
    let app = test::init_service(app).await;
    let asked = app.call(test::TestRequest::get().uri(path).to_request());
    let answer = AssertUnwindSafe(asked).catch_unwind().now_or_never();
    assert!(!matches!(answer, Some(Ok(_))), "{path} is answered");
    answer.is_some()
}

#[actix_rt::test]
async fn a_handler_that_panics_is_a_row_and_a_count_of_the_servers_own_failures() {
    let stage = Stage::open().await;
    assert!(is_panic(&stage, "/v1/providers").await);
    let rows = answered(&stage, 500, 1).await;
    assert_eq!((rows.len(), rows[0].row.route.as_str()), (1, "/v1/providers"));
    let text = stage.get("/metrics").await.1;
    let sample = r#"impresario_http_requests_total{method="GET",route="/v1/providers",status="5xx"} 1"#;
    assert!(text.lines().any(|line| line == sample), "{text}");
    stage.close().await;
}

#[actix_rt::test]
async fn who_asks_without_a_name_and_hangs_up_fills_no_table_and_counts_and_a_probe_is_nothing() {
    let stage = Stage::open().await;
    for path in ["/v1/workflows", "/livez", "/v1/workflows"] {
        assert!(!is_panic(&stage, path).await);
    }
    let rows = entries(&stage, "request", 1).await;
    assert_eq!(told(&rows)[0], ("elsewhere", "request.get", "client_left"));
    assert!(rows.iter().all(|row| row.entry.subject == "/v1/workflows"), "{rows:?}");
    stage.server.doors().recorder.flushed().await;
    let query = RequestQuery { status: Some(499), ..RequestQuery::default() };
    assert!(stage.client.requests(&query).await.unwrap().is_empty());
    let text = stage.get("/metrics").await.1;
    let sample = r#"impresario_http_requests_total{method="GET",route="/v1/workflows",status="4xx"} 2"#;
    assert!(text.lines().any(|line| line == sample), "{text}");
    stage.close().await;
}
