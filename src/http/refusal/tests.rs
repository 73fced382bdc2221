//! What each refusal says, and what none does.

use actix_web::body::to_bytes;

use super::*;

async fn answered(refusal: Refusal) -> (StatusCode, ErrorDetail) {
    let response = refusal.error_response();
    let status = response.status();
    let body = to_bytes(response.into_body()).await.unwrap();
    (status, serde_json::from_slice::<ErrorBody>(&body).unwrap().error)
}

#[actix_rt::test]
async fn what_is_wrong_inside_is_not_told() {
    let path = "/var/state/impresario.db".into();
    let (status, error) = answered(store::Error::NotADatabase { path }.into()).await;
    assert_eq!((status.as_u16(), error.code.as_str()), (500, "internal"));
    assert!(!error.message.contains("/var/state"), "{}", error.message);
    let (state, workspace) = ("/var/state".into(), "/w".into());
    let (_, error) = answered(workspace::Error::StateInsideWorkspace { state, workspace }.into()).await;
    assert!(!error.message.contains("/var/state"), "{}", error.message);
}

#[actix_rt::test]
async fn a_database_that_is_away_is_busy_and_not_named() {
    // Nobody serves the discard port.
    let database = store::Database::Postgres("postgres://u@127.0.0.1:9/d".parse().unwrap());
    let refused = store::Readers::open(&database, std::num::NonZero::<usize>::MIN).err().unwrap();
    assert!(matches!(refused, store::Error::Unreachable { .. }), "{refused}");
    let (status, error) = answered(refused.into()).await;
    assert_eq!((status.as_u16(), error.code.as_str()), (503, "busy"));
    assert!(!error.message.contains("127.0.0.1"), "{}", error.message);
}

#[actix_rt::test]
async fn what_a_client_sent_is_quoted_short() {
    let (_, error) = answered(Refusal::BadHost { host: "ä".repeat(100_000) }).await;
    assert!(error.message.len() < 400, "{}", error.message);
}

/// One of each, in the order of `number`, which does not compile when one is missing there.
fn every() -> Vec<Refusal> {
    let text = || "x".to_owned();
    let deployment: units::DeploymentId = "demo/one".parse().unwrap();
    vec![
        Refusal::NoRoute { path: text() },
        Refusal::NoMethod { method: text() },
        Refusal::BadHost { host: text() },
        Refusal::BadOrigin { origin: text() },
        Refusal::Unauthorized,
        Refusal::MissingScope { scope: access::Scope::Admin },
        Refusal::OutsideKeysRoots,
        Refusal::NoKey("000000000000".parse().unwrap()),
        Refusal::Confined,
        Refusal::NotJson,
        Refusal::BodyTooLarge { most: 1 },
        Refusal::BodyTooSlow,
        Refusal::TooDeep { most: 1 },
        Refusal::HeadTooLarge { bytes: 1, headers: 1 },
        Refusal::TooMany { what: "requests are under way" },
        Refusal::TooManyFailures { wait: Duration::from_millis(1001) },
        Refusal::TimedOut,
        Refusal::BadRequest(text()),
        Refusal::Unprocessable(text()),
        Refusal::NoWorkflow("000000000000".parse().unwrap()),
        Refusal::NobodyThere { path: text(), meant: Some(text()) },
        Refusal::NoDeployment { deployment: text(), meant: Some(deployment) },
        Refusal::NotAnActor { path: text() },
        Refusal::IsRoot,
        Refusal::WorkspaceRefused(text()),
        Refusal::Conflict(text()),
        Refusal::DiskLow(actors::disk::Low { free: 1, needed: 2 }),
        Refusal::NoProvider(NoCandidate { wanted: text(), is_unknown: false, passed_by: Vec::new() }),
        Refusal::Busy(text()),
        Refusal::NoRoomForRecords,
        Refusal::Stopping,
        Refusal::NoCapture("0000000000000-0000000000000000".parse().unwrap()),
        Refusal::NoResponse { id: text() },
        Refusal::NoPreviousResponse { id: text() },
        Refusal::Internal("SELECT secret FROM /var/state at src/http.rs:7".to_owned()),
    ]
}

fn number(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::NoRoute { .. } => 0,
        Refusal::NoMethod { .. } => 1,
        Refusal::BadHost { .. } => 2,
        Refusal::BadOrigin { .. } => 3,
        Refusal::Unauthorized => 4,
        Refusal::MissingScope { .. } => 5,
        Refusal::OutsideKeysRoots => 6,
        Refusal::NoKey(_) => 7,
        Refusal::Confined => 8,
        Refusal::NotJson => 9,
        Refusal::BodyTooLarge { .. } => 10,
        Refusal::BodyTooSlow => 11,
        Refusal::TooDeep { .. } => 12,
        Refusal::HeadTooLarge { .. } => 13,
        Refusal::TooMany { .. } => 14,
        Refusal::TooManyFailures { .. } => 15,
        Refusal::TimedOut => 16,
        Refusal::BadRequest(_) => 17,
        Refusal::Unprocessable(_) => 18,
        Refusal::NoWorkflow(_) => 19,
        Refusal::NobodyThere { .. } => 20,
        Refusal::NoDeployment { .. } => 21,
        Refusal::NotAnActor { .. } => 22,
        Refusal::IsRoot => 23,
        Refusal::WorkspaceRefused(_) => 24,
        Refusal::Conflict(_) => 25,
        Refusal::DiskLow(_) => 26,
        Refusal::NoProvider(_) => 27,
        Refusal::Busy(_) => 28,
        Refusal::NoRoomForRecords => 29,
        Refusal::Stopping => 30,
        Refusal::NoCapture(_) => 31,
        Refusal::NoResponse { .. } => 32,
        Refusal::NoPreviousResponse { .. } => 33,
        Refusal::Internal(_) => 34,
    }
}

#[actix_rt::test]
async fn every_refusal_has_one_shape_and_tells_nothing_of_the_inside() {
    let every = every();
    let numbers: Vec<usize> = every.iter().map(number).collect();
    assert_eq!(numbers, (0..every.len()).collect::<Vec<_>>(), "one of each");
    for refusal in every {
        let raw = String::from_utf8(refusal.as_bytes("id")).unwrap();
        let response = refusal.error_response();
        let status = response.status();
        assert!(status.is_client_error() || status.is_server_error(), "{refusal}");
        assert_eq!(response.headers().get("content-type").unwrap(), "application/json");
        let asks_to_come_again = [429, 503].contains(&status.as_u16());
        assert_eq!(response.headers().contains_key(RETRY_AFTER), asks_to_come_again, "{refusal}");
        let body = to_bytes(response.into_body()).await.unwrap();
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let keys: Vec<&str> = value["error"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!((value.as_object().unwrap().len(), keys), (1, vec!["code", "message"]));
        let text = String::from_utf8(body.to_vec()).unwrap();
        for inside in ["SELECT", "/var/state", ".rs:", "panicked"] {
            assert!(!text.contains(inside), "{text}");
        }
        // What is said before there is a request says the same.
        assert!(raw.starts_with(&format!("HTTP/1.1 {}", status.as_str())) && raw.ends_with(&text), "{raw}");
        assert!(raw.contains("\r\nx-request-id: id\r\n"), "{raw}");
    }
}
